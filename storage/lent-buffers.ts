/** Which buffer for how many bytes: the memory of all transfers of a storage, bounded. */
import { BufferPool } from '../src/lib/buffer-pool.ts'

/** Reading by 1 MiB costs the same CPU and twice the memory. */
const LARGE_BYTES: number = 512 * 1024
const SMALL_BYTES = 64 * 1024
/**
 * So many large ones are out at most (32 MiB), and all of them are kept for their next use: to let one go
 * and make another costs memory until the garbage collector comes. Beyond, transfers go on in small ones:
 * slower, but all of them. Small ones are kept up to 4 MiB.
 */
const LARGE_MAX = 64
const SMALL_KEPT_MAX = 64

export class LentBuffers {
  readonly #large = new BufferPool(LARGE_BYTES, LARGE_MAX)
  readonly #small = new BufferPool(SMALL_BYTES, SMALL_KEPT_MAX)

  /** A buffer for a transfer of so many bytes in all (Infinity where that is unknown). */
  take(transferBytes: number): Buffer {
    const isSmall = transferBytes <= SMALL_BYTES || this.#large.lent >= LARGE_MAX
    return isSmall ? this.#small.take() : this.#large.take()
  }

  give(buffer: Buffer): void {
    if (buffer.length === LARGE_BYTES) this.#large.give(buffer)
    else this.#small.give(buffer)
  }
}
