/** What the parts of the suite share: places of logs, and entries that tell where they belong. */
import { expect, onTestFinished } from 'vitest'
import { entryAt } from './contract-entry.ts'
import type { EntryBatch, LogEntry, StorageEngine } from './store.ts'

/** Where one log is kept; opened again, it is the same log. */
export interface LogPlace {
  open(): Promise<StorageEngine>
}

/** A new, empty place for each call. */
export type NewPlace = () => LogPlace

/** Opens the log of a place, and closes it when the test ends. */
export async function opened(place: LogPlace): Promise<StorageEngine> {
  const engine = await place.open()
  onTestFinished(() => engine[Symbol.asyncDispose]())
  return engine
}

export { entryAt }

export function entriesFrom(first: number, count: number, term: number = 1): LogEntry[] {
  return Array.from({ length: count }, (_, i) => entryAt(first + i, term))
}

/** All entries from that one on. */
export async function allFrom(
  { log }: StorageEngine,
  from: number = log.firstIndex(),
): Promise<LogEntry[]> {
  const found: LogEntry[] = []
  for (let next = from; next <= log.lastIndex();) {
    const batch = await log.getEntries(next, log.lastIndex())
    expect(batch.first).toBe(next)
    expect(batch.length).toBeGreaterThan(0)
    found.push(...entriesOf(batch))
    next += batch.length
  }
  return found
}

export function entriesOf(batch: EntryBatch): LogEntry[] {
  return Array.from(batch, plain)
}

/** With a payload that compares as bytes do, whatever kind of array the engine gave. */
export function plain({ index, term, kind, payload }: LogEntry): LogEntry {
  return { index, term, kind, payload: new Uint8Array(payload) }
}
