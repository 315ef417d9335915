import { expect, test } from 'vitest'
import { MemoryStore } from '../../metadata/memory.ts'
import { MemoryStorage } from '../../storage/memory.ts'
import { leaveTrace } from './root.ts'
import { allPartitions } from './partitions.ts'
import { shares } from './rows.ts'
import { Fixture } from './s3.fixture.ts'

test('every partition that may hold rows comes once: the root, buckets with an entry, a trace or both, shares', async () => {
  const f = new Fixture(new MemoryStore(), new MemoryStorage())
  for (const name of ['entered', 'both']) await f.bucket(name)
  for (const name of ['both', 'traced']) await leaveTrace(f.ctx, name)
  const all: string[] = []
  for await (const partition of allPartitions(f.ctx.metadata)) all.push(partition)
  expect(new Set(all).size).toBe(all.length)
  expect(all.slice(0, 4)).toEqual(['', 'both', 'traced', 'entered'])
  expect(all).toHaveLength(4 + 1024)
  for (let n = 0; n < 100; n++) expect(all).toContain(shares(f.ctx.ids.next()))
})
