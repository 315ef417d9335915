/**
 * Opening a SQLite database for one process alone: in WAL mode, locked, known to be ours and of a
 * version that we know, before a byte of it is written.
 */
import Sqlite, { type Database } from 'better-sqlite3'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { StoreLocked } from './store-error.ts'

/** Whose file it is, and how it is laid out. */
export interface SqliteLayout {
  /** For messages: `store of blobs`. */
  readonly what: string
  /** What `PRAGMA application_id` says of a file of this kind. */
  readonly applicationId: number
  /** Version of the tables; a file of a newer one is not touched. */
  readonly version: number
  /** Statements that lay out an empty database. */
  readonly schema: string
  readonly pageBytes: number
  /** KiB of pages that SQLite keeps in memory, as they are needed. */
  readonly cacheKib: number
}

/**
 * Opens the database, or makes it where there is none; its directory is there. `StoreLocked` where
 * another process has it; an error that says so where it is no file of ours, or a newer program's.
 */
export function openDatabase(file: string, layout: SqliteLayout): Database {
  let db: Database | undefined
  try {
    // No waiting for another process: it will not go away by itself.
    db = new Sqlite(file, { timeout: 0 })
    db.pragma('locking_mode = EXCLUSIVE')
    const isNew = checkIsOurs(db, file, layout)
    if (isNew) {
      db.pragma(`page_size = ${layout.pageBytes}`)
      db.pragma('auto_vacuum = INCREMENTAL')
    }
    db.pragma('journal_mode = WAL')
    db.pragma('synchronous = NORMAL')
    db.pragma('wal_autocheckpoint = 0')
    db.pragma(`cache_size = -${layout.cacheKib}`)
    db.pragma('temp_store = MEMORY')
    if (isNew) layOut(db, layout)
    // Takes the lock, where nothing has been written yet.
    db.exec('BEGIN IMMEDIATE; COMMIT')
    return db
  } catch (error) {
    db?.close()
    throw refusal(error, file, layout)
  }
}

function layOut(db: Database, { schema, applicationId, version }: SqliteLayout): void {
  const marks = `PRAGMA application_id = ${applicationId}; PRAGMA user_version = ${version};`
  db.transaction(() => db.exec(`${schema};${marks}`)).immediate()
}

/** True where the file is empty. Throws where it is not ours. */
function checkIsOurs(
  db: Database,
  file: string,
  { what, applicationId, version }: SqliteLayout,
): boolean {
  const objects = db.prepare('SELECT count(*) FROM sqlite_schema').pluck().get()
  const id = db.pragma('application_id', { simple: true })
  if (objects === 0 && id === 0) return true
  if (id !== applicationId)
    throw new Error(`${file} is a SQLite database of another kind, not a ${what}`)
  const found = db.pragma('user_version', { simple: true }) as number
  if (found > version)
    throw new Error(
      `${file} was written by a newer program: its layout has version ${found}, known are versions up to ${version}`,
    )
  return false
}

function refusal(error: unknown, file: string, { what }: SqliteLayout): unknown {
  const code = error instanceof Sqlite.SqliteError ? error.code : ''
  if (code.startsWith('SQLITE_BUSY') || code.startsWith('SQLITE_LOCKED')) {
    const pid = readPid(file)
    const who = pid === undefined ? 'another process' : `process ${pid}`
    return new StoreLocked(`${file} is in use by ${who}`, { cause: error })
  }
  if (code === 'SQLITE_NOTADB' || code.startsWith('SQLITE_CORRUPT'))
    return new Error(`${file} is not a ${what}, or is damaged`, { cause: error })
  return error
}

function pidFile(file: string): string {
  return `${file}-pid`
}

/** For the message to whom is refused; SQLite's lock on the database is what counts. */
export function writePid(file: string): void {
  try {
    writeFileSync(pidFile(file), `${process.pid}\n`)
  } catch {
    // A full disk must not keep the store shut: the message then names nobody.
  }
}

export function removePid(file: string): void {
  rmSync(pidFile(file), { force: true })
}

function readPid(file: string): number | undefined {
  try {
    return Number.parseInt(readFileSync(pidFile(file), 'utf8'), 10) || undefined
  } catch {
    return undefined
  }
}
