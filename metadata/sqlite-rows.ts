/**
 * Rows in a SQLite database: the tables, and every statement there is. All of it is synchronous and
 * knows nothing of durability; `sqlite.ts` decides when what is written here may be told.
 *
 * `row` has no BLOB column, so that a page of rows is read as fast as SQLite steps. Bytes beside a
 * row stand in a table of their own under the row's rev: revs ascend, so that inserting is appending.
 */
import Sqlite, { type Database } from 'better-sqlite3'
import { StoreFull, StoreUnavailable } from '../src/lib/store-error.ts'
import { compareUtf8 } from '../src/lib/utf8.ts'
import { behind, groupOf } from './fold.ts'
import { END, PAGE, SEEK, groupsAreKnown, seekBinding } from './sqlite-fold.ts'
import { ABSENT, type Known, type Placed } from './sqlite-overlay.ts'
import type { Place } from './sqlite-records.ts'
import type { Fold, Json, Range, Row } from './store.ts'

/** What `PRAGMA application_id` says of a file of ours: "SLUI". */
export const APPLICATION_ID = 0x53_4c_55_49
/** Version of the layout below; a file of a newer one is not touched. */
export const SCHEMA_VERSION = 2

/** What SQLite has of the commit log: everything before the place, whose newest rev is `rev`. */
export interface State {
  readonly store: number
  readonly rev: number
  readonly segment: number
  readonly at: number
}

export type SqliteRow = Row & { readonly rev: number }

const SCHEMA = `
  CREATE TABLE row (
    partition TEXT NOT NULL,
    tbl       INTEGER NOT NULL,
    sort      TEXT NOT NULL,
    rev       INTEGER NOT NULL,
    segment   INTEGER NOT NULL, -- of the commit log, where the row's bytes are; 0: it has none
    at        INTEGER NOT NULL, -- of the first of the bytes
    length    INTEGER NOT NULL, -- of the bytes
    held      INTEGER NOT NULL, -- bytes of their whole record
    value     TEXT NOT NULL,
    PRIMARY KEY (partition, tbl, sort)
  ) WITHOUT ROWID;
  CREATE TABLE segment (number INTEGER PRIMARY KEY, held INTEGER NOT NULL); -- by rows
  CREATE TABLE state (
    id      INTEGER PRIMARY KEY CHECK (id = 1),
    store   INTEGER NOT NULL, -- the number of this store
    rev     INTEGER NOT NULL, -- the newest of the rows that are here
    segment INTEGER NOT NULL, -- all rows of the commit log before this place are here
    at      INTEGER NOT NULL
  );
  INSERT INTO state VALUES (1, abs(random()) % 4294967296, 0, 1, 0);
  PRAGMA application_id = ${APPLICATION_ID};
  PRAGMA user_version = ${SCHEMA_VERSION};
`

/** Lays out an empty database. */
export function createTables(db: Database): void {
  db.transaction(() => db.exec(SCHEMA)).immediate()
}

type Found = [rev: number, segment: number, held: number]
/** Rows side by side: each is text that JSON has between the brackets of an array; null where there is no row. */
type Page = [sorts: string | null, revs: string | null, values: string | null]
type Columns = [sorts: string[], revs: number[], values: Json[]]

/** Rows read at a time where groups hide some; doubled while most of the rows that are read count. */
const BURST_MIN = 16

export interface Stored extends Known, Place {
  readonly json: string
}

export class SqliteRows {
  readonly #db: Database
  readonly #sql: ReturnType<typeof prepare>

  constructor(db: Database) {
    this.#db = db
    this.#sql = prepare(db)
  }

  state(): State {
    return this.#sql.state.get() as State
  }

  get(partition: string, table: number, sort: string): Stored | undefined {
    const cells = this.#sql.get.get(partition, table, sort) as
      | [rev: number, segment: number, at: number, length: number, held: number, value: string]
      | undefined
    if (cells === undefined) return undefined
    const [rev, segment, at, length, held, json] = cells
    return { rev, segment, at, length, held, json }
  }

  /** All of the log before that place is here. */
  place({ rev, segment, at }: Omit<State, 'store'>): void {
    this.#sql.setState.run(rev, segment, at)
  }

  /** Of each segment that rows have bytes in: how many bytes they hold. */
  held(): Map<number, number> {
    return new Map(this.#sql.held.all() as [number, number][])
  }

  forgetSegment(number: number): void {
    this.#sql.forgetSegment.run(number)
  }

  find(partition: string, table: number, sort: string): Known {
    const found = this.#sql.find.get(partition, table, sort) as Found | undefined
    return found === undefined ? ABSENT : { rev: found[0], segment: found[1], held: found[2] }
  }

  scan(partition: string, table: number, range: Range): SqliteRow[] {
    if (range.fold) return this.#folded(partition, table, range, range.fold)
    return this.#plain(partition, table, range.from, range.to, range.limit)
  }

  /** Writes rows `from` to `to` in one transaction, and where all before them and they stand in the log. */
  apply(rows: readonly Placed[], from: number, to: number, state?: Omit<State, 'store'>): void {
    const { begin, end } = this.#sql
    begin.run()
    try {
      const held = new Map<number, number>()
      for (let i = from; i < to; i++) this.#write(rows[i]!, held)
      for (const [segment, by] of held) if (by !== 0) this.#sql.hold.run(segment, by, by)
      if (state) this.place(state)
      end.run()
    } catch (error) {
      // SQLite has rolled back by itself where it saw no way to go on.
      if (this.#db.inTransaction) this.#sql.rollback.run()
      throw error
    }
  }

  #write({ partition, table, sort, row }: Placed, held: Map<number, number>): void {
    const { rev, segment, json } = row
    let base = row.base
    if (base === ABSENT && rev !== 0) {
      const { changes } = this.#sql.insert.run(
        partition,
        table,
        sort,
        rev,
        segment,
        row.at,
        row.length,
        row.held,
        json,
      )
      if (changes === 1) {
        if (segment !== 0) held.set(segment, (held.get(segment) ?? 0) + row.held)
        return
      }
      base = undefined
    }
    base ??= this.find(partition, table, sort)
    if (base.segment !== 0) held.set(base.segment, (held.get(base.segment) ?? 0) - base.held)
    if (rev === 0) {
      if (base.rev !== 0) this.#sql.delete.run(partition, table, sort)
      return
    }
    if (segment !== 0) held.set(segment, (held.get(segment) ?? 0) + row.held)
    if (base.rev === 0)
      this.#sql.insert.run(partition, table, sort, rev, segment, row.at, row.length, row.held, json)
    else
      this.#sql.update.run(rev, segment, row.at, row.length, row.held, json, partition, table, sort)
  }

  #plain(
    partition: string,
    table: number,
    from: string,
    to: string | undefined,
    limit: number,
  ): SqliteRow[] {
    return rowsOf(this.#sql.scan.get(partition, table, from, to ?? END, limit) as Page)
  }

  /**
   * Where rows stand alone they are read in order; where groups hide much, SQLite seeks from one to
   * the next by itself, or is asked for each where it cannot know the groups.
   */
  #folded(partition: string, table: number, range: Range, fold: Fold): SqliteRow[] {
    const { to, limit } = range
    const rows: SqliteRow[] = []
    const canSeek = groupsAreKnown(range, fold)
    let from: string | undefined = range.from
    let burst = BURST_MIN
    while (from !== undefined && rows.length < limit) {
      const wanted = Math.min(burst, limit - rows.length)
      const isSeeking: boolean = burst === 1 && canSeek
      const found: SqliteRow[] = isSeeking
        ? rowsOf(
            this.#sql.seek.get(
              seekBinding(partition, table, { ...range, from, limit: limit - rows.length }, fold),
            ) as Page,
          )
        : this.#plain(partition, table, from, to, wanted)
      const before: number = rows.length
      from = take(found, rows, fold, from)
      if (isSeeking || found.length < wanted) break
      burst = (rows.length - before) * 2 >= found.length ? burst * 2 : 1
    }
    return rows
  }
}

/**
 * A page is three texts and one `JSON.parse`: a call for each row, and an array for its cells, would
 * cost as much again.
 */
function rowsOf([sorts, revs, values]: Page): SqliteRow[] {
  if (sorts === null) return []
  const [sort, rev, value] = JSON.parse(`[[${sorts}],[${revs}],[${values}]]`) as Columns
  const rows: SqliteRow[] = []
  for (let i = 0; i < sort.length; i++)
    rows.push({ sort: sort[i]!, rev: rev[i]!, value: value[i]! })
  return rows
}

/** Moves into `rows` those of `found` at or behind `from`, the first of each group; answers where to go on. */
function take(
  found: readonly SqliteRow[],
  rows: SqliteRow[],
  fold: Fold,
  from: string,
): string | undefined {
  let next: string | undefined = from
  let isHiding = false
  for (const row of found) {
    if (isHiding && compareUtf8(row.sort, next) < 0) continue
    rows.push(row)
    isHiding = groupOf(row.sort, fold) !== undefined
    next = behind(row.sort, fold)
    if (next === undefined) return undefined
  }
  return next
}

function prepare(db: Database) {
  const at = 'partition = ? AND tbl = ? AND sort = ?'
  return {
    begin: db.prepare('BEGIN IMMEDIATE'),
    end: db.prepare('COMMIT'),
    rollback: db.prepare('ROLLBACK'),
    get: db.prepare(`SELECT rev, segment, at, length, held, value FROM row WHERE ${at}`).raw(),
    find: db.prepare(`SELECT rev, segment, held FROM row WHERE ${at}`).raw(),
    // `+?` and `?+0`: a bare parameter at these places has SQLite plan the statement anew for each
    // binding, which takes 8 us.
    scan: db
      .prepare(
        `SELECT ${PAGE} FROM (
           SELECT sort, rev, value FROM row
           WHERE partition = +? AND tbl = +? AND sort >= ? AND sort < ? ORDER BY sort LIMIT ?+0
         )`,
      )
      .raw(),
    seek: db.prepare(SEEK).raw(),
    insert: db.prepare('INSERT OR IGNORE INTO row VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)'),
    update: db.prepare(
      `UPDATE row SET rev = ?, segment = ?, at = ?, length = ?, held = ?, value = ? WHERE ${at}`,
    ),
    delete: db.prepare(`DELETE FROM row WHERE ${at}`),
    hold: db.prepare('INSERT INTO segment VALUES (?, ?) ON CONFLICT DO UPDATE SET held = held + ?'),
    held: db.prepare('SELECT number, held FROM segment WHERE held <> 0').raw(),
    forgetSegment: db.prepare('DELETE FROM segment WHERE number = ?'),
    state: db.prepare('SELECT store, rev, segment, at FROM state'),
    setState: db.prepare('UPDATE state SET rev = ?, segment = ?, at = ?'),
  }
}

/** Programmer errors stay what they are. */
export function inWordsOfStores(error: unknown): unknown {
  if (!(error instanceof Sqlite.SqliteError)) return error
  if (error.code === 'SQLITE_FULL') return new StoreFull('No room for metadata', { cause: error })
  return new StoreUnavailable(`SQLite: ${error.message} (${error.code})`, { cause: error })
}
