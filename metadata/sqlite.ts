/**
 * Rows in a log of commits, with SQLite as the index that follows it, open in this process alone.
 *
 * Commits go to the log, and are durable there (sqlite-writer.ts). What they wrote stands in memory, in
 * the overlay, until there is enough of it to go into SQLite at a good price (sqlite-apply.ts). Bytes
 * beside rows stay in the log, where they were written once, until there are so few of them in a file
 * that it is worth moving them (sqlite-reclaim.ts).
 *
 * A read is answered at once, unless it has seen what the group under way wrote or removed: then it
 * waits for that group's sync, so that nothing that anyone was shown is lost in a crash. One row comes
 * from the overlay or from SQLite; for a range, what the overlay has in it goes into SQLite first.
 */
import { makeDirectory } from '../src/lib/durable-directory.ts'
import type { Meter } from '../src/lib/meter.ts'
import { StoreUnavailable } from '../src/lib/store-error.ts'
import { checkCommit, checkPosition, checkRange } from './limits.ts'
import { Applier } from './sqlite-apply.ts'
import { countersOf } from './sqlite-counted.ts'
import { fdatasyncOfPool, openFile, type Datasync, type SqliteFile } from './sqlite-file.ts'
import { Groups, type EncodedCommit, type EncodedWrite, type Move } from './sqlite-group.ts'
import { mergedScan } from './sqlite-merge.ts'
import { ABSENT, Overlay, type Fresh } from './sqlite-overlay.ts'
import { Reclaimer } from './sqlite-reclaim.ts'
import { FrameWriter, SEGMENT_HEADER_BYTES } from './sqlite-records.ts'
import { replay } from './sqlite-replay.ts'
import { onlyPosition } from './only-position.ts'
import { inWordsOfStores, SqliteRows, type Stored } from './sqlite-rows.ts'
import { CODES } from './table-codes.ts'
import { Segments, type WriteAt } from './sqlite-segments.ts'
import { Writer } from './sqlite-writer.ts'
import type { Commit, Json, MetadataStore, Range, Row, Table, Write } from './store.ts'

/** When the engine does what it does in the background. Smaller ones are for tests. */
export interface Bounds {
  /** Rows, and UTF-16 units of their values, with which the overlay goes into SQLite. */
  readonly overlayRows: number
  readonly overlayUnits: number
  /** A file of the log that has as much is closed. */
  readonly segmentBytes: number
  /** Room that the log makes ahead of itself at a time. */
  readonly roomBytes: number
  /**
   * Pages in SQLite's log at which it is moved into the database. To copy one takes 2 to 4 us, in which
   * the loop stands still.
   */
  readonly checkpointFrames: number
}

const BOUNDS: Bounds = {
  overlayRows: 4096,
  overlayUnits: 4 * 1024 * 1024,
  segmentBytes: 64 * 1024 * 1024,
  roomBytes: 1024 * 1024,
  checkpointFrames: 4096,
}

export interface SqliteOptions {
  /** The database's file, in a directory that exists. The log's folder stands beside it: `<path>-log`. */
  readonly path: string
  readonly meter: Meter
  /** How a file is made durable; fdatasync in the pool of threads where none is given. */
  readonly datasync?: Datasync
  /** How the log is written; in the pool of threads where nothing is given. */
  readonly write?: WriteAt
  /** Most pages of 4 KiB that the database may have; beyond it SQLite is full. */
  readonly pagesMax?: number
  readonly bounds?: Partial<Bounds>
}

export class SqliteStore implements MetadataStore {
  readonly name: string = 'sqlite'
  readonly #file: SqliteFile
  readonly #rows: SqliteRows
  readonly #log: Segments
  readonly #overlay = new Overlay()
  readonly #groups: Groups
  readonly #applier: Applier
  readonly #writer: Writer
  readonly #reclaimer: Reclaimer
  #closing: Promise<void> | undefined

  /** Throws as `openFile` does, and `StoreDamaged` where the log is not as it was left. */
  constructor(options: SqliteOptions) {
    const { path, datasync = fdatasyncOfPool, pagesMax } = options
    const bounds = { ...BOUNDS, ...options.bounds }
    const counted = countersOf(options.meter)
    this.#file = openFile(path, datasync)
    try {
      if (pagesMax !== undefined) this.#file.db.pragma(`max_page_count = ${pagesMax}`)
      this.#rows = new SqliteRows(this.#file.db)
      const { store } = this.#rows.state()
      this.#log = openLog(options, store, bounds, datasync)
      const lastRev = this.#replay()
      const frame = new FrameWriter(store)
      this.#groups = new Groups(this.#rows, this.#overlay, frame, lastRev)
      const parts = {
        store,
        frame,
        counted,
        ...bounds,
        file: this.#file,
        rows: this.#rows,
        log: this.#log,
        overlay: this.#overlay,
        groups: this.#groups,
      }
      this.#applier = new Applier({
        ...parts,
        onBroken: (cause) => void this.#writer.break(cause),
        onCheckpoint: () => this.#reclaimer.start(),
      })
      this.#writer = new Writer({ ...parts, applier: this.#applier })
      const commit = (moves: readonly Move[], sizeBytes: number): Promise<boolean> =>
        this.#writer.commit(moves, sizeBytes)
      this.#reclaimer = new Reclaimer({ ...parts, commit })
    } catch (error) {
      this.#file.close()
      throw inWordsOfStores(error)
    }
  }

  async get(partition: string, table: Table, sort: string): Promise<Row | undefined> {
    checkPosition(partition, sort)
    this.#checkOpen()
    const pending = this.#overlay.pending(partition, CODES[table], sort)
    const isKept = pending !== undefined && (await this.#writer.isKept())
    const found = isKept ? pending : this.#find(partition, CODES[table], sort)
    if (found === undefined || found.rev === 0) return undefined
    const { rev, json, segment, at, length } = found
    const value = JSON.parse(json) as Json
    if (segment === 0) return { sort, rev, value }
    // In the same turn in which the row was found: a segment that no row names may be gone in the next.
    return { sort, rev, value, bytes: this.#log.read(segment, at, length) }
  }

  async scan(partition: string, table: Table, range: Range): Promise<readonly Row[]> {
    checkRange(partition, range)
    this.#checkOpen()
    const code = CODES[table]
    const only = range.fold ? undefined : onlyPosition(range)
    if (only !== undefined) return this.#look(partition, code, only)
    if (this.#overlay.isPendingIn(partition, code, range)) await this.#writer.isKept()
    if (this.#overlay.isDurableIn(partition, code, range) && !(await this.#isFlushed()))
      return mergedScan(this.#rows, this.#overlay, partition, code, range)
    this.#checkOpen()
    return inWords(() => this.#rows.scan(partition, code, range))
  }

  /** What the commit says is taken over by this call; its bytes are left alone until it is answered. */
  commit(commit: Commit): Promise<boolean> {
    try {
      const sizeBytes = checkCommit(commit)
      this.#checkOpen()
      return this.#writer.commit(encode(commit), sizeBytes)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /** Answers what waits, then closes the files. */
  [Symbol.asyncDispose](): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    await this.#reclaimer.stop()
    await this.#writer.finish()
    // What cannot go into SQLite now stays in the log, and goes there when the store is opened again.
    await this.#isFlushed()
    await this.#applier.stop()
    this.#file.close()
    this.#log.close()
  }

  #checkOpen(): void {
    if (this.#closing) throw new StoreUnavailable('The store of metadata is closed')
  }

  /** Puts what SQLite has not yet into the overlay; answers the newest rev. */
  #replay(): number {
    const state = this.#rows.state()
    let lastRev = state.rev
    replay(this.#log, state, [...this.#rows.held().keys()], (record) => {
      const { partition, table, sort, rev, json, place } = record
      this.#overlay.add(partition, table, sort, { ...place, rev, json, base: undefined })
      lastRev = Math.max(lastRev, rev)
    })
    this.#overlay.keep({ segment: this.#log.number, at: this.#log.end })
    // From now on a log that is gone is missed.
    if (state.at === 0) this.#rows.place({ ...state, at: SEGMENT_HEADER_BYTES })
    return lastRev
  }

  /** Whether SQLite has all that was durable at the call. */
  async #isFlushed(): Promise<boolean> {
    if (this.#writer.broken) return false
    try {
      await this.#applier.flush()
      return true
    } catch {
      // It has no room: the writer tells those who write.
      return false
    }
  }

  async #look(partition: string, code: number, sort: string): Promise<readonly Row[]> {
    const pending = this.#overlay.pending(partition, code, sort)
    const isKept = pending !== undefined && (await this.#writer.isKept())
    const found = isKept ? pending : this.#find(partition, code, sort)
    // Who looks mostly expects what he saw, in a commit that follows.
    if (this.#overlay.newest(partition, code, sort) === undefined)
      this.#groups.remember(partition, code, sort, found ?? ABSENT)
    if (found === undefined || found.rev === 0) return []
    return [{ sort, rev: found.rev, value: JSON.parse(found.json) as Json }]
  }

  #find(partition: string, code: number, sort: string): Fresh | Stored | undefined {
    this.#checkOpen()
    const fresh = this.#overlay.durable(partition, code, sort)
    return fresh ?? inWords(() => this.#rows.get(partition, code, sort))
  }
}

function openLog(
  { path, write }: SqliteOptions,
  store: number,
  { segmentBytes, roomBytes }: Bounds,
  datasync: Datasync,
): Segments {
  const folder = `${path}-log`
  makeDirectory(folder)
  return new Segments({ folder, store, segmentBytes, roomBytes, datasync, ...(write && { write }) })
}

function encode({ partition, expects, writes }: Commit): EncodedCommit {
  return { partition, expects, writes: writes.map(encodeWrite) }
}

function encodeWrite({ table, sort, value, bytes }: Write): EncodedWrite {
  return { table, sort, json: value === null ? undefined : JSON.stringify(value), bytes }
}

function inWords<T>(read: () => T): T {
  try {
    return read()
  } catch (error) {
    throw inWordsOfStores(error)
  }
}
