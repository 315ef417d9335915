/** What a session asks of the disk beyond what engines need: files that become objects, and pieces that come from objects. */
import type { DiskPlace, StorageIndex } from './disk-io.ts'

export interface ObjectPlace {
  readonly bucket: string
  readonly key: string
}

export interface FileStore {
  /**
   * Makes an object of a file whose pieces are all verified and durable; an object of that key is
   * replaced. Resolves to its ETag, with the quotes. May be repeated.
   */
  assemble(storage: StorageIndex, file: number, to: ObjectPlace): Promise<string>
  /** Takes over the pieces that an object has as the torrent wants them; resolves to those pieces. */
  adopt(storage: StorageIndex, file: number, from: ObjectPlace): Promise<readonly number[]>
  /** The same of whatever torrents and their objects have at the torrent's own place, and at these. */
  adoptFrom(storage: StorageIndex, places: readonly DiskPlace[]): Promise<readonly number[]>
  /**
   * Reads verified pieces (all, or these) and compares them with their hashes. Those that are not as they
   * should be are forgotten, and told.
   */
  scrub(
    storage: StorageIndex,
    pieces: readonly number[] | undefined,
    signal: AbortSignal,
  ): Promise<readonly number[]>
}
