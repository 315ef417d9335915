/**
 * A sealed blob, or a range of it, being opened on its way out. A byte is given out once the whole
 * segment that holds it was verified, and the last chunk once the storage below has said that nothing
 * follows.
 */
import { BufferPool } from '../src/lib/buffer-pool.ts'
import { BlobDamaged } from '../src/lib/store-error.ts'
import type { LentBuffers } from './lent-buffers.ts'
import { SEALED_SEGMENT_BYTES, SEGMENT_BYTES } from './sealed-format.ts'
import { isLastSegment, sealedLengthOf, type SegmentCipher } from './sealed-segment.ts'
import type { ByteRange } from './store.ts'

/** Segments that come in pieces are joined here: 2 MiB. */
const joints = new BufferPool(SEALED_SEGMENT_BYTES, 32)
const NOTHING = new Uint8Array(0)
const END: IteratorReturnResult<undefined> = { done: true, value: undefined }

export interface Opening {
  readonly cipher: SegmentCipher
  /** Bytes in clear of the whole blob. */
  readonly size: number
  /** What is wanted of them; empty for an empty blob alone. */
  readonly range: ByteRange
  readonly signal: AbortSignal | undefined
}

export class OpeningBody implements AsyncIterableIterator<Uint8Array> {
  readonly #source: AsyncIterator<Uint8Array>
  readonly #opening: Opening
  readonly #buffers: LentBuffers
  /** Sealed bytes in hand. */
  #rest: Uint8Array
  #joint: Buffer | undefined
  #jointBytes = 0
  #chunk: Buffer | undefined
  #ready: Uint8Array | undefined
  #index: number
  readonly #indexEnd: number
  #isOver = false

  /** `source` gives the sealed segments of the range, after those in `first`, and nothing behind them. */
  constructor(
    source: AsyncIterator<Uint8Array>,
    first: Uint8Array,
    opening: Opening,
    buffers: LentBuffers,
  ) {
    const { start, end } = opening.range
    this.#source = source
    this.#rest = first
    this.#opening = opening
    this.#buffers = buffers
    this.#index = Math.floor(start / SEGMENT_BYTES)
    this.#indexEnd = Math.max(1, Math.ceil(end / SEGMENT_BYTES))
  }

  /** Opens the first chunk; rejects with everything released. */
  async begin(): Promise<void> {
    try {
      this.#ready = await this.#fill()
    } catch (error) {
      await this.return()
      throw error
    }
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  async next(): Promise<IteratorResult<Uint8Array>> {
    if (this.#isOver) return END
    try {
      this.#opening.signal?.throwIfAborted()
      const value = this.#ready ?? (await this.#fill())
      this.#ready = undefined
      if (value.length > 0 && !this.#isOver) return { done: false, value }
    } catch (error) {
      await this.return()
      throw error
    }
    return this.return()
  }

  async return(): Promise<IteratorResult<Uint8Array>> {
    if (this.#isOver) return END
    this.#isOver = true
    this.#rest = NOTHING
    this.#ready = undefined
    // First, for a read that is under way may still fill the buffers.
    await this.#source.return?.()
    if (this.#chunk !== undefined) this.#buffers.give(this.#chunk)
    if (this.#joint !== undefined) joints.give(this.#joint)
    this.#chunk = undefined
    this.#joint = undefined
    return END
  }

  /** The next chunk of the range; empty at its end. */
  async #fill(): Promise<Uint8Array> {
    const { range, size } = this.#opening
    const from = this.#index * SEGMENT_BYTES
    const wanted = (this.#indexEnd - this.#index) * SEGMENT_BYTES
    if (wanted === 0) return NOTHING
    const chunk = (this.#chunk ??= this.#buffers.take(wanted))
    let filled = 0
    while (this.#index < this.#indexEnd && chunk.length - filled >= SEGMENT_BYTES) {
      const sealed = await this.#sealedSegment(sealedLengthOf(this.#index, size))
      if (this.#isOver) return NOTHING
      const isLast = isLastSegment(this.#index, size)
      this.#opening.cipher.open(this.#index, isLast, sealed, chunk.subarray(filled))
      filled += Math.min(SEGMENT_BYTES, size - this.#index * SEGMENT_BYTES)
      this.#index += 1
    }
    if (this.#index === this.#indexEnd) await this.#checkEnd()
    return chunk.subarray(Math.max(0, range.start - from), Math.min(filled, range.end - from))
  }

  /** The next so many sealed bytes, good until the next call. */
  async #sealedSegment(length: number): Promise<Uint8Array> {
    for (;;) {
      if (this.#jointBytes === 0 && this.#rest.length >= length) {
        const sealed = this.#rest.subarray(0, length)
        this.#rest = this.#rest.subarray(length)
        return sealed
      }
      if (this.#rest.length > 0) {
        this.#joint ??= joints.take()
        const some = this.#rest.subarray(0, length - this.#jointBytes)
        this.#joint.set(some, this.#jointBytes)
        this.#jointBytes += some.length
        this.#rest = this.#rest.subarray(some.length)
        if (this.#jointBytes === length) {
          this.#jointBytes = 0
          return this.#joint.subarray(0, length)
        }
      }
      const { done, value } = await this.#source.next()
      if (this.#isOver) return NOTHING
      if (done === true)
        throw new BlobDamaged(`blob ${this.#opening.cipher.id} ends in segment ${this.#index}`)
      this.#rest = value
    }
  }

  async #checkEnd(): Promise<void> {
    const { done } = this.#rest.length > 0 ? { done: false } : await this.#source.next()
    if (done !== true && !this.#isOver)
      throw new BlobDamaged(`blob ${this.#opening.cipher.id} goes on behind its end`)
  }
}
