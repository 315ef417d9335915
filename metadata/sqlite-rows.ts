/**
 * Rows in a SQLite database: the tables, and every statement there is. All of it is synchronous and
 * knows nothing of durability; `sqlite.ts` decides when what is written here may be told.
 *
 * `row` has no BLOB column, so that a page of rows is read as fast as SQLite steps. Bytes beside a
 * row stand in a table of their own under the row's rev: revs ascend, so that inserting is appending.
 */
import type { Database } from 'better-sqlite3'
import { compareUtf8 } from '../src/lib/utf8.ts'
import { behind, groupOf } from './fold.ts'
import { END, SEEK, groupsAreKnown, seekBinding } from './sqlite-fold.ts'
import type { Expect, Fold, Json, Range, Row, Table } from './store.ts'

/** What `PRAGMA application_id` says of a file of ours: "SLUI". */
export const APPLICATION_ID = 0x53_4c_55_49
/** Version of the layout below; a file of a newer one is not touched. */
export const SCHEMA_VERSION = 1

/** Revs are reserved this many at a time, in the transaction that uses the first of them. */
const REVS_RESERVED: number = 2 ** 20

/** A write whose value is text already, so that nothing but the disk can fail once it is run. */
export interface EncodedWrite {
  readonly table: Table
  readonly sort: string
  /** JSON; none: the row is removed. */
  readonly json: string | undefined
  readonly bytes: Uint8Array | undefined
}

export interface EncodedCommit {
  readonly partition: string
  readonly expects: readonly Expect[]
  readonly writes: readonly EncodedWrite[]
}

export type SqliteRow = Row & { readonly rev: number }

/** Tables as they stand on disk: a number never changes its meaning. */
const CODES: Readonly<Record<Table, number>> = {
  bucket: 1,
  object: 2,
  version: 3,
  page: 4,
  upload: 5,
  part: 6,
  garbage: 7,
  share: 8,
  config: 9,
  event: 10,
}

const SCHEMA = `
  CREATE TABLE row (
    partition TEXT NOT NULL,
    tbl       INTEGER NOT NULL,
    sort      TEXT NOT NULL,
    rev       INTEGER NOT NULL,
    inlined   INTEGER NOT NULL, -- 1: bytes has this rev
    value     TEXT NOT NULL,
    PRIMARY KEY (partition, tbl, sort)
  ) WITHOUT ROWID;
  CREATE TABLE bytes (rev INTEGER PRIMARY KEY, data BLOB NOT NULL);
  CREATE TABLE state (id INTEGER PRIMARY KEY CHECK (id = 1), rev_end INTEGER NOT NULL);
  INSERT INTO state VALUES (1, 1);
  PRAGMA application_id = ${APPLICATION_ID};
  PRAGMA user_version = ${SCHEMA_VERSION};
`

/** Lays out an empty database. */
export function createTables(db: Database): void {
  db.transaction(() => db.exec(SCHEMA)).immediate()
}

/**
 * The sort key that is all of the range, where it is just one. Such a scan is a `get` that leaves the
 * bytes out, and as common, so it has a statement of its own.
 */
export function onlyPosition({ from, to }: Range): string | undefined {
  const isOne = to?.length === from.length + 1 && to.endsWith('\0') && to.startsWith(from)
  return isOne ? from : undefined
}

type Found = [rev: number, inlined: number]
type Cells = [sort: string, rev: number, value: string]
type Old = Found | undefined

/** Rows read at a time where groups hide some; doubled while most of the rows that are read count. */
const BURST_MIN = 16

export class SqliteRows {
  readonly #db: Database
  readonly #sql: ReturnType<typeof prepare>
  #lastRev: number
  /** Revs below this are reserved on disk: no later process gives them out. */
  #revEnd: number

  constructor(db: Database) {
    this.#db = db
    this.#sql = prepare(db)
    this.#revEnd = this.#sql.revEnd.get() as number
    this.#lastRev = this.#revEnd - 1
  }

  /** The newest rev that was given out. */
  get lastRev(): number {
    return this.#lastRev
  }

  get(partition: string, table: Table, sort: string): SqliteRow | undefined {
    const cells = this.#sql.get.get(partition, CODES[table], sort) as
      | [rev: number, inlined: number, value: string, bytes: Uint8Array | null]
      | undefined
    if (cells === undefined) return undefined
    const [rev, inlined, text, bytes] = cells
    const value = JSON.parse(text) as Json
    if (inlined === 0) return { sort, rev, value }
    if (bytes === null) throw new Error(`The bytes of the ${table} row at rev ${rev} are gone`)
    return { sort, rev, value, bytes }
  }

  scan(partition: string, table: Table, range: Range): SqliteRow[] {
    if (range.fold) return this.#folded(partition, table, range, range.fold)
    const only = onlyPosition(range)
    if (only !== undefined) {
      const found = this.#sql.look.get(partition, CODES[table], only) as Cells | undefined
      return found === undefined ? [] : [toRow(found)]
    }
    const cells = this.#plain(partition, table, range.from, range.to, range.limit)
    const rows: SqliteRow[] = []
    for (let i = 0; i < cells.length; i++) rows.push(toRow(cells[i]!))
    return rows
  }

  /**
   * Runs the commits in one transaction, in order: each sees those before it. Answers for each whether
   * its expectations held. Throws where SQLite fails: nothing of any of them is then written.
   */
  run(commits: readonly EncodedCommit[]): boolean[] {
    const { begin, end } = this.#sql
    begin.run()
    try {
      const revEnd = this.#reserve(commits)
      const outcomes = commits.map((commit) => this.#apply(commit))
      end.run()
      this.#revEnd = revEnd
      return outcomes
    } catch (error) {
      // SQLite has rolled back by itself where it saw no way to go on.
      if (this.#db.inTransaction) this.#sql.rollback.run()
      throw error
    }
  }

  #reserve(commits: readonly EncodedCommit[]): number {
    let wanted = this.#lastRev + 1
    for (const { writes } of commits) wanted += writes.length
    if (wanted <= this.#revEnd) return this.#revEnd
    const revEnd = wanted + REVS_RESERVED
    this.#sql.setRevEnd.run(revEnd)
    return revEnd
  }

  #apply({ partition, expects, writes }: EncodedCommit): boolean {
    const found: Old[] = []
    let created = -1
    for (let i = 0; i < expects.length; i++) {
      const { table, sort, rev } = expects[i]!
      if (rev === 0 && created < 0) {
        created = writes.findIndex((write) => write.sort === sort && write.table === table)
        if (created >= 0 && writes[created]!.json !== undefined) continue
        created = -1
      }
      const old = this.#sql.find.get(partition, CODES[table], sort) as Old
      if ((old === undefined ? 0 : old[0]) !== rev) return false
      found[i] = old
    }
    // A row that is to be absent and is written then, as of a new object: to insert it finds out, and
    // a search is saved. It goes first, so that nothing is written where it is there.
    if (created >= 0 && !this.#create(partition, writes[created]!)) return false
    for (let i = 0; i < writes.length; i++) {
      if (i === created) continue
      const { table, sort } = writes[i]!
      const known = expects.findIndex((expect) => expect.sort === sort && expect.table === table)
      const old =
        known < 0 ? (this.#sql.find.get(partition, CODES[table], sort) as Old) : found[known]
      this.#write(partition, writes[i]!, old)
    }
    return true
  }

  /** Writes the row unless there is one. */
  #create(partition: string, { table, sort, json, bytes }: EncodedWrite): boolean {
    const rev = this.#lastRev + 1
    const inlined = bytes === undefined ? 0 : 1
    const { changes } = this.#sql.insert.run(partition, CODES[table], sort, rev, inlined, json)
    if (changes === 0) return false
    this.#lastRev = rev
    if (bytes !== undefined) this.#sql.insertBytes.run(rev, bytes)
    return true
  }

  #write(partition: string, write: EncodedWrite, old: Old): void {
    const { table, sort, json, bytes } = write
    if (old !== undefined && old[1] === 1) this.#sql.deleteBytes.run(old[0])
    if (json === undefined) {
      if (old !== undefined) this.#sql.delete.run(partition, CODES[table], sort)
      return
    }
    if (old === undefined) {
      this.#create(partition, write)
      return
    }
    const rev = ++this.#lastRev
    const inlined = bytes === undefined ? 0 : 1
    this.#sql.update.run(rev, inlined, json, partition, CODES[table], sort)
    if (bytes !== undefined) this.#sql.insertBytes.run(rev, bytes)
  }

  #plain(
    partition: string,
    table: Table,
    from: string,
    to: string | undefined,
    limit: number,
  ): Cells[] {
    return this.#sql.scan.all(partition, CODES[table], from, to ?? END, limit) as Cells[]
  }

  /**
   * Where rows stand alone they are read in order; where groups hide much, SQLite seeks from one to
   * the next by itself, or is asked for each where it cannot know the groups.
   */
  #folded(partition: string, table: Table, range: Range, fold: Fold): SqliteRow[] {
    const { to, limit } = range
    const rows: SqliteRow[] = []
    const canSeek = groupsAreKnown(range, fold)
    let from: string | undefined = range.from
    let burst = BURST_MIN
    while (from !== undefined && rows.length < limit) {
      const wanted = Math.min(burst, limit - rows.length)
      const isSeeking: boolean = burst === 1 && canSeek
      const cells: Cells[] = isSeeking
        ? (this.#sql.seek.all(
            seekBinding(
              partition,
              CODES[table],
              { ...range, from, limit: limit - rows.length },
              fold,
            ),
          ) as Cells[])
        : this.#plain(partition, table, from, to, wanted)
      const before: number = rows.length
      from = take(cells, rows, fold, from)
      if (isSeeking || cells.length < wanted) break
      burst = (rows.length - before) * 2 >= cells.length ? burst * 2 : 1
    }
    return rows
  }
}

function toRow([sort, rev, text]: Cells): SqliteRow {
  return { sort, rev, value: JSON.parse(text) as Json }
}

/** Moves into `rows` what `cells` have at or behind `from`, the first of each group; answers where to go on. */
function take(
  cells: readonly Cells[],
  rows: SqliteRow[],
  fold: Fold,
  from: string,
): string | undefined {
  let next: string | undefined = from
  let isHiding = false
  for (const cell of cells) {
    if (isHiding && compareUtf8(cell[0], next) < 0) continue
    rows.push(toRow(cell))
    isHiding = groupOf(cell[0], fold) !== undefined
    next = behind(cell[0], fold)
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
    get: db
      .prepare(
        `SELECT rev, inlined, value, iif(inlined, (SELECT data FROM bytes WHERE bytes.rev = row.rev), NULL)
         FROM row WHERE ${at}`,
      )
      .raw(),
    find: db.prepare(`SELECT rev, inlined FROM row WHERE ${at}`).raw(),
    look: db.prepare(`SELECT sort, rev, value FROM row WHERE ${at}`).raw(),
    // `+?` and `?+0`: a bare parameter at these places has SQLite plan the statement anew for each
    // binding, which takes 8 us.
    scan: db
      .prepare(
        `SELECT sort, rev, value FROM row
         WHERE partition = +? AND tbl = +? AND sort >= ? AND sort < ? ORDER BY sort LIMIT ?+0`,
      )
      .raw(),
    seek: db.prepare(SEEK).raw(),
    insert: db.prepare('INSERT OR IGNORE INTO row VALUES (?, ?, ?, ?, ?, ?)'),
    update: db.prepare(`UPDATE row SET rev = ?, inlined = ?, value = ? WHERE ${at}`),
    delete: db.prepare(`DELETE FROM row WHERE ${at}`),
    insertBytes: db.prepare('INSERT INTO bytes VALUES (?, ?)'),
    deleteBytes: db.prepare('DELETE FROM bytes WHERE rev = ?'),
    revEnd: db.prepare('SELECT rev_end FROM state').pluck(),
    setRevEnd: db.prepare('UPDATE state SET rev_end = ?'),
  }
}
