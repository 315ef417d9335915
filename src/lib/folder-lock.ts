/**
 * The hold of one process on a folder, or on a file: a lock of the operating system, which goes with the
 * process however that ends. It is taken through SQLite (`lock.db`, in which nothing is ever written); the
 * file `lock.pid` beside it only names the holder for the message to whom it refuses.
 */
import Sqlite, { type Database } from 'better-sqlite3'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { StoreLocked } from './store-error.ts'

/** Locks in force: one that is only collected as garbage would be a lock no more. */
const HELD = new Set<Database>()

export interface FolderLock {
  release(): void
}

/** Takes the folder, which is there; `StoreLocked`, naming the holder, while another process has it. */
export function lockFolder(folder: string): FolderLock {
  return lockBy(path.join(folder, 'lock.db'), path.join(folder, 'lock.pid'), folder)
}

/** The same for a file, which need not be there: by `<file>.lock`, which stays, and `<file>.pid`. */
export function lockFile(file: string): FolderLock {
  return lockBy(`${file}.lock`, `${file}.pid`, file)
}

function lockBy(database: string, note: string, what: string): FolderLock {
  const lock = new Sqlite(database, { timeout: 0 })
  try {
    lock.exec('BEGIN EXCLUSIVE')
  } catch (error) {
    lock.close()
    const { code } = error as { code?: string }
    if (code !== 'SQLITE_BUSY' && code !== 'SQLITE_LOCKED') throw error
    throw new StoreLocked(`${what} is in use by ${holderOf(note)}`, { cause: error })
  }
  HELD.add(lock)
  try {
    writeFileSync(note, `${process.pid}\n`)
  } catch {
    // A full disk must not keep the store shut: the message then names nobody.
  }
  return {
    release() {
      if (!HELD.delete(lock)) return
      rmSync(note, { force: true })
      lock.close()
    },
  }
}

function holderOf(note: string): string {
  try {
    const pid = Number.parseInt(readFileSync(note, 'utf8'), 10)
    return pid > 0 ? `process ${pid}` : 'another process'
  } catch {
    return 'another process'
  }
}
