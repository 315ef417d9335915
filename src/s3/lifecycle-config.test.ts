import type { LifecycleRule } from '@aws-sdk/client-s3'
import { beforeEach, expect, test } from 'vitest'
import { MemoryStore } from '../../metadata/memory.ts'
import { MemoryStorage } from '../../storage/memory.ts'
import { lifecycleConfig } from './lifecycle-config.ts'
import { CALL, Fixture } from './s3.fixture.ts'

let f: Fixture
beforeEach(async () => {
  f = new Fixture(new MemoryStore(), new MemoryStorage())
  await f.bucket()
})

function put(rules: readonly Partial<LifecycleRule>[], more: object = {}): Promise<unknown> {
  const Rules = rules.map((rule): LifecycleRule => ({ Status: 'Enabled', Filter: {}, ...rule }))
  const input = { Bucket: 'b', LifecycleConfiguration: { Rules }, ...more }
  return lifecycleConfig(f.ctx).PutBucketLifecycleConfiguration!(input, CALL)
}

const get = (): Promise<{ Rules?: LifecycleRule[] | undefined }> =>
  lifecycleConfig(f.ctx).GetBucketLifecycleConfiguration!({ Bucket: 'b' }, CALL)

test('rules come back as they were put, dates as dates, with ids where none were given', async () => {
  await expect(get()).rejects.toMatchObject({ code: 'NoSuchLifecycleConfiguration' })
  const rules: LifecycleRule[] = [
    { ID: 'a', Status: 'Disabled', Prefix: 'p/', Expiration: { Date: new Date('2030-01-01') } },
    {
      ID: 'b',
      Status: 'Enabled',
      Filter: { And: { Prefix: 'q', Tags: [{ Key: 'k', Value: 'v' }] } },
      Transitions: [{ Date: new Date('2031-01-01'), StorageClass: 'GLACIER' }],
    },
  ]
  const LifecycleConfiguration = {
    Rules: [...rules, { Status: 'Enabled' as const, Prefix: '', Expiration: { Days: 1 } }],
  }
  await lifecycleConfig(f.ctx).PutBucketLifecycleConfiguration!(
    { Bucket: 'b', LifecycleConfiguration },
    CALL,
  )
  const { Rules = [] } = await get()
  expect(Rules.slice(0, 2)).toEqual(rules)
  expect(Rules[2]?.ID).toMatch(/.+/)
  await lifecycleConfig(f.ctx).DeleteBucketLifecycle!({ Bucket: 'b' }, CALL)
  await expect(get()).rejects.toMatchObject({ code: 'NoSuchLifecycleConfiguration' })
})

const expire = { Expiration: { Days: 1 } }

test.each<[string, string, Partial<LifecycleRule>[]]>([
  ['no rule', 'MalformedXML', []],
  ['prefix and filter', 'MalformedXML', [{ ...expire, Prefix: '' }]],
  [
    'two ids alike',
    'InvalidArgument',
    [
      { ID: 'x', ...expire },
      { ID: 'x', ...expire },
    ],
  ],
  ['a long id', 'InvalidArgument', [{ ID: 'x'.repeat(256), ...expire }]],
  ['no action', 'InvalidRequest', [{}]],
  ['no days', 'InvalidArgument', [{ Expiration: { Days: 0 } }]],
  ['days and date', 'MalformedXML', [{ Expiration: { Days: 1, Date: new Date(0) } }]],
  ['a date in the day', 'InvalidArgument', [{ Expiration: { Date: new Date(1000) } }]],
  [
    'markers by tags',
    'InvalidRequest',
    [
      {
        Filter: { Tag: { Key: 'a', Value: 'b' } },
        Expiration: { ExpiredObjectDeleteMarker: true },
      },
    ],
  ],
  [
    'a tag twice',
    'InvalidRequest',
    [
      {
        ...expire,
        Filter: {
          And: {
            Tags: [
              { Key: 'a', Value: '1' },
              { Key: 'a', Value: '2' },
            ],
          },
        },
      },
    ],
  ],
  [
    'no such class',
    'MalformedXML',
    [{ Transitions: [{ Days: 1, StorageClass: 'REDUCED_REDUNDANCY' as never }] }],
  ],
  [
    'gone before it moves',
    'InvalidArgument',
    [{ ...expire, Transitions: [{ Days: 1, StorageClass: 'GLACIER' }] }],
  ],
  ['noncurrent never', 'InvalidArgument', [{ NoncurrentVersionExpiration: { NoncurrentDays: 0 } }]],
  [
    'too many newer ones',
    'InvalidArgument',
    [{ NoncurrentVersionExpiration: { NoncurrentDays: 1, NewerNoncurrentVersions: 101 } }],
  ],
  [
    'uploads by tags',
    'InvalidRequest',
    [
      {
        Filter: { Tag: { Key: 'a', Value: 'b' } },
        AbortIncompleteMultipartUpload: { DaysAfterInitiation: 1 },
      },
    ],
  ],
  [
    'sizes that exclude each other',
    'InvalidRequest',
    [{ ...expire, Filter: { And: { ObjectSizeGreaterThan: 9, ObjectSizeLessThan: 9 } } }],
  ],
])('%s: %s, and nothing is kept', async (_what, code, rules) => {
  await expect(put(rules)).rejects.toMatchObject({ code })
  await expect(get()).rejects.toMatchObject({ code: 'NoSuchLifecycleConfiguration' })
})

test('the least size of what is moved is one of two words', async () => {
  const min = (TransitionDefaultMinimumObjectSize: string): Promise<unknown> =>
    put([expire], { TransitionDefaultMinimumObjectSize })
  await expect(min('value')).rejects.toMatchObject({
    code: 'InvalidRequest',
    message: 'Invalid TransitionDefaultMinimumObjectSize found: value',
  })
  await min('varies_by_storage_class')
  expect(await get()).toMatchObject({
    TransitionDefaultMinimumObjectSize: 'varies_by_storage_class',
  })
})
