import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Arc } from './arc.ts'

function cache(max: number): { arc: Arc<string>; evicted: string[] } {
  const evicted: string[] = []
  return {
    arc: new Arc<string>(
      () => max,
      (key) => evicted.push(key),
    ),
    evicted,
  }
}

/** Reads as a cache is used: what is missed is put. */
function use(arc: Arc<string>, key: string, bytes = 1): boolean {
  const isHit = arc.get(key) !== undefined
  if (!isHit) arc.set(key, key, bytes)
  return isHit
}

test('reading everything once does not push out what is read again and again', () => {
  const { arc } = cache(10)
  for (let round = 0; round < 3; round++) for (let i = 0; i < 5; i++) use(arc, `often ${i}`)
  for (let i = 0; i < 1000; i++) use(arc, `once ${i}`)
  for (let i = 0; i < 5; i++) expect(arc.get(`often ${i}`)).toBeDefined()
})

test('what was evicted too early takes room from what was used once', () => {
  const { arc } = cache(10)
  for (let round = 0; round < 3; round++) for (let i = 0; i < 5; i++) use(arc, `before ${i}`)
  let hits = 0
  // Room for five beside those; nobody asks for those any more.
  for (let round = 0; round < 20; round++)
    for (let i = 0; i < 8; i++) if (use(arc, `now ${i}`)) hits++
  expect(hits).toBeGreaterThan(100)
})

test('its bytes are never more than it may have, and what leaves is told once', () => {
  const step = fc.record({
    key: fc.nat(30).map(String),
    bytes: fc.integer({ min: 1, max: 40 }),
    kind: fc.constantFrom('use', 'use', 'use', 'delete', 'replace'),
  })
  fc.assert(
    fc.property(
      fc.array(step, { maxLength: 300 }),
      fc.integer({ min: 1, max: 100 }),
      (steps, max) => {
        const { arc, evicted } = cache(max)
        const there = new Map<string, number>()
        for (const { key, bytes, kind } of steps) {
          if (kind === 'delete') {
            expect(arc.delete(key)).toBe(there.has(key) ? key : undefined)
            there.delete(key)
          } else if (kind === 'replace' || arc.get(key) === undefined) {
            const isKept = arc.set(key, key, bytes)
            expect(isKept).toBe(bytes <= max)
            there.delete(key)
            if (isKept) there.set(key, bytes)
          }
          for (const gone of evicted.splice(0)) expect(there.delete(gone)).toBe(true)
          const sum = [...there.values()].reduce((a, b) => a + b, 0)
          expect(arc.bytes).toBe(sum)
          expect(sum).toBeLessThanOrEqual(max)
          expect(new Set(arc.keys())).toEqual(new Set(there.keys()))
        }
      },
    ),
  )
})
