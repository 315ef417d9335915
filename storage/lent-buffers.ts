/** Which buffer for how many bytes: the memory of all transfers of a storage, bounded. */
import { BufferPool } from '../src/lib/buffer-pool.ts'

const LARGE_BYTES = 1024 ** 2
const SMALL_BYTES = 64 * 1024
/** Large buffers kept for their next use: 32 MiB. Small ones: 4 MiB. */
const LARGE_KEPT_MAX = 32
const SMALL_KEPT_MAX = 64
/** With this many large buffers out (256 MiB) transfers go on in small ones: slower, but all of them. */
const LARGE_LENT_MAX = 256

export class LentBuffers {
  readonly #large = new BufferPool(LARGE_BYTES, LARGE_KEPT_MAX)
  readonly #small = new BufferPool(SMALL_BYTES, SMALL_KEPT_MAX)

  /** A buffer for a transfer of so many bytes in all (Infinity where that is unknown). */
  take(transferBytes: number): Buffer {
    const isSmall = transferBytes <= SMALL_BYTES || this.#large.lent >= LARGE_LENT_MAX
    return isSmall ? this.#small.take() : this.#large.take()
  }

  give(buffer: Buffer): void {
    if (buffer.length === LARGE_BYTES) this.#large.give(buffer)
    else this.#small.give(buffer)
  }
}
