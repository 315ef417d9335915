/** Beside what engines need of a disk of chunks: files that become objects, pieces that are there already, and repair. */
import type { DiskPlace, StorageIndex } from '../disk-io.ts'
import type { FileStore, ObjectPlace } from '../file-store.ts'
import { adopt, candidatesOf, ofObject } from './adopt.ts'
import { assembleFile } from './assemble-file.ts'
import type { ChunkDisk } from './chunk-disk.ts'
import { scrub } from './scrub.ts'

export class ChunkFiles implements FileStore {
  readonly #disk: ChunkDisk

  constructor(disk: ChunkDisk) {
    this.#disk = disk
  }

  /** No byte is stored twice. Rejects with DiskError where pieces of the file are missing. */
  async assemble(storage: StorageIndex, file: number, to: ObjectPlace): Promise<string> {
    const disk = this.#disk.torrentOf(storage)
    return disk.track(assembleFile(disk, file, to))
  }

  async adopt(storage: StorageIndex, file: number, from: ObjectPlace): Promise<readonly number[]> {
    const disk = this.#disk.torrentOf(storage)
    if (from.bucket !== disk.torrent.place.bucket) return []
    return disk.track(adopt(disk, ofObject(disk, file, from.key)))
  }

  /**
   * Takes over pieces whose bytes are in the bucket already, below the torrent's own prefix and at the
   * other places: of objects that were made of files with the same root, and of torrents with the same
   * pieces. An engine is told of them by registering anew.
   */
  async adoptFrom(storage: StorageIndex, places: readonly DiskPlace[]): Promise<readonly number[]> {
    const disk = this.#disk.torrentOf(storage)
    return disk.track(adopt(disk, candidatesOf(disk, places)))
  }

  async scrub(
    storage: StorageIndex,
    pieces: readonly number[] | undefined,
    signal: AbortSignal,
  ): Promise<readonly number[]> {
    const disk = this.#disk.torrentOf(storage)
    const all = pieces ?? Array.from({ length: disk.geometry.pieceCount }, (_, piece) => piece)
    const bad: number[] = []
    for await (const piece of scrub(disk, all)) {
      await disk.forget([piece])
      bad.push(piece)
      signal.throwIfAborted()
    }
    return bad
  }
}
