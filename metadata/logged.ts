/**
 * A layer that makes rows in memory durable: every commit is an entry of a log (`src/log`), on stable
 * storage before it is answered or seen. The log is the history of all that was ever written, and others
 * follow it.
 *
 * Commits that wait at the same time are written and synced together (`grouped-rows.ts`).
 *
 * When the log has grown to a multiple of what it says, a snapshot of all rows is written beside it while
 * commits go on, and what an older snapshot stands in for is purged. So the log reaches back to the last
 * snapshot but one: as far as followers may lag behind, and as a point in time can be restored.
 * At the start the newest snapshot is read, and the log from there on played over it.
 */
import path from 'node:path'
import { DISK, type Disk } from '../src/lib/disk.ts'
import type { Counter, Meter } from '../src/lib/meter.ts'
import { StoreDamaged, StoreUnavailable } from '../src/lib/store-error.ts'
import type { StorageEngine } from '../src/log/store.ts'
import { encodeCommit } from './group.ts'
import { GroupedRows } from './grouped-rows.ts'
import { fileName } from './jsonl-files.ts'
import { readSnapshot, snapshotsIn } from './jsonl-recovery.ts'
import { removeOlder, type SnapshotTask, writeSnapshot } from './jsonl-snapshot.ts'
import {
  Followers,
  type History,
  type HistoryCommit,
  type HistoryCopy,
  readHistory,
} from './history.ts'
import { encodeEntry, revAt } from './logged-entry.ts'
import { LoggedRecords } from './logged-records.ts'
import { applyCommit, COMMAND, replay } from './logged-rows.ts'
import { RowMap } from './row-map.ts'

/** A log of fewer bytes is left alone, and after a snapshot that failed as many have to come. */
const SNAPSHOT_BYTES_MIN: number = 32 * 1024 * 1024
/** A snapshot is due when the log behind the last one is so many times as large as that. */
const SNAPSHOT_RATIO = 2

export interface LoggedOptions {
  /** The log; the store closes it. */
  readonly engine: StorageEngine
  /** Folder of the snapshots, which exists. */
  readonly snapshots: string
  readonly meter: Meter
  /** Epoch milliseconds. */
  readonly nowMs: () => number
  /** For snapshots: the real one unless a test has its own. */
  readonly disk?: Disk
  /** A log of fewer bytes is left alone. */
  readonly snapshotBytesMin?: number
}

interface Recovered {
  readonly rows: RowMap
  readonly term: number
  /** Index of the newest snapshot, and its size; 0: there is none. */
  readonly snapshot: number
  readonly snapshotBytes: number
  /** Of the entries behind it. */
  readonly logBytes: number
}

export class LoggedMetadata extends GroupedRows<LoggedRecords> {
  override readonly name: string = 'logged'
  readonly #engine: StorageEngine
  readonly #options: LoggedOptions
  #term: number
  /** Why this gateway may not write any more. */
  #fence: StoreFenced | undefined
  readonly #snapshotBytesMin: number
  readonly #snapshots: Counter
  readonly #followers = new Followers()
  /** Of the entries behind the last snapshot, and how many make the next one due. */
  #logBytes: number
  #snapshotAtBytes: number
  #lastSnapshot: number
  #snapshotting: Promise<void> | undefined

  private constructor(options: LoggedOptions, recovered: Recovered) {
    super(recovered.rows, options.meter)
    this.#options = options
    this.#engine = options.engine
    this.#term = recovered.term
    this.#logBytes = recovered.logBytes
    this.#lastSnapshot = recovered.snapshot
    this.#snapshotBytesMin = options.snapshotBytesMin ?? SNAPSHOT_BYTES_MIN
    this.#snapshotAtBytes = this.#dueAfter(recovered.snapshotBytes)
    const snapshots = 'Snapshots that took the place of logs'
    this.#snapshots = options.meter.counter('sluice_metadata_snapshots_total', snapshots)
    this.ending.signal.addEventListener('abort', () => {
      this.#followers.close(new StoreUnavailable('The store of metadata is closed'))
    })
    const { log } = options.engine
    options.meter.gauge('sluice_log_last_index', 'Last entry of the log', () => log.lastIndex())
    options.meter.gauge('sluice_log_bytes', 'Bytes of the log on disk', () => log.stats().sizeBytes)
  }

  /** Reads what is there. `StoreDamaged` where snapshot and log do not fit together, or are not as they were written. */
  static async open(options: LoggedOptions): Promise<LoggedMetadata> {
    try {
      return new LoggedMetadata(options, await recover(options))
    } catch (error) {
      await options.engine[Symbol.asyncDispose]()
      throw error
    }
  }

  get history(): History {
    const { log } = this.#engine
    const term = (): number => this.#term
    return {
      get firstIndex() {
        return log.firstIndex()
      },
      get lastIndex() {
        return log.lastIndex()
      },
      get term() {
        return term()
      },
      read: (cursor, limit) => readHistory(log, cursor, limit),
      arrived: async (cursor, signal) => {
        if (log.lastIndex() <= cursor) await this.#followers.wait(cursor, signal)
      },
      termOf: (index) => log.termOf(index),
      copy: () => this.#copy(),
      fence: (term) => this.#fenceOff(term),
    }
  }

  /**
   * Takes over commits of another gateway's history, which go on right behind the last one here: they are
   * durable once this resolves. Who follows makes no commits of his own.
   */
  async append(commits: readonly HistoryCommit[]): Promise<void> {
    const { log } = this.#engine
    const entries = commits.map(({ index, term, at, partition, writes }) => {
      const payload = encodeEntry(
        at,
        partition,
        encodeCommit({ partition, expects: [], writes }).writes,
      )
      return { index, term, kind: COMMAND, payload }
    })
    await log.persistEntries(entries)
    for (const commit of commits) applyCommit(this.rows, commit.index, commit)
    for (const { payload } of entries) this.#logBytes += payload.length
    this.#followers.reached(log.lastIndex())
    this.#snapshotIfDue()
  }

  /** Writes are made in this term from now on; durable once it resolves. Earlier ones change nothing. */
  async enterTerm(term: number): Promise<void> {
    if (term <= this.#term) return
    await this.#engine.meta.saveHardState({ term })
    this.#term = term
  }

  protected override checkWritable(): void {
    if (this.#fence) throw this.#fence
  }

  protected override begin(): LoggedRecords {
    return new LoggedRecords(this.#engine.log.lastIndex() + 1, this.#term, this.#options.nowMs())
  }

  protected override persist({ entries }: LoggedRecords): Promise<void> {
    return this.#engine.log.persistEntries(entries)
  }

  protected override persisted({ sizeBytes }: LoggedRecords): void {
    this.#followers.reached(this.#engine.log.lastIndex())
    this.#logBytes += sizeBytes
  }

  protected override async tidy(): Promise<void> {
    this.#snapshotIfDue()
  }

  protected override async release(): Promise<void> {
    await this.#snapshotting
    await this.#engine[Symbol.asyncDispose]()
  }

  async #copy(): Promise<HistoryCopy | undefined> {
    const index = this.#lastSnapshot
    if (index === 0) return undefined
    const file = path.join(this.#options.snapshots, fileName('snapshot', index))
    return { index, term: this.#engine.log.termOf(index) ?? this.#term, file }
  }

  /** What was accepted before is answered first. */
  async #fenceOff(term: number): Promise<void> {
    if (term <= this.#term) return
    this.#fence = fenced(term)
    await this.idle()
    await this.#engine.meta.saveHardState({ term, vote: FENCED })
    this.#term = term
  }

  #dueAfter(snapshotBytes: number): number {
    return Math.max(this.#snapshotBytesMin, snapshotBytes * SNAPSHOT_RATIO)
  }

  /** Begins a snapshot; does not wait for its end. */
  #snapshotIfDue(): void {
    if (this.#snapshotting || this.isClosing || this.#logBytes < this.#snapshotAtBytes) return
    this.#snapshotting = this.#snapshot().finally(() => (this.#snapshotting = undefined))
  }

  /** Never rejects: where it does not work the log stays, and it is tried again when that has grown. */
  async #snapshot(): Promise<void> {
    const { log } = this.#engine
    const previous = this.#lastSnapshot
    const bytesBefore = this.#logBytes
    const index = log.lastIndex()
    const task: SnapshotTask = {
      disk: this.#options.disk ?? DISK,
      folder: this.#options.snapshots,
      number: index,
      rows: this.rows,
      lastRev: () => revAt(log.lastIndex(), 0),
      signal: this.ending.signal,
    }
    try {
      const snapshotBytes = await writeSnapshot(task)
      this.#lastSnapshot = index
      this.#logBytes -= bytesBefore
      this.#snapshotAtBytes = this.#dueAfter(snapshotBytes)
      this.#snapshots.add()
      if (previous === 0) return
      await removeOlder({ ...task, number: previous })
      await log.purge({ index: previous, term: log.termOf(previous) ?? this.#term })
    } catch {
      this.#snapshotAtBytes = this.#logBytes + this.#snapshotBytesMin
    }
  }
}

/** Vote of a gateway in whose place another one writes. */
export const FENCED = 'fenced'

/** Another gateway was promoted: this one answers reads at most. */
export class StoreFenced extends StoreUnavailable {
  override readonly name: string = 'StoreFenced'
}

function fenced(term: number): StoreFenced {
  return new StoreFenced(
    `Another gateway was promoted in term ${term} and writes in place of this one. Follow that one (sluice standby) in an empty folder`,
  )
}

async function recover({ engine, snapshots }: LoggedOptions): Promise<Recovered> {
  const { log, meta } = engine
  const snapshot = (await snapshotsIn(snapshots)).at(-1) ?? 0
  if (log.firstIndex() > snapshot + 1 || log.lastIndex() < snapshot)
    throw new StoreDamaged(
      `The log has entries ${log.firstIndex()} to ${log.lastIndex()}, and the newest snapshot in ${path.resolve(snapshots)} is of entry ${snapshot}: they do not fit together. Nothing was changed; restore both from one backup`,
    )
  const read = snapshot === 0 ? undefined : await readSnapshot(snapshots, snapshot)
  const rows = read?.rows ?? new RowMap()
  const logBytes = await replay(rows, log, snapshot + 1, log.lastIndex())
  const state = await meta.loadHardState()
  if (state?.vote === FENCED) throw fenced(state.term)
  if (state === undefined) await meta.saveHardState({ term: 1 })
  return {
    rows,
    term: state?.term ?? 1,
    snapshot,
    snapshotBytes: read?.sizeBytes ?? 0,
    logBytes,
  }
}
