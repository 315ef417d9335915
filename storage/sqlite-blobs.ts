/**
 * Blobs in a SQLite database: the tables, and every statement there is. All of it is synchronous and
 * knows nothing of durability or turns; `sqlite.ts` decides when what is written here may be told.
 *
 * A blob's bytes stand in slices of 64 KiB, rows that are read and written whole. (Measured for 128 MiB:
 * 64 KiB rows in pages of 16 KiB cost 1.4 ms of CPU a MiB to write and 0.26 to read; rows of 256 KiB in
 * the largest pages 1.1 and 0.2, but then a small blob writes as many bytes, and a small range reads them.)
 */
import type { Database } from 'better-sqlite3'
import type { SqliteLayout } from '../src/lib/sqlite-open.ts'
import { BlobMissing } from '../src/lib/store-error.ts'
import type { BlobId, BlobInfo } from './store.ts'

export const SLICE_BYTES: number = 64 * 1024
export const PAGE_BYTES: number = 16 * 1024
/** A slice's key is the number of its blob and its place in it. */
const PLACE_BITS = 20n
/** 64 GiB: what fits into the places. */
export const BLOB_BYTES_MAX: number = SLICE_BYTES * 2 ** 20

export const LAYOUT: SqliteLayout = {
  what: 'store of blobs',
  // "SLUB"
  applicationId: 0x53_4c_55_42,
  version: 1,
  pageBytes: PAGE_BYTES,
  cacheKib: 32 * 1024,
  schema: `
    CREATE TABLE blob (id TEXT PRIMARY KEY, no INTEGER NOT NULL, size INTEGER NOT NULL) WITHOUT ROWID;
    CREATE TABLE slice (key INTEGER PRIMARY KEY, data BLOB NOT NULL); -- key: no << 20 | place
    -- Numbers whose slices belong to no blob: being written, or being removed.
    CREATE TABLE loose (no INTEGER PRIMARY KEY);
  `,
}

export interface Found {
  /** Names the slices. */
  readonly no: number
  readonly size: number
}

export class SqliteBlobs {
  readonly #db: Database
  readonly #sql: ReturnType<typeof prepare>
  #lastNo: number

  constructor(db: Database) {
    this.#db = db
    this.#sql = prepare(db)
    const lastKey = this.#sql.lastKey.get() as bigint | null
    const lastLoose = this.#sql.lastLoose.get() as number | null
    this.#lastNo = Math.max(Number((lastKey ?? 0n) >> PLACE_BITS), lastLoose ?? 0)
  }

  /** A number that no slice has, and that is given out once. */
  newNumber(): number {
    this.#lastNo += 1
    return this.#lastNo
  }

  find(id: BlobId): Found | undefined {
    const cells = this.#sql.find.get(id) as [no: number, size: number] | undefined
    return cells && { no: cells[0], size: cells[1] }
  }

  /** At most `max` blobs above `after`, ascending. */
  list(after: BlobId, max: number): BlobInfo[] {
    return this.#sql.list.all(after, max) as BlobInfo[]
  }

  /** Copies the bytes from `start` on into `target`, which they fill. */
  read(no: number, start: number, target: Uint8Array): void {
    for (let at = 0; at < target.length;) {
      const place = Math.floor((start + at) / SLICE_BYTES)
      const from = start + at - place * SLICE_BYTES
      const slice = this.#sql.slice.get(keyOf(no, place)) as Buffer | undefined
      const length = Math.min(SLICE_BYTES - from, target.length - at)
      if (slice === undefined || slice.length < from + length)
        throw new BlobMissing(`slice ${place} of blob number ${no} is missing or too short`)
      target.set(slice.subarray(from, from + length), at)
      at += length
      // Gives the memory back now: at such rates the garbage collector comes too late.
      ;(slice.buffer as ArrayBuffer).transfer(0)
    }
  }

  /** Writes the bytes as slices from `place` on; all but the last of a blob's are full. */
  addSlices(no: number, place: number, bytes: Uint8Array): void {
    for (let at = 0, next = place; at < bytes.length; at += SLICE_BYTES, next += 1)
      this.#sql.addSlice.run(keyOf(no, next), bytes.subarray(at, at + SLICE_BYTES))
  }

  show(id: BlobId, { no, size }: Found): void {
    this.#sql.show.run(id, no, size)
  }

  hide(id: BlobId): void {
    this.#sql.hide.run(id)
  }

  loosen(no: number): void {
    this.#sql.loosen.run(no)
  }

  tie(no: number): void {
    this.#sql.tie.run(no)
  }

  loose(): number[] {
    return this.#sql.loose.all() as number[]
  }

  /** Removes at most `max` slices; whether there may be more. */
  removeSlices(no: number, max: number): boolean {
    return this.#sql.removeSlices.run(keyOf(no, 0), keyOf(no + 1, 0), max).changes === max
  }

  /** Pages of the file that nothing uses. */
  freePages(): number {
    return this.#db.pragma('freelist_count', { simple: true }) as number
  }

  /** Gives at most so many free pages back to the file system, moving others into their place. */
  shrink(pages: number): void {
    this.#db.pragma(`incremental_vacuum(${pages})`)
  }

  /** Does all the work in one transaction, or throws and nothing of it is done. */
  transaction(works: readonly { readonly work: () => void }[]): void {
    this.#sql.begin.run()
    try {
      for (const { work } of works) work()
      this.#sql.commit.run()
    } catch (error) {
      // SQLite has rolled back by itself where it saw no way to go on.
      if (this.#db.inTransaction) this.#sql.rollback.run()
      throw error
    }
  }
}

function keyOf(no: number, place: number): bigint {
  return (BigInt(no) << PLACE_BITS) | BigInt(place)
}

function prepare(db: Database) {
  return {
    begin: db.prepare('BEGIN IMMEDIATE'),
    commit: db.prepare('COMMIT'),
    rollback: db.prepare('ROLLBACK'),
    find: db.prepare('SELECT no, size FROM blob WHERE id = ?').raw(),
    list: db.prepare('SELECT id, size FROM blob WHERE id > ? ORDER BY id LIMIT ?'),
    show: db.prepare('INSERT INTO blob VALUES (?, ?, ?)'),
    hide: db.prepare('DELETE FROM blob WHERE id = ?'),
    slice: db.prepare('SELECT data FROM slice WHERE key = ?').pluck(),
    addSlice: db.prepare('INSERT INTO slice VALUES (?, ?)'),
    removeSlices: db.prepare(
      'DELETE FROM slice WHERE key IN (SELECT key FROM slice WHERE key >= ? AND key < ? LIMIT ?)',
    ),
    lastKey: db.prepare('SELECT max(key) FROM slice').pluck().safeIntegers(),
    loosen: db.prepare('INSERT OR IGNORE INTO loose VALUES (?)'),
    tie: db.prepare('DELETE FROM loose WHERE no = ?'),
    loose: db.prepare('SELECT no FROM loose ORDER BY no').pluck(),
    lastLoose: db.prepare('SELECT max(no) FROM loose').pluck(),
  }
}
