/** When the SQLite engine may answer, and what it does where the disk fails: with a disk of our own. */
import { readFileSync, statSync, writeFileSync } from 'node:fs'
import Sqlite from 'better-sqlite3'
import { describe, expect, onTestFinished, test } from 'vitest'
import { SILENT, type Meter } from '../src/lib/meter.ts'
import { newFile, put } from './sqlite.fixture.ts'
import { SqliteStore } from './sqlite.ts'

/** A disk whose syncs end when the test says so. */
class SlowDisk {
  readonly waiting: { resolve: () => void; reject: (error: Error) => void }[] = []
  /** Syncs end at once while this is false. */
  isSlow = true

  readonly datasync = (): Promise<void> => {
    if (!this.isSlow) return Promise.resolve()
    return new Promise((resolve, reject) => void this.waiting.push({ resolve, reject }))
  }

  /** Until the store waits for the disk. */
  async asked(): Promise<void> {
    while (this.waiting.length === 0) await turn()
  }

  async finish(): Promise<void> {
    await this.asked()
    this.waiting.shift()!.resolve()
    await turn()
  }
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

/** Whether the promise is still open after the loop has turned some times. */
async function isOpen(promise: Promise<unknown>): Promise<boolean> {
  let open = true
  const close = (): void => void (open = false)
  promise.then(close, close)
  for (let i = 0; i < 5; i++) await turn()
  return open
}

const all = { from: '', limit: 100 }

async function openSlow(): Promise<{ store: SqliteStore; disk: SlowDisk }> {
  const disk = new SlowDisk()
  const store = new SqliteStore({ path: newFile(), meter: SILENT, datasync: disk.datasync })
  onTestFinished(async () => {
    disk.isSlow = false
    for (const { resolve } of disk.waiting.splice(0)) resolve()
    await store[Symbol.asyncDispose]()
  })
  disk.isSlow = false
  await put(store, 'old', 1)
  await put(store, 'going', 1)
  disk.isSlow = true
  return { store, disk }
}

describe('while the disk has not said that a commit is durable', () => {
  test('the commit is not answered', async () => {
    const { store, disk } = await openSlow()
    const commit = put(store, 'new', 1)
    await disk.asked()
    expect(await isOpen(commit)).toBe(true)
    await disk.finish()
    expect(await commit).toBe(true)
  })

  test('nobody is shown what it wrote, nor what it removed', async () => {
    const { store, disk } = await openSlow()
    const commits = [put(store, 'new', 1), put(store, 'going', null)]
    await disk.asked()
    const reads = [
      store.get('b', 'object', 'new'),
      store.get('b', 'object', 'going'),
      store.scan('b', 'object', all),
      store.scan('b', 'object', { from: 'going', to: 'going\0', limit: 1 }),
    ]
    const areOpen = await Promise.all(reads.map(isOpen))
    expect(areOpen).toEqual([true, true, true, true])
    await disk.finish()
    await Promise.all(commits)
    const [added, going, rows] = await Promise.all(reads)
    expect(added).toMatchObject({ value: 1 })
    expect(going).toBeUndefined()
    expect(rows).toMatchObject([{ sort: 'new' }, { sort: 'old' }])
  })

  test('what was there before is read at once, and other partitions are', async () => {
    const { store, disk } = await openSlow()
    const commit = put(store, 'new', 1)
    await disk.asked()
    expect(await store.get('b', 'object', 'old')).toMatchObject({ value: 1 })
    expect(await store.get('b', 'object', 'absent')).toBeUndefined()
    expect(await store.scan('b', 'object', { from: 'o', limit: 5 })).toHaveLength(1)
    expect(await store.scan('b', 'object', { from: 'z', limit: 5 })).toEqual([])
    expect(await store.scan('other', 'object', all)).toEqual([])
    await disk.finish()
    await commit
    const removal = put(store, 'going', null)
    await disk.asked()
    const old = { from: 'old', to: 'old\0', limit: 1 }
    expect(await store.scan('b', 'object', old)).toMatchObject([{ sort: 'old' }])
    await disk.finish()
    await removal
  })

  test('a commit that it refuses is not answered either', async () => {
    const { store, disk } = await openSlow()
    const commit = put(store, 'new', 1)
    await disk.asked()
    const refused = put(store, 'new', 2, 0)
    expect(await isOpen(refused)).toBe(true)
    await disk.finish()
    expect(await commit).toBe(true)
    expect(await refused).toBe(false)
  })

  test('those that come meanwhile share one sync', async () => {
    const { store, disk } = await openSlow()
    const first = put(store, 'first', 1)
    await disk.asked()
    const others = Array.from({ length: 30 }, (_, i) => put(store, `k${i}`, i))
    await disk.finish()
    await first
    await disk.finish()
    expect(await Promise.all(others)).toEqual(others.map(() => true))
    expect(disk.waiting).toHaveLength(0)
  })

  test('closing waits for it', async () => {
    const { store, disk } = await openSlow()
    const commit = put(store, 'new', 1)
    await disk.asked()
    const closed = store[Symbol.asyncDispose]()
    expect(await isOpen(closed)).toBe(true)
    await disk.finish()
    expect(await commit).toBe(true)
    await closed
  })
})

test('a sync that fails refuses that group and every later commit; what was durable is read still', async () => {
  const { store, disk } = await openSlow()
  const commits = [put(store, 'new', 1), put(store, 'going', null)]
  await disk.asked()
  const later = put(store, 'later', 1)
  const read = store.get('b', 'object', 'new')
  disk.waiting.shift()!.reject(new Error('EIO'))
  const unavailable = { name: 'StoreUnavailable' }
  const outcomes = await Promise.allSettled([...commits, later, read])
  for (const outcome of outcomes)
    expect(outcome).toMatchObject({ status: 'rejected', reason: unavailable })
  await expect(put(store, 'again', 1)).rejects.toMatchObject(unavailable)
  await expect(store.get('b', 'object', 'going')).rejects.toMatchObject(unavailable)
  await expect(store.scan('b', 'object', all)).rejects.toMatchObject(unavailable)
  expect(await store.get('b', 'object', 'old')).toMatchObject({ value: 1 })
})

test('SQLite follows the log, its own log is moved into the file as it grows, and everything stays', async () => {
  const file = newFile()
  const counts = new Map<string, number>()
  const meter: Meter = {
    ...SILENT,
    counter: (name) => ({
      add: (by = 1) => void counts.set(name, (counts.get(name) ?? 0) + by),
    }),
  }
  {
    const bounds = { overlayRows: 50, checkpointFrames: 20 }
    await using store = new SqliteStore({ path: file, meter, bounds })
    const bytes = new Uint8Array(6000)
    for (let round = 0; round < 40; round++) {
      const commits = Array.from({ length: 20 }, (_, i) => {
        const sort = `${round}/${i}`
        const writes = [{ table: 'object' as const, sort, value: 'x'.repeat(500), bytes }]
        return store.commit({ partition: 'b', expects: [], writes })
      })
      await Promise.all(commits)
    }
    expect(counts.get('sluice_metadata_checkpoints_total')).toBeGreaterThan(1)
    expect(counts.get('sluice_metadata_commits_total')).toBe(800)
    expect(counts.get('sluice_metadata_groups_total')).toBeLessThan(200)
    expect(statSync(`${file}-wal`).size).toBeLessThan(1024 * 1024)
    // 800 rows of 500 bytes, and none of their 5 MB of bytes.
    expect(statSync(file).size).toBeLessThan(1024 * 1024)
  }
  await using store = new SqliteStore({ path: file, meter: SILENT })
  expect(await store.scan('b', 'object', { from: '', limit: 1000 })).toHaveLength(800)
  expect((await store.get('b', 'object', '39/19'))?.bytes).toHaveLength(6000)
})

function opening(file: string): () => SqliteStore {
  return () => new SqliteStore({ path: file, meter: SILENT })
}

describe('a file that is not ours', () => {
  test('is refused where it is no database, and left as it is', () => {
    const file = newFile()
    writeFileSync(
      file,
      'no database at all, but longer than a header of one hundred bytes'.repeat(9),
    )
    const before = readFileSync(file)
    expect(opening(file)).toThrow(/not a store of metadata/)
    expect(readFileSync(file).equals(before)).toBe(true)
  })

  test('is refused where it is the database of another program', () => {
    const file = newFile()
    const other = new Sqlite(file)
    other.exec('CREATE TABLE row (partition); INSERT INTO row VALUES (1)')
    other.close()
    const before = readFileSync(file)
    expect(opening(file)).toThrow(/another program/)
    expect(readFileSync(file).equals(before)).toBe(true)
  })

  test('is refused where a newer program wrote it', async () => {
    const file = newFile()
    await opening(file)()[Symbol.asyncDispose]()
    const newer = new Sqlite(file)
    newer.pragma('user_version = 1000')
    newer.close()
    const before = readFileSync(file)
    expect(opening(file)).toThrow(/newer program.*1000/)
    expect(readFileSync(file).equals(before)).toBe(true)
  })

  test('is refused where its beginning is damaged', async () => {
    const file = newFile()
    await opening(file)()[Symbol.asyncDispose]()
    const damaged = readFileSync(file)
    damaged.fill(0xff, 100, 4096)
    writeFileSync(file, damaged)
    expect(opening(file)).toThrow(/damaged/)
  })

  test('is refused where a program wrote it that was never released', async () => {
    const file = newFile()
    await opening(file)()[Symbol.asyncDispose]()
    const older = new Sqlite(file)
    older.pragma('user_version = 1')
    older.close()
    const before = readFileSync(file)
    expect(opening(file)).toThrow(/version 1.*sluice export/)
    expect(readFileSync(file).equals(before)).toBe(true)
  })
})
