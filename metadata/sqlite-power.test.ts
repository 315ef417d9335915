/** What a power failure may leave of the SQLite engine's files, and that nothing is lost by it. */
import {
  cpSync,
  fstatSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import Sqlite from 'better-sqlite3'
import { expect, onTestFinished, test } from 'vitest'
import { SILENT } from '../src/lib/meter.ts'
import { SqliteStore } from './sqlite.ts'

const PAGE_BYTES = 4096
/** Few rows and pages, so that it happens in a short test. */
const BOUNDS = { overlayRows: 20, checkpointFrames: 30, roomBytes: 1000 }
const ROUNDS = 20
const COMMITS_PER_ROUND = 8

/** One file or the other, page by page: what a disk may have of writes that were not synced. */
function mixed(old: Uint8Array, fresh: Uint8Array, isFresh: (page: number) => boolean): Uint8Array {
  const mixture = new Uint8Array(fresh)
  for (let start = 0; start < fresh.length; start += PAGE_BYTES) {
    if (isFresh(start / PAGE_BYTES)) continue
    const page = old.subarray(start, start + PAGE_BYTES)
    mixture.fill(0, start, start + PAGE_BYTES)
    mixture.set(page, start)
  }
  return mixture
}

function pause(timeMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, timeMs))
}

function integrityOf(file: string): unknown {
  const db = new Sqlite(file)
  try {
    return db.pragma('integrity_check', { simple: true })
  } finally {
    db.close()
  }
}

test('a power failure while the log is moved into the file loses nothing', async () => {
  const directory = mkdtempSync(path.join(tmpdir(), 'sluice-power-'))
  onTestFinished(() => rmSync(directory, { recursive: true }))
  const file = path.join(directory, 'rows.db')
  const images: { readonly file: string; readonly answered: number }[] = []
  let answered = 0
  let synced = new Uint8Array(0)
  let syncedLog = new Uint8Array(0)
  /** Takes a picture of the disk whenever the database, not the log, waits to be synced. */
  const datasync = async (fd: number): Promise<void> => {
    const { ino } = fstatSync(fd)
    if (ino === statSync(`${file}-wal`).ino) syncedLog = new Uint8Array(readFileSync(`${file}-wal`))
    if (ino !== statSync(file).ino) return
    const fresh = new Uint8Array(readFileSync(file))
    for (const [name, isFresh] of [
      ['none', () => false],
      ['all', () => true],
      ['some', (page: number) => (page * 7919) % 3 === 0],
      ['others', (page: number) => (page * 7919) % 3 !== 0],
    ] as const) {
      const image = path.join(directory, `${images.length}-${name}.db`)
      writeFileSync(`${image}-wal`, syncedLog)
      cpSync(`${file}-log`, `${image}-log`, { recursive: true })
      writeFileSync(image, mixed(synced, fresh, isFresh))
      images.push({ file: image, answered })
    }
    synced = fresh
  }
  await using store = new SqliteStore({
    path: file,
    meter: SILENT,
    datasync,
    bounds: BOUNDS,
  })
  synced = new Uint8Array(readFileSync(file))
  for (let round = 0; round < ROUNDS; round++) {
    const commits = Array.from({ length: COMMITS_PER_ROUND }, (_, i) => {
      const value = round * COMMITS_PER_ROUND + i
      const bytes = new Uint8Array(600).fill(value)
      // Half of the rows are written over and over, so that old pages matter.
      const sort = i % 2 === 0 ? `same${i}` : `row${value}`
      const writes = [
        { table: 'object' as const, sort, value, bytes },
        { table: 'version' as const, sort: `${value}`, value: 'x'.repeat(2000) },
      ]
      return store.commit({ partition: 'b', expects: [], writes })
    })
    await Promise.all(commits)
    answered = (round + 1) * COMMITS_PER_ROUND
  }
  expect(images.length).toBeGreaterThanOrEqual(4)
  for (const image of images) {
    {
      await using again = new SqliteStore({ path: image.file, meter: SILENT })
      for (let value = 1; value < image.answered; value += 2) {
        const row = await again.get('b', 'object', `row${value}`)
        expect(row?.value).toBe(value)
        expect(row?.bytes?.at(-1)).toBe(value % 256)
      }
      const last = await again.get('b', 'object', 'same0')
      expect(last?.value).toBeGreaterThanOrEqual(image.answered - COMMITS_PER_ROUND)
      expect(last?.bytes?.at(0)).toBe((last?.value as number) % 256)
    }
    expect(integrityOf(image.file)).toBe('ok')
  }
})

test('while the database is not synced its log is not begun anew, and commits go on', async () => {
  const directory = mkdtempSync(path.join(tmpdir(), 'sluice-power-'))
  onTestFinished(() => rmSync(directory, { recursive: true }))
  const file = path.join(directory, 'rows.db')
  const data = { finish: [] as (() => void)[], isSlow: true }
  const datasync = (fd: number): Promise<void> =>
    new Promise((resolve) => {
      if (data.isSlow && fstatSync(fd).ino === statSync(file).ino) data.finish.push(resolve)
      else resolve()
    })
  await using store = new SqliteStore({
    path: file,
    meter: SILENT,
    datasync,
    bounds: BOUNDS,
  })
  const put = (sort: string): Promise<boolean> => {
    const writes = [{ table: 'object' as const, sort, value: 'x'.repeat(2000) }]
    return store.commit({ partition: 'b', expects: [], writes })
  }
  for (let i = 0; data.finish.length === 0; i++) {
    await put(`k${i}`)
    // Its log is moved after the answer.
    await pause(5)
  }
  const log = readFileSync(`${file}-wal`)
  for (let i = 0; i < 50; i++) await put(`next${i}`)
  await pause(50)
  expect(readFileSync(`${file}-wal`).equals(log)).toBe(true)
  expect(await store.get('b', 'object', 'next49')).toBeDefined()
  let isListed = false
  const listed = store
    .scan('b', 'object', { from: '', limit: 1000 })
    .finally(() => (isListed = true))
  await pause(50)
  expect(isListed).toBe(false)
  data.isSlow = false
  for (const finish of data.finish.splice(0)) finish()
  expect((await listed).length).toBeGreaterThan(50)
  expect(readFileSync(`${file}-wal`).subarray(0, 32).equals(log.subarray(0, 32))).toBe(false)
})
