/**
 * One blob on its way into the database. Bytes are gathered in a buffer of the pool and written in
 * transactions of at most 1 MiB under a number that stands in `loose`; the last transaction takes it
 * out of there and shows the blob. So no transaction is open while the body is waited for, and what a
 * dead process left is known as such.
 */
import type { LentBuffers } from './lent-buffers.ts'
import { BLOB_BYTES_MAX, SLICE_BYTES, type SqliteBlobs } from './sqlite-blobs.ts'
import type { SqliteWrites } from './sqlite-writes.ts'
import type { BlobId } from './store.ts'

/** Bytes of one transaction of one upload; a multiple of a slice. */
const STEP_BYTES: number = 16 * SLICE_BYTES

export class SqliteUpload {
  readonly #blobs: SqliteBlobs
  readonly #writes: SqliteWrites
  readonly #buffers: LentBuffers
  readonly #sizeHint: number
  readonly #no: number
  #filling: Buffer | undefined
  #filled = 0
  #written = 0

  /** `sizeHint`: bytes to expect, or Infinity. */
  constructor(blobs: SqliteBlobs, writes: SqliteWrites, buffers: LentBuffers, sizeHint: number) {
    this.#blobs = blobs
    this.#writes = writes
    this.#buffers = buffers
    this.#sizeHint = sizeHint
    this.#no = blobs.newNumber()
  }

  /** The number whose slices have to be removed where the upload fails; undefined while there are none. */
  get loose(): number | undefined {
    return this.#written > 0 ? this.#no : undefined
  }

  /** Takes the chunk in; it may be reused once this returns, or once the promise that it returns resolves. */
  add(chunk: Uint8Array): Promise<void> | undefined {
    const room = (this.#filling?.length ?? 0) - this.#filled
    if (chunk.length >= room) return this.#addMuch(chunk)
    this.#filling!.set(chunk, this.#filled)
    this.#filled += chunk.length
    return undefined
  }

  /** Shows the blob: visible and durable once this resolves. */
  async finish(id: BlobId): Promise<void> {
    const rest = this.#filling?.subarray(0, this.#filled)
    const size = this.#written + this.#filled
    await this.#writes.runDurably(this.#filled, () => {
      if (rest !== undefined) this.#blobs.addSlices(this.#no, this.#place, rest)
      if (this.#written > 0) this.#blobs.tie(this.#no)
      this.#blobs.show(id, { no: this.#no, size })
    })
  }

  /** Gives the buffer back, whether finished or not; no write may be under way. */
  [Symbol.dispose](): void {
    if (this.#filling !== undefined) this.#buffers.give(this.#filling)
    this.#filling = undefined
  }

  get #place(): number {
    return this.#written / SLICE_BYTES
  }

  async #addMuch(chunk: Uint8Array): Promise<void> {
    for (let at = 0; at < chunk.length;) {
      if (this.#filled === 0 && chunk.length - at >= STEP_BYTES) {
        await this.#write(chunk.subarray(at, at + STEP_BYTES))
        at += STEP_BYTES
        continue
      }
      this.#filling ??= this.#buffers.take(this.#sizeHint)
      const some = chunk.subarray(at, at + this.#filling.length - this.#filled)
      this.#filling.set(some, this.#filled)
      this.#filled += some.length
      at += some.length
      if (this.#filled < this.#filling.length) continue
      await this.#write(this.#filling)
      this.#filled = 0
    }
  }

  async #write(slices: Uint8Array): Promise<void> {
    const written = this.#written + slices.length
    if (written > BLOB_BYTES_MAX)
      throw new RangeError(`a blob of more than ${BLOB_BYTES_MAX} bytes`)
    await this.#writes.run(slices.length, () => {
      if (this.#written === 0) this.#blobs.loosen(this.#no)
      this.#blobs.addSlices(this.#no, this.#place, slices)
    })
    this.#written = written
  }
}
