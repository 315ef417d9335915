/** The promises of `MetadataStore`, as tests: an engine's own test file is a call of this. */
import { describe, expect, onTestFinished, test } from 'vitest'
import { PARTITION, fill, sortsOf, writing, type Opened } from './contract-calls.ts'
import { commitPromises } from './contract-commits.ts'
import { agreesWithModel, foldsAsReference } from './contract-random.ts'
import { scanPromises } from './contract-scans.ts'
import {
  COMMIT_EXPECTS_MAX,
  COMMIT_STEPS_MAX,
  COMMIT_WRITES_MAX,
  ROW_BYTES_MAX,
  SCAN_LIMIT_MAX,
  type Commit,
  type Json,
  type MetadataStore,
  type Range,
  type Table,
  type Write,
} from './store.ts'

export interface ContractOptions {
  /** Random cases that are tried; fewer where an engine takes long. */
  readonly runs: number
  /** A double that shows readers halves of commits, as its service does not: that promise is not tried. */
  readonly showsHalves?: boolean
}

const TABLES: readonly Table[] = [
  'bucket',
  'object',
  'version',
  'page',
  'upload',
  'part',
  'garbage',
  'share',
  'config',
  'event',
]

/** `open` gives an empty store each time; the suite closes it. */
export function metadataContract(
  name: string,
  open: () => Promise<MetadataStore>,
  options: ContractOptions = { runs: 100 },
): void {
  const opened = async (): Promise<MetadataStore> => {
    const store = await open()
    onTestFinished(async () => store[Symbol.asyncDispose]())
    return store
  }
  describe(`a metadata store: ${name}`, () => {
    describe('rows', () => {
      rowPromises(opened)
    })
    describe('commits', () => {
      commitPromises(opened, options)
    })
    describe('scans', () => {
      scanPromises(opened)
    })
    describe('limits', () => {
      limitPromises(opened)
    })
    test('folds as the rule says, over any keys and ranges', async () => {
      await expect(foldsAsReference(open, options.runs)).resolves.toBeUndefined()
    })
    test('after any commits it holds what a plain list would', async () => {
      await expect(agreesWithModel(open, options.runs)).resolves.toBeUndefined()
    })
  })
}

function rowPromises(opened: Opened): void {
  test('a row reads back as it was written, with a rev', async () => {
    const store = await opened()
    expect(await store.get(PARTITION, 'object', 'k')).toBeUndefined()
    expect(await store.commit(writing('k', 'v', 0))).toBe(true)
    const row = await store.get(PARTITION, 'object', 'k')
    expect(row).toEqual({ sort: 'k', rev: row?.rev, value: 'v' })
    expect(row?.rev).toBeTruthy()
  })

  test.each<Json>([
    0,
    -1.5,
    1e300,
    2 ** 53 - 1,
    true,
    false,
    '',
    'é \0 \u{1f600} \u{2028} "\\',
    '\ud800',
    [],
    {},
    [null, [1, { a: null }]],
    { a: 1, '': 2, '\0': [3], nested: { deep: [{ er: null }] } },
  ])('a value of any kind comes back the same: %j', async (value) => {
    const store = await opened()
    await store.commit(writing('k', value))
    expect((await store.get(PARTITION, 'object', 'k'))?.value).toStrictEqual(value)
    const [row] = await store.scan(PARTITION, 'object', { from: '', limit: 1 })
    expect(row?.value).toStrictEqual(value)
  })

  test('partitions and tables do not see one another', async () => {
    const store = await opened()
    for (const partition of ['', 'a', 'a\0', 'b'])
      for (const table of TABLES) {
        const value = `${partition}/${table}`
        await store.commit({ partition, expects: [], writes: [{ table, sort: 'k', value }] })
      }
    for (const partition of ['', 'a', 'a\0', 'b'])
      for (const table of TABLES) {
        expect((await store.get(partition, table, 'k'))?.value).toBe(`${partition}/${table}`)
        const rows = await store.scan(partition, table, { from: '', limit: 1000 })
        expect(rows.map((row) => row.value)).toEqual([`${partition}/${table}`])
      }
  })

  test.each([
    ['the empty text', ''],
    ['NUL', '\0'],
    ['text around NUL', 'a\0b'],
    ['1024 bytes of ASCII', 'x'.repeat(1024)],
    ['1024 bytes of astral characters', '\u{1f600}'.repeat(256)],
    ['SQL', `'; DROP TABLE row; --%_`],
  ])('a key may be %s', async (_, sort) => {
    const store = await opened()
    await fill(store, [sort, 'other'])
    expect((await store.get(PARTITION, 'object', sort))?.value).toBe(sort)
    expect(await sortsOf(store, { from: sort, to: `${sort}\0`, limit: 2 })).toEqual([sort])
    await store.commit(writing(sort, null))
    expect(await sortsOf(store, { from: '', limit: 2 })).toEqual(['other'])
  })

  test('bytes beside a value come back as they went, none and many', async () => {
    const store = await opened()
    const many = Uint8Array.from({ length: ROW_BYTES_MAX }, (_, i) => i * 7)
    for (const bytes of [new Uint8Array(0), Uint8Array.of(0, 255, 128), many]) {
      await store.commit(writing('k', 1, undefined, bytes))
      const row = await store.get(PARTITION, 'object', 'k')
      expect(Buffer.compare(row!.bytes!, bytes)).toBe(0)
    }
  })

  test('bytes are gone once the row is written without them, or removed', async () => {
    const store = await opened()
    await store.commit(writing('k', 1, undefined, Uint8Array.of(1)))
    await store.commit(writing('k', 2))
    expect(await store.get(PARTITION, 'object', 'k')).not.toHaveProperty('bytes')
    await store.commit(writing('k', 3, undefined, Uint8Array.of(1)))
    await store.commit(writing('k', null))
    await store.commit(writing('k', 4))
    expect(await store.get(PARTITION, 'object', 'k')).not.toHaveProperty('bytes')
  })

  test('a buffer that is used again after the commit does not change the row', async () => {
    const store = await opened()
    const buffer = Buffer.from('first').subarray(0)
    await store.commit(writing('k', 1, undefined, buffer))
    buffer.fill(0)
    const row = await store.get(PARTITION, 'object', 'k')
    expect(Buffer.from(row!.bytes!).toString()).toBe('first')
  })

  test('a closed store answers nobody', async () => {
    const store = await opened()
    await store.commit(writing('k', 1))
    await store[Symbol.asyncDispose]()
    const unavailable = { name: 'StoreUnavailable' }
    await expect(store.get(PARTITION, 'object', 'k')).rejects.toMatchObject(unavailable)
    await expect(store.scan(PARTITION, 'object', { from: '', limit: 1 })).rejects.toMatchObject(
      unavailable,
    )
    await expect(store.commit(writing('k', 2))).rejects.toMatchObject(unavailable)
  })
}

function limitPromises(opened: Opened): void {
  test.each([
    ['a key of 1025 bytes', 'x'.repeat(1025)],
    ['a key of 1026 bytes in 342 units', '\uffee'.repeat(342)],
    ['a key that is not well-formed', 'a\ud800'],
  ])('%s is a RangeError, and nothing is written', async (_, sort) => {
    const store = await opened()
    const commit = writing('good', 1)
    const bad: Commit = { ...commit, writes: [...commit.writes, ...writing(sort, 1).writes] }
    await expect(store.commit(bad)).rejects.toThrow(RangeError)
    await expect(store.commit(writing(sort, null))).rejects.toThrow(RangeError)
    await expect(store.commit({ ...commit, expects: writing(sort, 1, 0).expects })).rejects.toThrow(
      RangeError,
    )
    await expect(store.get(PARTITION, 'object', sort)).rejects.toThrow(RangeError)
    expect(await store.get(PARTITION, 'object', 'good')).toBeUndefined()
  })

  test.each<[string, Range]>([
    ['no row', { from: '', limit: 0 }],
    ['too many rows', { from: '', limit: SCAN_LIMIT_MAX + 1 }],
    ['half a row', { from: '', limit: 1.5 }],
    ['ends that are not well-formed', { from: '\ud800', limit: 1 }],
    ['a fold without a delimiter', { from: '', limit: 1, fold: { delimiter: '', from: 0 } }],
    ['a fold at no position', { from: '', limit: 1, fold: { delimiter: '/', from: -1 } }],
  ])('a scan of %s is a RangeError', async (_, range) => {
    const store = await opened()
    await expect(store.scan(PARTITION, 'object', range)).rejects.toThrow(RangeError)
  })

  test('a commit is as large as may be, or a RangeError', async () => {
    const store = await opened()
    const writes = Array.from({ length: COMMIT_WRITES_MAX + 1 }, (_, i): Write => {
      return { table: 'part', sort: `${i}`, value: i, bytes: new Uint8Array(ROW_BYTES_MAX) }
    })
    const expects = writes.map(({ table, sort }) => ({ table, sort, rev: 0 }))
    const largest: Commit = {
      partition: PARTITION,
      expects: expects.slice(0, COMMIT_EXPECTS_MAX),
      writes: writes.slice(0, COMMIT_WRITES_MAX),
    }
    await expect(store.commit({ ...largest, writes })).rejects.toThrow(RangeError)
    await expect(store.commit({ ...largest, expects })).rejects.toThrow(RangeError)
    const text = 'x'.repeat(5 * 1024 * 1024)
    await expect(store.commit(writing('k', { a: [text] }))).rejects.toThrow(RangeError)
    const bytes = new Uint8Array(ROW_BYTES_MAX + 1)
    await expect(store.commit(writing('k', 1, 0, bytes))).rejects.toThrow(RangeError)
    expect(await store.commit(largest)).toBe(true)
    const rows = await store.scan(PARTITION, 'part', { from: '', limit: 100 })
    expect(rows).toHaveLength(COMMIT_WRITES_MAX)
  })

  test('a commit has as many steps as may be, or is a RangeError', async () => {
    const store = await opened()
    const removals = Array.from({ length: COMMIT_STEPS_MAX / 2 }, (_, i): Write => {
      return { table: 'part', sort: `${i}`, value: null }
    })
    const most: Commit = { partition: PARTITION, expects: [], writes: removals }
    const absent = { table: 'object' as const, sort: 'k', rev: 0 }
    await expect(store.commit({ ...most, expects: [absent] })).rejects.toThrow(RangeError)
    expect(await store.commit(most)).toBe(true)
    const fewer = { ...most, expects: [absent], writes: removals.slice(1) }
    expect(await store.commit(fewer)).toBe(true)
  })

  test('to write a row twice in one commit is a RangeError', async () => {
    const store = await opened()
    const commit = writing('k', 1)
    const twice = { ...commit, writes: [...commit.writes, ...writing('k', null).writes] }
    await expect(store.commit(twice)).rejects.toThrow(RangeError)
    expect(await store.get(PARTITION, 'object', 'k')).toBeUndefined()
  })
}
