/** A batch of entries that are at hand. */
import type { EntryBatch, LogEntry } from './store.ts'

export class ListBatch implements EntryBatch {
  readonly #entries: readonly LogEntry[]

  constructor(entries: readonly LogEntry[]) {
    this.#entries = entries
  }

  /** As many of them as have at most so many bytes of payload; at least one. */
  static within(entries: readonly LogEntry[], maxBytes: number): ListBatch {
    let count = 0
    for (let bytes = 0; count < entries.length; count++) {
      bytes += entries[count]!.payload.length
      if (bytes > maxBytes && count > 0) break
    }
    return new ListBatch(count === entries.length ? entries : entries.slice(0, count))
  }

  get first(): number {
    return this.#entries[0]?.index ?? 0
  }

  get length(): number {
    return this.#entries.length
  }

  at(position: number): LogEntry {
    const entry = this.#entries[position]
    if (entry === undefined)
      throw new RangeError(`${position} is no position in ${this.length} entries`)
    return entry
  }

  [Symbol.iterator](): Iterator<LogEntry> {
    return this.#entries[Symbol.iterator]()
  }
}
