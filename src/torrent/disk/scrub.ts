/** Reading all that is stored of a torrent, and comparing it with what the torrent says. */
import { DiskError } from '../disk-io.ts'
import { ChunkLost } from './chunk-store.ts'
import type { TorrentDisk } from './torrent-disk.ts'
import { type Verdict, verdictOf } from './verdict.ts'

/**
 * Of these pieces, those that are had and are not as they should be or cannot be read. Nothing is changed, but that a
 * piece whose chunk is gone is not had any more. Rejects with DiskError where the store does not answer.
 */
export async function* scrub(
  disk: TorrentDisk,
  pieces: Iterable<number>,
): AsyncGenerator<number, void, undefined> {
  for (const piece of pieces)
    if (disk.journal.has(piece) && (await look(disk, piece)) === 'bad') yield piece
}

async function look(disk: TorrentDisk, piece: number): Promise<Verdict> {
  const { hashes } = disk.torrent.info
  const kinds = { v1: hashes.v1 !== undefined, v2: hashes.v2 !== undefined }
  const compare = async (): Promise<Verdict> =>
    verdictOf(await disk.hashStored(piece, kinds), disk.geometry.expected(piece))
  try {
    return await compare()
  } catch (error) {
    if (error instanceof ChunkLost) return 'bad'
    if (!(error instanceof DiskError)) throw error
  }
  // A remote store says of a damaged object only that it failed: what fails again, while the store answers, is bad.
  const { bucket } = disk.torrent.place
  try {
    return await compare()
  } catch {
    await disk.store.find(bucket, disk.journal.keys.info)
    return 'bad'
  }
}
