import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { SortedMap } from './sorted-map.ts'
import { compareUtf8 } from './utf8.ts'

/** The same map, without any cleverness. */
class Model {
  readonly entries = new Map<string, number>()

  slice(from: string, to: string | undefined, limit: number): number[] {
    return [...this.entries]
      .filter(
        ([key]) => compareUtf8(key, from) >= 0 && (to === undefined || compareUtf8(key, to) < 0),
      )
      .sort(([a], [b]) => compareUtf8(a, b))
      .slice(0, limit)
      .map(([, value]) => value)
  }
}

function check(map: SortedMap<number>, model: Model, from: string, to: string | undefined): void {
  expect(map.size).toBe(model.entries.size)
  expect(map.slice('', undefined, Infinity)).toEqual(model.slice('', undefined, Infinity))
  expect(map.slice(from, to, 7)).toEqual(model.slice(from, to, 7))
  expect(map.slice(from, to, 700)).toEqual(model.slice(from, to, 700))
  expect(map.ceiling(from)).toBe(model.slice(from, undefined, 1)[0])
}

describe('SortedMap', () => {
  test('does what a sorted list of entries does, whatever the order of changes', () => {
    const key = fc.string({ unit: 'binary', maxLength: 3 })
    const change = fc.tuple(fc.boolean(), key, fc.nat())
    fc.assert(
      fc.property(
        fc.array(change, { maxLength: 200 }),
        key,
        fc.option(key),
        (changes, from, to) => {
          const map = new SortedMap<number>()
          const model = new Model()
          for (const [isSet, key, value] of changes) {
            const isThere = model.entries.has(key)
            if (isSet) model.entries.set(key, value)
            else model.entries.delete(key)
            const answer = isSet ? map.set(key, value) : map.delete(key)
            expect(answer).toBe(isSet ? undefined : isThere)
            expect(map.get(key)).toBe(model.entries.get(key))
          }
          check(map, model, from, to ?? undefined)
        },
      ),
    )
  })

  test.each(['ascending', 'descending', 'scattered'] as const)(
    'stays whole while thousands of %s keys come and go',
    (order) => {
      const count = 5000
      const map = new SortedMap<number>()
      const model = new Model()
      const nth = (i: number): string => {
        const at = { ascending: i, descending: count - i, scattered: (i * 1597) % count }[order]
        return `k${String(at).padStart(6, '0')}`
      }
      for (let i = 0; i < count; i++) {
        map.set(nth(i), i)
        model.entries.set(nth(i), i)
      }
      check(map, model, nth(10), nth(20))
      for (let i = 0; i < count; i++) {
        if (i % 50 === 0) continue
        expect(map.delete(nth(i))).toBe(true)
        model.entries.delete(nth(i))
      }
      check(map, model, nth(7), undefined)
      for (let i = 0; i < count; i += 50) expect(map.delete(nth(i))).toBe(true)
      expect(map.slice('', undefined, 10)).toEqual([])
      map.set('again', 1)
      expect(map.slice('', undefined, 10)).toEqual([1])
    },
  )

  test('a value set again replaces the old one', () => {
    const map = new SortedMap<string>()
    map.set('a', 'old')
    map.set('a', 'new')
    expect(map.get('a')).toBe('new')
    expect(map.size).toBe(1)
  })
})

test('a leaf that empties beside a fuller one is in nobody’s way', () => {
  const map = new SortedMap<number>()
  const keys = Array.from({ length: 1200 }, (_, i) => String(i).padStart(5, '0'))
  for (const [i, key] of keys.entries()) map.set(key, i)
  for (let kept = keys.length; kept > 0; kept--) {
    map.delete(keys[kept - 1]!)
    expect(map.slice('', undefined, 2000).length).toBe(kept - 1)
    expect(map.ceiling('')).toBe(kept > 1 ? 0 : undefined)
  }
  for (const [i, key] of keys.entries()) map.set(key, i)
  for (const [i, key] of keys.entries()) {
    map.delete(key)
    expect(map.slice('', undefined, 1)).toEqual(i + 1 < keys.length ? [i + 1] : [])
  }
})
