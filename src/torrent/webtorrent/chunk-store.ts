/**
 * A torrent's place on a disk as an abstract-chunk-store, which is how WebTorrent keeps pieces. A piece that
 * is put is on stable storage when that is answered, and is what the torrent says.
 *
 * WebTorrent knows no back-pressure: what is put and not answered yet is told to `Held`.
 */
import { callbackify } from 'node:util'
import { DiskError, type DiskIoBackend, type StorageIndex } from '../disk-io.ts'
import { BLOCK_BYTES } from '../merkle.ts'
import type { ChunkStore, GetDone, GetOptions } from './wire.ts'

/** Pieces in hand. */
export interface Held {
  add(bytes: number): void
  remove(bytes: number): void
  /** The disk is over its high-water mark until the promise is settled. */
  waitFor(drained: Promise<void>): void
}

export interface ChunkStoreOptions {
  readonly disk: DiskIoBackend
  readonly chunkLength: number
  /** Where the torrent is on the disk; calls wait for it. */
  readonly bound: Promise<StorageIndex>
  /** Of the whole torrent, once that is known: the last chunk may be short. */
  readonly totalBytes: () => number | undefined
  /** SHA-1 of a piece; undefined: the torrent does not say. */
  readonly sha1Of: (piece: number) => Uint8Array | undefined
  readonly held: Held
  readonly onFailure: (error: Error) => void
}

const NOTHING = (): void => {}

export class DiskChunkStore implements ChunkStore {
  readonly chunkLength: number
  readonly #options: ChunkStoreOptions
  readonly #work = new Set<Promise<unknown>>()
  #isClosed = false

  constructor(options: ChunkStoreOptions) {
    this.#options = options
    this.chunkLength = options.chunkLength
  }

  put(index: number, bytes: Uint8Array, done: (error: Error | null) => void = NOTHING): void {
    const expected = this.#lengthOf(index)
    if (bytes.length !== expected) {
      const refusal = new RangeError(`chunk ${index} has ${expected} bytes, not ${bytes.length}`)
      queueMicrotask(() => done(refusal))
      return
    }
    this.#options.held.add(bytes.length)
    callbackify(() => this.#tracked(this.#put(index, bytes)))(done)
  }

  async #put(index: number, bytes: Uint8Array): Promise<void> {
    const { held } = this.#options
    try {
      await this.#keep(index, bytes)
    } finally {
      held.remove(bytes.length)
    }
  }

  async #keep(index: number, bytes: Uint8Array): Promise<void> {
    const { disk, bound, sha1Of, held } = this.#options
    const storage = await bound
    let isFull = false
    for (let at = 0; at < bytes.length; at += BLOCK_BYTES)
      isFull = disk.writeChunk(storage, index, at, bytes.subarray(at, at + BLOCK_BYTES))
    if (isFull) held.waitFor(disk.drained())
    const sha1 = sha1Of(index)
    if (sha1 === undefined) return disk.flushPiece(storage, index)
    const found = await disk.hashPiece(storage, index)
    if (Buffer.compare(found, sha1) !== 0)
      throw new DiskError(`piece ${index} is on the disk other than it was written`)
  }

  get(index: number, options: GetOptions | null | undefined, done: GetDone): void {
    // abstract-chunk-store: the options may be left out.
    if (typeof options === 'function') this.get(index, undefined, options)
    else {
      const { offset = 0, length = this.#lengthOf(index) - offset } = options ?? {}
      callbackify(() => this.#tracked(this.#read(index, offset, length)))(done)
    }
  }

  async #read(index: number, offset: number, length: number): Promise<Uint8Array> {
    const { disk, bound } = this.#options
    const bytes = await disk.readChunk(await bound, index, offset, length)
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  /** Answers when nothing is under way any more. */
  close(done: (error: Error | null) => void = NOTHING): void {
    this.#isClosed = true
    const idle = async (): Promise<void> => void (await Promise.allSettled(this.#work))
    callbackify(idle)(done)
  }

  /** The same: what is on the disk is erased by whoever registered it. */
  destroy(done: (error: Error | null) => void = NOTHING): void {
    this.close(done)
  }

  #lengthOf(index: number): number {
    const { chunkLength, totalBytes } = this.#options
    return Math.min(chunkLength, (totalBytes() ?? Infinity) - index * chunkLength)
  }

  /** A disk that fails stops the torrent, but for one that has let go of its store. */
  async #tracked<T>(work: Promise<T>): Promise<T> {
    this.#work.add(work)
    try {
      return await work
    } catch (error) {
      if (!this.#isClosed) this.#options.onFailure(error as Error)
      throw error
    } finally {
      this.#work.delete(work)
    }
  }
}
