/**
 * The one road of all writes into the database of blobs: what waits at the same time shares a
 * transaction, and what has to be durable shares a sync. The loop is held up for a few milliseconds
 * at a time at most; whoever writes waits for its turn, which is the back-pressure of uploads.
 */
import Sqlite from 'better-sqlite3'
import type { SqliteLog } from '../src/lib/sqlite-log.ts'
import { StoreFull, StoreUnavailable } from '../src/lib/store-error.ts'
import type { SqliteBlobs } from './sqlite-blobs.ts'

/** A transaction ends at this many bytes (about 3 ms), or pieces of work. */
const GROUP_BYTES_MAX = 2 * 1024 ** 2
const GROUP_WORKS_MAX = 128
/** Pieces of work that may wait; more are refused at once. */
const WAITING_MAX = 16_384

interface Waiting {
  readonly work: () => void
  readonly sizeBytes: number
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

export class SqliteWrites {
  readonly #log: SqliteLog
  readonly #blobs: SqliteBlobs
  readonly #checkpointFrames: number
  readonly #waiting: Waiting[] = []
  #working: Promise<void> | undefined
  #isClosed = false

  /** `checkpointFrames`: pages in the log at which it is moved into the database. */
  constructor(log: SqliteLog, blobs: SqliteBlobs, checkpointFrames: number) {
    this.#log = log
    this.#blobs = blobs
    this.#checkpointFrames = checkpointFrames
  }

  /** Whether nobody waits for a turn. */
  get isIdle(): boolean {
    return this.#waiting.length === 0
  }

  /**
   * Does the work in a transaction, perhaps with others' work; resolves once it is committed, and not
   * durable. Where any work of the transaction fails all of it fails: what can be refused is refused
   * beforehand.
   */
  run(sizeBytes: number, work: () => void): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#isClosed) throw new StoreUnavailable('the store of blobs is closed')
      if (this.#log.broken) throw this.#log.broken
      if (this.#waiting.length >= WAITING_MAX)
        throw new StoreUnavailable(`${WAITING_MAX} writes wait for the disk`)
      this.#waiting.push({ work, sizeBytes, resolve, reject })
      this.#working ??= this.#workOff()
    })
  }

  /** The same, and it is durable once this resolves. */
  async runDurably(sizeBytes: number, work: () => void): Promise<void> {
    await this.run(sizeBytes, work)
    await this.#log.durable()
  }

  /** Does what waits, and refuses all that comes later. */
  async close(): Promise<void> {
    this.#isClosed = true
    await this.#working
    await this.#log.idle()
  }

  /** Never rejects: what goes wrong is told to those who wait. */
  async #workOff(): Promise<void> {
    // Whatever this turn of the loop still brings joins the group.
    await nextTurn()
    while (this.#waiting.length > 0) {
      this.#runGroup(this.#takeGroup())
      await this.#checkpointIfDue()
      if (this.#waiting.length > 0) await nextTurn()
    }
    this.#working = undefined
  }

  #takeGroup(): Waiting[] {
    let length = 0
    for (let bytes = 0; length < this.#waiting.length && length < GROUP_WORKS_MAX; length += 1) {
      bytes += this.#waiting[length]!.sizeBytes
      if (length > 0 && bytes > GROUP_BYTES_MAX) break
    }
    return this.#waiting.splice(0, length)
  }

  #runGroup(group: readonly Waiting[]): void {
    try {
      if (this.#log.broken) throw this.#log.broken
      this.#blobs.transaction(group)
    } catch (error) {
      for (const { reject } of group) reject(inWordsOfStores(error))
      return
    }
    for (const { resolve } of group) resolve()
  }

  async #checkpointIfDue(): Promise<void> {
    if (this.#log.broken || this.#log.frames() < this.#checkpointFrames) return
    // A database without room to grow keeps everything in the log, which is as good, and the next
    // group tries again; a sync that failed refuses all that comes.
    await this.#log.checkpoint().catch(() => {})
  }
}

export function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

/** SQLite's errors in the stores' words; faults of the program stay what they are. */
export function inWordsOfStores(error: unknown): unknown {
  if (!(error instanceof Sqlite.SqliteError)) return error
  if (error.code === 'SQLITE_FULL')
    return new StoreFull('no room left in the storage', { cause: error })
  return new StoreUnavailable(`SQLite: ${error.message} (${error.code})`, { cause: error })
}
