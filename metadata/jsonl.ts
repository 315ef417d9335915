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
import { CommitQueue } from './commit-queue.ts'
import { encodeCommit, type EncodedCommit, Group } from './group.ts'
import { type FolderLock, lockFolder } from '../src/lib/folder-lock.ts'
import { DISK, type Disk } from '../src/lib/disk.ts'
import { JsonlRecords } from './jsonl-records.ts'
import { JsonlLog } from './jsonl-log.ts'
import { recover, type Recovered } from './jsonl-recovery.ts'
import { removeOlder, writeSnapshot, type SnapshotTask } from './jsonl-snapshot.ts'
import { checkCommit, checkPosition, checkRange } from './limits.ts'
import type { RowMap } from './row-map.ts'
import type { Commit, MetadataStore, Range, Row, Table } from './store.ts'

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
  readonly #queue: CommitQueue<EncodedCommit>
  readonly #ending = new AbortController()
  #lastRev: number
  /** Bytes of logs at which a snapshot is due. */
  #compactAtBytes: number
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
    this.#queue = new CommitQueue({
      run: (commits) => this.#run(commits),
      tidy: () => this.#compactIfDue(),
    })
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

  commit(commit: Commit): Promise<boolean> {
    return new Promise((resolve, reject) => {
      const sizeBytes = checkCommit(commit)
      this.#checkOpen()
      this.#log.checkSound()
      this.#queue.add({ commit: encodeCommit(commit), sizeBytes, resolve, reject })
    })
  }

  /** Answers what waits, then closes the files. */
  [Symbol.asyncDispose](): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    this.#ending.abort()
    await this.#queue.idle()
    await this.#compaction
    await this.#log.close()
    this.#rows.clear()
    this.#lock.release()
  }

  #checkOpen(): void {
    if (this.#closing) throw new StoreUnavailable('The store of metadata is closed')
  }

  async #run(commits: readonly EncodedCommit[]): Promise<readonly boolean[]> {
    const records = new JsonlRecords(this.#lastRev, this.#log.sizeBytes)
    const group = new Group(this.#rows, records)
    const outcomes = commits.map((commit) => group.add(commit))
    this.#counted.commits.add(commits.length)
    const lines = records.lines()
    if (lines.length > 0) {
      this.#counted.groups.add()
      this.#counted.syncs.add()
      await this.#log.append(lines)
      group.apply()
      this.#lastRev = records.lastRev
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
