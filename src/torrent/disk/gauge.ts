/**
 * How much is in memory that is not stored yet, and when engines have to wait: from over the high-water
 * mark on until the low one is reached.
 */

/** Bytes of all pieces in memory where nothing else is said. */
export const BUDGET_BYTES: number = 64 * 1024 ** 2
/** A budget holds at least so many pieces of the largest torrent. */
const PIECES_IN_BUDGET = 4

export class Gauge {
  readonly #budgetBytes: number
  readonly #now: () => number
  #largestPiece = 0
  #dirty = 0
  #waiting: (() => void)[] = []
  #fullSince: number | undefined
  #fullMs = 0

  /** `now`: milliseconds from any beginning on. */
  constructor(budgetBytes: number, now: () => number) {
    this.#budgetBytes = budgetBytes
    this.#now = now
  }

  get budgetBytes(): number {
    return Math.max(this.#budgetBytes, PIECES_IN_BUDGET * this.#largestPiece)
  }

  /** Half of the budget is for what is dirty. */
  get highBytes(): number {
    return (this.budgetBytes * 3) / 8
  }

  get lowBytes(): number {
    return this.budgetBytes / 4
  }

  /** The other half is for reading. */
  get cacheBytes(): number {
    return this.budgetBytes / 2
  }

  get dirtyBytes(): number {
    return this.#dirty
  }

  get isFull(): boolean {
    return this.#fullSince !== undefined
  }

  get fullMs(): number {
    return this.#fullMs + (this.#fullSince === undefined ? 0 : this.#now() - this.#fullSince)
  }

  fit(pieceBytes: number): void {
    this.#largestPiece = Math.max(this.#largestPiece, pieceBytes)
  }

  change(bytes: number): void {
    this.#dirty += bytes
    if (bytes > 0) {
      if (this.#dirty > this.highBytes) this.#fullSince ??= this.#now()
      return
    }
    if (this.#dirty > this.lowBytes || this.#fullSince === undefined) return
    this.#fullMs += this.#now() - this.#fullSince
    this.#fullSince = undefined
    for (const wake of this.#waiting.splice(0)) wake()
  }

  drained(): Promise<void> {
    if (this.#fullSince === undefined) return Promise.resolve()
    return new Promise((resolve) => this.#waiting.push(resolve))
  }
}
