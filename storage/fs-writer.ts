/**
 * One file being written from chunks of any length.
 *
 * Chunks are gathered into a pooled buffer of 512 KiB; while one is written the next is filled. Chunks
 * that are large already (a request's body comes in slabs) are written as they are. There is one write at a time: several on one file
 * wait for its lock by spinning (measured: 2 at once cost 15 % more CPU, 3 up to three times as much). Every
 * 32 MiB the data is synced behind the writes, so that the last sync has little left to do
 * (1 GiB: 10 ms instead of 430 ms, and a third less time in all).
 */
import type { Counter } from '../src/lib/meter.ts'
import { close, syncData, write } from './fs-calls.ts'
import type { LentBuffers } from './lent-buffers.ts'

/** From here on a chunk is written directly: waiting for its write is cheaper than copying it. */
const DIRECT_BYTES = 256 * 1024
const SYNC_EVERY_BYTES = 32 * 1024 ** 2

export class FileWriter {
  readonly #file: number
  readonly #sizeHint: number
  readonly #buffers: LentBuffers
  readonly #fsyncs: Counter
  #filling: Buffer | undefined
  #filled = 0
  /** Where the next write begins. */
  #position = 0
  #writing: Promise<void> | undefined
  #syncing: Promise<void> | undefined
  #unsynced = 0

  /** Owns the open `file` from now on. `sizeHint`: bytes to expect, or Infinity. */
  constructor(file: number, sizeHint: number, buffers: LentBuffers, fsyncs: Counter) {
    this.#file = file
    this.#sizeHint = sizeHint
    this.#buffers = buffers
    this.#fsyncs = fsyncs
  }

  /** Takes the chunk in; it may be reused once this returns, or once the promise that it returns resolves. */
  add(chunk: Uint8Array): Promise<void> | undefined {
    if (chunk.length >= DIRECT_BYTES) return this.#addDirectly(chunk)
    this.#filling ??= this.#buffers.take(this.#sizeHint)
    if (this.#filled + chunk.length < this.#filling.length) {
      this.#filling.set(chunk, this.#filled)
      this.#filled += chunk.length
      return undefined
    }
    return this.#fillUp(this.#filling, chunk)
  }

  /** Everything added is on stable storage once this resolves. */
  async finish(): Promise<void> {
    await this.#flush()
    await this.#writing
    // The sync behind the writes may have met the error that this file had: it counts.
    await this.#syncing
    if (this.#unsynced > 0 || this.#position === 0) await this.#sync()
  }

  /** Closes the file, whether finished or not; when this resolves nothing writes to it any more. */
  async close(): Promise<void> {
    await Promise.allSettled([this.#writing, this.#syncing])
    if (this.#filling !== undefined) this.#buffers.give(this.#filling)
    this.#filling = undefined
    await close(this.#file)
  }

  async #addDirectly(chunk: Uint8Array): Promise<void> {
    await this.#flush()
    await this.#writing
    this.#startWriting(chunk, undefined)
    await this.#writing
  }

  async #fillUp(buffer: Buffer, chunk: Uint8Array): Promise<void> {
    const room = buffer.length - this.#filled
    buffer.set(chunk.subarray(0, room), this.#filled)
    this.#filled = buffer.length
    await this.#flush()
    if (room < chunk.length) await this.add(chunk.subarray(room))
  }

  /** Once the write before is done, begins to write what has been gathered. */
  async #flush(): Promise<void> {
    await this.#writing
    const buffer = this.#filling
    if (buffer === undefined) return
    this.#filling = undefined
    this.#startWriting(buffer.subarray(0, this.#filled), buffer)
    this.#filled = 0
  }

  #startWriting(bytes: Uint8Array, lent: Buffer | undefined): void {
    const writing = this.#write(bytes, lent)
    // Its error is met by whoever waits for it next; until then it is not unhandled.
    writing.catch(() => {})
    this.#writing = writing
  }

  async #write(bytes: Uint8Array, lent: Buffer | undefined): Promise<void> {
    try {
      const position = this.#position
      this.#position += bytes.length
      await write(this.#file, bytes, position)
    } finally {
      if (lent !== undefined) this.#buffers.give(lent)
    }
    this.#unsynced += bytes.length
    if (this.#unsynced >= SYNC_EVERY_BYTES && this.#syncing === undefined) this.#syncBehind()
  }

  /** An error stays in `#syncing` until `finish` meets it: the system tells of it once only. */
  #syncBehind(): void {
    const syncing = this.#sync()
    this.#syncing = syncing
    syncing.then(
      () => (this.#syncing = undefined),
      () => {},
    )
  }

  #sync(): Promise<void> {
    this.#unsynced = 0
    this.#fsyncs.add()
    return syncData(this.#file)
  }
}
