/** Logs for `log.ts` to measure: the engines of `src/log`, and better-sqlite3 and lmdb as one would use them for a log. */
import Sqlite from 'better-sqlite3'
import { createRequire } from 'node:module'
import path from 'node:path'
import { openLog } from '../../src/log/open.ts'
import type { LogEntry } from '../../src/log/store.ts'

/** What is measured of a log. Every write is on stable storage when it resolves. */
export interface MeasuredLog extends AsyncDisposable {
  persist(entries: readonly LogEntry[]): Promise<void>
  entry(index: number): Promise<unknown>
  /** Reads a range; decodes nothing where the log can do without. */
  range(from: number, to: number): Promise<unknown>
  last(): number
  purge(index: number): Promise<void>
  truncate(from: number): Promise<void>
}

export const LOGS: Readonly<Record<string, (folder: string) => Promise<MeasuredLog>>> = {
  segment: (folder) => ours('segment', folder),
  sqlite: (folder) => ours('sqlite', folder),
  'better-sqlite3': async (folder) => new SqlitePeer(path.join(folder, 'log.db')),
  /** Not one of the repository's packages: from the folder that LMDB_FOLDER names, in which `npm install lmdb` was run. */
  lmdb: async (folder) => new LmdbPeer(folder),
}

async function ours(engine: 'segment' | 'sqlite', folder: string): Promise<MeasuredLog> {
  const opened = await openLog({ engine, path: path.join(folder, 'log') })
  const { log } = opened
  return {
    persist: (entries) => log.persistEntries(entries),
    entry: (index) => log.entry(index),
    range: async (from, to) => log.getEntries(from, to),
    last: () => log.lastIndex(),
    purge: (index) => log.purge({ index, term: 1 }),
    truncate: (from) => log.truncate(from),
    [Symbol.asyncDispose]: async () => opened[Symbol.asyncDispose](),
  }
}

/** WAL, and a sync at each commit. */
class SqlitePeer implements MeasuredLog {
  readonly #db: Sqlite.Database
  readonly #write: (entries: readonly LogEntry[]) => void
  readonly #get: Sqlite.Statement
  readonly #range: Sqlite.Statement
  readonly #purge: Sqlite.Statement
  readonly #cut: Sqlite.Statement
  #last: number

  constructor(file: string) {
    const db = new Sqlite(file)
    this.#db = db
    db.pragma('journal_mode = WAL')
    db.pragma('synchronous = FULL')
    db.pragma('wal_autocheckpoint = 4000')
    db.exec('CREATE TABLE IF NOT EXISTS log (idx INTEGER PRIMARY KEY, term INTEGER, payload BLOB)')
    const insert = db.prepare('INSERT INTO log VALUES (?, ?, ?)')
    this.#write = db.transaction((entries: readonly LogEntry[]) => {
      for (const { index, term, payload } of entries) insert.run(index, term, payload)
    })
    this.#get = db.prepare('SELECT * FROM log WHERE idx = ?')
    this.#range = db.prepare('SELECT * FROM log WHERE idx BETWEEN ? AND ?')
    this.#purge = db.prepare('DELETE FROM log WHERE idx <= ?')
    this.#cut = db.prepare('DELETE FROM log WHERE idx >= ?')
    this.#last = (db.prepare('SELECT max(idx) FROM log').pluck().get() as number | null) ?? 0
  }

  async persist(entries: readonly LogEntry[]): Promise<void> {
    this.#write(entries)
    this.#last = entries.at(-1)!.index
  }

  async entry(index: number): Promise<unknown> {
    return this.#get.get(index)
  }

  async range(from: number, to: number): Promise<unknown> {
    return this.#range.all(from, to)
  }

  last(): number {
    return this.#last
  }

  async purge(index: number): Promise<void> {
    this.#purge.run(index)
  }

  async truncate(from: number): Promise<void> {
    this.#cut.run(from)
    this.#last = from - 1
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#db.close()
  }
}

/** What of lmdb is used. */
interface Lmdb {
  transactionSync(run: () => void): void
  putSync(key: number, value: Buffer, options: { readonly append: boolean }): boolean
  removeSync(key: number): boolean
  getBinary(key: number): Buffer | undefined
  getKeys(range: object): Iterable<number>
  getRange(range: object): Iterable<{ readonly value: Buffer }>
  close(): Promise<void>
}

/** Synced at each commit. */
class LmdbPeer implements MeasuredLog {
  readonly #db: Lmdb
  #last = 0

  constructor(folder: string) {
    const require = createRequire(path.resolve(process.env['LMDB_FOLDER'] ?? '', 'x.js'))
    const { open } = require('lmdb') as { open: (options: object) => Lmdb }
    this.#db = open({
      path: path.join(folder, 'lmdb'),
      overlappingSync: false,
      mapSize: 8 * 1024 ** 3,
      encoding: 'binary',
      keyEncoding: 'uint32',
    })
    for (const key of this.#db.getKeys({ reverse: true, limit: 1 })) this.#last = key
  }

  async persist(entries: readonly LogEntry[]): Promise<void> {
    this.#db.transactionSync(() => {
      for (const { index, term, payload } of entries) {
        const value = Buffer.allocUnsafe(8 + payload.length)
        value.writeUInt32LE(term, 0)
        value.writeUInt32LE(0, 4)
        value.set(payload, 8)
        this.#db.putSync(index, value, { append: true })
      }
    })
    this.#last = entries.at(-1)!.index
  }

  async entry(index: number): Promise<unknown> {
    return this.#db.getBinary(index)
  }

  async range(from: number, to: number): Promise<unknown> {
    return Array.from(this.#db.getRange({ start: from, end: to + 1 }), ({ value }) => value)
  }

  last(): number {
    return this.#last
  }

  async purge(index: number): Promise<void> {
    this.#remove(0, index + 1)
  }

  async truncate(from: number): Promise<void> {
    this.#remove(from, this.#last + 1)
    this.#last = from - 1
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#db.close()
  }

  #remove(start: number, end: number): void {
    this.#db.transactionSync(() => {
      for (const key of this.#db.getKeys({ start, end })) this.#db.removeSync(key)
    })
  }
}
