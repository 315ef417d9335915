/**
 * A finished file of a torrent as an ordinary object. It is made of ranges of chunks, so that nothing is
 * stored twice; chunk and object live on when the other goes.
 */
import { DiskError } from '../disk-io.ts'
import type { ObjectPlace } from '../file-store.ts'
import type { Run } from './chunk-store.ts'
import { torrentsOf } from './journal-keys.ts'
import type { TorrentDisk } from './torrent-disk.ts'

/**
 * Makes the object of a file, by its index in `Info.files`; one that is there is replaced. Its ETag, with
 * quotes. Rejects with DiskError where pieces of it are missing, and RangeError where there is no such file.
 */
export async function assembleFile(
  disk: TorrentDisk,
  index: number,
  { bucket, key }: ObjectPlace,
): Promise<string> {
  const { info, place, id } = disk.torrent
  const file = info.files[index]
  if (file === undefined || file.isPad)
    throw new RangeError(`torrent ${id} has no file ${index} that could be an object`)
  if (bucket !== place.bucket)
    throw new DiskError(`files of torrent ${id} become objects of bucket ${place.bucket}`)
  const { offset, sizeBytes, root } = file
  const rootHex = root?.toString('hex')
  const metadata = { 'torrent-id': id, ...(rootHex !== undefined && { 'torrent-root': rootHex }) }
  const runs = runsOf(disk, offset, offset + sizeBytes)
  const etag = await disk.store.assemble(bucket, key, runs, { contentType: undefined, metadata })
  // So that another torrent with the same file finds it.
  if (rootHex !== undefined)
    await disk.store.put(bucket, rootKeyOf(place.prefix, rootHex), [Buffer.from(key)])
  return etag
}

/** Where the key of the object stands that has this root. */
export function rootKeyOf(prefix: string, rootHex: string): string {
  return `${torrentsOf(prefix)}root/${rootHex}`
}

/** Bytes of the torrent's row as ranges of chunks, as few as can be. They are no padding. */
export function runsOf(disk: TorrentDisk, start: number, end: number): Run[] {
  const runs: { key: string; start: number; end: number }[] = []
  for (const range of disk.geometry.piecesIn(start, end)) {
    const found = disk.journal.locate(range.piece)
    if (found === undefined) throw new DiskError(`piece ${range.piece} is not there yet`)
    const from = found.offset + disk.geometry.keptBefore(range.piece, range.start)
    const to = from + range.end - range.start
    const last = runs.at(-1)
    if (last?.key === found.key && last.end === from) last.end = to
    else runs.push({ key: found.key, start: from, end: to })
  }
  return runs
}
