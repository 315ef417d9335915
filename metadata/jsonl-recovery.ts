/**
 * What the files of the engine `jsonl` say, after whatever ended the last process.
 *
 * A group of lines that was not acknowledged may stand in the last log in any state: wholly, in part,
 * with later pages there and earlier ones not. It is taken as far as it is whole, and the rest is cut
 * off. Anything else that is not as it was written was acknowledged: then nothing is changed, and the
 * store is refused with the place. Which of the two it is, each line's `after` tells: a good line
 * that was written when a bad one was already on stable storage proves damage. (Damage within the
 * very last group cannot be told from a power failure while it was written; it is cut off.)
 */
import { readdir } from 'node:fs/promises'
import path from 'node:path'
import { StoreDamaged } from '../src/lib/store-error.ts'
import type { Disk } from '../src/lib/disk.ts'
import { checkHeader, damaged, fileName, isPartial, type Kind, numberIn } from './jsonl-files.ts'
import { eachLine, isTwoLines, type Line, rowOf, unsealed } from './jsonl-lines.ts'
import { RowMap } from './row-map.ts'

export interface Recovered {
  readonly rows: RowMap
  /** The highest rev ever given. */
  readonly lastRev: number
  /** Number of the log to go on with, and how long it is; undefined where there is none yet. */
  readonly log: { readonly number: number; readonly sizeBytes: number } | undefined
  /** Of the logs before that one. */
  readonly olderBytes: number
  readonly snapshotBytes: number
  /** Of a torn end, that were cut off. */
  readonly cutBytes: number
}

/** Reads everything; changes the folder only once all of it is known to be good. `StoreDamaged` where it is not. */
export async function recover(folder: string, disk: Disk): Promise<Recovered> {
  const names = await readdir(folder)
  const snapshots = numbered(names, 'snapshot')
  const logs = numbered(names, 'log')
  const base = snapshots.at(-1)
  const first = base ?? 1
  const needed = logs.filter((number) => number >= first)
  checkComplete(folder, first, base, needed)
  for (const name of names)
    if (numberIn('log', name) !== undefined || numberIn('snapshot', name) !== undefined)
      await checkVersion(path.join(folder, name))

  const replay = new Replay()
  const snapshotBytes =
    base === undefined ? 0 : await replay.snapshot(path.join(folder, fileName('snapshot', base)))
  let olderBytes = 0
  let end: LogEnd = { sizeBytes: 0, wholeBytes: 0 }
  for (const number of needed) {
    olderBytes += end.sizeBytes
    const isLast = number === needed.at(-1)
    end = await replay.log(path.join(folder, fileName('log', number)), isLast)
  }
  const last = needed.at(-1)
  if (last !== undefined)
    await settle(path.join(folder, fileName('log', last)), end.wholeBytes, disk)
  await removeStale(folder, names, first, disk)
  return {
    rows: replay.rows,
    lastRev: replay.lastRev,
    log: last === undefined ? undefined : { number: last, sizeBytes: end.wholeBytes },
    olderBytes,
    snapshotBytes,
    cutBytes: end.sizeBytes - end.wholeBytes,
  }
}

function numbered(names: readonly string[], kind: Kind): number[] {
  return names.flatMap((name) => numberIn(kind, name) ?? []).sort((a, b) => a - b)
}

/** A snapshot is made after the log of its number, and logs are never left out. */
function checkComplete(
  folder: string,
  first: number,
  base: number | undefined,
  logs: readonly number[],
): void {
  if (base === undefined && logs.length === 0) return
  const expected = logs.length === 0 ? first : first + logs.length - 1
  if (logs.at(-1) === expected && logs[0] === first) return
  const missing = [first, ...logs.map((number) => number + 1)].find(
    (number) => !logs.includes(number),
  )!
  throw new StoreDamaged(
    `${path.join(folder, fileName('log', missing))} is missing, and others need it: nothing was changed. Restore it, or the whole folder, from a backup`,
  )
}

async function checkVersion(file: string): Promise<void> {
  let isChecked = false
  const enough = new Error('the first line is read')
  try {
    await eachLine(file, (line) => {
      checkHeader(file, line)
      isChecked = true
      throw enough
    })
  } catch (error) {
    if (error !== enough) throw error
  }
  if (!isChecked) checkHeader(file, Buffer.alloc(0))
}

interface LogEnd {
  readonly sizeBytes: number
  /** Up to where its lines are whole. */
  readonly wholeBytes: number
}

export interface SnapshotRead {
  readonly rows: RowMap
  /** The highest rev ever given, when the snapshot was at its end. */
  readonly lastRev: number
  readonly sizeBytes: number
}

/** Reads a snapshot alone; `StoreDamaged` where it is not as it was written. */
export async function readSnapshot(folder: string, number: number): Promise<SnapshotRead> {
  const file = path.join(folder, fileName('snapshot', number))
  await checkVersion(file)
  const replay = new Replay()
  const sizeBytes = await replay.snapshot(file)
  return { rows: replay.rows, lastRev: replay.lastRev, sizeBytes }
}

/** Numbers of the snapshots that are in the folder, ascending. */
export async function snapshotsIn(folder: string): Promise<number[]> {
  return numbered(await readdir(folder), 'snapshot')
}

class Replay {
  readonly rows = new RowMap()
  lastRev = 0

  /** Resolves to the file's size. */
  async snapshot(file: string): Promise<number> {
    let count = 0
    let end: Line | undefined
    let lines = 0
    const sizeBytes = await eachLine(file, (bytes, { number, isWhole }) => {
      lines = number
      if (number === 1) return
      const line = isWhole && end === undefined ? unsealed(bytes) : undefined
      if (line === undefined) throw damaged(file, number)
      if (line.writes === undefined) end = line
      else count++
      this.#play(line)
    })
    if (end === undefined || end.rows !== count) throw damaged(file, lines)
    this.lastRev = Math.max(this.lastRev, end.rev ?? 0)
    return sizeBytes
  }

  async log(file: string, isLast: boolean): Promise<LogEnd> {
    let bad: { readonly start: number; readonly number: number } | undefined
    const sizeBytes = await eachLine(file, (bytes, { start, number, isWhole }) => {
      if (number === 1) return
      const line = isWhole ? unsealed(bytes) : undefined
      if (line === undefined) {
        if (isTwoLines(bytes)) throw damaged(file, number)
        bad ??= { start, number }
      } else if (bad === undefined) this.#play(line)
      else if ((line.after ?? 0) > bad.start) throw damaged(file, bad.number)
    })
    if (bad !== undefined && !isLast) throw damaged(file, bad.number)
    return { sizeBytes, wholeBytes: bad?.start ?? sizeBytes }
  }

  #play({ partition = '', writes = [] }: Line): void {
    for (const write of writes) {
      const row = rowOf(write)
      if (row === undefined) this.rows.remove(partition, write.table, write.sort)
      else {
        this.rows.set(partition, write.table, row)
        if (row.rev > this.lastRev) this.lastRev = row.rev
      }
    }
  }
}

/** Cuts off the torn end, and makes durable what was read: a process that was killed may not have come to it. */
async function settle(file: string, wholeBytes: number, disk: Disk): Promise<void> {
  const fd = await disk.open(file, 'r+')
  try {
    await disk.truncate(fd, wholeBytes)
    await disk.datasync(fd)
  } finally {
    await disk.close(fd)
  }
}

/** What an ended process left behind: files on their way, and those that a snapshot has replaced. */
export async function removeStale(
  folder: string,
  names: readonly string[],
  first: number,
  disk: Disk,
): Promise<void> {
  for (const name of names) {
    const number = numberIn('log', name) ?? numberIn('snapshot', name)
    if (isPartial(name) || (number !== undefined && number < first))
      await disk.remove(path.join(folder, name))
  }
  await disk.syncFolder(folder)
}
