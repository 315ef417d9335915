/** What the SQLite engine makes of its files after a crash: of a torn end, of a lost index, of damage. */
import {
  appendFileSync,
  copyFileSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import { SILENT } from '../src/lib/meter.ts'
import { copyOf, newFile, put, RESTLESS, segmentsOf } from './sqlite.fixture.ts'
import { SqliteStore } from './sqlite.ts'
import type { Row } from './store.ts'

const NO_SYNC = async (): Promise<void> => {}

function open(file: string, bounds = {}): SqliteStore {
  return new SqliteStore({ path: file, meter: SILENT, datasync: NO_SYNC, bounds })
}

async function rowsOf(file: string): Promise<(Row | undefined)[]> {
  await using store = open(file)
  const rows = await store.scan('b', 'object', { from: '', limit: 1000 })
  return Promise.all(rows.map(({ sort }) => store.get('b', 'object', sort)))
}

const bytes = (fill: number): Uint8Array => new Uint8Array(9).fill(fill)

/** A store in the midst of its work, whose last group is one commit of two rows; answers where that begins. */
async function crashed(): Promise<{ file: string; before: number; end: number }> {
  const file = newFile()
  const store = open(file, { roomBytes: 4000 })
  const [segment] = segmentsOf(file)
  await put(store, 'first', 1, 0, bytes(1))
  await put(store, 'second', 2, 0, bytes(2))
  const before = endOf(segment!)
  const writes = ['last', 'second'].map((sort) => {
    return { table: 'object' as const, sort, value: 3, bytes: bytes(3) }
  })
  await store.commit({ partition: 'b', expects: [], writes })
  const copy = copyOf(file)
  await store[Symbol.asyncDispose]()
  return { file: copy, before, end: endOf(segmentsOf(copy)[0]!) }
}

/** Where the room begins: no record ends with NUL here. */
function endOf(segment: string): number {
  const content = readFileSync(segment)
  let end = content.length
  while (content[end - 1] === 0) end--
  return end
}

describe('the end of the log', () => {
  test('torn at any byte of the last group, all before it is there and nothing of it; it goes on from there', async () => {
    const { file, before, end } = await crashed()
    const [segment] = segmentsOf(file)
    for (let cut = before; cut < end; cut++) {
      const torn = copyOf(file)
      const [itsSegment] = segmentsOf(torn)
      copyFileSync(segment!, itsSegment!)
      // One half of them ends there; in the other there is room, as it was made ahead.
      const size = statSync(segment!).size
      truncateSync(itsSegment!, cut)
      if (cut % 2 === 0) truncateSync(itsSegment!, size)
      const isWhole = cut === end - 1 && readFileSync(segment!)[cut] === 0
      if (isWhole) continue
      {
        await using store = open(torn)
        expect(await store.get('b', 'object', 'last'), `cut at ${cut}`).toBeUndefined()
        expect(await store.get('b', 'object', 'second')).toMatchObject({ value: 2 })
        await put(store, 'next', 4, 0, bytes(4))
      }
      if (cut % 10 !== 0) continue
      const rows = await rowsOf(torn)
      expect(rows.map((row) => row?.sort)).toEqual(['first', 'next', 'second'])
      expect(rows[1]?.bytes?.[0]).toBe(4)
    }
  }, 60_000)

  test('any byte of the last group flipped, it counts as torn', async () => {
    const { file, before, end } = await crashed()
    for (let at = before; at < end; at += 7) {
      const torn = copyOf(file)
      flip(segmentsOf(torn)[0]!, at)
      expect((await rowsOf(torn)).map((row) => row?.value)).toEqual([1, 2])
    }
  }, 60_000)

  test('behind it there may be anything, also what looks like a frame of another place', async () => {
    const { file, before, end } = await crashed()
    const [segment] = segmentsOf(file)
    const frame = readFileSync(segment!).subarray(before, end)
    truncateSync(segment!, end)
    appendFileSync(segment!, Buffer.concat([Buffer.alloc(100, 0xff), frame, Buffer.alloc(500)]))
    {
      await using store = open(file)
      expect(await store.get('b', 'object', 'last')).toMatchObject({ value: 3 })
      expect(statSync(segment!).size).toBe(end)
    }
    expect((await rowsOf(file)).map((row) => row?.value)).toEqual([1, 3, 3])
  })
})

function flip(file: string, at: number): void {
  const content = readFileSync(file)
  content[at]! ^= 0x10
  writeFileSync(file, content)
}

describe('damage', () => {
  test('before the last group is refused, with file and offset, and nothing is changed', async () => {
    const { file, before } = await crashed()
    for (const at of [30, 60, before - 1]) {
      const damaged = copyOf(file)
      const [segment] = segmentsOf(damaged)
      flip(segment!, at)
      const content = readFileSync(segment!)
      const { message } = thrown(() => open(damaged))
      expect(message).toContain(segment)
      expect(message).toMatch(/damaged at offset \d+/)
      expect(readFileSync(segment!).equals(content)).toBe(true)
    }
  })

  test('of the first bytes of a segment is refused, and so is the segment of another store', async () => {
    const { file } = await crashed()
    const other = (await crashed()).file
    const [segment] = segmentsOf(file)
    for (const spoil of [
      (): void => flip(segment!, 3),
      (): void => copyFileSync(segmentsOf(other)[0]!, segment!),
    ]) {
      spoil()
      expect(thrown(() => open(file)).message).toMatch(/no part of this store/)
    }
  })

  test('a segment that is missing is refused', async () => {
    const file = newFile()
    const store = open(file, { segmentBytes: 1000, roomBytes: 500 })
    for (let i = 0; i < 60; i++) await put(store, `k${i}`, i, 0, bytes(i))
    const copy = copyOf(file)
    await store[Symbol.asyncDispose]()
    const segments = segmentsOf(copy)
    expect(segments.length).toBeGreaterThan(3)
    for (const gone of [segments[0]!, segments[2]!]) {
      const without = copyOf(copy)
      rmSync(path.join(`${without}-log`, path.basename(gone)))
      const { name, message } = thrown(() => open(without))
      expect(name).toBe('StoreDamaged')
      expect(message).toContain(path.basename(gone))
    }
    rmSync(`${copy}-log`, { recursive: true })
    expect(thrown(() => open(copy)).name).toBe('StoreDamaged')
  })
})

function thrown(act: () => unknown): Error {
  try {
    act()
  } catch (error) {
    return error as Error
  }
  throw new Error('It was taken')
}

test("SQLite's log deleted or cut back after a crash, the commit log restores everything", async () => {
  const file = newFile()
  const bounds = { ...RESTLESS, segmentBytes: 20_000 }
  const store = open(file, bounds)
  for (let i = 0; i < 300; i++) {
    await put(store, `k${i % 60}`, i, undefined, i % 3 === 0 ? bytes(i) : undefined)
    if (i % 7 === 0) await put(store, `k${(i * 3) % 60}`, null)
    if (i % 50 !== 49) continue
    const wanted = await all(store)
    const size = statSync(`${file}-wal`).size
    for (const kept of [undefined, 0, 32, size >> 1, (size >> 1) + 5, size - 1]) {
      const copy = copyOf(file)
      if (kept === undefined) rmSync(`${copy}-wal`)
      else truncateSync(`${copy}-wal`, kept)
      expect(await rowsOf(copy)).toEqual(wanted)
    }
  }
  await store[Symbol.asyncDispose]()

  async function all(store: SqliteStore): Promise<unknown> {
    const found = Array.from({ length: 60 }, (_, i) => store.get('b', 'object', `k${i}`))
    const rows = (await Promise.all(found)).filter((row) => row !== undefined)
    return rows.toSorted((a, b) => (a.sort < b.sort ? -1 : 1))
  }
}, 60_000)

test('a database without its rows is filled again from a log that is whole', async () => {
  const file = newFile()
  const store = open(file)
  for (let i = 0; i < 20; i++) await put(store, `k${i}`, i, 0, bytes(i))
  const early = copyOf(file)
  rmSync(`${early}-wal`)
  await store.scan('b', 'object', { from: '', limit: 1 })
  const late = copyOf(file)
  await store[Symbol.asyncDispose]()
  const wanted = await rowsOf(late)
  expect(await rowsOf(early)).toEqual(wanted)
  expect(wanted).toHaveLength(20)
})
