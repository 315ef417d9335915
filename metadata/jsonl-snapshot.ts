/**
 * A snapshot: every row, written while commits go on, so that logs before it can go.
 *
 * It takes at most half of the loop's time: after each slice it rests for as long as the slice took.
 * Rows that change meanwhile stand in it as they were or are; the log from its number on, which was
 * begun before the snapshot, says how they ended.
 */
import { readdir } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Disk } from '../src/lib/disk.ts'
import { NewFile } from './jsonl-files.ts'
import { rowLine, sealed } from './jsonl-lines.ts'
import { removeStale } from './jsonl-recovery.ts'
import type { RowMap } from './row-map.ts'

const SLICE_BYTES: number = 128 * 1024
/** A slice ends after so long too, in milliseconds. */
const SLICE_MS = 2

export interface SnapshotTask {
  readonly disk: Disk
  readonly folder: string
  /** Of the log that was begun before it. */
  readonly number: number
  readonly rows: RowMap
  /** The highest rev ever given, asked for at the end. */
  readonly lastRev: () => number
  /** Ends it: the promise then rejects, and nothing is left of it. */
  readonly signal: AbortSignal
}

/** Resolves to the snapshot's size, once it is durable. */
export async function writeSnapshot(task: SnapshotTask): Promise<number> {
  const { disk, folder, number, rows, signal } = task
  const file = await NewFile.create(disk, folder, 'snapshot', number)
  try {
    await writeRows(file, rows, task.lastRev, signal)
  } catch (error) {
    await file.discard()
    throw error
  }
  await disk.close(await file.publish())
  return file.sizeBytes
}

/** Removes what the snapshot of that number stands in for. */
export async function removeOlder({ disk, folder, number }: SnapshotTask): Promise<void> {
  await removeStale(folder, await readdir(folder), number, disk)
}

async function writeRows(
  file: NewFile,
  rows: RowMap,
  lastRev: () => number,
  signal: AbortSignal,
): Promise<void> {
  let count = 0
  let slice: Buffer[] = []
  let sliceBytes = 0
  let started = performance.now()
  for (const placed of rows.walk()) {
    const line = rowLine(placed)
    count++
    slice.push(line)
    sliceBytes += line.length
    if (sliceBytes < SLICE_BYTES && performance.now() - started < SLICE_MS) continue
    const takenMs = performance.now() - started
    await file.append(Buffer.concat(slice))
    await sleep(takenMs, undefined, { signal })
    slice = []
    sliceBytes = 0
    started = performance.now()
  }
  signal.throwIfAborted()
  slice.push(sealed(JSON.stringify({ rows: count, rev: lastRev() })))
  await file.append(Buffer.concat(slice))
}
