/**
 * Memory for pieces in segments, so that a piece of many MiB of which one block is there takes one
 * segment. It is shared memory: threads hash it without a copy. Segments are lent again, and not
 * cleared before.
 */

/** Blocks never cross segments: a multiple of 16 KiB. */
export const SEGMENT_BYTES: number = 256 * 1024
/** Bytes kept for the next borrower. */
const FREE_BYTES_MAX: number = 8 * 1024 ** 2

export class Segments {
  readonly #free = new Map<number, Uint8Array[]>()
  #freeBytes = 0

  lend(sizeBytes: number): Uint8Array {
    const free = this.#free.get(sizeBytes)?.pop()
    if (free === undefined) return new Uint8Array(new SharedArrayBuffer(sizeBytes))
    this.#freeBytes -= sizeBytes
    return free
  }

  /** Nobody looks at it any more. */
  giveBack(segment: Uint8Array): void {
    if (this.#freeBytes + segment.length > FREE_BYTES_MAX) return
    const free = this.#free.get(segment.length)
    if (free === undefined) this.#free.set(segment.length, [segment])
    else free.push(segment)
    this.#freeBytes += segment.length
  }
}
