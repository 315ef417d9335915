import { expect, test } from 'vitest'
import { metadataContract } from './contract.ts'
import { MemoryStore } from './memory.ts'

metadataContract('memory', async () => new MemoryStore())

test('the same commits make the same store, revs too', async () => {
  const stores = [new MemoryStore(), new MemoryStore()]
  for (const store of stores) {
    for (const value of [1, null, 2, 3])
      store.apply({ partition: 'b', expects: [], writes: [{ table: 'object', sort: 'k', value }] })
  }
  const rows = await Promise.all(stores.map((store) => store.get('b', 'object', 'k')))
  expect(rows[0]).toEqual(rows[1])
  expect(rows[0]?.value).toBe(3)
})
