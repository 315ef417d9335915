/** The objects that a torrent's files are to become: what stands there already. */
import { S3Error } from '../api/error.ts'
import type { Call, S3Api } from '../api/operations.ts'
import { keysOf } from './file-names.ts'
import type { ObjectPlace } from './file-store.ts'
import type { HeldKeys } from './held-keys.ts'
import { wantedFiles } from './held-torrent.ts'
import { type Info, TorrentError } from './metainfo.ts'
import type { TorrentRecord } from './registry.ts'

/** Objects looked for at the same time. */
const HEADS_AT_ONCE = 16
/** Keys that an error names. */
const NAMED_MAX = 3

/**
 * Nothing that others have is replaced unless that was asked for; an object of the same size may be the
 * file. Rejects with TorrentError.
 */
export async function checkTargets(
  api: S3Api,
  held: HeldKeys,
  info: Info,
  record: TorrentRecord,
  call: Call,
): Promise<void> {
  const { bucket, id } = record
  const keys = keysOf(info, record.prefix)
  const taken: string[] = []
  const look = async (index: number): Promise<void> => {
    const key = keys[index]!
    const other = held.find(bucket, key)
    if (other !== undefined && other.torrent.id !== id)
      throw new TorrentError(`${key} is a file of the torrent ${other.torrent.id} already`)
    if (record.overwrite) return
    const size = await sizeOf(api, { bucket, key }, call)
    if (size !== undefined && size !== info.files[index]!.sizeBytes) taken.push(key)
  }
  const wanted = [...wantedFiles(info, record)].filter((index) => record.kept[index] === undefined)
  for (let at = 0; at < wanted.length; at += HEADS_AT_ONCE)
    await Promise.all(wanted.slice(at, at + HEADS_AT_ONCE).map(look))
  if (taken.length === 0) return
  const rest = taken.length > NAMED_MAX ? ` and ${taken.length - NAMED_MAX} more` : ''
  throw new TorrentError(
    `other objects stand at ${taken.slice(0, NAMED_MAX).join(', ')}${rest}: choose another prefix, or ask to overwrite`,
  )
}

/** Bytes of an object; undefined where there is none. */
export async function sizeOf(
  api: S3Api,
  { bucket, key }: ObjectPlace,
  call: Call,
): Promise<number | undefined> {
  try {
    const { ContentLength: size } = await api.HeadObject!({ Bucket: bucket, Key: key }, call)
    return size
  } catch (error) {
    const isMissing = error instanceof S3Error && error.status === 404
    if (isMissing && error.code !== 'NoSuchBucket') return undefined
    throw error
  }
}
