/** What the SQLite engine does where there is no room, in its log or in SQLite. */
import { write } from 'node:fs'
import { expect, test } from 'vitest'
import { SILENT } from '../src/lib/meter.ts'
import { newFile, put } from './sqlite.fixture.ts'
import { SqliteStore } from './sqlite.ts'
import type { WriteAt } from './sqlite-segments.ts'

/** A disk that takes files up to a size, and so much of what is written beyond it as it has room for. */
class SmallDisk {
  sizeMax = Infinity

  readonly write: WriteAt = (fd, bytes, position) =>
    new Promise((resolve, reject) => {
      const length = Math.max(0, Math.min(bytes.length, this.sizeMax - position))
      write(fd, bytes, 0, length, position, (error) => {
        if (error) reject(error)
        else if (length < bytes.length) reject(Object.assign(new Error('full'), { code: 'ENOSPC' }))
        else resolve()
      })
    })
}

const body = new Uint8Array(3000).fill(9)

test('a full disk refuses with StoreFull and keeps nothing of it; rows can be removed, and with room again the store goes on', async () => {
  const disk = new SmallDisk()
  const path = newFile()
  const bounds = { roomBytes: 20_000 }
  const open = (): SqliteStore =>
    new SqliteStore({ path, meter: SILENT, write: disk.write, bounds })
  const store = open()
  await put(store, 'old', 1, 0, body)
  disk.sizeMax = 50_000
  let written = 0
  const outcomes = await Promise.allSettled(
    Array.from({ length: 50 }, async (_, i) => {
      for (let turn = 0; turn < i; turn++) await new Promise((resolve) => setImmediate(resolve))
      await put(store, `k${String(i).padStart(2, '0')}`, 1, 0, body)
      written++
    }),
  )
  const refused = outcomes.filter(({ status }) => status === 'rejected')
  expect(refused.length).toBeGreaterThan(30)
  for (const outcome of refused) expect(outcome).toMatchObject({ reason: { name: 'StoreFull' } })
  const listed = async (store: SqliteStore): Promise<number> =>
    (await store.scan('b', 'object', { from: 'k', to: 'l', limit: 1000 })).length
  expect(await listed(store)).toBe(written)
  await expect(put(store, 'more', 1, 0, body)).rejects.toMatchObject({ name: 'StoreFull' })
  expect(await store.get('b', 'object', 'more')).toBeUndefined()
  expect(await put(store, 'old', null)).toBe(true)
  expect(await store.get('b', 'object', 'old')).toBeUndefined()
  disk.sizeMax = Infinity
  expect(await put(store, 'more', 1, 0, body)).toBe(true)
  await store[Symbol.asyncDispose]()
  await using again = open()
  expect(await listed(again)).toBe(written)
  expect((await again.get('b', 'object', 'more'))?.bytes?.at(-1)).toBe(9)
  expect(await again.get('b', 'object', 'old')).toBeUndefined()
})

test('who has read a row of a group that had no room is told what was there before', async () => {
  const disk = new SmallDisk()
  await using store = new SqliteStore({ path: newFile(), meter: SILENT, write: disk.write })
  await put(store, 'k', 'before')
  disk.sizeMax = 0
  const refused = put(store, 'k', 'after')
  const reads: unknown[] = []
  refused.catch(() => {})
  for (let turn = 0; turn < 50; turn++) {
    reads.push(store.get('b', 'object', 'k').then((row) => row?.value))
    await new Promise((resolve) => setImmediate(resolve))
  }
  await expect(refused).rejects.toMatchObject({ name: 'StoreFull' })
  expect(new Set(await Promise.all(reads))).toEqual(new Set(['before']))
})

test('an error of the disk that is not about room ends all writing; what was durable is read still', async () => {
  let isBad = false
  const disk = new SmallDisk()
  const write: WriteAt = (fd, bytes, position) =>
    isBad ? Promise.reject(new Error('EIO')) : disk.write(fd, bytes, position)
  await using store = new SqliteStore({ path: newFile(), meter: SILENT, write })
  await put(store, 'old', 1)
  isBad = true
  await expect(put(store, 'k', 1)).rejects.toMatchObject({ name: 'StoreUnavailable' })
  isBad = false
  await expect(put(store, 'k', 1)).rejects.toMatchObject({ name: 'StoreUnavailable' })
  expect(await store.get('b', 'object', 'old')).toMatchObject({ value: 1 })
  expect(await store.scan('b', 'object', { from: 'l', limit: 9 })).toHaveLength(1)
})

test('where SQLite is full commits go on to a bound, scans go on, and everything is there when it is opened with room', async () => {
  const path = newFile()
  const value = 'x'.repeat(2000)
  let written = 0
  {
    const bounds = { overlayRows: 10 }
    await using store = new SqliteStore({ path, meter: SILENT, pagesMax: 30, bounds })
    let refusal: unknown
    while (refusal === undefined && written < 1000) {
      try {
        await put(store, `k${String(written).padStart(4, '0')}`, value, 0, body)
        written++
      } catch (error) {
        refusal = error
      }
    }
    expect(refusal).toMatchObject({ name: 'StoreFull' })
    const rows = await store.scan('b', 'object', { from: '', limit: 1000 })
    expect(rows).toHaveLength(written)
    expect(rows.map(({ sort }) => sort)).toEqual(rows.map(({ sort }) => sort).toSorted())
    expect(await put(store, 'k0000', null)).toBe(true)
    const fold = { delimiter: '0', from: 0 }
    expect(await store.scan('b', 'object', { from: '', limit: 9, fold })).toMatchObject([
      { sort: 'k0001' },
    ])
    expect(await store.scan('b', 'object', { from: 'k0000', limit: 2 })).toMatchObject([
      { sort: 'k0001' },
      { sort: 'k0002' },
    ])
  }
  await using again = new SqliteStore({ path, meter: SILENT })
  expect(await again.scan('b', 'object', { from: '', limit: 1000 })).toHaveLength(written - 1)
  expect((await again.get('b', 'object', 'k0009'))?.bytes).toHaveLength(3000)
})
