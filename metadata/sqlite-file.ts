/**
 * The file of a SQLite database, held by this process alone, and its way to stable storage.
 *
 * SQLite runs in WAL mode with `synchronous=NORMAL`: a COMMIT writes to the log (`-wal`) and waits
 * for nothing. `sync` then makes the log durable from a thread of the pool, by a file descriptor of
 * our own, while the loop goes on. SQLite itself waits for the disk at one place that must not be
 * left out: when it begins the log anew, it syncs the log's new header before the first frame, for
 * otherwise frames of the old log might come to life again behind a power failure.
 *
 * A checkpoint moves the log, which is durable by then, into the database. `copyLog` copies pages
 * under `synchronous=OFF`, for SQLite would wait for the disk on the loop; `syncData` then syncs the
 * database from the pool. Until that is done the caller writes nothing, so that SQLite cannot begin
 * the log anew: a power failure meanwhile finds the whole log, and it is copied again.
 *
 * Descriptors of our own: POSIX drops all locks that a process has on a file when it closes any
 * descriptor of it. So the database's own one is opened once SQLite has its lock, and closed in the
 * same turn in which SQLite gives it up. (SQLite has no lock on the log.)
 */
import Sqlite, { type Database } from 'better-sqlite3'
import {
  closeSync,
  fdatasync,
  fsyncSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import path from 'node:path'
import { StoreLocked } from '../src/lib/store-error.ts'
import { APPLICATION_ID, SCHEMA_VERSION, createTables } from './sqlite-rows.ts'

/**
 * In KiB: pages that SQLite keeps in memory; the system's own cache is behind it. More would cost
 * more: where a commit has split a page, SQLite looks through all pages that it keeps (in 256 MiB,
 * at 33 commits in a group, that was a quarter of a small PUT).
 */
const CACHE_KIB: number = 32 * 1024
const PAGE_BYTES = 4096

/** Makes what was written to the file durable, without holding up the loop. */
export type Datasync = (fd: number) => Promise<void>

export interface SqliteFile {
  readonly db: Database
  /** What was committed before the call is durable once it resolves. */
  sync(): Promise<void>
  /** Frames (pages) in the log that are not in the database yet. */
  frames(): number
  /** Copies the log, which is synced, into the database. Nothing may be written until `syncData` is done. */
  copyLog(): void
  syncData(): Promise<void>
  close(): void
}

/**
 * Opens the file, or makes it where there is none; its directory is there. `StoreLocked` where another
 * process has it; an error that says so where it is no file of ours, or one of a newer program's.
 */
export function openFile(name: string, datasync: Datasync = fdatasyncOfPool): SqliteFile {
  // Absolute, for SQLite takes `file:` at the beginning for a URI.
  const file = path.resolve(name)
  const db = openDatabase(file)
  const descriptors: number[] = []
  try {
    const open = (name: string): number => {
      const fd = openSync(name, 'r+')
      descriptors.push(fd)
      return fd
    }
    const data = open(file)
    const log = open(`${file}-wal`)
    // What was written so far, perhaps just created or recovered; then the names of both files.
    fsyncSync(log)
    fsyncSync(data)
    syncDirectory(path.dirname(file))
    writePid(file)
    return new OpenFile(file, db, data, log, datasync)
  } catch (error) {
    db.close()
    for (const fd of descriptors) closeSync(fd)
    throw error
  }
}

class OpenFile implements SqliteFile {
  readonly #file: string
  readonly db: Database
  readonly #data: number
  readonly #log: number
  readonly #datasync: Datasync
  readonly #frames

  constructor(file: string, db: Database, data: number, log: number, datasync: Datasync) {
    this.#file = file
    this.db = db
    this.#data = data
    this.#log = log
    this.#datasync = datasync
    this.#frames = db.prepare('PRAGMA wal_checkpoint(NOOP)').raw()
  }

  sync(): Promise<void> {
    return this.#datasync(this.#log)
  }

  frames(): number {
    const [, log, moved] = this.#frames.get() as [busy: number, log: number, moved: number]
    return log - moved
  }

  copyLog(): void {
    this.db.pragma('synchronous = OFF')
    try {
      this.db.pragma('wal_checkpoint(PASSIVE)')
    } finally {
      this.db.pragma('synchronous = NORMAL')
    }
  }

  syncData(): Promise<void> {
    return this.#datasync(this.#data)
  }

  close(): void {
    rmSync(pidFile(this.#file), { force: true })
    // Moves the log into the database, both synced, and removes it.
    this.db.close()
    closeSync(this.#data)
    closeSync(this.#log)
  }
}

function openDatabase(file: string): Database {
  let db: Database | undefined
  try {
    // No waiting for another process: it will not go away by itself.
    db = new Sqlite(file, { timeout: 0 })
    db.pragma('locking_mode = EXCLUSIVE')
    const isNew = checkIsOurs(db, file)
    if (isNew) db.pragma(`page_size = ${PAGE_BYTES}`)
    db.pragma('journal_mode = WAL')
    db.pragma('synchronous = NORMAL')
    db.pragma('wal_autocheckpoint = 0')
    db.pragma(`cache_size = -${CACHE_KIB}`)
    db.pragma('temp_store = MEMORY')
    if (isNew) {
      createTables(db)
      // The store's number is in it, without which its log is of no use.
      db.pragma('wal_checkpoint(TRUNCATE)')
    }
    // Takes the lock, where nothing has been written yet.
    db.exec('BEGIN IMMEDIATE; COMMIT')
    return db
  } catch (error) {
    db?.close()
    throw refusal(error, file)
  }
}

/** True where the file is empty. Throws where it is not ours, before anything is written. */
function checkIsOurs(db: Database, file: string): boolean {
  const objects = db.prepare('SELECT count(*) FROM sqlite_schema').pluck().get()
  const id = db.pragma('application_id', { simple: true })
  if (objects === 0 && id === 0) return true
  if (id !== APPLICATION_ID)
    throw new Error(`${file} is a SQLite database of another program, not a store of metadata`)
  const version = db.pragma('user_version', { simple: true }) as number
  if (version < SCHEMA_VERSION)
    throw new Error(
      `${file} was written by an older program, which was never released: its layout has version ${version}, this one reads version ${SCHEMA_VERSION}. Export it with that program (sluice export), and import it into a new store`,
    )
  if (version > SCHEMA_VERSION)
    throw new Error(
      `${file} was written by a newer program: its layout has version ${version}, known are versions up to ${SCHEMA_VERSION}`,
    )
  return false
}

function refusal(error: unknown, file: string): unknown {
  const code = error instanceof Sqlite.SqliteError ? error.code : ''
  if (code.startsWith('SQLITE_BUSY') || code.startsWith('SQLITE_LOCKED')) {
    const pid = readPid(file)
    const who = pid === undefined ? 'another process' : `process ${pid}`
    return new StoreLocked(`${file} is in use by ${who}`, { cause: error })
  }
  if (code === 'SQLITE_NOTADB' || code.startsWith('SQLITE_CORRUPT'))
    return new Error(`${file} is not a store of metadata, or is damaged`, { cause: error })
  return error
}

function pidFile(file: string): string {
  return `${file}-pid`
}

/** For the message to whom it refuses; SQLite's lock on the database is what counts. */
function writePid(file: string): void {
  try {
    writeFileSync(pidFile(file), `${process.pid}\n`)
  } catch {
    // A full disk must not keep the store shut: the message then names nobody.
  }
}

function readPid(file: string): number | undefined {
  try {
    return Number.parseInt(readFileSync(pidFile(file), 'utf8'), 10) || undefined
  } catch {
    return undefined
  }
}

function syncDirectory(directory: string): void {
  const fd = openSync(directory, 'r')
  try {
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}

export function fdatasyncOfPool(fd: number): Promise<void> {
  return new Promise((resolve, reject) => {
    fdatasync(fd, (error) => (error ? reject(error) : resolve()))
  })
}
