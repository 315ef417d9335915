/**
 * The memory of uploads. A part is in memory until the service has it, so that it can be sent again.
 *
 * Buffers are of three sizes. Bounds: `LENT_BYTES_MAX` for all uploads, beyond which the next one
 * waits; and `AHEAD_BYTES_MAX`, beyond which an upload that has parts on their way waits for one of
 * them instead of taking more. What waits holds no buffer but those on their way: all of them move on.
 */
import { BufferPool } from '../src/lib/buffer-pool.ts'

export const PART_BYTES: number = 8 * 1024 ** 2
const KEPT_BYTES_OF_EACH = 64 * 1024 ** 2
/** Fresh memory counts in full, though the system gives it only where bytes have come. */
const LENT_BYTES_MAX = 1024 ** 3
const AHEAD_BYTES_MAX = 128 * 1024 ** 2

const SIZES = [64 * 1024, 1024 ** 2, PART_BYTES]

export class UploadMemory {
  readonly #pools = SIZES.map((size) => new BufferPool(size, KEPT_BYTES_OF_EACH / size))
  readonly #waiting = new Set<() => void>()
  #lentBytes = 0

  /** Bytes in the hands of uploads. */
  get lentBytes(): number {
    return this.#lentBytes
  }

  /**
   * A buffer of at least so many bytes; waits where there is no room. `isAhead` says, each time it is
   * asked, whether there are parts on their way.
   */
  async take(sizeBytes: number, isAhead: () => boolean, signal?: AbortSignal): Promise<Buffer> {
    while (!this.#hasRoom(sizeBytes, isAhead() ? AHEAD_BYTES_MAX : LENT_BYTES_MAX))
      await this.#change(signal)
    const pool = this.#pools.find((each) => each.sizeBytes >= sizeBytes)
    const buffer = pool?.take() ?? Buffer.allocUnsafeSlow(sizeBytes)
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

/** Bounds of S3: parts of an upload. */
const PARTS_MAX = 10_000
/** Where the size is not known, parts double every so many: 8 TiB in all. */
const DOUBLING = 1000
const MIB = 1024 ** 2

/**
 * Bytes of the part of that number (from 1 on), unless it is the last. Equal for all parts where the
 * size is known, as some services want it.
 */
export function partBytes(number: number, sizeBytes: number | undefined): number {
  if (sizeBytes !== undefined)
    return Math.max(PART_BYTES, Math.ceil(sizeBytes / PARTS_MAX / MIB) * MIB)
  return PART_BYTES * 2 ** Math.floor((number - 1) / DOUBLING)
}
