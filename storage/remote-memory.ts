/**
 * The memory of uploads. A part is in memory until the service has it, so that it can be sent again.
 *
 * Bounds: `lentBytesMax` for all uploads, beyond which the next one waits; and `aheadBytesMax`, beyond
 * which an upload that has parts on their way waits for one of them instead of taking more. What
 * waits holds no buffer but those on their way: all of them move on. Where parts may be of any size,
 * they get smaller once `largeBytesMax` are out.
 */
import { BufferPool } from '../src/lib/buffer-pool.ts'

/** Most bytes of a part where 10,000 of them suffice; a blob up to this goes in one request. */
export const PART_BYTES: number = 8 * 1024 ** 2

export interface MemoryBounds {
  /** Of the buffers, ascending. */
  readonly sizes: readonly number[]
  /** Kept for their next use, of each size. */
  readonly keptBytesOfEach: number
  readonly lentBytesMax: number
  readonly aheadBytesMax: number
  /** Where parts may differ: beyond so many bytes they are of `smallBytes`. */
  readonly shrinking?: { readonly largeBytesMax: number; readonly smallBytes: number }
}

/** Of services whose parts are equal and large. */
export const EQUAL_PARTS: MemoryBounds = {
  sizes: [64 * 1024, 1024 ** 2, PART_BYTES],
  keptBytesOfEach: 64 * 1024 ** 2,
  // Fresh memory counts in full, though the system gives it only where bytes have come.
  lentBytesMax: 1024 ** 3,
  aheadBytesMax: 128 * 1024 ** 2,
}

/** Of services that take parts of any size. */
export const SHRINKING_PARTS: MemoryBounds = {
  sizes: [64 * 1024, 1024 ** 2, PART_BYTES],
  keptBytesOfEach: 16 * 1024 ** 2,
  lentBytesMax: 256 * 1024 ** 2,
  aheadBytesMax: 32 * 1024 ** 2,
  shrinking: { largeBytesMax: 16 * 1024 ** 2, smallBytes: 1024 ** 2 },
}

export class UploadMemory {
  readonly #bounds: MemoryBounds
  readonly #pools: readonly BufferPool[]
  readonly #waiting = new Set<() => void>()
  #lentBytes = 0

  constructor(bounds: MemoryBounds) {
    this.#bounds = bounds
    this.#pools = bounds.sizes.map((size) => new BufferPool(size, bounds.keptBytesOfEach / size))
  }

  /** Bytes in the hands of uploads. */
  get lentBytes(): number {
    return this.#lentBytes
  }

  /**
   * A buffer of at least so many bytes, or a smaller one where parts may shrink; waits where there is
   * no room. `isAhead` says, each time it is asked, whether there are parts on their way.
   */
  async take(sizeBytes: number, isAhead: () => boolean, signal?: AbortSignal): Promise<Buffer> {
    const { aheadBytesMax, lentBytesMax } = this.#bounds
    let size = this.#shrunk(sizeBytes)
    while (!this.#hasRoom(size, isAhead() ? aheadBytesMax : lentBytesMax)) {
      await this.#change(signal)
      size = this.#shrunk(sizeBytes)
    }
    const pool = this.#pools.find((each) => each.sizeBytes >= size)
    const buffer = pool?.take() ?? Buffer.allocUnsafeSlow(size)
    this.#lentBytes += buffer.length
    return buffer
  }

  give(buffer: Buffer): void {
    this.#lentBytes -= buffer.length
    this.#pools.find((each) => each.sizeBytes === buffer.length)?.give(buffer)
    // Each looks for itself whether there is room for it now, the oldest first.
    const waiting = [...this.#waiting]
    this.#waiting.clear()
    for (const wake of waiting) wake()
  }

  #shrunk(sizeBytes: number): number {
    const { shrinking } = this.#bounds
    if (shrinking === undefined || this.#lentBytes + sizeBytes <= shrinking.largeBytesMax)
      return sizeBytes
    // What is larger than a part of the usual size is so because there are too many of them.
    return sizeBytes > PART_BYTES ? sizeBytes : Math.min(sizeBytes, shrinking.smallBytes)
  }

  /** One that is larger than the bound goes alone. */
  #hasRoom(sizeBytes: number, boundBytes: number): boolean {
    return this.#lentBytes === 0 || this.#lentBytes + sizeBytes <= boundBytes
  }

  #change(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const wake = (): void => {
        signal?.removeEventListener('abort', giveUp)
        resolve()
      }
      const giveUp = (): void => {
        this.#waiting.delete(wake)
        reject(signal?.reason as Error)
      }
      this.#waiting.add(wake)
      signal?.addEventListener('abort', giveUp, { once: true })
    })
  }
}
