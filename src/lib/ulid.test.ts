import { array, assert, integer, property } from 'fast-check'
import { expect, test } from 'vitest'
import { isUlid, prefixesBehind, ulidFloor, Ulids, ulidTime, versionBefore } from './ulid.ts'

/** A clock that shows the times given, one after the other. */
function clockOf(times: readonly number[]): { now(): number } {
  let index = 0
  return { now: () => times[Math.min(index++, times.length - 1)]! }
}

const times = array(integer({ min: 0, max: 5 }), { minLength: 2, maxLength: 50 })

test('ids ascend and version ids descend, even while the clock stands still or goes back', () => {
  assert(
    property(times, (offsets) => {
      const ids = new Ulids(clockOf(offsets.map((offset) => 1e12 + offset)))
      const versions = new Ulids(clockOf(offsets.map((offset) => 1e12 + offset)))
      const up = offsets.map(() => ids.next())
      const down = offsets.map(() => versions.nextVersion())
      expect(up).toEqual([...new Set(up)].sort())
      expect(down).toEqual([...new Set(down)].sort().reverse())
      expect([...up, ...down].every(isUlid)).toBe(true)
    }),
  )
})

test('an id tells the millisecond that it was made in', () => {
  const ids = new Ulids(clockOf([1_785_000_000_123]))
  const id = ids.next()
  expect(ulidTime(id)).toBe(1_785_000_000_123)
  expect(id > ulidFloor(1_785_000_000_123)).toBe(true)
  expect(id < ulidFloor(1_785_000_000_124)).toBe(true)
})

test('a full turn of the randomness goes on in the next millisecond', () => {
  const ids = new Ulids(clockOf([1000]))
  let last = ids.next()
  for (let count = 0; count < 40_000; count++) {
    const id = ids.next()
    expect(id > last).toBe(true)
    last = id
  }
})

test('two makers at the same time do not make the same ids', () => {
  const made = new Set<string>()
  for (let maker = 0; maker < 100; maker++) made.add(new Ulids(clockOf([1000])).next())
  expect(made.size).toBe(100)
})

test('a version can be put before one that a faster clock made', () => {
  const fast = new Ulids(clockOf([2000])).nextVersion()
  const slow = new Ulids(clockOf([1000])).nextVersion()
  expect(slow > fast).toBe(true)
  const before = versionBefore(fast, slow)
  expect(before < fast).toBe(true)
  expect(isUlid(before)).toBe(true)
})

test('what is no id is told apart', () => {
  const wrong = ['', 'null', '01ARZ3NDEKTSV4RRFFQ69G5FAVX', '81ARZ3NDEKTSV4RRFFQ69G5FAV']
  for (const text of [...wrong, '01arz3ndektsv4rrffq69g5fav', '01ARZ3NDEKTSV4RRFFQ69G5FAU']) {
    expect([text, isUlid(text)]).toEqual([text, false])
  }
  expect(isUlid('01ARZ3NDEKTSV4RRFFQ69G5FAV')).toBe(true)
})

test('of the beginnings behind an id, every greater one has exactly one, and those ascend', () => {
  const digits = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'
  const digit = integer({ min: 0, max: 31 })
  const id = array(digit, { minLength: 25, maxLength: 25 }).map(
    (places) => `${places[0]! % 8}${places.map((place) => digits[place]).join('')}`,
  )
  const shared = integer({ min: 0, max: 26 })
  assert(
    property(id, id, shared, (one, other, length) => {
      const [after, later] = [one, one.slice(0, length) + other.slice(length)].sort()
      const beginnings = [...prefixesBehind(after!)]
      expect(beginnings.filter((beginning) => later!.startsWith(beginning))).toHaveLength(1)
      expect(beginnings).toEqual([...new Set(beginnings)].sort())
      expect(beginnings.length).toBeLessThan(170)
    }),
  )
})
