/** The log entries of a group of commits. */
import type { LogEntry } from '../src/log/store.ts'
import type { EncodedWrite } from './group.ts'
import type { GroupRecords } from './grouped-rows.ts'
import { encodeEntry, revAt } from './logged-entry.ts'
import { COMMAND } from './logged-rows.ts'

export class LoggedRecords implements GroupRecords {
  readonly #first: number
  readonly #term: number
  readonly #at: number
  readonly entries: LogEntry[] = []
  sizeBytes = 0

  /** `first`: index of the first entry; `at`: epoch milliseconds. */
  constructor(first: number, term: number, at: number) {
    this.#first = first
    this.#term = term
    this.#at = at
  }

  get isEmpty(): boolean {
    return this.entries.length === 0
  }

  revOf(i: number): number {
    return revAt(this.#first + this.entries.length, i)
  }

  add(partition: string, writes: readonly EncodedWrite[]): void {
    const payload = encodeEntry(this.#at, partition, writes)
    const index = this.#first + this.entries.length
    this.entries.push({ index, term: this.#term, kind: COMMAND, payload })
    this.sizeBytes += payload.length
  }
}
