/**
 * Slices that belong to no blob any more, on their way out: a bounded number in each transaction, in
 * turns with everybody else's work, and none while somebody reads them. Then free pages beyond what is
 * kept for the next uploads go back to the file system.
 */
import { type SqliteBlobs, PAGE_BYTES } from './sqlite-blobs.ts'
import { nextTurn, type SqliteWrites } from './sqlite-writes.ts'

/** Slices of one transaction (8 MiB: about 2 ms). */
const SLICES_AT_ONCE = 128
/** Pages that one transaction moves (1 MiB: some milliseconds). */
const PAGES_AT_ONCE = 64
/** Free pages that stay in the file, for what is written next: 64 MiB. */
export const FREE_PAGES_KEPT: number = (64 * 1024 ** 2) / PAGE_BYTES

export class SqliteRemoval {
  readonly #blobs: SqliteBlobs
  readonly #writes: SqliteWrites
  readonly #freePagesKept: number
  /** Numbers to readers of their slices. */
  readonly #readers = new Map<number, number>()
  readonly #loose = new Set<number>()
  #shrinking: Promise<void> | undefined
  #isClosed = false

  constructor(blobs: SqliteBlobs, writes: SqliteWrites, freePagesKept: number) {
    this.#blobs = blobs
    this.#writes = writes
    this.#freePagesKept = freePagesKept
  }

  isRead(no: number): boolean {
    return this.#readers.has(no)
  }

  /** The slices stay until `release`. */
  hold(no: number): void {
    this.#readers.set(no, (this.#readers.get(no) ?? 0) + 1)
  }

  release(no: number): void {
    const readers = this.#readers.get(no)! - 1
    if (readers > 0) this.#readers.set(no, readers)
    else this.#readers.delete(no)
    // What fails here stays loose, and the next removal tries again.
    if (readers === 0 && this.#loose.has(no)) this.remove([]).catch(() => {})
  }

  /** Removes the slices of numbers that stand in `loose`, and whatever an earlier call had to leave. */
  async remove(numbers: readonly number[]): Promise<void> {
    for (const no of numbers) this.#loose.add(no)
    for (const no of this.#loose) {
      if (this.#readers.has(no) || this.#isClosed) continue
      for (let isMore = true; isMore;) {
        await this.#writes.run(0, () => {
          isMore = this.#blobs.removeSlices(no, SLICES_AT_ONCE)
          if (!isMore) this.#blobs.tie(no)
        })
      }
      this.#loose.delete(no)
    }
    this.shrink()
  }

  /** Begins to give pages back, unless that is under way. */
  shrink(): void {
    if (this.#isClosed || this.#blobs.freePages() <= this.#freePagesKept) return
    this.#shrinking ??= this.#shrink()
      // Nothing is lost by it: free pages are used again.
      .catch(() => {})
      .finally(() => (this.#shrinking = undefined))
  }

  /** Ends what is under way; what is left over is removed when the file is opened again. */
  async close(): Promise<void> {
    this.#isClosed = true
    await this.#shrinking
  }

  async #shrink(): Promise<void> {
    while (!this.#isClosed && this.#blobs.freePages() > this.#freePagesKept) {
      // Whoever waits to write takes free pages, and goes first.
      if (this.#writes.isIdle) await this.#writes.run(0, () => this.#blobs.shrink(PAGES_AT_ONCE))
      await nextTurn()
    }
  }
}
