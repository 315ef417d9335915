import { expect, test, vi } from 'vitest'
import { MemoryStore } from '../../metadata/memory.ts'
import { MemoryStorage } from '../../storage/memory.ts'
import { only } from './rows.ts'
import { Fixture } from './s3.fixture.ts'

test('requests in one second read the bucket once, and a plain PUT reads only its head, without the bytes', async () => {
  const store = new MemoryStore()
  const f = new Fixture(store, new MemoryStorage())
  await f.bucket()
  await f.put('k', 'x')
  const get = vi.spyOn(store, 'get')
  const scan = vi.spyOn(store, 'scan')
  const commit = vi.spyOn(store, 'commit')
  await f.put('k', 'y')
  await f.get('k')
  expect(scan.mock.calls).toEqual([['b', 'object', only('k')]])
  expect(get.mock.calls).toEqual([['b', 'object', 'k']])
  expect(commit).toHaveBeenCalledTimes(1)
  f.clock.time += 1000
  await f.get('k')
  expect(get.mock.calls.at(-1)).toEqual(['b', 'bucket', ''])
})

test('a bucket deleted by another process is noticed by a write at once and by a read of no key', async () => {
  const f = new Fixture(new MemoryStore(), new MemoryStorage())
  await f.bucket()
  await f.put('k', 'x')
  await f.ctx.metadata.commit({
    partition: 'b',
    expects: [],
    writes: [
      { table: 'bucket', sort: '', value: null },
      { table: 'object', sort: 'k', value: null },
    ],
  })
  await expect(f.put('k', 'x')).rejects.toMatchObject({ code: 'NoSuchBucket' })
  await expect(f.get('k')).rejects.toMatchObject({ code: 'NoSuchBucket' })
})

test('a write follows the versioning that the bucket has now, not the one that was cached', async () => {
  const f = new Fixture(new MemoryStore(), new MemoryStorage())
  await f.bucket()
  await f.put('k', 'x')
  const other = new Fixture(f.ctx.metadata, f.ctx.storage, {}, f.clock)
  await other.bucket('b', 'Enabled')
  expect((await f.put('k', 'y')).VersionId).toBeDefined()
  expect(await f.text('k', { VersionId: 'null' })).toBe('x')
})
