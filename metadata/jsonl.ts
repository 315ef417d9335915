/**
 * Rows in this process's memory, and every commit as a line of a file that a person can read.
 *
 * Commits that wait at the same time are appended with one write and one sync (`grouped-rows.ts`).
 *
 * When the logs have grown to a multiple of what they say, the store turns to a new one and writes a
 * snapshot beside it (`jsonl-snapshot.ts`); `jsonl-files.ts` tells which files there are, and
 * `jsonl-recovery.ts` what is made of them after a crash.
 *
 * All rows stand in memory, the bytes beside them too: this engine is for stores that fit there.
 */
import type { Counter, Meter } from '../src/lib/meter.ts'
import { GroupedRows } from './grouped-rows.ts'
import { type FolderLock, lockFolder } from '../src/lib/folder-lock.ts'
import { DISK, type Disk } from '../src/lib/disk.ts'
import { JsonlRecords } from './jsonl-records.ts'
import { JsonlLog } from './jsonl-log.ts'
import { recover, type Recovered } from './jsonl-recovery.ts'
import { removeOlder, writeSnapshot, type SnapshotTask } from './jsonl-snapshot.ts'

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

export class JsonlStore extends GroupedRows<JsonlRecords> {
  override readonly name: string = 'jsonl'
  readonly #lock: FolderLock
  readonly #folder: string
  readonly #disk: Disk
  readonly #log: JsonlLog
  readonly #compactBytesMin: number
  readonly #counted: Readonly<Record<'syncs' | 'snapshots', Counter>>
  #lastRev: number
  /** Bytes of logs at which a snapshot is due. */
  #compactAtBytes: number
  #compaction: Promise<void> | undefined

  private constructor(
    options: JsonlOptions,
    lock: FolderLock,
    log: JsonlLog,
    { rows, lastRev, snapshotBytes, cutBytes }: Recovered,
  ) {
    super(rows, options.meter)
    this.#folder = options.path
    this.#disk = options.disk ?? DISK
    this.#compactBytesMin = options.compactBytesMin ?? COMPACT_BYTES_MIN
    this.#lock = lock
    this.#log = log
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

  protected override checkWritable(): void {
    this.#log.checkSound()
  }

  protected override begin(): JsonlRecords {
    return new JsonlRecords(this.#lastRev, this.#log.sizeBytes)
  }

  protected override async persist(records: JsonlRecords): Promise<void> {
    this.#counted.syncs.add()
    await this.#log.append(records.lines())
  }

  protected override persisted(records: JsonlRecords): void {
    this.#lastRev = records.lastRev
  }

  protected override async release(): Promise<void> {
    await this.#compaction
    await this.#log.close()
    this.#lock.release()
  }

  /** Turns to a new log where a snapshot is due, and begins it; does not wait for its end. */
  protected override async tidy(): Promise<void> {
    if (this.#compaction || this.isClosing || this.#log.totalBytes < this.#compactAtBytes) return
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
      rows: this.rows,
      lastRev: () => this.#lastRev,
      signal: this.ending.signal,
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

function countersOf(meter: Meter): Readonly<Record<'syncs' | 'snapshots', Counter>> {
  return {
    syncs: meter.counter('sluice_fsyncs_total', 'Syncs of files', { store: 'metadata' }),
    snapshots: meter.counter(
      'sluice_metadata_snapshots_total',
      'Snapshots that took the place of logs',
    ),
  }
}
