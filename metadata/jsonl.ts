/**
 * Rows in this process's memory, and every commit as a line of a file that a person can read.
 *
 * Commits that wait at the same time form a group: their expectations are checked one after another,
 * the lines of those that hold are appended with one write and one sync away from the loop, then
 * the rows change in memory and all are answered. The next group gathers meanwhile. Rows in memory are
 * therefore durable rows: a read waits for nothing and shows nobody what a crash could take back.
 *
 * When the logs have grown to a multiple of what they say, the store turns to a new one and writes a
 * snapshot beside it (`jsonl-snapshot.ts`); `jsonl-files.ts` tells which files there are, and
 * `jsonl-recovery.ts` what is made of them after a crash.
 *
 * All rows stand in memory, the bytes beside them too: this engine is for stores that fit there.
 */
import type { Counter, Meter } from '../src/lib/meter.ts'
import { StoreUnavailable } from '../src/lib/store-error.ts'
import { type FolderLock, lockFolder } from '../src/lib/folder-lock.ts'
import { DISK, type Disk } from '../src/lib/disk.ts'
import { encodeCommit, type EncodedCommit, Group, type Waiting } from './jsonl-group.ts'
import { JsonlLog } from './jsonl-log.ts'
import { recover, type Recovered } from './jsonl-recovery.ts'
import { removeOlder, writeSnapshot, type SnapshotTask } from './jsonl-snapshot.ts'
import { checkCommit, checkPosition, checkRange } from './limits.ts'
import type { RowMap } from './row-map.ts'
import type { Commit, MetadataStore, Range, Row, Table } from './store.ts'

/** A group ends at this many commits, or bytes: it holds up the loop for some milliseconds at most. */
const GROUP_COMMITS_MAX = 128
const GROUP_BYTES_MAX: number = 2 * 1024 * 1024
/** Commits that may wait; more are refused at once, for they would only wait to time out. */
const WAITING_MAX = 16_384
/** Logs of fewer bytes are left alone, and after a snapshot that failed as many have to come. */
const COMPACT_BYTES_MIN: number = 32 * 1024 * 1024
/** Logs are replaced by a snapshot when they are so many times as large as the last one. */
const COMPACT_RATIO = 2

export interface JsonlOptions {
  /** The folder, which exists; no other store is in it. */
  readonly path: string
  readonly meter: Meter
  /** The real one unless a test has its own. */
  readonly disk?: Disk
  /** Logs of fewer bytes are left alone. */
  readonly compactBytesMin?: number
}

export class JsonlStore implements MetadataStore {
  readonly name: string = 'jsonl'
  readonly #lock: FolderLock
  readonly #folder: string
  readonly #disk: Disk
  readonly #log: JsonlLog
  readonly #rows: RowMap
  readonly #compactBytesMin: number
  readonly #counted: Readonly<Record<'commits' | 'groups' | 'syncs' | 'snapshots', Counter>>
  readonly #waiting: Waiting[] = []
  readonly #ending = new AbortController()
  #lastRev: number
  /** Bytes of logs at which a snapshot is due. */
  #compactAtBytes: number
  /** The work on groups, while there is any. */
  #work: Promise<void> | undefined
  #compaction: Promise<void> | undefined
  #closing: Promise<void> | undefined

  private constructor(
    options: JsonlOptions,
    lock: FolderLock,
    log: JsonlLog,
    { rows, lastRev, snapshotBytes, cutBytes }: Recovered,
  ) {
    this.#folder = options.path
    this.#disk = options.disk ?? DISK
    this.#compactBytesMin = options.compactBytesMin ?? COMPACT_BYTES_MIN
    this.#lock = lock
    this.#log = log
    this.#rows = rows
    this.#lastRev = lastRev
    this.#compactAtBytes = Math.max(this.#compactBytesMin, snapshotBytes * COMPACT_RATIO)
    this.#counted = countersOf(options.meter)
    const cut = 'Bytes of a torn end that were cut off at the start'
    options.meter.gauge('sluice_metadata_cut_bytes', cut, () => cutBytes)
    options.meter.gauge('sluice_metadata_log_bytes', 'Bytes of logs', () => log.totalBytes)
  }

  /**
   * Takes the folder and reads what is in it. `StoreLocked` where another process has it,
   * `StoreDamaged` where what is there is not ours, a newer program's, or damaged.
   */
  static async open(options: JsonlOptions): Promise<JsonlStore> {
    const { path: folder, disk = DISK } = options
    const lock = lockFolder(folder)
    try {
      const recovered = await recover(folder, disk)
      const { log, olderBytes } = recovered
      const opened = log
        ? await JsonlLog.open(disk, { folder, olderBytes, ...log })
        : await JsonlLog.create(disk, folder)
      return new JsonlStore(options, lock, opened, recovered)
    } catch (error) {
      lock.release()
      throw error
    }
  }

  async get(partition: string, table: Table, sort: string): Promise<Row | undefined> {
    checkPosition(partition, sort)
    this.#checkOpen()
    return this.#rows.get(partition, table, sort)
  }

  async scan(partition: string, table: Table, range: Range): Promise<readonly Row[]> {
    checkRange(partition, range)
    this.#checkOpen()
    return this.#rows.scan(partition, table, range)
  }

  /** What the commit says is taken over by this call; its bytes are left alone until it is answered. */
  commit(commit: Commit): Promise<boolean> {
    return new Promise((resolve, reject) => {
      const sizeBytes = checkCommit(commit)
      this.#checkOpen()
      this.#log.checkSound()
      if (this.#waiting.length >= WAITING_MAX)
        throw new StoreUnavailable(`${WAITING_MAX} commits wait for the disk`)
      this.#waiting.push({ commit: encodeCommit(commit), sizeBytes, resolve, reject })
      this.#work ??= this.#workOff()
    })
  }

  /** Answers what waits, then closes the files. */
  [Symbol.asyncDispose](): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    this.#ending.abort()
    await this.#work
    await this.#compaction
    await this.#log.close()
    this.#rows.clear()
    this.#lock.release()
  }

  #checkOpen(): void {
    if (this.#closing) throw new StoreUnavailable('The store of metadata is closed')
  }

  /** Group after group, until nobody waits. Never rejects: what goes wrong is told to those who wait. */
  async #workOff(): Promise<void> {
    // Whatever this turn of the loop still brings joins the group.
    await nextTurn()
    while (this.#waiting.length > 0) {
      const waiting = this.#takeGroup()
      try {
        const outcomes = await this.#run(waiting.map(({ commit }) => commit))
        for (let i = 0; i < waiting.length; i++) waiting[i]!.resolve(outcomes[i]!)
      } catch (error) {
        for (const { reject } of waiting) reject(error)
      }
      await this.#compactIfDue()
      if (this.#waiting.length > 0) await nextTurn()
    }
    this.#work = undefined
  }

  #takeGroup(): Waiting[] {
    let length = 0
    for (let bytes = 0; length < this.#waiting.length && length < GROUP_COMMITS_MAX; length++) {
      bytes += this.#waiting[length]!.sizeBytes
      if (length > 0 && bytes > GROUP_BYTES_MAX) break
    }
    return this.#waiting.splice(0, length)
  }

  async #run(commits: readonly EncodedCommit[]): Promise<readonly boolean[]> {
    const group = new Group(this.#rows, this.#lastRev, this.#log.sizeBytes)
    const outcomes = commits.map((commit) => group.add(commit))
    this.#counted.commits.add(commits.length)
    const lines = group.lines()
    if (lines.length > 0) {
      this.#counted.groups.add()
      this.#counted.syncs.add()
      await this.#log.append(lines)
      this.#lastRev = group.apply()
    }
    return outcomes
  }

  /** Turns to a new log where a snapshot is due, and begins it; does not wait for its end. */
  async #compactIfDue(): Promise<void> {
    if (this.#compaction || this.#closing || this.#log.totalBytes < this.#compactAtBytes) return
    try {
      await this.#log.turn()
    } catch {
      // Commits go on where they went, or are told by `append` that they cannot.
      this.#postpone()
      return
    }
    this.#compaction = this.#compact().finally(() => (this.#compaction = undefined))
  }

  /** Never rejects: where it does not work the logs stay, and it is tried again when they have grown. */
  async #compact(): Promise<void> {
    const task: SnapshotTask = {
      disk: this.#disk,
      folder: this.#folder,
      number: this.#log.number,
      rows: this.#rows,
      lastRev: () => this.#lastRev,
      signal: this.#ending.signal,
    }
    try {
      const snapshotBytes = await writeSnapshot(task)
      this.#log.forgetOlder()
      this.#compactAtBytes = Math.max(this.#compactBytesMin, snapshotBytes * COMPACT_RATIO)
      this.#counted.snapshots.add()
      await removeOlder(task)
    } catch {
      this.#postpone()
    }
  }

  #postpone(): void {
    this.#compactAtBytes = this.#log.totalBytes + this.#compactBytesMin
  }
}

function countersOf(
  meter: Meter,
): Readonly<Record<'commits' | 'groups' | 'syncs' | 'snapshots', Counter>> {
  return {
    commits: meter.counter('sluice_metadata_commits_total', 'Commits answered, refused ones too'),
    groups: meter.counter('sluice_metadata_groups_total', 'Groups of commits that shared a sync'),
    syncs: meter.counter('sluice_fsyncs_total', 'Syncs of files', { store: 'metadata' }),
    snapshots: meter.counter(
      'sluice_metadata_snapshots_total',
      'Snapshots that took the place of logs',
    ),
  }
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
