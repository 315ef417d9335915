import { expect, test } from 'vitest'
import { MemoryStore } from '../../metadata/memory.ts'
import { MemoryStorage } from '../../storage/memory.ts'
import { underKey } from '../../storage/under-key.ts'
import { restoreObject } from './restore-object.ts'
import { CALL, type Fixture } from './s3.fixture.ts'
import { Encrypted } from './encryption.fixture.ts'

async function opened(compat: 'legacy' | 'aws-2026'): Promise<Fixture> {
  const storage = new MemoryStorage()
  // AWS of today encrypts everything.
  const f = new Encrypted(new MemoryStore(), storage, underKey(storage), { compat })
  await f.bucket()
  await f.put('archived', 'bytes', { StorageClass: 'GLACIER' })
  await f.put('warm', 'bytes', { StorageClass: 'GLACIER_IR' })
  return f
}

function restore(f: Fixture, Key: string, RestoreRequest: object): Promise<unknown> {
  return restoreObject(f.ctx)({ Bucket: 'b', Key, RestoreRequest }, CALL)
}

test('as AWS has it, an archived object is read and copied while it is restored, not before and not after', async () => {
  const f = await opened('aws-2026')
  const archived = { code: 'InvalidObjectState', fields: { StorageClass: 'GLACIER' } }
  await expect(f.get('archived')).rejects.toMatchObject(archived)
  await expect(f.copy('b/archived', 'copy')).rejects.toMatchObject(archived)
  expect(await f.head('archived')).toMatchObject({ StorageClass: 'GLACIER' })
  expect(await f.text('warm')).toBe('bytes')
  await restore(f, 'archived', { Days: 2 })
  const Restore = 'ongoing-request="false", expiry-date="Sat, 03 Jan 2026 00:00:00 GMT"'
  expect(await f.head('archived')).toMatchObject({ Restore, StorageClass: 'GLACIER' })
  expect(await f.text('archived')).toBe('bytes')
  await f.copy('b/archived', 'copy')
  f.clock.time += 3 * 86_400_000
  await expect(f.get('archived')).rejects.toMatchObject(archived)
  expect((await f.head('archived')).Restore).toBeUndefined()
})

test('in the old profile an archived object is read as any other', async () => {
  const f = await opened('legacy')
  expect(await f.text('archived')).toBe('bytes')
})

test('what is not archived, and a restore without days, are refused', async () => {
  const f = await opened('legacy')
  await expect(restore(f, 'warm', { Days: 1 })).rejects.toMatchObject({
    code: 'InvalidObjectState',
  })
  for (const bad of [{}, { Days: 0 }]) {
    await expect(restore(f, 'archived', bad)).rejects.toMatchObject({ code: 'MalformedXML' })
  }
  const select = { Days: 1, Type: 'SELECT' }
  await expect(restore(f, 'archived', select)).rejects.toMatchObject({ code: 'NotImplemented' })
})
