import fc from 'fast-check'
import { expect, test } from 'vitest'
import { partsOf } from './assemble-object.ts'

test('parts are at least as long as they have to be, and together they are the runs', () => {
  const length = fc.oneof(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 4 }))
  fc.assert(
    fc.property(fc.array(length), fc.integer({ min: 0, max: 20 }), (lengths, least) => {
      const runs = lengths.map((bytes, i) => ({ key: String(i), start: i, end: i + bytes }))
      const parts = partsOf(runs, least)
      const bytes = (of: readonly { key: string; start: number; end: number }[]): string[] =>
        of.flatMap(({ key, start, end }) =>
          Array.from({ length: end - start }, (_, i) => `${key}:${start + i}`),
        )
      expect(parts.flatMap(bytes)).toEqual(bytes(runs))
      for (const part of parts.slice(0, -1))
        expect(bytes(part).length).toBeGreaterThanOrEqual(Math.max(1, least))
    }),
  )
})

test('what is long enough is copied, and not read', () => {
  const runs = [
    { key: 'a', start: 0, end: 100 },
    { key: 'b', start: 5, end: 8 },
    { key: 'c', start: 0, end: 100 },
    { key: 'd', start: 7, end: 9 },
  ]
  expect(partsOf(runs, 10)).toEqual([
    [{ key: 'a', start: 0, end: 100 }],
    [
      { key: 'b', start: 5, end: 8 },
      { key: 'c', start: 0, end: 7 },
    ],
    [{ key: 'c', start: 7, end: 100 }],
    [{ key: 'd', start: 7, end: 9 }],
  ])
})

test('what is more than one copy may be is copied in parts', () => {
  const giB = 1024 ** 3
  const parts = partsOf([{ key: 'a', start: 0, end: 5 * giB + 1 }], 5 * 1024 ** 2)
  expect(parts.map(([run]) => run!.end - run!.start)).toEqual([
    5 * giB + 1 - 5 * 1024 ** 2,
    5 * 1024 ** 2,
  ])
})
