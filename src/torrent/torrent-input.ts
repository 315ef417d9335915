/**
 * What a user gives a session: a .torrent file, a magnet link, the URL of a .torrent file, or an object
 * that is one. Read, checked, and brought into one form.
 */
import { S3Error } from '../api/error.ts'
import type { Call, S3Api } from '../api/operations.ts'
import type { Choice } from './file-names.ts'
import { type Magnet, readMagnet } from './magnet.ts'
import { type InfoHashes, type Metainfo, TorrentError } from './metainfo.ts'
import { METAINFO_BYTES_MAX, readMetainfo } from './read-metainfo.ts'
import { placeOf } from './torrent-of-objects.ts'
import { readWhole } from './whole-object.ts'

/** What is to be downloaded, and where to. */
export interface AddRequest {
  /** The bytes of a .torrent file; or `magnet:...`, `http(s)://...`, `s3://bucket/key`. */
  readonly torrent: Uint8Array | string
  readonly bucket: string
  readonly prefix: string
  /** Undefined: all, or what the magnet link says. */
  readonly files: Choice | undefined
  /** host:port of peers to try beside those that are found. */
  readonly peers: readonly string[]
  /** Undefined: as the session does. */
  readonly seeds: boolean | undefined
  /** Objects in the way may be replaced. */
  readonly overwrite: boolean
}

/** Gets what a URL names, of at most so many bytes. Rejects with an Error whose message is for users. */
export type FetchUrl = (url: string, sizeMax: number, signal: AbortSignal) => Promise<Uint8Array>

export interface TorrentInput {
  readonly id: string
  readonly hashes: { readonly v1: string | undefined; readonly v2: string | undefined }
  readonly name: string
  /** One of the two is there. */
  readonly metainfo: Metainfo | undefined
  readonly magnet: Magnet | undefined
  /** The link, where it is one. */
  readonly link: string | undefined
}

/** Throws TorrentError for what is no torrent, and what GetObject throws. */
export async function readInput(
  { torrent }: AddRequest,
  api: S3Api,
  fetchUrl: FetchUrl,
  call: Call,
): Promise<TorrentInput> {
  if (typeof torrent !== 'string') return ofMetainfo(readMetainfo(torrent))
  const text = torrent.trim()
  if (/^magnet:/i.test(text)) return ofMagnet(text)
  if (/^s3:/i.test(text)) {
    const { bucket, path: key } = placeOf(text)
    return ofMetainfo(readMetainfo(await readObject(api, { bucket, key }, call)))
  }
  if (!/^https?:/i.test(text))
    throw new TorrentError(
      'a torrent is named by a magnet link, by the URL of a .torrent file, or as s3://bucket/key',
    )
  return ofMetainfo(readMetainfo(await fetched(text, fetchUrl, call.signal)))
}

async function fetched(url: string, fetchUrl: FetchUrl, signal: AbortSignal): Promise<Uint8Array> {
  try {
    return await fetchUrl(url, METAINFO_BYTES_MAX, signal)
  } catch (error) {
    if (signal.aborted || !(error instanceof Error)) throw error
    throw new TorrentError(`${url.slice(0, 200)}: ${error.message}`, { cause: error })
  }
}

async function readObject(
  api: S3Api,
  place: { readonly bucket: string; readonly key: string },
  call: Call,
): Promise<Uint8Array> {
  try {
    return await readWhole(api, place, call, METAINFO_BYTES_MAX)
  } catch (error) {
    if (!(error instanceof S3Error) || error.status >= 500) throw error
    throw new TorrentError(`s3://${place.bucket}/${place.key}: ${error.message}`, { cause: error })
  }
}

function ofMetainfo(metainfo: Metainfo): TorrentInput {
  const { info } = metainfo
  const hashes = hexOf(info.hashes)
  return {
    id: (hashes.v1 ?? hashes.v2)!,
    hashes,
    name: info.name,
    metainfo,
    magnet: undefined,
    link: undefined,
  }
}

function ofMagnet(link: string): TorrentInput {
  const magnet = readMagnet(link)
  const { v1, v2, name } = magnet
  const id = (v1 ?? v2)!
  return { id, hashes: { v1, v2 }, name: name ?? id, metainfo: undefined, magnet, link }
}

export function hexOf({ v1, v2 }: InfoHashes): TorrentInput['hashes'] {
  return { v1: v1?.toString('hex'), v2: v2?.toString('hex') }
}
