/**
 * Entries in a SQLite database that this process alone has open: one transaction a group, and one sync
 * of its write-ahead log away from the loop. For those who want a file that other tools read.
 *
 * SQLite has no checksums of its own, so each row has one.
 */
import Sqlite from 'better-sqlite3'
import { crc32 } from '@node-rs/crc32'
import { SqliteLog } from '../lib/sqlite-log.ts'
import type { SqliteLayout } from '../lib/sqlite-open.ts'
import { StoreFull } from '../lib/store-error.ts'
import { checkHardState } from './bounds.ts'
import { type Change, isFlush } from './changes.ts'
import { LogCorrupt, StoreClosed, StorePoisoned } from './errors.ts'
import { GroupedLog, type Keeping } from './grouped.ts'
import { ListBatch } from './list-batch.ts'
import type {
  EntryBatch,
  EntryKind,
  HardState,
  LogEntry,
  LogId,
  LogStats,
  MetaStore,
  Problem,
  StorageEngine,
} from './store.ts'

/** Pages in SQLite's log at which it is moved into the database. */
const CHECKPOINT_FRAMES = 4096
/** Entries that are read at a time. */
const PAGE = 1000

const LAYOUT: SqliteLayout = {
  what: 'log',
  applicationId: 0x534c_4f47,
  version: 1,
  schema: `
    CREATE TABLE entry (idx INTEGER PRIMARY KEY, term INTEGER NOT NULL, kind INTEGER NOT NULL, crc INTEGER NOT NULL, payload BLOB NOT NULL);
    CREATE TABLE state (name TEXT PRIMARY KEY, number INTEGER NOT NULL, term INTEGER NOT NULL, vote TEXT, crc INTEGER NOT NULL) WITHOUT ROWID`,
  pageBytes: 4096,
  cacheKib: 16 * 1024,
}

interface EntryRow {
  readonly idx: number
  readonly term: number
  readonly kind: EntryKind
  readonly crc: number
  readonly payload: Buffer
}

interface StateRow {
  readonly number: number
  readonly term: number
  readonly vote: string | null
  readonly crc: number
}

/** `path`: the file, in a directory that exists. Refuses as `openDatabase` does. */
export function openSqlite({ path }: { readonly path: string }): StorageEngine {
  const rows = new LogRows(new SqliteLog(path, LAYOUT), path)
  const log = new GroupedLog(rows)
  const meta = new SqliteState(rows)
  return {
    log,
    meta,
    async [Symbol.asyncDispose]() {
      await log[Symbol.asyncDispose]()
      await meta[Symbol.asyncDispose]()
    },
  }
}

class LogRows implements Keeping {
  readonly engine = 'sqlite'
  readonly #file: SqliteLog
  readonly #path: string
  readonly #statements
  last: number
  boundary: LogId | undefined
  #syncs = 0
  /** Transactions, one after another: of entries, and of the state. */
  #turn: Promise<unknown> = Promise.resolve()

  constructor(file: SqliteLog, path: string) {
    this.#file = file
    this.#path = path
    this.#statements = prepare(file.db)
    const boundary = this.readState('boundary')
    this.boundary = boundary && { index: boundary.number, term: boundary.term }
    this.last = (this.#statements.last.get() as number | null) ?? this.boundary?.index ?? 0
  }

  checkSound(): void {
    const { broken } = this.#file
    if (broken)
      throw new StorePoisoned('The disk failed to make the log durable', { cause: broken })
  }

  async append(group: readonly Change[]): Promise<void> {
    const changing = group.filter((change) => change.op !== 'close' && !isFlush(change))
    if (changing.length === 0) return
    const before = { last: this.last, boundary: this.boundary }
    const after = changing.reduce(changed, before)
    try {
      await this.write(() => {
        for (const change of changing) this.#apply(change)
        // What goes is gone for readers at once: its rows are. What comes waits for the disk.
        this.boundary = after.boundary
        this.last = Math.min(after.last, ...changing.map(({ op, index }) => keptBy(op, index)))
        this.last = Math.max(Math.min(this.last, before.last), after.boundary?.index ?? 0)
      })
    } catch (error) {
      Object.assign(this, before)
      throw error
    }
    this.last = after.last
  }

  async tidy(): Promise<void> {
    if (this.#file.broken || this.#file.frames() < CHECKPOINT_FRAMES) return
    // Where it cannot be moved it stays, which is as good; a sync that fails is told by the next write.
    await this.#inTurn(() => this.#file.checkpoint()).catch(() => {})
  }

  termOf(index: number): number | undefined {
    if (index === this.boundary?.index) return this.boundary.term
    if (index > this.last || index <= (this.boundary?.index ?? 0)) return undefined
    return this.#statements.term.get(index) as number | undefined
  }

  entry(index: number): LogEntry {
    const row = this.#statements.entry.get(index) as EntryRow | undefined
    if (row === undefined) throw new LogCorrupt(this.#path, index, `entry ${index} is missing`)
    return this.#sound(row)
  }

  range(from: number, to: number, maxBytes: number): EntryBatch {
    const entries: LogEntry[] = []
    let bytes = 0
    for (const row of this.#statements.entries.iterate(from, to) as Iterable<EntryRow>) {
      bytes += row.payload.length
      if (entries.length > 0 && bytes > maxBytes) break
      if (row.idx !== from + entries.length) break
      entries.push(this.#sound(row))
    }
    if (entries.length === 0) throw new LogCorrupt(this.#path, from, `entry ${from} is missing`)
    return new ListBatch(entries)
  }

  async *problems(): AsyncGenerator<Problem, void> {
    const first = (this.boundary?.index ?? 0) + 1
    let expected = first
    for (let from = first; from <= this.last; from = expected) {
      const rows = this.#statements.entries.all(
        from,
        Math.min(this.last, from + PAGE - 1),
      ) as EntryRow[]
      for (const row of rows) {
        for (; expected < row.idx; expected++)
          yield { where: this.#path, at: expected, message: `entry ${expected} is missing` }
        if (row.crc !== crcOf(row.idx, row.term, row.kind, row.payload))
          yield { where: this.#path, at: row.idx, message: `entry ${row.idx} is damaged` }
        expected = row.idx + 1
      }
      const end = Math.min(this.last, from + PAGE - 1)
      for (; expected <= end; expected++)
        yield { where: this.#path, at: expected, message: `entry ${expected} is missing` }
      await new Promise<void>((resolve) => setImmediate(resolve))
    }
  }

  measures(): Pick<LogStats, 'sizeBytes' | 'files' | 'syncs'> {
    const pages = this.#file.db.pragma('page_count', { simple: true }) as number
    return { sizeBytes: pages * LAYOUT.pageBytes, files: 1, syncs: this.#syncs }
  }

  async close(): Promise<void> {
    await this.#inTurn(() => this.#file.idle())
    this.#file.close()
  }

  /** Runs a transaction; resolves once it is durable. */
  write(run: () => void): Promise<void> {
    return this.#inTurn(async () => {
      this.checkSound()
      try {
        this.#file.db.transaction(run).immediate()
      } catch (error) {
        throw inWordsOfLogs(error)
      }
      this.#syncs++
      await this.#file.durable().catch(() => this.checkSound())
    })
  }

  readState(name: 'boundary' | 'hard'): StateRow | undefined {
    const row = this.#statements.state.get(name) as StateRow | undefined
    if (row && row.crc !== crcOfState(row.number, row.term, row.vote))
      throw new LogCorrupt(this.#path, 0, `the state "${name}" is damaged`)
    return row
  }

  writeState(name: 'boundary' | 'hard', number: number, term: number, vote: string | null): void {
    this.#statements.putState.run(name, number, term, vote, crcOfState(number, term, vote))
  }

  async #inTurn<T>(run: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(run)
    this.#turn = turn.catch(() => {})
    return turn
  }

  #apply({ op, index, term, entries }: Change): void {
    const { cut, drop, clear, put } = this.#statements
    if (op === 'truncate') cut.run(index)
    else if (op === 'purge') {
      drop.run(index)
      this.writeState('boundary', index, term, null)
    } else if (op === 'reset') clear()
    for (const { index, term, kind, payload } of entries)
      put.run(index, term, kind, crcOf(index, term, kind, payload), payload)
  }

  #sound({ idx: index, term, kind, crc, payload }: EntryRow): LogEntry {
    if (crc !== crcOf(index, term, kind, payload))
      throw new LogCorrupt(this.#path, index, `entry ${index} is damaged`)
    const bytes = new Uint8Array(payload.buffer, payload.byteOffset, payload.length)
    return { index, term, kind, payload: bytes }
  }
}

interface Reach {
  readonly last: number
  readonly boundary: LogId | undefined
}

function changed({ last, boundary }: Reach, { op, index, term, entries }: Change): Reach {
  if (op === 'reset') return { last: entries.length, boundary: undefined }
  if (op === 'purge') return { last: Math.max(last, index), boundary: { index, term } }
  const kept = op === 'truncate' ? Math.min(last, index - 1) : last
  return { last: kept + entries.length, boundary }
}

/** The last entry that such a change leaves as it was. */
function keptBy(op: Change['op'], index: number): number {
  if (op === 'truncate') return index - 1
  return op === 'reset' ? 0 : Infinity
}

function prepare(db: Sqlite.Database) {
  const columns = 'idx, term, kind, crc, payload'
  const dropEntries = db.prepare('DELETE FROM entry')
  const dropBoundary = db.prepare(`DELETE FROM state WHERE name = 'boundary'`)
  return {
    last: db.prepare('SELECT max(idx) FROM entry').pluck(),
    term: db.prepare('SELECT term FROM entry WHERE idx = ?').pluck(),
    entry: db.prepare(`SELECT ${columns} FROM entry WHERE idx = ?`),
    entries: db.prepare(`SELECT ${columns} FROM entry WHERE idx BETWEEN ? AND ? ORDER BY idx`),
    put: db.prepare(`INSERT INTO entry (${columns}) VALUES (?, ?, ?, ?, ?)`),
    cut: db.prepare('DELETE FROM entry WHERE idx >= ?'),
    drop: db.prepare('DELETE FROM entry WHERE idx <= ?'),
    clear: (): void => {
      dropEntries.run()
      dropBoundary.run()
    },
    state: db.prepare('SELECT number, term, vote, crc FROM state WHERE name = ?'),
    putState: db.prepare(
      'INSERT OR REPLACE INTO state (name, number, term, vote, crc) VALUES (?, ?, ?, ?, ?)',
    ),
  }
}

class SqliteState implements MetaStore {
  readonly #rows: LogRows
  #state: HardState | undefined
  #saving: Promise<void> = Promise.resolve()
  #isClosed = false

  constructor(rows: LogRows) {
    this.#rows = rows
    const row = rows.readState('hard')
    if (row)
      this.#state = row.vote === null ? { term: row.term } : { term: row.term, vote: row.vote }
  }

  async saveHardState({ term, vote }: HardState): Promise<void> {
    this.#checkOpen()
    const state = vote === undefined ? { term } : { term, vote }
    checkHardState(state)
    const save = this.#rows.write(() => this.#rows.writeState('hard', 0, term, vote ?? null))
    this.#saving = save.catch(() => {})
    await save
    this.#state = state
  }

  async loadHardState(): Promise<HardState | undefined> {
    this.#checkOpen()
    return this.#state
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true
    await this.#saving
  }

  #checkOpen(): void {
    if (this.#isClosed) throw new StoreClosed('The store of the state is closed')
  }
}

function crcOf(index: number, term: number, kind: number, payload: Uint8Array): number {
  return crc32(payload, crc32(`${index} ${term} ${kind} `))
}

function crcOfState(number: number, term: number, vote: string | null): number {
  return crc32(`${number} ${term} ${vote ?? ''}`)
}

/** Programmer errors stay what they are. */
function inWordsOfLogs(error: unknown): unknown {
  if (!(error instanceof Sqlite.SqliteError)) return error
  if (error.code === 'SQLITE_FULL') return new StoreFull('No room for the log', { cause: error })
  return new StorePoisoned(`SQLite: ${error.message} (${error.code})`, { cause: error })
}
