/**
 * A SQLite database with its write-ahead log, and their way to stable storage without holding up the
 * loop.
 *
 * With `synchronous=NORMAL` a COMMIT writes to the log (`-wal`) and waits for nothing. `durable` then
 * syncs the log from a thread of the pool, by a descriptor of our own; whoever asks while a sync is
 * under way shares the next one. `checkpoint` moves the log into the database: it copies pages under
 * `synchronous=OFF`, for SQLite would wait for the disk on the loop, and syncs the database from the
 * pool. Until that is done nothing else is written, so that SQLite cannot begin the log anew: a power
 * failure meanwhile finds the whole log, and it is copied again.
 *
 * The first write after a checkpoint begins the log anew, and SQLite would sync the new header on the
 * loop before the first frame, for otherwise a power failure could leave the old header, the first old
 * frames and new ones behind them, and old pages would come to life again. So the checkpoint ends with
 * a write of its own under `synchronous=OFF`, of one single frame, and a sync in the pool: whichever of
 * header and frame a power failure finds, the log is whole and old, or whole and new, or empty.
 *
 * Once a sync has failed nobody can tell what the disk has, not even a sync that succeeds later:
 * `broken` is set for good.
 *
 * Descriptors: POSIX drops all locks that a process has on a file when it closes any descriptor of
 * it. So the database's own one is opened once SQLite has its lock, and closed in the same turn in
 * which SQLite gives it up.
 */
import type { Database } from 'better-sqlite3'
import { closeSync, fdatasync, fsyncSync, openSync } from 'node:fs'
import path from 'node:path'
import { syncDirectory } from './durable-directory.ts'
import { openDatabase, removePid, type SqliteLayout, writePid } from './sqlite-open.ts'
import { StoreUnavailable } from './store-error.ts'

/** Makes what was written to the file durable, without holding up the loop. */
export type Datasync = (fd: number) => Promise<void>

export interface SqliteLogOptions {
  /** fdatasync in the pool of threads where none is given. */
  readonly datasync?: Datasync
  /** Called for each sync that begins. */
  readonly onSync?: () => void
}

export class SqliteLog {
  readonly db: Database
  readonly #file: string
  readonly #version: number
  readonly #data: number
  readonly #log: number
  readonly #datasync: Datasync
  readonly #onSync: () => void
  readonly #frames
  #running: Promise<void> | undefined
  #next: Promise<void> | undefined
  #broken: StoreUnavailable | undefined

  /** As `openDatabase` opens, and refuses, it. What the file has by then is durable. */
  constructor(name: string, layout: SqliteLayout, options: SqliteLogOptions = {}) {
    // Absolute, for SQLite takes `file:` at the beginning for a URI.
    this.#file = path.resolve(name)
    this.#version = layout.version
    this.#datasync = options.datasync ?? fdatasyncOfPool
    this.#onSync = options.onSync ?? (() => {})
    this.db = openDatabase(this.#file, layout)
    const opened: number[] = []
    try {
      const open = (name: string): number => {
        const fd = openSync(name, 'r+')
        opened.push(fd)
        return fd
      }
      this.#data = open(this.#file)
      this.#log = open(`${this.#file}-wal`)
      fsyncSync(this.#log)
      fsyncSync(this.#data)
      syncDirectory(path.dirname(this.#file))
      writePid(this.#file)
      this.#frames = this.db.prepare('PRAGMA wal_checkpoint(NOOP)').raw()
    } catch (error) {
      this.db.close()
      for (const fd of opened) closeSync(fd)
      throw error
    }
  }

  /** Why nothing may be written any more. */
  get broken(): StoreUnavailable | undefined {
    return this.#broken
  }

  /** What was committed before the call is durable once it resolves; `StoreUnavailable` where it may be lost. */
  durable(): Promise<void> {
    if (this.#running === undefined) return this.#start()
    this.#next ??= this.#after(this.#running)
    return this.#next
  }

  /** Pages in the log that are not in the database yet. */
  frames(): number {
    const [, log, moved] = this.#frames.get() as [busy: number, log: number, moved: number]
    return log - moved
  }

  /**
   * Moves the log into the database. From the call until it resolves nothing may be written. Rejects
   * with SQLite's error where pages cannot be copied (all then stays in the log, which is as good),
   * with `StoreUnavailable` where a sync failed.
   */
  async checkpoint(): Promise<void> {
    await this.durable()
    this.#withoutSyncs('wal_checkpoint(PASSIVE)')
    await this.#sync(this.#data)
    // Writes one page, the first, where the number stands.
    if (this.frames() === 0) this.#withoutSyncs(`user_version = ${this.#version}`)
    await this.#sync(this.#log)
  }

  /** SQLite moves the log into the database, both synced, and removes it. No sync may be under way. */
  close(): void {
    removePid(this.#file)
    this.db.close()
    closeSync(this.#data)
    closeSync(this.#log)
  }

  /** Resolves, and never rejects, once no sync is under way. */
  async idle(): Promise<void> {
    while (this.#running !== undefined) await this.#running.catch(() => {})
  }

  #withoutSyncs(pragma: string): void {
    this.db.pragma('synchronous = OFF')
    try {
      this.db.pragma(pragma)
    } finally {
      this.db.pragma('synchronous = NORMAL')
    }
  }

  #start(): Promise<void> {
    const running = this.#sync(this.#log).finally(() => (this.#running = undefined))
    this.#running = running
    return running
  }

  async #after(running: Promise<void>): Promise<void> {
    await running.catch(() => {})
    this.#next = undefined
    await this.#start()
  }

  async #sync(fd: number): Promise<void> {
    if (this.#broken) throw this.#broken
    this.#onSync()
    try {
      await this.#datasync(fd)
    } catch (cause) {
      this.#broken ??= new StoreUnavailable('the disk failed to make data durable', { cause })
      throw this.#broken
    }
  }
}

function fdatasyncOfPool(fd: number): Promise<void> {
  return new Promise((resolve, reject) => {
    fdatasync(fd, (error) => (error ? reject(error) : resolve()))
  })
}
