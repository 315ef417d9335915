import { expect, test } from 'vitest'
import { MemoryStore } from '../../metadata/memory.ts'
import type { Commit } from '../../metadata/store.ts'
import { MemoryStorage } from '../../storage/memory.ts'
import type { Output } from '../api/operations.ts'
import { StoreUnavailable } from '../lib/store-error.ts'
import { deleteObjects } from './delete-objects.ts'
import { CALL, Fixture } from './s3.fixture.ts'

async function opened(): Promise<Fixture> {
  const fixture = new Fixture(new MemoryStore(), new MemoryStorage())
  await fixture.bucket()
  return fixture
}

function deleteAll(
  f: Fixture,
  objects: readonly object[],
  more: object = {},
): Promise<Output<'DeleteObjects'>> {
  const Delete = { Objects: objects as { Key: string }[], ...more }
  return deleteObjects(f.ctx)({ Bucket: 'b', Delete }, CALL)
}

test('what is not there is deleted all the same', async () => {
  const f = await opened()
  expect(await f.delete('none')).toEqual({})
  expect(await f.delete('none', { IfMatch: '"x"' })).toEqual({})
  expect(await f.delete('none', { VersionId: 'null' })).toEqual({})
  expect(await f.delete('none', { VersionId: '01ARZ3NDEKTSV4RRFFQ69G5FAV' })).toEqual({})
  await expect(f.delete('none', { VersionId: 'x' })).rejects.toMatchObject({
    code: 'InvalidArgument',
    message: 'Invalid version id specified',
  })
  await expect(f.delete('none', {}, 'c')).rejects.toMatchObject({ code: 'NoSuchBucket' })
})

test('a delete whose condition does not hold takes nothing away', async () => {
  const f = await opened()
  const { ETag } = await f.put('k', 'x')
  const refused = { code: 'PreconditionFailed' }
  await expect(f.delete('k', { IfMatch: '"x"' })).rejects.toMatchObject(refused)
  await expect(f.delete('k', { IfMatchSize: 7 })).rejects.toMatchObject(refused)
  expect(await f.text('k')).toBe('x')
  await f.delete('k', { IfMatch: ETag, IfMatchSize: 1 })
  await expect(f.get('k')).rejects.toMatchObject({ code: 'NoSuchKey' })
})

test('in a versioned bucket a delete puts a marker, and deleting the marker brings the object back', async () => {
  const f = await opened()
  await f.bucket('b', 'Enabled')
  await f.put('k', 'x')
  const { VersionId, DeleteMarker } = await f.delete('k')
  expect(DeleteMarker).toBe(true)
  await expect(f.get('k')).rejects.toMatchObject({ code: 'NoSuchKey' })
  expect(await f.delete('k', { VersionId })).toEqual({ DeleteMarker: true, VersionId })
  expect(await f.text('k')).toBe('x')
})

test('DeleteObjects answers for each key, in order, and only errors when quiet', async () => {
  const f = await opened()
  await f.put('a', 'x')
  await f.put('b', 'x')
  const objects = [
    { Key: 'a' },
    { Key: 'none' },
    { Key: 'b', ETag: '"x"' },
    { Key: 'a' },
    { Key: 'b', VersionId: 'bad' },
    { Key: 'x'.repeat(1025) },
  ]
  const errors = [
    { Key: 'b', Code: 'PreconditionFailed', Message: expect.any(String) },
    { Key: 'b', VersionId: 'bad', Code: 'InvalidArgument', Message: expect.any(String) },
    { Key: 'x'.repeat(1025), Code: 'KeyTooLongError', Message: expect.any(String) },
  ]
  expect(await deleteAll(f, objects)).toEqual({
    Deleted: [{ Key: 'a' }, { Key: 'none' }, { Key: 'a' }],
    Errors: errors,
  })
  expect(await deleteAll(f, objects, { Quiet: true })).toEqual({ Deleted: [], Errors: errors })
  expect(await f.text('b')).toBe('x')
})

test('DeleteObjects tells the markers that it put and those that it took away', async () => {
  const f = await opened()
  await f.bucket('b', 'Enabled')
  await f.put('k', 'x')
  const put = await deleteAll(f, [{ Key: 'k' }])
  const marker = put.Deleted![0]!.DeleteMarkerVersionId!
  expect(put.Deleted).toEqual([{ Key: 'k', DeleteMarker: true, DeleteMarkerVersionId: marker }])
  expect((await deleteAll(f, [{ Key: 'k', VersionId: marker }])).Deleted).toEqual([
    { Key: 'k', VersionId: marker, DeleteMarker: true, DeleteMarkerVersionId: marker },
  ])
  expect(await f.text('k')).toBe('x')
})

test('DeleteObjects takes 1 to 1000 keys', async () => {
  const f = await opened()
  const objects = Array.from({ length: 1000 }, (_, n) => ({ Key: `k${n}` }))
  for (const { Key } of objects) await f.put(Key, 'x')
  expect((await deleteAll(f, objects)).Deleted).toHaveLength(1000)
  await expect(f.get('k999')).rejects.toMatchObject({ code: 'NoSuchKey' })
  const malformed = { code: 'MalformedXML' }
  await expect(deleteAll(f, [])).rejects.toMatchObject(malformed)
  await expect(deleteAll(f, [...objects, { Key: 'x' }])).rejects.toMatchObject(malformed)
})

test('a store that fails for one key fails that key alone; a fault of ours fails the request', async () => {
  class FailingStore extends MemoryStore {
    failure: Error | undefined
    override async commit(commit: Commit): Promise<boolean> {
      const isHit = commit.writes.some((write) => write.sort === 'b')
      if (this.failure !== undefined && isHit) throw this.failure
      return super.commit(commit)
    }
  }
  const store = new FailingStore()
  const f = new Fixture(store, new MemoryStorage())
  await f.bucket()
  for (const key of ['a', 'b', 'c']) await f.put(key, 'x')
  store.failure = new StoreUnavailable('down')
  const { Deleted, Errors } = await deleteAll(f, [{ Key: 'a' }, { Key: 'b' }, { Key: 'c' }])
  expect(Deleted).toEqual([{ Key: 'a' }, { Key: 'c' }])
  expect(Errors).toMatchObject([{ Key: 'b', Code: 'SlowDown' }])
  await expect(deleteAll(f, [{ Key: 'a' }], {})).resolves.toBeDefined()
  const inOther = deleteObjects(f.ctx)({ Bucket: 'c', Delete: { Objects: [{ Key: 'a' }] } }, CALL)
  await expect(inOther).rejects.toMatchObject({ code: 'NoSuchBucket' })
})

test('a conditional delete of what is not there succeeds, and puts no marker', async () => {
  const f = new Fixture(new MemoryStore(), new MemoryStorage())
  await f.bucket('b', 'Enabled')
  expect(await f.delete('k', { IfMatch: '*' })).toEqual({})
  expect(await f.delete('k', { IfMatchSize: 0 })).toEqual({})
  expect((await f.delete('k')).DeleteMarker).toBe(true)
  await expect(f.delete('k', { IfMatch: 'etag' })).rejects.toMatchObject({
    code: 'PreconditionFailed',
  })
})
