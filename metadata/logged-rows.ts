/** Rows as a log makes them: entry after entry, each at once. */
import type { LogStore } from '../src/log/store.ts'
import { decodeEntry, type LoggedCommit, revAt } from './logged-entry.ts'
import type { RowMap } from './row-map.ts'

/** Kind of an entry that holds a commit. */
export const COMMAND = 1 as const

/** Bytes of entries that are read at a time. */
const READ_BYTES: number = 4 * 1024 * 1024

/** Does to the rows what the commit of that entry did; its bytes are copied, for they stay. */
export function applyCommit(
  rows: RowMap,
  index: number,
  { partition, writes }: LoggedCommit,
): void {
  for (let i = 0; i < writes.length; i++) {
    const { table, sort, value, bytes } = writes[i]!
    const rev = revAt(index, i)
    if (value === null) rows.remove(partition, table, sort)
    else if (bytes === undefined) rows.set(partition, table, { sort, rev, value })
    else rows.set(partition, table, { sort, rev, value, bytes: new Uint8Array(bytes) })
  }
}

/** Plays entries `from` to `to` over the rows; answers the bytes of their payloads. */
export async function replay(
  rows: RowMap,
  log: LogStore,
  from: number,
  to: number,
): Promise<number> {
  let bytes = 0
  for (let next = from; next <= to;) {
    const batch = await log.getEntries(next, to, { maxBytes: READ_BYTES })
    for (const { index, kind, payload } of batch) {
      if (kind === COMMAND) applyCommit(rows, index, decodeEntry(index, payload))
      bytes += payload.length
    }
    next += batch.length
  }
  return bytes
}
