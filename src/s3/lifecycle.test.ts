import { beforeEach, expect, test } from 'vitest'
import type { LifecycleRule } from '@aws-sdk/client-s3'
import { MemoryStore } from '../../metadata/memory.ts'
import { MemoryStorage } from '../../storage/memory.ts'
import { underKey } from '../../storage/under-key.ts'
import { SILENT } from '../lib/meter.ts'
import { lifecycleConfig } from './lifecycle-config.ts'
import { Lifecycle, LIFECYCLE_DEFAULTS, type LifecycleOptions, roundOf } from './lifecycle.ts'
import { listObjectVersions } from './list-versions.ts'
import { putObjectLegalHold } from './object-lock.ts'
import { putObjectLockConfiguration } from './bucket-lock.ts'
import { CALL, type FixtureClock } from './s3.fixture.ts'
import { Uploads } from './uploads.fixture.ts'
import { Encrypted } from './encryption.fixture.ts'

const DAY = 86_400_000
const HOUR = 3_600_000

let f: Uploads
beforeEach(async () => {
  f = new Uploads(new MemoryStore(), new MemoryStorage())
  f.clock.time = Date.UTC(2026, 0, 1, 12)
  await f.bucket()
})

async function rules(...given: Partial<LifecycleRule>[]): Promise<void> {
  const Rules = given.map((rule): LifecycleRule => ({ Status: 'Enabled', Filter: {}, ...rule }))
  await lifecycleConfig(f.ctx).PutBucketLifecycleConfiguration!(
    { Bucket: 'b', LifecycleConfiguration: { Rules } },
    CALL,
  )
}

function worker(options: Partial<LifecycleOptions> = {}): Lifecycle {
  const onError = (error: unknown): never => {
    throw error
  }
  return new Lifecycle(f.ctx, { ...LIFECYCLE_DEFAULTS, restMs: 0, onError, ...options }, SILENT)
}

/** Some days go by, and a round after each. */
async function live(days: number): Promise<void> {
  for (let day = 0; day < days; day++) {
    f.clock.time += DAY
    await worker().run()
  }
}

/** `key`, `key-` for markers, newest first. */
async function versions(): Promise<string[]> {
  const { Versions = [], DeleteMarkers = [] } = await listObjectVersions(f.ctx)(
    { Bucket: 'b' },
    CALL,
  )
  return [
    ...Versions.map((version) => version.Key!),
    ...DeleteMarkers.map((marker) => `${marker.Key!}-`),
  ].toSorted()
}

test('objects of a prefix expire at the midnight behind their days, others stay', async () => {
  await f.put('logs/a', 'x')
  await f.put('keep', 'x')
  await rules({ Filter: { Prefix: 'logs/' }, Expiration: { Days: 1 } })
  f.clock.time = Date.UTC(2026, 0, 2, 23, 59, 59)
  expect(await worker().run()).toMatchObject({ expired: 0 })
  f.clock.time = Date.UTC(2026, 0, 3)
  expect(await worker({ intervalMs: 0 }).run()).toMatchObject({ expired: 1 })
  expect(await versions()).toEqual(['keep'])
})

test('answers tell when an object expires and by which rule, and when an upload is aborted', async () => {
  const expiration = 'expiry-date="Sat, 03 Jan 2026 00:00:00 GMT", rule-id="a%20b"'
  await rules(
    {
      ID: 'late',
      Expiration: { Days: 9 },
      AbortIncompleteMultipartUpload: { DaysAfterInitiation: 2 },
    },
    { ID: 'a b', Filter: { Tag: { Key: 'k', Value: 'v' } }, Expiration: { Days: 1 } },
  )
  expect(await f.put('k', 'x', { Tagging: 'k=v' })).toMatchObject({ Expiration: expiration })
  expect(await f.head('k')).toMatchObject({ Expiration: expiration })
  expect(await f.get('k')).toMatchObject({ Expiration: expiration })
  expect((await f.put('other', 'x')).Expiration).toContain('rule-id="late"')
  const id = await f.begin()
  const abort = { AbortDate: new Date('2026-01-04T00:00:00Z'), AbortRuleId: 'late' }
  expect(await f.listParts(id)).toMatchObject(abort)
})

test('filters by tags, sizes and And choose objects', async () => {
  await f.put('p/a', 'x'.repeat(10), { Tagging: 'a=1&b=2' })
  await f.put('p/b', 'x'.repeat(10), { Tagging: 'a=1' })
  await f.put('p/c', 'x'.repeat(30))
  await f.put('p/d', 'x'.repeat(20))
  const And = {
    Prefix: 'p/',
    Tags: [
      { Key: 'b', Value: '2' },
      { Key: 'a', Value: '1' },
    ],
  }
  await rules(
    { Filter: { And }, Expiration: { Days: 1 } },
    { Filter: { ObjectSizeGreaterThan: 20 }, Expiration: { Days: 1 } },
  )
  await live(3)
  expect(await versions()).toEqual(['p/b', 'p/d'])
})

test('in a versioned bucket an expired object gets a marker, noncurrent versions go by their own days, then the marker', async () => {
  await f.bucket('b', 'Enabled')
  await f.put('k', '1')
  await rules({ Expiration: { Days: 2 }, NoncurrentVersionExpiration: { NoncurrentDays: 3 } })
  await live(2)
  expect(await versions()).toEqual(['k'])
  await live(1)
  expect(await versions()).toEqual(['k', 'k-'])
  await live(3)
  expect(await versions()).toEqual(['k', 'k-'])
  await live(1)
  expect(await versions()).toEqual(['k-'])
  await live(1)
  expect(await versions()).toEqual([])
})

test('the newest noncurrent versions are kept as many as the rule says, and a lonely marker goes', async () => {
  await f.bucket('b', 'Enabled')
  for (let n = 0; n < 6; n++) await f.put('many', `${n}`)
  await f.put('gone', 'x')
  const { VersionId } = await f.head('gone')
  await f.delete('gone')
  await f.delete('gone', { VersionId })
  await rules({
    NoncurrentVersionExpiration: { NoncurrentDays: 1, NewerNoncurrentVersions: 2 },
    Expiration: { ExpiredObjectDeleteMarker: true },
  })
  await live(3)
  expect(await versions()).toEqual(['many', 'many', 'many'])
  expect(await f.text('many')).toBe('5')
})

test('a locked version stays whatever the rules say', async () => {
  await f.bucket('b', 'Enabled')
  const ObjectLockConfiguration = { ObjectLockEnabled: 'Enabled' as const }
  await putObjectLockConfiguration(f.ctx)({ Bucket: 'b', ObjectLockConfiguration }, CALL)
  const { VersionId } = await f.put('k', 'worm')
  await putObjectLegalHold(f.ctx)({ Bucket: 'b', Key: 'k', LegalHold: { Status: 'ON' } }, CALL)
  await rules({ Expiration: { Days: 1 }, NoncurrentVersionExpiration: { NoncurrentDays: 1 } })
  await live(9)
  expect(await f.text('k', { VersionId })).toBe('worm')
  expect(await versions()).toEqual(['k', 'k-'])
})

const MOVES = [
  { Days: 1, StorageClass: 'STANDARD_IA' as const },
  { Days: 4, StorageClass: 'GLACIER' as const },
]

test('objects move to other classes when their days have come, their bytes and times as they were', async () => {
  await f.put('k', 'hello')
  const before = await f.head('k')
  await rules({ Transitions: MOVES })
  await live(2)
  expect(await f.head('k')).toEqual({ ...before, StorageClass: 'STANDARD_IA' })
  await live(3)
  expect(await f.head('k')).toEqual({ ...before, StorageClass: 'GLACIER' })
  expect(await f.text('k')).toBe('hello')
})

test('as AWS has it, small objects stay unless a rule names sizes, and none becomes warmer', async () => {
  f = asAwsToday()
  await f.bucket()
  await f.put('sized/k', 'x')
  await f.put('cold', 'x'.repeat(200_000), { StorageClass: 'DEEP_ARCHIVE' })
  await f.put('large', 'x'.repeat(200_000))
  await f.put('small', 'x')
  const sized = { Prefix: 'sized/', ObjectSizeGreaterThan: 0 }
  await rules({ Transitions: MOVES }, { Filter: { And: sized }, Transitions: MOVES })
  f.clock.time += 6 * DAY
  await worker().run()
  const classOf = async (key: string): Promise<string | undefined> =>
    (await f.head(key)).StorageClass
  expect(await classOf('sized/k')).toBe('GLACIER')
  expect(await classOf('cold')).toBe('DEEP_ARCHIVE')
  expect(await classOf('large')).toBe('GLACIER')
  expect(await classOf('small')).toBeUndefined()
})

test('uploads that were begun long ago are aborted, of the prefix alone', async () => {
  await f.begin({ Key: 'a/x' })
  await f.begin({ Key: 'b/x' })
  await rules({
    Filter: { Prefix: 'a/' },
    AbortIncompleteMultipartUpload: { DaysAfterInitiation: 2 },
  })
  await live(2)
  expect((await f.listUploads()).Uploads).toHaveLength(2)
  await live(1)
  expect((await f.listUploads()).Uploads?.map((upload) => upload.Key)).toEqual(['b/x'])
})

test('a disabled rule does nothing', async () => {
  await f.put('k', 'x')
  await rules({ Status: 'Disabled', Expiration: { Days: 1 } })
  await live(3)
  expect(await versions()).toEqual(['k'])
})

test('of several gateways one works on a bucket, and a round is not begun again before its time', async () => {
  for (let n = 0; n < 250; n++) await f.put(`k${n}`, 'x')
  await rules({ Expiration: { Days: 1 } })
  f.clock.time += 2 * DAY
  const reports = await Promise.all([worker().run(), worker().run(), worker().run()])
  expect(reports.map((report) => report.expired).toSorted((a, b) => a - b)).toEqual([0, 0, 250])
  await f.put('new', 'x')
  f.clock.time += 2 * DAY - HOUR
  expect(await worker({ intervalMs: 3 * DAY }).run()).toMatchObject({ expired: 0 })
})

test('a round whose gateway died is gone on with by another, from where it had come to', async () => {
  for (let n = 0; n < 3000; n++) await f.put(`k${String(n).padStart(4, '0')}`, 'x')
  await rules({ Expiration: { Days: 1 } })
  f.clock.time += 2 * DAY
  const dying = worker()
  const clock: FixtureClock = f.clock
  const scan = f.ctx.metadata.scan.bind(f.ctx.metadata)
  let scans = 0
  f.ctx.metadata.scan = async (partition, table, range) => {
    if (table === 'object' && ++scans > 25) throw new Error('the process dies')
    return scan(partition, table, range)
  }
  await expect(dying.run()).rejects.toThrow('the process dies')
  f.ctx.metadata.scan = scan
  expect(await roundOf(f.ctx, 'b')).toMatchObject({ table: 'object', from: 'k1999\0' })
  expect(await worker().run()).toMatchObject({ expired: 0 })
  clock.time += LIFECYCLE_DEFAULTS.leaseMs + 1
  expect(await worker().run()).toMatchObject({ expired: 500 })
  expect(await versions()).toEqual([])
})

/** AWS of today encrypts everything, so there have to be keys. */
function asAwsToday(): Encrypted {
  const storage = new MemoryStorage()
  return new Encrypted(new MemoryStore(), storage, underKey(storage), { compat: 'aws-2026' })
}
