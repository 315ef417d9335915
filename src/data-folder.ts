/**
 * The data folder: made where absent, held by one gateway at a time, home of the first credentials.
 *
 * The hold is a lock of the operating system on `lock.db`, taken through SQLite: it goes with the
 * process however that ends, and does not rest on process ids, which repeat (in a container every
 * gateway is process 1). `holder.json` beside it only names the holder for the message, and is taken
 * away at an orderly end.
 */
import { createSecretKey, hash, type KeyObject, randomBytes, randomInt } from 'node:crypto'
import {
  accessSync,
  chmodSync,
  closeSync,
  constants,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { StoreLocked } from './lib/store-error.ts'

const NOTE = 'holder.json'

export interface RootCredentials {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  /** The file that holds them. */
  readonly file: string
}

export interface FolderKey {
  /** Made of the key, so that another key is never taken for it. */
  readonly id: string
  /** 32 bytes. */
  readonly key: KeyObject
}

export interface DataFolder {
  readonly path: string
  /** The folder's own credentials, made at the first call ever and never changed after. */
  rootCredentials(): RootCredentials
  /** The folder's own key for objects that are encrypted (SSE-S3); where it has none yet, one is made, or (`isWanted` false) none. */
  encryptionKey(isWanted: boolean): FolderKey | undefined
  /** The last gateway that had it did not release it: it crashed, or the power went. */
  readonly isUnclean: boolean
  /** Lets another gateway have it. `isUnclean`: as if we had crashed, for one before us did, and nobody has cleaned up after it. */
  release(isUnclean?: boolean): void
}

/** Something about the folder that the operator has to settle; the message is one line. */
export class DataFolderError extends Error {
  override readonly name: string = 'DataFolderError'
}

/** Locks in force: one that is only collected as garbage would be a lock no more. */
const HELD = new Set<Database.Database>()

/** Takes the folder; throws `StoreLocked`, naming the holder, while another gateway has it. */
export function openDataFolder(path: string): DataFolder {
  prepare(path)
  const lock = takeLock(path)
  HELD.add(lock)
  const note = join(path, NOTE)
  const isUnclean = existsSync(note)
  // Whoever reads it does not have the lock, and takes it as a hint: it need not be written atomically.
  const holder = { pid: process.pid, host: hostname(), since: new Date().toISOString() }
  writeFileSync(note, `${JSON.stringify(holder)}\n`, { mode: 0o600 })
  return {
    path,
    isUnclean,
    rootCredentials: () => rootCredentials(path),
    encryptionKey: (isWanted) => encryptionKey(path, isWanted),
    release(isUnclean = false) {
      if (!HELD.delete(lock)) return
      if (!isUnclean) rmSync(note, { force: true })
      lock.close()
    },
  }
}

function prepare(path: string): void {
  try {
    // Only a folder of our own making gets its mode from us; somebody else's keeps what he gave it.
    if (mkdirSync(path, { recursive: true, mode: 0o700 }) !== undefined) chmodSync(path, 0o700)
    accessSync(path, constants.R_OK | constants.W_OK | constants.X_OK)
  } catch (error) {
    throw new DataFolderError(`the data folder ${path} cannot be used: ${reason(error)}`)
  }
}

function reason(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException
  if (code === 'EACCES' || code === 'EPERM')
    return `user ${process.getuid?.() ?? '?'} may not write there`
  if (code === 'EROFS') return 'the file system is read-only'
  if (code === 'ENOTDIR' || code === 'EEXIST') return 'a file stands in the way'
  if (code === 'ENOSPC') return 'there is no space left'
  return message
}

function takeLock(path: string): Database.Database {
  const file = join(path, 'lock.db')
  const lock = new Database(file, { timeout: 0 })
  try {
    chmodSync(file, 0o600)
    // A transaction that is never ended: nothing is ever written, so nothing is ever left half-written.
    lock.exec('BEGIN EXCLUSIVE')
  } catch (error) {
    lock.close()
    const { code } = error as { code?: string }
    if (code !== 'SQLITE_BUSY' && code !== 'SQLITE_LOCKED') throw error
    throw new StoreLocked(`another gateway has the data folder ${path} (${holderOf(path)})`)
  }
  return lock
}

function holderOf(path: string): string {
  try {
    const text = readFileSync(join(path, NOTE), 'utf8')
    const { pid, host, since } = JSON.parse(text) as Record<string, unknown>
    const where = host === hostname() ? '' : ` on ${String(host)}`
    return `pid ${String(pid)}${where}, since ${String(since)}`
  } catch {
    return 'it has not said its pid'
  }
}

/** The credentials of a folder, whoever has it; undefined where it has none (yet). */
export function storedCredentials(path: string): RootCredentials | undefined {
  const file = join(path, 'credentials.json')
  return existsSync(file) ? { ...readCredentials(file), file } : undefined
}

function rootCredentials(path: string): RootCredentials {
  const stored = storedCredentials(path)
  if (stored) return stored
  const file = join(path, 'credentials.json')
  const made = {
    accessKeyId: random(20, 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'),
    // Letters and digits alone: 238 bits, and no tool asks for escapes.
    secretAccessKey: random(40, 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'),
  }
  writeWhole(path, file, `${JSON.stringify(made, null, 2)}\n`)
  return { ...made, file }
}

function readCredentials(file: string): { accessKeyId: string; secretAccessKey: string } {
  try {
    const { accessKeyId, secretAccessKey } = JSON.parse(readFileSync(file, 'utf8')) as {
      [name: string]: unknown
    }
    if (typeof accessKeyId === 'string' && typeof secretAccessKey === 'string')
      return { accessKeyId, secretAccessKey }
  } catch {
    // Falls to the one message below: what is in the file must not come out in an error.
  }
  throw new DataFolderError(
    `${file} does not hold an accessKeyId and a secretAccessKey: mend it, or remove it to have new ones made`,
  )
}

const KEY_BYTES = 32

function encryptionKey(path: string, isWanted: boolean): FolderKey | undefined {
  const file = join(path, 'encryption.key')
  if (!existsSync(file)) {
    if (!isWanted) return undefined
    writeWhole(path, file, `${randomBytes(KEY_BYTES).toString('base64')}\n`)
  }
  const bytes = Buffer.from(readFileSync(file, 'utf8').trim(), 'base64')
  if (bytes.length !== KEY_BYTES)
    throw new DataFolderError(
      `${file} does not hold 32 bytes in Base64: put back the key that was there, for encrypted objects are lost without it`,
    )
  const id = `folder-${hash('sha256', bytes).slice(0, 12)}`
  return { id, key: createSecretKey(bytes) }
}

function random(length: number, alphabet: string): string {
  return Array.from({ length }, () => alphabet[randomInt(alphabet.length)]).join('')
}

/** After a crash at any moment the file is there whole, or not at all. */
function writeWhole(folder: string, file: string, text: string): void {
  const partial = `${file}.partial`
  const fd = openSync(partial, 'w', 0o600)
  try {
    writeSync(fd, text)
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
  renameSync(partial, file)
  const folderFd = openSync(folder, 'r')
  try {
    fsyncSync(folderFd)
  } finally {
    closeSync(folderFd)
  }
}
