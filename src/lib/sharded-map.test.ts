import { array, assert, boolean, nat, property, string, tuple } from 'fast-check'
import { expect, test } from 'vitest'
import { ShardedMap } from './sharded-map.ts'

test('does what a map does, with few keys and with many', () => {
  const change = tuple(boolean(), string({ maxLength: 8 }), nat())
  assert(
    property(array(change, { maxLength: 100 }), (changes) => {
      for (const filled of [0, 4090]) {
        const map = new ShardedMap<number>()
        const model = new Map<string, number>()
        const set = (key: string, value: number): void => {
          map.set(key, value)
          model.set(key, value)
        }
        for (let i = 0; i < filled; i++) set(`key-${i}.jpg`, i)
        for (const [isSet, key, value] of changes) {
          if (isSet) set(key, value)
          else expect(map.delete(key)).toBe(model.delete(key))
          expect(map.get(key)).toBe(model.get(key))
        }
        for (const [key, value] of model) expect(map.get(key)).toBe(value)
      }
    }),
    { numRuns: 30 },
  )
})
