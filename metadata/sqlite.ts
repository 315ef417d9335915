/**
 * Rows in a SQLite database that this process alone has open.
 *
 * Commits that wait at the same time form a group: one transaction, then one sync of the log away
 * from the loop, then all of them are answered. The next group gathers meanwhile. So the price of a
 * sync is shared by all that wait for it, and a lone commit waits for one sync.
 *
 * A read is answered at once, unless it has seen what the group under way wrote or removed: then it
 * waits for that group's sync, so that nothing that anyone was shown is lost in a crash.
 *
 * A sync that fails leaves it unknown what the disk has: the group is answered with
 * `StoreUnavailable`, and so is every commit after it, until the store is opened again.
 */
import Sqlite from 'better-sqlite3'
import type { Counter, Meter } from '../src/lib/meter.ts'
import { StoreFull, StoreUnavailable } from '../src/lib/store-error.ts'
import { CommitQueue, nextTurn } from './commit-queue.ts'
import { checkCommit, checkPosition, checkRange } from './limits.ts'
import { openFile, openInMemory, type Datasync, type SqliteFile } from './sqlite-file.ts'
import {
  onlyPosition,
  SqliteRows,
  type EncodedCommit,
  type EncodedWrite,
  type SqliteRow,
} from './sqlite-rows.ts'
import type { Commit, MetadataStore, Range, Row, Table, Write } from './store.ts'

/**
 * Pages in the log at which it is moved into the database, if nothing else is said. To copy one takes 2 to 4 us, in which the
 * loop stands still: 40,000 at a time would make commits a third cheaper, and stop everything for 0.1 s.
 */
const CHECKPOINT_FRAMES = 4096

export interface SqliteOptions {
  /** The database's file, in a directory that exists; `:memory:` for tests. */
  readonly path: string
  readonly meter: Meter
  /** How a file is made durable; fdatasync in the pool of threads where none is given. */
  readonly datasync?: Datasync
  /** Most pages of 4 KiB that the file may have; commits beyond it are refused with `StoreFull`. */
  readonly pagesMax?: number
  /** Pages in the log at which it is moved into the database. */
  readonly checkpointFrames?: number
}

/** What the group under way has written: visible to reads, and not durable yet. */
interface Pending {
  readonly firstRev: number
  /** Positions of the rows that it removed, by partition. */
  readonly removed: ReadonlyMap<string, ReadonlySet<string>>
  /** Rejects where it may be lost. */
  readonly durable: Promise<void>
}

export class SqliteStore implements MetadataStore {
  readonly name: string = 'sqlite'
  readonly #file: SqliteFile
  readonly #rows: SqliteRows
  readonly #checkpointFrames: number
  readonly #counted: Readonly<Record<'commits' | 'groups' | 'syncs' | 'checkpoints', Counter>>
  readonly #queue: CommitQueue<EncodedCommit>
  #pending: Pending | undefined
  /** Why nothing is written any more. */
  #broken: StoreUnavailable | undefined
  #closing: Promise<void> | undefined

  constructor({ path, meter, datasync, pagesMax, checkpointFrames }: SqliteOptions) {
    this.#file = path === ':memory:' ? openInMemory() : openFile(path, datasync)
    if (pagesMax !== undefined) this.#file.db.pragma(`max_page_count = ${pagesMax}`)
    this.#rows = new SqliteRows(this.#file.db)
    this.#checkpointFrames = checkpointFrames ?? CHECKPOINT_FRAMES
    this.#counted = countersOf(meter)
    this.#queue = new CommitQueue({
      run: (commits) => this.#runDurably(commits),
      tidy: () => this.#checkpointIfDue(),
    })
  }

  async get(partition: string, table: Table, sort: string): Promise<Row | undefined> {
    checkPosition(partition, sort)
    const row = this.#readRow(partition, table, sort)
    const pending = this.#pending
    if (pending === undefined) return row
    const isPending = row
      ? row.rev >= pending.firstRev
      : pending.removed.get(partition)?.has(position(table, sort))
    if (isPending) await pending.durable
    return row
  }

  async scan(partition: string, table: Table, range: Range): Promise<readonly Row[]> {
    checkRange(partition, range)
    const rows = this.#readRows(partition, table, range)
    const pending = this.#pending
    if (pending === undefined) return rows
    const isPending =
      rows.some((row) => row.rev >= pending.firstRev) ||
      hidesRemoved(pending.removed.get(partition), table, range)
    if (isPending) await pending.durable
    return rows
  }

  /** What the commit says is taken over by this call; its bytes are left alone until it is answered. */
  commit(commit: Commit): Promise<boolean> {
    return new Promise((resolve, reject) => {
      const sizeBytes = checkCommit(commit)
      this.#checkOpen()
      if (this.#broken) throw this.#broken
      this.#queue.add({ commit: encode(commit), sizeBytes, resolve, reject })
    })
  }

  /** Answers what waits, then closes the file. */
  [Symbol.asyncDispose](): Promise<void> {
    this.#closing ??= this.#queue.idle().then(() => this.#file.close())
    return this.#closing
  }

  #checkOpen(): void {
    if (this.#closing) throw new StoreUnavailable('The store of metadata is closed')
  }

  #readRow(partition: string, table: Table, sort: string): SqliteRow | undefined {
    this.#checkOpen()
    try {
      return this.#rows.get(partition, table, sort)
    } catch (error) {
      throw inWordsOfStores(error)
    }
  }

  #readRows(partition: string, table: Table, range: Range): SqliteRow[] {
    this.#checkOpen()
    try {
      return this.#rows.scan(partition, table, range)
    } catch (error) {
      throw inWordsOfStores(error)
    }
  }

  async #runDurably(commits: readonly EncodedCommit[]): Promise<readonly boolean[]> {
    const outcomes = this.#run(commits)
    await this.#pending?.durable
    this.#pending = undefined
    return outcomes
  }

  /** Runs the group, and begins to make durable what it wrote. */
  #run(commits: readonly EncodedCommit[]): boolean[] {
    if (this.#broken) throw this.#broken
    const firstRev = this.#rows.lastRev + 1
    let outcomes: boolean[]
    try {
      outcomes = this.#rows.run(commits)
    } catch (error) {
      throw inWordsOfStores(error)
    }
    this.#counted.commits.add(commits.length)
    this.#counted.groups.add()
    const removed = removedBy(commits, outcomes)
    if (this.#rows.lastRev >= firstRev || removed.size > 0) {
      this.#counted.syncs.add()
      this.#pending = { firstRev, removed, durable: this.#orBreak(this.#file.sync()) }
    }
    return outcomes
  }

  async #checkpointIfDue(): Promise<void> {
    if (this.#broken || this.#file.frames() < this.#checkpointFrames) return
    // Those who were just answered go on first.
    await nextTurn()
    try {
      this.#file.copyLog()
    } catch (error) {
      // Where the database has no room to grow, everything stays in the log, which is as good, and
      // the next group tries again.
      const why = inWordsOfStores(error)
      if (!(why instanceof StoreFull)) this.#break(why)
      return
    }
    this.#counted.checkpoints.add()
    this.#counted.syncs.add()
    // Where this fails the next commit says so.
    await this.#orBreak(this.#file.syncData()).catch(() => {})
  }

  /** Once a sync has failed, nobody can tell what the disk has: not even a sync that succeeds later. */
  async #orBreak(sync: Promise<void>): Promise<void> {
    try {
      await sync
    } catch (error) {
      throw this.#break(error)
    }
  }

  #break(cause: unknown): StoreUnavailable {
    this.#broken = new StoreUnavailable('The disk failed to make metadata durable', { cause })
    return this.#broken
  }
}

function countersOf(
  meter: Meter,
): Readonly<Record<'commits' | 'groups' | 'syncs' | 'checkpoints', Counter>> {
  return {
    commits: meter.counter('sluice_metadata_commits_total', 'Commits answered, refused ones too'),
    groups: meter.counter('sluice_metadata_groups_total', 'Transactions that commits shared'),
    syncs: meter.counter('sluice_fsyncs_total', 'Syncs of files', { store: 'metadata' }),
    checkpoints: meter.counter(
      'sluice_metadata_checkpoints_total',
      'Times that the log was moved into the database',
    ),
  }
}

function encode({ partition, expects, writes }: Commit): EncodedCommit {
  return { partition, expects, writes: writes.map(encodeWrite) }
}

function encodeWrite({ table, sort, value, bytes }: Write): EncodedWrite {
  return { table, sort, json: value === null ? undefined : JSON.stringify(value), bytes }
}

function removedBy(
  commits: readonly EncodedCommit[],
  outcomes: readonly boolean[],
): Map<string, Set<string>> {
  const removed = new Map<string, Set<string>>()
  for (let i = 0; i < commits.length; i++) {
    if (!outcomes[i]) continue
    const { partition, writes } = commits[i]!
    for (const { table, sort, json } of writes) {
      if (json !== undefined) continue
      const positions = removed.get(partition)
      if (positions) positions.add(position(table, sort))
      else removed.set(partition, new Set([position(table, sort)]))
    }
  }
  return removed
}

/** Whether a row that was removed may be missing from the range. */
function hidesRemoved(
  removed: ReadonlySet<string> | undefined,
  table: Table,
  range: Range,
): boolean {
  if (removed === undefined) return false
  const only = onlyPosition(range)
  return only === undefined || removed.has(position(table, only))
}

function position(table: Table, sort: string): string {
  return `${table}/${sort}`
}

/** Programmer errors stay what they are. */
function inWordsOfStores(error: unknown): unknown {
  if (!(error instanceof Sqlite.SqliteError)) return error
  if (error.code === 'SQLITE_FULL') return new StoreFull('No room for metadata', { cause: error })
  return new StoreUnavailable(`SQLite: ${error.message} (${error.code})`, { cause: error })
}
