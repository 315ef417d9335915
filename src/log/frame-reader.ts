/** From the bytes of a connection to frames: a frame that came in one piece is a view of it, another is gathered once. */
import { CODE, FRAME_HEAD_BYTES, WireError } from './wire.ts'

const LENGTH_BYTES = 4

export class FrameReader {
  /** Most bytes behind a frame's length. */
  maxBytes: number
  /** What came and was not looked at yet. */
  #chunks: Buffer[] = []
  /** Into the first of them. */
  #at = 0
  readonly #length: Buffer = Buffer.alloc(LENGTH_BYTES)
  #lengthFilled = 0
  /** The frame that is being gathered. */
  #frame: Buffer | undefined
  #filled = 0

  constructor(maxBytes: number) {
    this.maxBytes = maxBytes
  }

  /** Whether a frame, or a part of one, is there. */
  get isEmpty(): boolean {
    return this.#chunks.length === 0 && this.#lengthFilled === 0 && this.#frame === undefined
  }

  push(chunk: Buffer): void {
    if (chunk.length > 0) this.#chunks.push(chunk)
  }

  /** A frame without its length; undefined where none is there whole. `WireError` where it is none, or too long. */
  next(): Buffer | undefined {
    for (;;) {
      const chunk = this.#chunks[0]
      if (chunk === undefined) return undefined
      const left = chunk.length - this.#at
      if (this.#frame !== undefined) {
        this.#filled += this.#move(this.#frame, this.#filled)
        if (this.#filled < this.#frame.length) continue
        const frame = this.#frame
        this.#frame = undefined
        return frame
      }
      if (this.#lengthFilled === 0 && left >= LENGTH_BYTES) {
        const length = this.#checked(chunk.readUInt32LE(this.#at))
        this.#skip(chunk, LENGTH_BYTES)
        if (left - LENGTH_BYTES < length) {
          this.#gather(length)
          continue
        }
        const frame = chunk.subarray(this.#at, this.#at + length)
        this.#skip(chunk, length)
        return frame
      }
      this.#lengthFilled += this.#move(this.#length, this.#lengthFilled)
      if (this.#lengthFilled < LENGTH_BYTES) continue
      this.#lengthFilled = 0
      this.#gather(this.#checked(this.#length.readUInt32LE(0)))
    }
  }

  /** Pages of a large frame are only used once its bytes come. */
  #gather(length: number): void {
    this.#frame = Buffer.allocUnsafeSlow(length)
    this.#filled = 0
  }

  #checked(length: number): number {
    if (length < FRAME_HEAD_BYTES - LENGTH_BYTES)
      throw new WireError(CODE.BAD_FRAME, `A frame of ${length} bytes is none`)
    if (length > this.maxBytes)
      throw new WireError(
        CODE.TOO_LARGE,
        `A frame of ${length} bytes; it may have ${this.maxBytes} here`,
      )
    return length
  }

  /** Copies what fits from the first chunk on; answers how many bytes. */
  #move(into: Buffer, at: number): number {
    const chunk = this.#chunks[0]!
    const count = chunk.copy(into, at, this.#at)
    this.#skip(chunk, count)
    return count
  }

  #skip(chunk: Buffer, count: number): void {
    this.#at += count
    if (this.#at < chunk.length) return
    this.#chunks.shift()
    this.#at = 0
  }
}
