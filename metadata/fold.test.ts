import { expect, test } from 'vitest'
import { behind, foldedScan, groupOf } from './fold.ts'
import type { Row } from './store.ts'

test.each([
  ['a/b/c', '/', 0, 'a/'],
  ['a/b/c', '/', 1, 'a/'],
  ['a/b/c', '/', 2, 'a/b/'],
  ['a/b/c', '/', 4, undefined],
  ['a/b/c', '/', 99, undefined],
  ['a--b', '--', 0, 'a--'],
  ['\u{1f600}/', '/', 2, '\u{1f600}/'],
])('the group of %j by %j behind %i is %j', (sort, delimiter, from, group) => {
  expect(groupOf(sort, { delimiter, from })).toBe(group)
})

test('behind a row is what its group does not hide', () => {
  expect(behind('a/b', { delimiter: '/', from: 0 })).toBe('a0')
  expect(behind('a', { delimiter: '/', from: 0 })).toBe('a\0')
  expect(behind('\u{10ffff}', { delimiter: '\u{10ffff}', from: 0 })).toBeUndefined()
})

test('a group of any size costs one scan', async () => {
  const rows = Array.from({ length: 10_000 }, (_, i): Row => {
    return {
      sort: `${String(Math.floor(i / 1000))}/${String(i).padStart(5, '0')}`,
      rev: 1,
      value: 1,
    }
  })
  let scans = 0
  let read = 0
  const scan = async (range: { from: string; limit: number }): Promise<readonly Row[]> => {
    scans++
    const found = rows.filter((row) => row.sort >= range.from).slice(0, range.limit)
    read += found.length
    return found
  }
  const fold = { delimiter: '/', from: 0 }
  const found = await foldedScan(scan, { from: '', limit: 100, fold }, fold)
  expect(found).toHaveLength(10)
  expect(scans).toBeLessThanOrEqual(11)
  expect(read).toBeLessThanOrEqual(11 * 8)
})
