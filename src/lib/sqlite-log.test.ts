/** Files of SQLite that are held alone, and their log: with a disk that syncs when the test says so. */
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { makeDirectory } from './durable-directory.ts'
import { SqliteLog, type SqliteLogOptions } from './sqlite-log.ts'
import type { SqliteLayout } from './sqlite-open.ts'

const LAYOUT: SqliteLayout = {
  what: 'list of numbers',
  applicationId: 0x1234,
  version: 3,
  schema: 'CREATE TABLE number (n INTEGER)',
  pageBytes: 8192,
  cacheKib: 1024,
}

function directory(): string {
  const made = mkdtempSync(path.join(tmpdir(), 'sluice-log-'))
  onTestFinished(() => rmSync(made, { recursive: true }))
  return made
}

function opened(file: string, options?: SqliteLogOptions): SqliteLog {
  const log = new SqliteLog(file, LAYOUT, options)
  onTestFinished(() => {
    if (log.db.open) log.close()
  })
  return log
}

/** A disk that collects syncs. */
class Disk {
  readonly waiting: { resolve: () => void; reject: (error: Error) => void }[] = []

  readonly datasync = (): Promise<void> =>
    new Promise((resolve, reject) => void this.waiting.push({ resolve, reject }))

  finish(): void {
    this.waiting.shift()!.resolve()
  }
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

test('what was written is there when the file is opened again, and its mark is ours', () => {
  const file = path.join(directory(), 'n.db')
  const first = opened(file)
  first.db.exec('INSERT INTO number VALUES (7)')
  expect(readFileSync(`${file}-pid`, 'utf8')).toBe(`${process.pid}\n`)
  first.close()
  expect(existsSync(`${file}-pid`)).toBe(false)
  const { db } = opened(file)
  expect(db.prepare('SELECT n FROM number').pluck().all()).toEqual([7])
  expect(db.pragma('page_size', { simple: true })).toBe(8192)
  expect(db.pragma('application_id', { simple: true })).toBe(0x1234)
})

test('a file that is open is locked, and the message says by whom', () => {
  const file = path.join(directory(), 'n.db')
  opened(file)
  expect(() => opened(file)).toThrow(
    expect.objectContaining({
      name: 'StoreLocked',
      message: `${file} is in use by process ${process.pid}`,
    }),
  )
})

test('whoever asks during a sync shares the next one, and is not answered by the first', async () => {
  const disk = new Disk()
  let syncs = 0
  const log = opened(path.join(directory(), 'n.db'), {
    datasync: disk.datasync,
    onSync: () => (syncs += 1),
  })
  const done: string[] = []
  const first = log.durable().then(() => done.push('first'))
  const later = Array.from({ length: 5 }, () => log.durable().then(() => done.push('later')))
  await turn()
  expect(disk.waiting).toHaveLength(1)
  disk.finish()
  await first
  await turn()
  expect(done).toEqual(['first'])
  expect(disk.waiting).toHaveLength(1)
  disk.finish()
  await Promise.all(later)
  expect(syncs).toBe(2)
  await log.idle()
})

test('after a sync that failed nothing is durable any more, whatever the disk says later', async () => {
  const disk = new Disk()
  const log = opened(path.join(directory(), 'n.db'), { datasync: disk.datasync })
  const [first, second] = [log.durable(), log.durable()]
  disk.waiting.shift()!.reject(new Error('EIO'))
  const unavailable = { name: 'StoreUnavailable', cause: { message: 'EIO' } }
  await expect(first).rejects.toMatchObject(unavailable)
  await expect(second).rejects.toMatchObject(unavailable)
  await expect(log.durable()).rejects.toBe(log.broken)
  await expect(log.checkpoint()).rejects.toBe(log.broken)
  expect(disk.waiting).toHaveLength(0)
})

test('a checkpoint syncs the log, copies it, syncs the database, and begins the log anew with one frame', async () => {
  const disk = new Disk()
  const file = path.join(directory(), 'n.db')
  const log = opened(file, { datasync: disk.datasync })
  log.db.exec(
    'WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c LIMIT 20000) INSERT INTO number SELECT n FROM c',
  )
  const before = statSync(file).size
  expect(log.frames()).toBeGreaterThan(10)
  const checkpoint = log.checkpoint()
  await turn()
  expect(statSync(file).size).toBe(before)
  disk.finish()
  while (disk.waiting.length === 0) await turn()
  expect(log.frames()).toBe(0)
  expect(statSync(file).size).toBeGreaterThan(before)
  const salt = (): string => readFileSync(`${file}-wal`).toString('hex', 16, 24)
  const old = salt()
  disk.finish()
  while (disk.waiting.length === 0) await turn()
  expect(log.frames()).toBe(1)
  expect(salt()).not.toBe(old)
  disk.finish()
  await checkpoint
  expect(disk.waiting).toHaveLength(0)
})

test('directories are made with all above them, for their owner', () => {
  const made = path.join(directory(), 'a', 'b', 'c')
  makeDirectory(made)
  makeDirectory(made)
  expect(statSync(made).mode & 0o777).toBe(0o700)
})
