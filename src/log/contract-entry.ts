/** The entries that the suite writes. */
import type { EntryKind, LogEntry } from './store.ts'

/** An entry whose payload says its index and term, and is of a length of its own. */
export function entryAt(index: number, term: number = 1): LogEntry {
  const text = `entry ${index} of term ${term} `
  const payload = Buffer.from(text.repeat(1 + (index % 5)))
  return { index, term, kind: (index % 3) as EntryKind, payload: new Uint8Array(payload) }
}
