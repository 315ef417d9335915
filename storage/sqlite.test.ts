/** The SQLite engine: the contracts, and what it does where the disk fails, with a disk of our own. */
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import Sqlite from 'better-sqlite3'
import { describe, expect, onTestFinished, test } from 'vitest'
import { SILENT, type Meter } from '../src/lib/meter.ts'
import { storageReopenContract } from './contract-reopen.ts'
import { difference, ids, list, MIB, read, sample, traceOf } from './contract-samples.ts'
import { storageContract } from './contract.ts'
import { SLICE_BYTES } from './sqlite-blobs.ts'
import { SqliteStorage, type SqliteStorageOptions } from './sqlite.ts'

const CHILD = fileURLToPath(new URL('kill.child.ts', import.meta.url))

function directory(): string {
  const made = mkdtempSync(path.join(tmpdir(), 'sluice-storage-sqlite-'))
  onTestFinished(() => rmSync(made, { recursive: true }))
  return made
}

function newFile(): string {
  return path.join(directory(), 'blobs.db')
}

function open(options: Partial<SqliteStorageOptions> = {}): Promise<SqliteStorage> {
  return SqliteStorage.open({ path: newFile(), meter: SILENT, ...options })
}

storageContract('sqlite', () => open())
storageContract('sqlite, whose log is moved all the time and whose free pages all go', () =>
  open({ checkpointFrames: 1, freePagesKept: 0 }),
)

/** What a copy of the file says, for the file itself is locked. (By `cp`: our own closing of it would unlock it.) */
function ask<T>(file: string, question: (db: Sqlite.Database) => T): T {
  const copy = mkdtempSync(path.join(tmpdir(), 'sluice-copy-'))
  try {
    const name = path.join(copy, 'blobs.db')
    execFileSync('cp', [file, name])
    execFileSync('cp', [`${file}-wal`, `${name}-wal`])
    const db = new Sqlite(name)
    try {
      return question(db)
    } finally {
      db.close()
    }
  } finally {
    rmSync(copy, { recursive: true })
  }
}

const ORPHANS = `SELECT DISTINCT (key >> 20) AS no FROM slice WHERE no NOT IN (SELECT no FROM blob)
  UNION SELECT no FROM loose`

storageReopenContract('sqlite', {
  options: (at) => ({ engine: 'sqlite', path: path.join(at, 'made', 'blobs.db') }),
  unfinished: async (at) =>
    ask(path.join(at, 'made', 'blobs.db'), (db) => db.prepare(ORPHANS).pluck().all() as string[]),
  isHeldAlone: true,
})

/** A disk whose syncs end when the test says so. */
class SlowDisk {
  readonly waiting: { resolve: () => void; reject: (error: Error) => void }[] = []
  isSlow = false

  readonly datasync = (): Promise<void> => {
    if (!this.isSlow) return Promise.resolve()
    return new Promise((resolve, reject) => void this.waiting.push({ resolve, reject }))
  }

  async asked(): Promise<void> {
    while (this.waiting.length === 0) await turn()
  }

  release(): void {
    this.isSlow = false
    for (const { resolve } of this.waiting.splice(0)) resolve()
  }
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

async function openSlow(): Promise<{ storage: SqliteStorage; disk: SlowDisk; file: string }> {
  const disk = new SlowDisk()
  const file = newFile()
  const storage = await open({ path: file, datasync: disk.datasync })
  onTestFinished(async () => {
    disk.release()
    await storage[Symbol.asyncDispose]()
  })
  return { storage, disk, file }
}

describe('while the disk has not said that a put is durable', () => {
  test('it is not answered, and the blob does not show', async () => {
    const { storage, disk } = await openSlow()
    disk.isSlow = true
    const id = ids.next()
    let isDone = false
    const put = storage.put(id, sample(10)).then(() => (isDone = true))
    await disk.asked()
    expect(await traceOf(storage, id)).toBe('none')
    await storage.delete([id])
    for (let i = 0; i < 5; i += 1) await turn()
    expect(isDone).toBe(false)
    disk.release()
    await put
    expect(await read(await storage.get(id))).toHaveLength(10)
  })

  test('those that come meanwhile share one sync, and a long body goes on', async () => {
    const { storage, disk } = await openSlow()
    disk.isSlow = true
    const first = storage.put(ids.next(), sample(10))
    await disk.asked()
    const others = Array.from({ length: 30 }, () => storage.put(ids.next(), sample(10)))
    let chunks = 0
    const long = storage.put(
      ids.next(),
      (async function* () {
        for (; chunks < 3; chunks += 1) yield sample(MIB)
      })(),
    )
    while (chunks < 3) await turn()
    for (let i = 0; i < 9; i += 1) await turn()
    disk.waiting.shift()!.resolve()
    await first
    await disk.asked()
    expect(disk.waiting).toHaveLength(1)
    disk.waiting.shift()!.resolve()
    await Promise.all([...others, long])
    expect(disk.waiting).toHaveLength(0)
  })
})

test('a sync that fails refuses that put and every later one; what was durable is read still', async () => {
  const { storage, disk } = await openSlow()
  const old = ids.next()
  await storage.put(old, sample(10))
  disk.isSlow = true
  const lost = ids.next()
  const put = storage.put(lost, sample(10))
  await disk.asked()
  disk.waiting.shift()!.reject(new Error('EIO'))
  const unavailable = { name: 'StoreUnavailable' }
  await expect(put).rejects.toMatchObject(unavailable)
  disk.isSlow = false
  await expect(storage.put(ids.next(), sample(10))).rejects.toMatchObject(unavailable)
  expect(await traceOf(storage, lost)).toBe('none')
  expect(await read(await storage.get(old))).toHaveLength(10)
})

test('a full disk refuses with StoreFull and keeps nothing of it; with room again the store goes on', async () => {
  const file = newFile()
  await using storage = await open({ path: file, pagesMax: 300 })
  const kept = ids.next()
  await storage.put(kept, sample(MIB))
  for (const size of [6 * MIB, 9 * MIB])
    await expect(storage.put(ids.next(), sample(size))).rejects.toMatchObject({ name: 'StoreFull' })
  expect(await list(storage)).toEqual([{ id: kept, size: MIB }])
  expect(ask(file, (db) => db.prepare(ORPHANS).all())).toEqual([])
  const again = ids.next()
  await storage.put(again, sample(2 * MIB))
  expect(difference(await read(await storage.get(again)), sample(2 * MIB))).toBe('none')
})

test('puts at the same time share transactions and syncs', async () => {
  let syncs = 0
  const meter: Meter = { ...SILENT, counter: () => ({ add: (by = 1) => void (syncs += by) }) }
  await using storage = await open({ meter })
  await Promise.all(Array.from({ length: 60 }, () => storage.put(ids.next(), sample(1000))))
  expect(syncs).toBeGreaterThan(0)
  expect(syncs).toBeLessThan(10)
})

test('the log is moved into the file as it grows, and everything stays', async () => {
  const file = newFile()
  const all = Array.from({ length: 40 }, () => ids.next())
  {
    await using storage = await open({ path: file })
    for (const id of all) await storage.put(id, sample(MIB))
    expect(statSync(`${file}-wal`).size).toBeLessThan(14 * MIB)
    expect(statSync(file).size).toBeGreaterThan(25 * MIB)
  }
  await using storage = await open({ path: file })
  for (const id of all)
    expect(difference(await read(await storage.get(id)), sample(MIB))).toBe('none')
})

test('deleting gives the pages back to the file system', async () => {
  const file = newFile()
  {
    await using storage = await open({ path: file, freePagesKept: 10, checkpointFrames: 10 })
    const all = Array.from({ length: 12 }, () => ids.next())
    for (const id of all) await storage.put(id, sample(2 * MIB))
    await storage.delete(all.filter((_, at) => at % 3))
    for (const id of all.filter((_, at) => at % 3 === 0))
      expect(difference(await read(await storage.get(id)), sample(2 * MIB))).toBe('none')
    const freePages = (): number =>
      ask(file, (db) => db.pragma('freelist_count', { simple: true }) as number)
    await expect.poll(freePages, { timeout: 5000 }).toBeLessThanOrEqual(10)
  }
  expect(statSync(file).size).toBeLessThan(9.5 * MIB)
})

test('a reader that has begun reads to the end, though the blob is deleted; then it goes', async () => {
  const file = newFile()
  await using storage = await open({ path: file })
  const id = ids.next()
  await storage.put(id, sample(3 * MIB))
  const body = await storage.get(id)
  await storage.delete([id])
  await storage.put(ids.next(), sample(3 * MIB, 7))
  expect(await traceOf(storage, id)).toBe('none')
  expect(difference(await read(body), sample(3 * MIB))).toBe('none')
  await expect.poll(() => ask(file, (db) => db.prepare(ORPHANS).all())).toEqual([])
})

test('an empty blob takes nothing of another with it', async () => {
  const file = newFile()
  const [empty, other] = [ids.next(), ids.next()]
  await (async () => {
    await using storage = await open({ path: file })
    await storage.put(empty, new Uint8Array(0))
  })()
  await using storage = await open({ path: file })
  await storage.put(other, sample(100))
  await storage.delete([empty])
  expect(await read(await storage.get(other))).toHaveLength(100)
})

test('lost slices are lost bytes, not a shorter blob', async () => {
  const file = newFile()
  const id = ids.next()
  {
    await using storage = await open({ path: file })
    await storage.put(id, sample(3 * MIB))
  }
  const db = new Sqlite(file)
  db.prepare('DELETE FROM slice WHERE key = (SELECT max(key) FROM slice)').run()
  db.close()
  await using storage = await open({ path: file })
  const before = 3 * MIB - SLICE_BYTES
  expect(await read(await storage.get(id, { start: 0, end: before }))).toHaveLength(before)
  const missing = { name: 'BlobMissing' }
  await expect(storage.get(id).then(read)).rejects.toMatchObject(missing)
  await expect(storage.get(id, { start: before, end: before + 1 })).rejects.toMatchObject(missing)
})

test('an id that is there already is refused, and the body let go', async () => {
  await using storage = await open()
  const id = ids.next()
  await storage.put(id, sample(10))
  await expect(storage.put(id, sample(20))).rejects.toThrow('there already')
  expect(await read(await storage.get(id))).toHaveLength(10)
})

test('once closed it answers that it is, also to those who read and write', async () => {
  const storage = await open()
  const id = ids.next()
  await storage.put(id, sample(3 * MIB))
  const body = await storage.get(id)
  const put = storage.put(
    ids.next(),
    (async function* () {
      for (;;) yield sample(MIB)
    })(),
  )
  put.catch(() => {})
  await turn()
  await storage[Symbol.asyncDispose]()
  const unavailable = { name: 'StoreUnavailable' }
  await expect(put).rejects.toMatchObject(unavailable)
  await expect(read(body)).rejects.toMatchObject(unavailable)
  await expect(storage.get(id)).rejects.toMatchObject(unavailable)
  await expect(list(storage)).rejects.toMatchObject(unavailable)
})

test('256 MiB go in and out in little memory', async () => {
  await using storage = await open()
  const id = ids.next()
  const chunk = sample(64 * 1024)
  await storage.put(ids.next(), sample(8 * MIB))
  let peak = 0
  const look = (): void => {
    peak = Math.max(peak, process.memoryUsage.rss())
  }
  async function* long(): AsyncGenerator<Uint8Array> {
    for (let count = 0; count < 4096; count += 1) {
      if (count % 16 === 0) look()
      yield chunk
    }
  }
  const before = process.memoryUsage.rss()
  await storage.put(id, long())
  let size = 0
  for await (const bytes of await storage.get(id)) {
    size += bytes.length
    look()
  }
  expect(size).toBe(256 * MIB)
  expect(peak - before).toBeLessThan(64 * MIB)
})

describe('a file that is not to be opened', () => {
  const opening =
    (file: string): (() => Promise<SqliteStorage>) =>
    () =>
      open({ path: file })

  test('because another process has it is refused with that process named', async () => {
    const file = newFile()
    const options = JSON.stringify({ engine: 'sqlite', path: file })
    const child = spawn(process.execPath, [CHILD, options], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    await once(child.stdout, 'data')
    await expect(opening(file)()).rejects.toMatchObject({
      name: 'StoreLocked',
      message: expect.stringContaining(`process ${child.pid}`) as string,
    })
    const exited = once(child, 'exit')
    child.kill('SIGKILL')
    await exited
    await (await opening(file)())[Symbol.asyncDispose]()
  })

  test.each([
    [
      'no database',
      'no database at all, but longer than a header of one hundred bytes',
      /not a store of blobs/,
    ],
  ])('because it is %s is left as it is', async (_, text, message) => {
    const file = newFile()
    writeFileSync(file, text.repeat(9))
    const before = readFileSync(file)
    await expect(opening(file)()).rejects.toThrow(message)
    expect(readFileSync(file).equals(before)).toBe(true)
  })

  test.each([
    ['of another kind', 'PRAGMA application_id = 1', /another kind/],
    ['written by a newer program', 'PRAGMA user_version = 1000', /newer program.*1000/],
  ])('because it is %s is left as it is', async (_, change, message) => {
    const file = newFile()
    await (await opening(file)())[Symbol.asyncDispose]()
    const other = new Sqlite(file)
    other.exec(change)
    other.close()
    const before = readFileSync(file)
    await expect(opening(file)()).rejects.toThrow(message)
    expect(readFileSync(file).equals(before)).toBe(true)
  })
})
