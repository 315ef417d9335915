import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { MemoryStore } from '../../metadata/memory.ts'
import type { MetadataStore, Range } from '../../metadata/store.ts'
import { compareUtf8 } from '../lib/utf8.ts'
import { list, type Listing, type ListQuery, pageMax } from './listing.ts'

interface Value {
  /** A row that does not count. */
  readonly dead?: true
}

const keep = (value: Value): boolean => value.dead === undefined

async function filled(live: Iterable<string>, dead: Iterable<string> = []): Promise<MemoryStore> {
  const store = new MemoryStore()
  const put = (sort: string, value: Value): Promise<boolean> =>
    store.commit({
      partition: 'b',
      expects: [],
      writes: [{ table: 'object', sort, value: { ...value } }],
    })
  for (const key of live) await put(key, {})
  for (const key of dead) await put(key, { dead: true })
  return store
}

const ALL: ListQuery = { prefix: '', delimiter: '', after: '', max: 1000 }

function page(store: MetadataStore, query: Partial<ListQuery>): Promise<Listing<Value>> {
  return list<Value>(store, 'b', 'object', { ...ALL, ...query }, keep)
}

/** Every page of a listing, put together; fails where pages do not come to an end. */
async function walk(store: MetadataStore, query: Partial<ListQuery>): Promise<string[][]> {
  const pages: string[][] = []
  let after = query.after ?? ''
  for (;;) {
    const found = await page(store, { ...query, after })
    pages.push([...found.rows.map((row) => row.sort), ...found.commonPrefixes].sort(compareUtf8))
    if (found.next === undefined) return pages
    expect(found.next).toBe(pages.at(-1)?.at(-1))
    expect(pages.length).toBeLessThan(1000)
    after = found.next
  }
}

/** The same listing by the definition: all keys, in order, folded. */
function naive(keys: readonly string[], prefix: string, delimiter: string): string[] {
  const entries = new Set<string>()
  for (const key of keys) {
    if (!key.startsWith(prefix)) continue
    const at = delimiter === '' ? -1 : key.indexOf(delimiter, prefix.length)
    entries.add(at < 0 ? key : key.slice(0, at + delimiter.length))
  }
  return [...entries].sort(compareUtf8)
}

const PARTS = [
  '',
  'a',
  'b',
  'B',
  '/',
  '//',
  '.',
  '%',
  '_',
  '+',
  ' ',
  '\0',
  '\u{7f}',
  'é',
  '\u{d7ff}',
  '\u{e000}',
  '\u{ffff}',
  '\u{1f600}',
  '\u{10ffff}',
]
const part = fc.constantFrom(...PARTS)
const text = fc.array(part, { maxLength: 4 }).map((parts) => parts.join(''))
const key = text.filter((t) => t !== '')

test('pages of any size, put together, are the naive listing', async () => {
  const cases = fc.record({
    live: fc.uniqueArray(key, { maxLength: 30 }),
    dead: fc.uniqueArray(key, { maxLength: 10 }),
    prefix: text,
    delimiter: text,
    max: fc.integer({ min: 1, max: 12 }),
  })
  await fc.assert(
    fc.asyncProperty(cases, async ({ live, dead, prefix, delimiter, max }) => {
      const store = await filled(
        live,
        dead.filter((d) => !live.includes(d)),
      )
      const pages = await walk(store, { prefix, delimiter, max })
      expect(pages.flat()).toEqual(naive(live, prefix, delimiter))
      for (const full of pages.slice(0, -1)) expect(full).toHaveLength(max)
    }),
    { numRuns: 500 },
  )
})

test('a listing after any key is what the naive one has above that key and its group', async () => {
  const cases = fc.record({
    live: fc.uniqueArray(key, { maxLength: 30 }),
    prefix: text,
    delimiter: text,
    after: key,
    max: fc.integer({ min: 1, max: 12 }),
  })
  await fc.assert(
    fc.asyncProperty(cases, async ({ live, prefix, delimiter, after, max }) => {
      const pages = await walk(await filled(live), { prefix, delimiter, after, max })
      const [group = after] = naive([after], prefix, delimiter)
      const above = (entry: string): boolean =>
        compareUtf8(entry, after) > 0 && (entry !== group || entry === after)
      expect(pages.flat()).toEqual(naive(live, prefix, delimiter).filter(above))
    }),
    { numRuns: 500 },
  )
})

test('a page of nothing is empty and not truncated', async () => {
  expect(await page(await filled(['a']), { max: 0 })).toEqual({ rows: [], commonPrefixes: [] })
})

test('a group whose keys are all refused is no common prefix, however many they are', async () => {
  const dead = Array.from({ length: 2500 }, (_, i) => `gone/${i}`)
  const store = await filled(['half/z', 'zero'], [...dead, 'half/a'])
  const found = await page(store, { delimiter: '/' })
  expect(found.commonPrefixes).toEqual(['half/'])
  expect(found.rows.map((row) => row.sort)).toEqual(['zero'])
})

/** Counts scans and the rows that they return. */
class Counting extends MemoryStore {
  scans = 0
  rows = 0

  override async scan(
    partition: string,
    table: 'object',
    range: Range,
  ): ReturnType<MemoryStore['scan']> {
    const rows = await super.scan(partition, table, range)
    this.scans++
    this.rows += rows.length
    return rows
  }
}

test('a page is one scan, with a delimiter too', async () => {
  const store = new Counting()
  for (let i = 0; i < 3000; i++)
    await store.commit({
      partition: 'b',
      expects: [],
      writes: [{ table: 'object', sort: `${String(i % 1500).padStart(4, '0')}/${i}`, value: {} }],
    })
  await page(store, {})
  expect([store.scans, store.rows]).toEqual([1, 1001])
  const folders = await page(store, { delimiter: '/' })
  expect(folders.commonPrefixes).toHaveLength(1000)
  expect([store.scans, store.rows]).toEqual([2, 2002])
})

test('refused rows before a small page are read in large steps', async () => {
  const store = new Counting()
  for (let i = 0; i < 3000; i++)
    await store.commit({
      partition: 'b',
      expects: [],
      writes: [
        {
          table: 'object',
          sort: String(i).padStart(4, '0'),
          value: i < 2999 ? { dead: true } : {},
        },
      ],
    })
  const found = await page(store, { max: 1 })
  expect(found.rows.map((row) => row.sort)).toEqual(['2999'])
  expect(store.scans).toBeLessThan(6)
})

test('page sizes are clamped to 1000, and refused where they are no sizes', () => {
  expect(pageMax(undefined, 'max-keys')).toBe(1000)
  expect(pageMax(0, 'max-keys')).toBe(0)
  expect(pageMax(5000, 'max-keys')).toBe(1000)
  for (const wrong of [-1, 1.5, Number.NaN, 2 ** 31])
    expect(() => pageMax(wrong, 'max-keys')).toThrow(
      expect.objectContaining({ code: 'InvalidArgument' }),
    )
})
