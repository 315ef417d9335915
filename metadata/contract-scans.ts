/** The part of the contract that is about scans: order, ranges, folds. */
import { expect, test } from 'vitest'
import { PARTITION, fill, sortsOf, writing, type Opened } from './contract-calls.ts'
import { SCAN_LIMIT_MAX, type Range } from './store.ts'

/** Some keys in the order of their bytes. */
const KEYS = ['', '\0', 'a', 'a\0', 'a/b', 'a0', 'z', 'é', '\ud7ff', '\uffee', '\u{1f600}']

function folding(range: Range, from = 0, delimiter = '/'): Range {
  return { ...range, fold: { delimiter, from } }
}

export function scanPromises(opened: Opened): void {
  test('rows come in the order of their UTF-8 bytes', async () => {
    const store = await opened()
    await fill(store, [...KEYS].reverse())
    expect(await sortsOf(store, { from: '', limit: 100 })).toEqual(KEYS)
  })

  test('a range begins at its from, and ends before its to', async () => {
    const store = await opened()
    await fill(store, KEYS)
    expect(await sortsOf(store, { from: 'a', to: 'a0', limit: 9 })).toEqual(['a', 'a\0', 'a/b'])
    expect(await sortsOf(store, { from: '\uffee', limit: 9 })).toEqual(['\uffee', '\u{1f600}'])
    expect(await sortsOf(store, { from: 'b', to: 'b', limit: 9 })).toEqual([])
    expect(await sortsOf(store, { from: 'z', to: 'a', limit: 9 })).toEqual([])
    expect(await sortsOf(store, { from: `${'\u{10ffff}'.repeat(256)}\0`, limit: 9 })).toEqual([])
  })

  test('a range of one position is that row, or none', async () => {
    const store = await opened()
    await fill(store, KEYS)
    for (const sort of KEYS)
      expect(await sortsOf(store, { from: sort, to: `${sort}\0`, limit: 1 })).toEqual([sort])
    expect(await sortsOf(store, { from: 'b', to: 'b\0', limit: 2 })).toEqual([])
  })

  test('a limit cuts; fewer rows mean that there are no more', async () => {
    const store = await opened()
    await fill(store, KEYS)
    expect(await sortsOf(store, { from: '', limit: 3 })).toEqual(KEYS.slice(0, 3))
    expect(await sortsOf(store, { from: '', limit: KEYS.length })).toEqual(KEYS)
    expect(await sortsOf(store, { from: '', limit: SCAN_LIMIT_MAX })).toEqual(KEYS)
  })

  test('a page as large as may be is whole', async () => {
    const store = await opened()
    const sorts = Array.from({ length: SCAN_LIMIT_MAX + 50 }, (_, i) => String(i + 10_000))
    await Promise.all(sorts.map((sort) => store.commit(writing(sort, 1))))
    const range = { from: '', limit: SCAN_LIMIT_MAX }
    expect(await sortsOf(store, range)).toEqual(sorts.slice(0, SCAN_LIMIT_MAX))
  })

  test('a scan leaves bytes out, with a fold too', async () => {
    const store = await opened()
    await store.commit(writing('k/1', 'v', undefined, Uint8Array.of(1)))
    const { rev } = (await store.get(PARTITION, 'object', 'k/1'))!
    for (const range of [{ from: '', limit: 2 }, folding({ from: '', limit: 2 })])
      expect(await store.scan(PARTITION, 'object', range)).toStrictEqual([
        { sort: 'k/1', rev, value: 'v' },
      ])
  })

  test('a fold shows the first row of each group, and rows without a group', async () => {
    const store = await opened()
    await fill(store, ['a', 'b/1', 'b/2', 'b/c/3', 'b0', 'c/', 'c//', 'd'])
    const all = folding({ from: '', limit: 100 })
    expect(await sortsOf(store, all)).toEqual(['a', 'b/1', 'b0', 'c/', 'd'])
    expect(await sortsOf(store, folding({ from: '', limit: 2 }))).toEqual(['a', 'b/1'])
    expect(await sortsOf(store, folding({ from: 'b/2', limit: 2 }))).toEqual(['b/2', 'b0'])
    expect(await sortsOf(store, folding({ from: 'b/', to: 'b0', limit: 9 }, 2))).toEqual([
      'b/1',
      'b/2',
      'b/c/3',
    ])
  })

  test('a fold counts positions in UTF-16 units, and takes NUL and longer texts as delimiters', async () => {
    const store = await opened()
    await fill(store, ['\u{1f600}/x/1', '\u{1f600}/x/2', '\u{1f600}/y', 'n\x001', 'n\x002'])
    const astral = folding({ from: '\u{1f600}/', to: '\u{1f600}0', limit: 9 }, 3)
    expect(await sortsOf(store, astral)).toEqual(['\u{1f600}/x/1', '\u{1f600}/y'])
    const nul = folding({ from: '', to: 'o', limit: 9 }, 0, '\0')
    expect(await sortsOf(store, nul)).toEqual(['n\x001'])
    const long = folding({ from: '', limit: 9 }, 0, '/x/')
    expect(await sortsOf(store, long)).toEqual(['n\x001', 'n\x002', '\u{1f600}/x/1', '\u{1f600}/y'])
  })

  test('a fold steps over groups of hundreds of rows', async () => {
    const store = await opened()
    const sorts = Array.from({ length: 2000 }, (_, i) => `p/${Math.floor(i / 200)}/${i + 1000}`)
    const plain = ['p/a', 'p/b', 'p/c']
    await Promise.all([...sorts, ...plain].map((sort) => store.commit(writing(sort, 1))))
    const range = folding({ from: 'p/', to: 'p0', limit: 100 }, 2)
    const groups = Array.from({ length: 10 }, (_, i) => `p/${i}/${i * 200 + 1000}`)
    expect(await sortsOf(store, range)).toEqual([...groups, ...plain])
  })

  test('a fold finds its position in every key by itself, where their beginnings differ', async () => {
    const store = await opened()
    const sorts = ['a/', 'é/'].flatMap((start) =>
      Array.from({ length: 100 }, (_, i) => `${start}${i < 50 ? 'x' : 'y'}/${i + 100}`),
    )
    await Promise.all(sorts.map((sort) => store.commit(writing(sort, 1))))
    const first = ['a/x/100', 'a/y/150', 'é/x/100', 'é/y/150']
    expect(await sortsOf(store, folding({ from: '', limit: 100 }, 2))).toEqual(first)
    expect(await sortsOf(store, folding({ from: 'a/', limit: 100 }, 2))).toEqual(first)
    expect(await sortsOf(store, folding({ from: 'a/', to: 'z', limit: 100 }, 2))).toEqual(
      first.slice(0, 2),
    )
  })
}
