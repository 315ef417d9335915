/** The SQLite engine's log stays as large as it has to be, and no row is lost on the way. */
import { statSync } from 'node:fs'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { SILENT } from '../src/lib/meter.ts'
import { MemoryStore } from './memory.ts'
import { copyOf, newFile, put, RESTLESS, segmentsOf } from './sqlite.fixture.ts'
import { SqliteStore, type Bounds } from './sqlite.ts'
import type { MetadataStore } from './store.ts'

const NO_SYNC = async (): Promise<void> => {}
const BODY_BYTES = 300
const BOUNDS: Bounds = { ...RESTLESS, overlayRows: 10, segmentBytes: 20_000 }

function open(file: string): SqliteStore {
  return new SqliteStore({ path: file, meter: SILENT, datasync: NO_SYNC, bounds: BOUNDS })
}

function sizeOf(file: string): number {
  return segmentsOf(file).reduce((sum, segment) => sum + statSync(segment).size, 0)
}

const bodyOf = (fill: number): Uint8Array => new Uint8Array(BODY_BYTES).fill(fill)

/** Writes over `rows` rows, again and again; one in ten stays as it was written first. */
async function churn(store: SqliteStore, rows: number, rounds: number): Promise<void> {
  for (let round = 0; round < rounds; round++)
    for (let i = 0; i < rows; i += 5)
      await Promise.all(
        Array.from({ length: 5 }, async (_, j) => {
          const row = i + j
          if (row % 10 === 0 && round > 0) return
          await put(store, `row${row}`, round, undefined, bodyOf(row))
        }),
      )
}

/** How many rows are as they were written last. */
async function wholeRows(store: SqliteStore, rows: number, last: number): Promise<number> {
  let whole = 0
  for (let row = 0; row < rows; row++) {
    const found = await store.get('b', 'object', `row${row}`)
    if (found?.value !== (row % 10 === 0 ? 0 : last)) continue
    if (found.bytes?.length === BODY_BYTES && found.bytes.every((byte) => byte === row)) whole++
  }
  return whole
}

describe('rows that are written over and over', () => {
  test('take about twice their own room in the log, and all of them are there', async () => {
    const file = newFile()
    await using store = open(file)
    await churn(store, 100, 30)
    // 100 rows of 300 bytes, 45 KB with their records; 0.9 MB were written.
    await expect.poll(() => sizeOf(file), { timeout: 5000 }).toBeLessThan(200_000)
    expect(await wholeRows(store, 100, 29)).toBe(100)
  })

  test('keep their rev while their bytes are moved', async () => {
    const file = newFile()
    await using store = open(file)
    await put(store, 'stays', 'the same', 0, bodyOf(7))
    const before = await store.get('b', 'object', 'stays')
    const [first] = segmentsOf(file)
    await churn(store, 100, 20)
    await expect.poll(() => segmentsOf(file)[0], { timeout: 5000 }).not.toBe(first)
    const after = await store.get('b', 'object', 'stays')
    expect(after).toEqual(before)
    expect(await put(store, 'stays', 'another', after!.rev)).toBe(true)
  })

  test('are read while their bytes are moved', async () => {
    await using store = open(newFile())
    let isDone = false
    let reads = 0
    const reading = async (): Promise<void> => {
      for (let row = 0; !isDone; row = (row + 1) % 100) {
        const found = await store.get('b', 'object', `row${row}`)
        if (found !== undefined) expect(found.bytes?.every((byte) => byte === row)).toBe(true)
        if (++reads % 20 === 0) await new Promise((resolve) => setImmediate(resolve))
      }
    }
    const readers = [reading(), reading()]
    await churn(store, 100, 30).finally(() => (isDone = true))
    await Promise.all(readers)
    expect(reads).toBeGreaterThan(500)
  })

  test('are all there after a crash at any moment of it', async () => {
    const file = newFile()
    await using store = open(file)
    for (let round = 0; round < 12; round++) {
      await churn(store, 40, 5)
      await using copy = open(copyOf(file))
      expect(await wholeRows(copy, 40, 4)).toBe(40)
      for (let row = 0; row < 40; row += 10)
        await put(store, `row${row}`, 0, undefined, bodyOf(row))
    }
  })
})

test('rows that are gone leave nothing in the log but what is written last', async () => {
  const file = newFile()
  await using store = open(file)
  await churn(store, 100, 2)
  for (let row = 0; row < 100; row++) await put(store, `row${row}`, null)
  for (let i = 0; i < 300; i++) await put(store, 'other', 'x'.repeat(100))
  await expect.poll(() => segmentsOf(file).length, { timeout: 5000 }).toBeLessThan(5)
})

/** What is done: some rows of few keys written or removed, or everything opened again. */
const step = fc.oneof(
  { weight: 1, arbitrary: fc.constant('reopen' as const) },
  { weight: 2, arbitrary: fc.constant('scan' as const) },
  {
    weight: 12,
    arbitrary: fc.array(
      fc.record({
        key: fc.nat(30).map((n) => `k${n}`),
        value: fc.option(fc.nat(), { freq: 3 }),
        sizeBytes: fc.option(fc.nat(1500)),
      }),
      { minLength: 1, maxLength: 12 },
    ),
  },
)

test('whatever is written, moved, applied and opened again, it has what a store in memory has', async () => {
  const property = fc.asyncProperty(
    fc.array(step, { minLength: 30, maxLength: 60 }),
    async (steps) => {
      const file = newFile()
      let store = open(file)
      await using memory = new MemoryStore()
      for (const [at, step] of steps.entries()) {
        if (step === 'reopen') {
          await store[Symbol.asyncDispose]()
          store = open(file)
        } else if (step === 'scan') {
          const [mine, its] = await Promise.all([store, memory].map(listing))
          expect(mine).toEqual(its)
        } else {
          const writes = step.map(({ key, value, sizeBytes }) => {
            const bytes =
              sizeBytes === null || value === null ? undefined : new Uint8Array(sizeBytes).fill(at)
            return [key, value, undefined, bytes] as const
          })
          await Promise.all(writes.map((write) => put(store, ...write)))
          for (const write of writes) await put(memory, ...write)
        }
        for (let n = 0; n <= 30; n += 3) await expectSame(store, memory, `k${(n + at) % 31}`)
      }
      for (let n = 0; n <= 30; n++) await expectSame(store, memory, `k${n}`)
      await store[Symbol.asyncDispose]()
    },
  )
  await fc.assert(property, { numRuns: 8 })
}, 30_000)

async function listing(store: MetadataStore): Promise<unknown> {
  const rows = await store.scan('b', 'object', { from: '', limit: 1000 })
  return rows.map(({ sort, value }) => [sort, value])
}

async function expectSame(a: MetadataStore, b: MetadataStore, sort: string): Promise<void> {
  const [mine, its] = await Promise.all([a, b].map((store) => store.get('b', 'object', sort)))
  expect(mine?.value).toBe(its?.value)
  expect(mine?.bytes && [...mine.bytes]).toEqual(its?.bytes && [...its.bytes])
}
