/** A body being sealed on its way into the storage below: header and segments, in chunks of about 512 KiB. */
import { BufferPool } from '../src/lib/buffer-pool.ts'
import type { Body } from '../src/lib/stream.ts'
import { checkSize } from './blob-claims.ts'
import { HEADER_BYTES, SEALED_SEGMENT_BYTES, SEGMENT_BYTES } from './sealed-format.ts'
import type { SegmentCipher } from './sealed-segment.ts'

const CHUNK_BYTES = HEADER_BYTES + 8 * SEALED_SEGMENT_BYTES
/** Kept for their next use: 8 MiB and 1 MiB, for all uploads. */
const chunks = new BufferPool(CHUNK_BYTES, 16)
const segments = new BufferPool(SEGMENT_BYTES, 16)
const NOTHING = new Uint8Array(0)
const END: IteratorReturnResult<undefined> = { done: true, value: undefined }

/** No generator: `return` goes on to the source at once, even while the source keeps us waiting. */
export class SealingBody implements AsyncIterableIterator<Uint8Array> {
  readonly #source: AsyncIterator<Uint8Array>
  readonly #cipher: SegmentCipher
  readonly #announced: number | undefined
  #chunk: Buffer | undefined
  #gathered: Buffer | undefined
  #gatheredBytes = 0
  /** What is left of the source's last chunk. */
  #rest: Uint8Array = NOTHING
  #index = 0
  #size = 0
  #hasEnded = false
  #isOver = false
  #isBusy = false

  /** `announced`: bytes of the body; a body of another length is an error. */
  constructor(body: Body, cipher: SegmentCipher, announced: number | undefined) {
    this.#source = body[Symbol.asyncIterator]()
    this.#cipher = cipher
    this.#announced = announced
  }

  /** Bytes in clear that came so far. */
  get size(): number {
    return this.#size
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  async next(): Promise<IteratorResult<Uint8Array>> {
    if (this.#isOver || this.#hasEnded) return this.#over()
    this.#isBusy = true
    try {
      const length = await this.#fill()
      if (!this.#isOver) return { done: false, value: this.#chunk!.subarray(0, length) }
    } finally {
      this.#isBusy = false
      if (this.#isOver) this.#over()
    }
    return END
  }

  async return(): Promise<IteratorResult<Uint8Array>> {
    if (this.#isOver) return END
    this.#isOver = true
    // Who is filling the buffers gives them back.
    if (!this.#isBusy) this.#over()
    await this.#source.return?.()
    return END
  }

  #over(): IteratorReturnResult<undefined> {
    this.#isOver = true
    if (this.#chunk !== undefined) chunks.give(this.#chunk)
    if (this.#gathered !== undefined) segments.give(this.#gathered)
    this.#chunk = undefined
    this.#gathered = undefined
    return END
  }

  /** Fills the chunk as far as it goes; returns its length. */
  async #fill(): Promise<number> {
    const chunk = (this.#chunk ??= chunks.take())
    const gathered = (this.#gathered ??= segments.take())
    let at = 0
    if (this.#index === 0) at += this.#cipher.header.copy(chunk)
    while (chunk.length - at >= SEALED_SEGMENT_BYTES) {
      if (this.#rest.length === 0 && !(await this.#pull())) {
        if (!this.#isOver) at += this.#seal(this.#takeGathered(), true, chunk, at)
        return at
      }
      // There is more to come: a segment that is full is not the last.
      if (this.#gatheredBytes === SEGMENT_BYTES) {
        at += this.#seal(this.#takeGathered(), false, chunk, at)
      } else if (this.#gatheredBytes === 0 && this.#rest.length > SEGMENT_BYTES) {
        at += this.#seal(this.#rest.subarray(0, SEGMENT_BYTES), false, chunk, at)
        this.#rest = this.#rest.subarray(SEGMENT_BYTES)
      } else {
        const some = this.#rest.subarray(0, SEGMENT_BYTES - this.#gatheredBytes)
        gathered.set(some, this.#gatheredBytes)
        this.#gatheredBytes += some.length
        this.#rest = this.#rest.subarray(some.length)
      }
    }
    return at
  }

  /** The next chunk of the source into `#rest`; false at its end. */
  async #pull(): Promise<boolean> {
    const { done, value } = await this.#source.next()
    if (this.#isOver) return false
    if (done === true) {
      checkSize(this.#cipher.id, this.#size, this.#announced)
      this.#hasEnded = true
      return false
    }
    this.#size += value.length
    this.#rest = value
    return true
  }

  #takeGathered(): Uint8Array {
    const bytes = this.#gathered!.subarray(0, this.#gatheredBytes)
    this.#gatheredBytes = 0
    return bytes
  }

  #seal(plain: Uint8Array, isLast: boolean, chunk: Buffer, at: number): number {
    const length = this.#cipher.seal(this.#index, isLast, plain, chunk.subarray(at))
    this.#index += 1
    return length
  }
}
