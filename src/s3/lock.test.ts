import { beforeEach, expect, test } from 'vitest'
import { MemoryStore } from '../../metadata/memory.ts'
import { MemoryStorage } from '../../storage/memory.ts'
import type { Call } from '../api/operations.ts'
import { createMultipartUpload } from './create-upload.ts'
import { getObject } from './get-object.ts'
import { getObjectLockConfiguration, putObjectLockConfiguration } from './bucket-lock.ts'
import { putBucketVersioning } from './bucket-versioning.ts'
import { createBucket } from './create-bucket.ts'
import { deleteObject } from './delete-object.ts'
import { deleteObjects } from './delete-objects.ts'
import {
  getObjectLegalHold,
  getObjectRetention,
  putObjectLegalHold,
  putObjectRetention,
} from './object-lock.ts'
import { CALL } from './s3.fixture.ts'
import { Uploads } from './uploads.fixture.ts'

const DAY = 86_400_000
const LOCKED = {
  code: 'AccessDenied',
  message: 'Access Denied because object protected by object lock.',
}

let f: Uploads
beforeEach(async () => {
  f = new Uploads(new MemoryStore(), new MemoryStorage())
  await f.bucket('b', 'Enabled')
  await byDefault(undefined)
  await f.bucket('plain')
})

const later = (days: number): Date => new Date(f.clock.now() + days * DAY)

function retain(
  mode: 'GOVERNANCE' | 'COMPLIANCE' | undefined,
  until: Date | undefined,
  more: object = {},
  call: Call = CALL,
): Promise<unknown> {
  const Retention = { ...(mode && { Mode: mode }), ...(until && { RetainUntilDate: until }) }
  return putObjectRetention(f.ctx)({ Bucket: 'b', Key: 'k', Retention, ...more }, call)
}

function hold(Status: 'ON' | 'OFF', more: object = {}): Promise<unknown> {
  return putObjectLegalHold(f.ctx)({ Bucket: 'b', Key: 'k', LegalHold: { Status }, ...more }, CALL)
}

function byDefault(retention: object | undefined): Promise<unknown> {
  const Rule = retention && { DefaultRetention: retention }
  const ObjectLockConfiguration = { ObjectLockEnabled: 'Enabled' as const, ...(Rule && { Rule }) }
  return putObjectLockConfiguration(f.ctx)({ Bucket: 'b', ObjectLockConfiguration }, CALL)
}

const md5 = { ContentMD5: 'checked elsewhere' }
const mayNotBypass: Call = {
  ...CALL,
  access: { may: (action) => action !== 's3:BypassGovernanceRetention' },
}

test('a version under COMPLIANCE stays until its time has come, whoever asks', async () => {
  const { VersionId } = await f.put('k', 'worm')
  await retain('COMPLIANCE', later(1))
  for (const more of [{}, { BypassGovernanceRetention: true }]) {
    await expect(f.delete('k', { VersionId, ...more })).rejects.toMatchObject(LOCKED)
    await expect(retain(undefined, undefined, more)).rejects.toMatchObject(LOCKED)
    await expect(retain('COMPLIANCE', later(0.5), more)).rejects.toMatchObject(LOCKED)
    await expect(retain('GOVERNANCE', later(2), more)).rejects.toMatchObject(LOCKED)
  }
  await retain('COMPLIANCE', later(2))
  f.clock.time += 1.5 * DAY
  await expect(f.delete('k', { VersionId })).rejects.toMatchObject(LOCKED)
  expect(await f.text('k')).toBe('worm')
  f.clock.time += DAY
  await f.delete('k', { VersionId })
  await expect(f.head('k')).rejects.toMatchObject({ code: 'NoSuchKey' })
})

test('a version under GOVERNANCE goes, or is let go, only for who says so and may', async () => {
  const { VersionId } = await f.put('k', 'worm')
  await retain('GOVERNANCE', later(2))
  await retain('GOVERNANCE', later(3))
  await expect(retain('GOVERNANCE', later(1))).rejects.toMatchObject(LOCKED)
  await expect(retain('COMPLIANCE', later(4))).rejects.toMatchObject(LOCKED)
  await expect(f.delete('k', { VersionId })).rejects.toMatchObject(LOCKED)
  const bypass = { BypassGovernanceRetention: true }
  await expect(retain('GOVERNANCE', later(1), bypass, mayNotBypass)).rejects.toMatchObject({
    code: 'AccessDenied',
  })
  const input = { Bucket: 'b', Key: 'k', VersionId, ...bypass }
  await expect(deleteObject(f.ctx)(input, mayNotBypass)).rejects.toMatchObject({
    code: 'AccessDenied',
  })
  expect(await f.text('k')).toBe('worm')
  await retain('GOVERNANCE', later(1), bypass)
  await f.delete('k', { VersionId, ...bypass })
  await expect(f.get('k', { VersionId })).rejects.toMatchObject({ code: 'NoSuchVersion' })
})

test('a legal hold keeps a version without end, and no bypass helps', async () => {
  const { VersionId } = await f.put('k', 'worm')
  await hold('ON')
  f.clock.time += 10_000 * DAY
  const more = { VersionId, BypassGovernanceRetention: true }
  await expect(f.delete('k', more)).rejects.toMatchObject(LOCKED)
  await hold('OFF')
  expect(await getObjectLegalHold(f.ctx)({ Bucket: 'b', Key: 'k' }, CALL)).toEqual({
    LegalHold: { Status: 'OFF' },
  })
  await f.delete('k', { VersionId })
})

test('a locked version is hidden by markers and newer versions, and is there all the same', async () => {
  const { VersionId } = await f.put('k', 'worm')
  await hold('ON')
  const { VersionId: marker } = await f.delete('k')
  await f.put('k', 'newer')
  await f.delete('k', { VersionId: marker })
  await expect(f.delete('k', { VersionId })).rejects.toMatchObject(LOCKED)
  expect(await f.text('k', { VersionId })).toBe('worm')
})

test('a batch deletes what it may and says of each locked version that it stays', async () => {
  const { VersionId: free } = await f.put('free', 'x')
  const { VersionId } = await f.put('k', 'worm')
  await retain('GOVERNANCE', later(1))
  const Objects = [
    { Key: 'free', VersionId: free },
    { Key: 'k', VersionId },
  ]
  const first = await deleteObjects(f.ctx)({ Bucket: 'b', Delete: { Objects } }, CALL)
  expect(first.Deleted).toEqual([{ Key: 'free', VersionId: free }])
  expect(first.Errors).toMatchObject([{ Key: 'k', VersionId, Code: 'AccessDenied' }])
  const bypass = { Bucket: 'b', Delete: { Objects }, BypassGovernanceRetention: true }
  const second = await deleteObjects(f.ctx)(bypass, mayNotBypass)
  expect(second.Errors).toHaveLength(2)
  expect(await f.text('k', { VersionId })).toBe('worm')
  expect((await deleteObjects(f.ctx)(bypass, CALL)).Errors).toEqual([])
})

test('a null version from before the lock is not replaced or removed while it is locked', async () => {
  await f.put('k', 'old', {}, 'plain')
  await putBucketVersioning(f.ctx)(
    { Bucket: 'plain', VersioningConfiguration: { Status: 'Enabled' } },
    CALL,
  )
  const ObjectLockConfiguration = { ObjectLockEnabled: 'Enabled' as const }
  await putObjectLockConfiguration(f.ctx)({ Bucket: 'plain', ObjectLockConfiguration }, CALL)
  await hold('ON', { Bucket: 'plain', VersionId: 'null' })
  await f.put('k', 'new', {}, 'plain')
  const input = { Bucket: 'plain', Key: 'k', VersionId: 'null' }
  await expect(deleteObject(f.ctx)(input, CALL)).rejects.toMatchObject(LOCKED)
  // A bucket whose versioning was somehow switched off must not lose it either.
  await f.bucket('plain', 'Suspended')
  await expect(f.put('k', 'over', {}, 'plain')).rejects.toMatchObject(LOCKED)
  await expect(
    f.copy('plain/k', 'k', { Bucket: 'plain', MetadataDirective: 'REPLACE' }),
  ).rejects.toMatchObject(LOCKED)
  expect(await f.text('k', { VersionId: 'null' }, 'plain')).toBe('old')
})

test('uploads of every kind bear the lock that they ask for, else the default of their bucket', async () => {
  const asked = {
    ObjectLockMode: 'COMPLIANCE' as const,
    ObjectLockRetainUntilDate: later(5),
    ObjectLockLegalHoldStatus: 'ON' as const,
  }
  await byDefault({ Mode: 'GOVERNANCE', Days: 3 })
  await f.put('k', 'x', { ...asked, ...md5 })
  expect(await f.head('k')).toMatchObject(asked)
  await f.copy('b/k', 'copy')
  expect(await f.head('copy')).toMatchObject({
    ObjectLockMode: 'GOVERNANCE',
    ObjectLockRetainUntilDate: later(3),
  })
  expect(await f.head('copy')).not.toHaveProperty('ObjectLockLegalHoldStatus')
  await f.copy('b/k', 'copy', asked)
  expect(await f.get('copy')).toMatchObject(asked)
  const id = await f.begin(asked)
  await f.complete(id, await f.parts(id, 'x'))
  expect(await f.head('big')).toMatchObject(asked)
  await byDefault({ Mode: 'COMPLIANCE', Years: 1 })
  await f.put('k', 'x', { ObjectLockLegalHoldStatus: 'OFF', ...md5 })
  expect(await f.head('k')).toMatchObject({
    ObjectLockMode: 'COMPLIANCE',
    ObjectLockRetainUntilDate: new Date('2027-01-01T00:00:00Z'),
    ObjectLockLegalHoldStatus: 'OFF',
  })
  await byDefault(undefined)
  await f.put('k', 'x')
  expect(await f.head('k')).not.toHaveProperty('ObjectLockMode')
})

test('who may not set a lock cannot upload with one, and who may not read it is not told', async () => {
  const without = (action: string): Call => ({ ...CALL, access: { may: (a) => a !== action } })
  const until = { ObjectLockMode: 'GOVERNANCE' as const, ObjectLockRetainUntilDate: later(1) }
  await f.put('k', 'x', { ...until, ...md5 })
  const read = getObject(f.ctx)({ Bucket: 'b', Key: 'k' }, without('s3:GetObjectRetention'))
  expect(await read).not.toHaveProperty('ObjectLockMode')
  const begin = (more: object, action: string): Promise<unknown> =>
    createMultipartUpload(f.ctx)({ Bucket: 'b', Key: 'k', ...more }, without(action))
  await expect(begin(until, 's3:PutObjectRetention')).rejects.toMatchObject({
    code: 'AccessDenied',
  })
  await expect(
    begin({ ObjectLockLegalHoldStatus: 'ON' }, 's3:PutObjectLegalHold'),
  ).rejects.toMatchObject({ code: 'AccessDenied' })
})

test('half a lock, one that is over, one without a digest, and any in a bucket without object lock are refused', async () => {
  const until = { ObjectLockMode: 'GOVERNANCE', ObjectLockRetainUntilDate: later(1) }
  const put = (more: object, bucket = 'b'): Promise<unknown> => f.put('k', 'x', more, bucket)
  const invalid = { code: 'InvalidArgument' }
  await expect(put({ ObjectLockMode: 'GOVERNANCE', ...md5 })).rejects.toMatchObject(invalid)
  await expect(put({ ObjectLockRetainUntilDate: later(1), ...md5 })).rejects.toMatchObject(invalid)
  await expect(
    put({ ...until, ObjectLockRetainUntilDate: later(0), ...md5 }),
  ).rejects.toMatchObject(invalid)
  await expect(put(until)).rejects.toMatchObject({ code: 'InvalidRequest' })
  const noLock = { message: 'Bucket is missing Object Lock Configuration' }
  await expect(put({ ...until, ...md5 }, 'plain')).rejects.toMatchObject(noLock)
  await f.put('k', 'x', {}, 'plain')
  const plain = { Bucket: 'plain' }
  await expect(retain('GOVERNANCE', later(1), plain)).rejects.toMatchObject(noLock)
  await expect(hold('ON', plain)).rejects.toMatchObject(noLock)
  const of = { ...plain, Key: 'k' }
  await expect(getObjectRetention(f.ctx)(of, CALL)).rejects.toMatchObject(noLock)
  await expect(getObjectLegalHold(f.ctx)(of, CALL)).rejects.toMatchObject(noLock)
  await deleteObject(f.ctx)({ ...of, BypassGovernanceRetention: true }, mayNotBypass)
  await f.put('k', 'x')
  await expect(retain('GOVERNANCE', undefined)).rejects.toMatchObject({ code: 'MalformedXML' })
  await expect(retain('GOVERNANCE', later(0))).rejects.toMatchObject(invalid)
  const unset = { code: 'NoSuchObjectLockConfiguration' }
  await expect(getObjectRetention(f.ctx)({ Bucket: 'b', Key: 'k' }, CALL)).rejects.toMatchObject(
    unset,
  )
  await expect(getObjectLegalHold(f.ctx)({ Bucket: 'b', Key: 'k' }, CALL)).rejects.toMatchObject(
    unset,
  )
})

test('the configuration of a bucket is given back as it was put, and once on stays on', async () => {
  const get = (Bucket: string): Promise<unknown> =>
    getObjectLockConfiguration(f.ctx)({ Bucket }, CALL)
  await createBucket(f.ctx)({ Bucket: 'locked', ObjectLockEnabledForBucket: true }, CALL)
  expect(await get('locked')).toEqual({ ObjectLockConfiguration: { ObjectLockEnabled: 'Enabled' } })
  expect((await f.put('k', 'x', {}, 'locked')).VersionId).toMatch(/^.{26}$/)
  expect(await get('b')).toEqual({ ObjectLockConfiguration: { ObjectLockEnabled: 'Enabled' } })
  const retention = { Mode: 'GOVERNANCE' as const, Days: 7 }
  await byDefault(retention)
  expect(await get('b')).toEqual({
    ObjectLockConfiguration: {
      ObjectLockEnabled: 'Enabled',
      Rule: { DefaultRetention: retention },
    },
  })
  await expect(get('plain')).rejects.toMatchObject({ code: 'ObjectLockConfigurationNotFoundError' })
  for (const bad of [
    { Mode: 'GOVERNANCE' },
    { Days: 1 },
    { Mode: 'GOVERNANCE', Days: 1, Years: 1 },
  ]) {
    await expect(byDefault(bad)).rejects.toMatchObject({ code: 'MalformedXML' })
  }
  for (const bad of [{ Days: 0 }, { Years: -1 }, { Days: 36_501 }, { Years: 101 }]) {
    await expect(byDefault({ Mode: 'GOVERNANCE', ...bad })).rejects.toMatchObject({
      code: 'InvalidRetentionPeriod',
    })
  }
  const suspend = { Bucket: 'b', VersioningConfiguration: { Status: 'Suspended' as const } }
  await expect(putBucketVersioning(f.ctx)(suspend, CALL)).rejects.toMatchObject({
    code: 'InvalidBucketState',
  })
  const off = {
    Bucket: 'plain',
    ObjectLockConfiguration: { ObjectLockEnabled: 'Enabled' as const },
  }
  await expect(putObjectLockConfiguration(f.ctx)(off, CALL)).rejects.toMatchObject({
    code: 'InvalidBucketState',
  })
})

test('a retention is over at the second that is told', async () => {
  const { VersionId } = await f.put('k', 'worm')
  await retain('COMPLIANCE', new Date(f.clock.now() + 1300))
  const { Retention } = await getObjectRetention(f.ctx)({ Bucket: 'b', Key: 'k' }, CALL)
  expect(Retention?.RetainUntilDate?.getTime()).toBe(f.clock.now() + 2000)
  f.clock.time += 1999
  await expect(f.delete('k', { VersionId })).rejects.toMatchObject(LOCKED)
  f.clock.time += 1
  await f.delete('k', { VersionId })
})
