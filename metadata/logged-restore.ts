/**
 * Rows as they were after any entry that the log still has: from the newest snapshot that was whole by
 * then, and the log from there on. What comes of it is a folder of its own; the source is only read.
 */
import { mkdir, readdir } from 'node:fs/promises'
import path from 'node:path'
import { DISK } from '../src/lib/disk.ts'
import { StoreUnavailable } from '../src/lib/store-error.ts'
import type { LogStore, StorageEngine } from '../src/log/store.ts'
import { readSnapshot, snapshotsIn } from './jsonl-recovery.ts'
import { writeSnapshot } from './jsonl-snapshot.ts'
import { decodeEntry, indexOfRev, revAt } from './logged-entry.ts'
import { COMMAND, replay } from './logged-rows.ts'
import { RowMap } from './row-map.ts'

const READ_BYTES: number = 4 * 1024 * 1024

/** The point is not within what the log and its snapshots still say. */
export class PointUnknown extends StoreUnavailable {
  override readonly name: string = 'PointUnknown'
}

/** Index of the last entry that was written by that time (epoch milliseconds). */
export async function indexAt(log: LogStore, timeMs: number): Promise<number> {
  let found = log.firstIndex() - 1
  for (let next = log.firstIndex(); next <= log.lastIndex();) {
    const batch = await log.getEntries(next, log.lastIndex(), { maxBytes: READ_BYTES })
    for (const { index, kind, payload } of batch) {
      if (kind === COMMAND && decodeEntry(index, payload).at > timeMs) return found
      found = index
    }
    next += batch.length
  }
  return found
}

/** All rows as they were after that entry. */
export async function rowsAt(log: LogStore, snapshots: string, index: number): Promise<RowMap> {
  const numbers = await snapshotsIn(snapshots)
  for (const number of numbers.reverse()) {
    if (number > index) continue
    const { rows, lastRev } = await readSnapshot(snapshots, number)
    // It was written while commits went on, and may have what was written until its end.
    if (indexOfRev(lastRev) > index || log.firstIndex() > number + 1) continue
    await replay(rows, log, number + 1, index)
    return rows
  }
  const first = log.firstIndex()
  if (first > 1 || index > log.lastIndex())
    throw new PointUnknown(
      `Entry ${index} cannot be restored: the log has entries ${first} to ${log.lastIndex()}, and of the snapshots (${numbers.join(', ') || 'none'}) none was whole by then`,
    )
  const rows = new RowMap()
  await replay(rows, log, 1, index)
  return rows
}

/** Writes rows as a log's folder that goes on behind that entry. `into` is empty, or not there. */
export async function writeRestored(
  rows: RowMap,
  /** Entry that the rows are as of, its term, and the term in which the folder goes on. */
  place: { readonly index: number; readonly term: number; readonly nextTerm: number },
  into: string,
  openLog: (folder: string) => Promise<StorageEngine>,
): Promise<void> {
  const snapshots = path.join(into, 'snapshots')
  await mkdir(snapshots, { recursive: true, mode: 0o700 })
  if ((await readdir(into)).length > 1 || (await readdir(snapshots)).length > 0)
    throw new PointUnknown(`${into} is not empty: nothing was restored`)
  const { index, term, nextTerm } = place
  await writeSnapshot({
    disk: DISK,
    folder: snapshots,
    number: index,
    rows,
    lastRev: () => revAt(index, 0),
    signal: new AbortController().signal,
  })
  await using engine = await openLog(path.join(into, 'log'))
  await engine.log.purge({ index, term })
  await engine.meta.saveHardState({ term: nextTerm })
}
