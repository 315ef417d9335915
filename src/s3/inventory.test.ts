import { createHash } from 'node:crypto'
import { gunzipSync } from 'node:zlib'
import type { InventoryConfiguration } from '@aws-sdk/client-s3'
import { beforeEach, expect, test } from 'vitest'
import { MemoryStore } from '../../metadata/memory.ts'
import { MemoryStorage } from '../../storage/memory.ts'
import { SILENT } from '../lib/meter.ts'
import { putBucketPolicy } from './bucket-policy.ts'
import { inventoryConfigs } from './inventory-config.ts'
import { Inventories, INVENTORY_DEFAULTS, type InventoryOptions } from './inventory.ts'
import { lineWriter } from './inventory-line.ts'
import { listObjectsV2 } from './list-objects.ts'
import { bytesOf, CALL, Fixture } from './s3.fixture.ts'

const DAY_MS = 86_400_000

let f: Fixture
beforeEach(async () => {
  f = new Fixture(new MemoryStore(), new MemoryStorage(), { inlineMaxBytes: 65_536 })
  await f.bucket()
  await f.bucket('reports')
})

function worker(options: Partial<InventoryOptions> = {}): Inventories {
  const onError = (error: unknown): never => {
    throw error
  }
  return new Inventories(f.ctx, { ...INVENTORY_DEFAULTS, restMs: 0, onError, ...options }, SILENT)
}

async function configure(more: Partial<InventoryConfiguration> = {}): Promise<void> {
  const Destination = {
    S3BucketDestination: {
      Bucket: 'arn:aws:s3:::reports',
      Format: 'CSV' as const,
      Prefix: 'inv',
    },
  }
  const InventoryConfiguration = {
    Id: 'daily',
    IsEnabled: true,
    IncludedObjectVersions: 'Current' as const,
    Schedule: { Frequency: 'Daily' as const },
    Destination,
    ...more,
  }
  await inventoryConfigs(f.ctx).PutBucketInventoryConfiguration!(
    { Bucket: 'b', Id: 'daily', InventoryConfiguration },
    CALL,
  )
}

async function keys(): Promise<string[]> {
  const { Contents = [] } = await listObjectsV2(f.ctx)({ Bucket: 'reports' }, CALL)
  return Contents.map((each) => each.Key!)
}

interface Manifest {
  readonly fileSchema: string
  readonly creationTimestamp: string
  readonly files: readonly { key: string; size: number; MD5checksum: string }[]
}

/** The newest manifest, and the lines of all its files; each is what the manifest says of it. */
async function report(): Promise<Manifest & { readonly lines: readonly string[] }> {
  const name = (await keys()).filter((key) => key.endsWith('manifest.json')).at(-1)!
  const text = await f.text(name, {}, 'reports')
  const sum = await f.text(name.replace('.json', '.checksum'), {}, 'reports')
  expect(sum).toBe(createHash('md5').update(text).digest('hex'))
  const manifest = JSON.parse(text) as Manifest
  let all = ''
  for (const { key, size, MD5checksum } of manifest.files) {
    const bytes = await bytesOf((await f.get(key, {}, 'reports')).Body)
    expect([bytes.length, createHash('md5').update(bytes).digest('hex')]).toEqual([
      size,
      MD5checksum,
    ])
    all += gunzipSync(bytes).toString()
  }
  return { ...manifest, lines: all.split('\n').slice(0, -1) }
}

test('a report lists what is there, with the fields asked for, under the names that S3 gives it', async () => {
  await configure({ OptionalFields: ['ETag', 'Size', 'StorageClass'] })
  await f.put('a "b"/ü', 'hello', { StorageClass: 'STANDARD_IA' })
  await f.put('c', '')
  expect(await worker().run()).toBe(1)
  const folder = 'inv/b/daily/'
  expect((await keys()).map((key) => key.replace(/data\/.*\.csv/, 'data/X.csv'))).toEqual([
    `${folder}2026-01-01T00-00Z/manifest.checksum`,
    `${folder}2026-01-01T00-00Z/manifest.json`,
    `${folder}data/X.csv.gz`,
    `${folder}hive/dt=2026-01-01-00-00/symlink.txt`,
  ])
  const { fileSchema, lines, creationTimestamp } = await report()
  expect(fileSchema).toBe('Bucket, Key, Size, ETag, StorageClass')
  expect(creationTimestamp).toBe(String(f.clock.time))
  expect(lines).toEqual([
    '"b","a+%22b%22/%C3%BC","5","5d41402abc4b2a76b9719d911017c592","STANDARD_IA"',
    '"b","c","0","d41d8cd98f00b204e9800998ecf8427e","STANDARD"',
  ])
})

test('one over all versions lists them and delete markers; one over what is current does not', async () => {
  await f.bucket('b', 'Enabled')
  const { VersionId: first } = await f.put('k', 'one')
  const { VersionId: second } = await f.put('k', 'two!')
  const { VersionId: marker } = await f.delete('k')
  await f.put('l', 'x')
  await configure({ IncludedObjectVersions: 'All', OptionalFields: ['Size'] })
  await worker().run()
  expect((await report()).lines.slice(0, 3)).toEqual([
    `"b","k","${marker}","true","true",""`,
    `"b","k","${second}","false","false","4"`,
    `"b","k","${first}","false","false","3"`,
  ])
  f.clock.time += DAY_MS
  await configure()
  await worker().run()
  expect((await report()).lines).toEqual(['"b","l"'])
})

test('only keys with the prefix are listed, and a report of nothing is one too', async () => {
  await f.put('a/1', 'x')
  await f.put('b/1', 'x')
  await configure({ Filter: { Prefix: 'b/' } })
  await worker().run()
  expect((await report()).lines).toEqual(['"b","b/1"'])
  f.clock.time += DAY_MS
  await configure({ Filter: { Prefix: 'none' } })
  await worker().run()
  expect((await report()).lines).toEqual([])
})

test('the next report comes when its day is over, or its week', async () => {
  await configure()
  expect(await worker().run()).toBe(1)
  f.clock.time += DAY_MS / 2
  expect(await worker().run()).toBe(0)
  f.clock.time += DAY_MS / 2
  expect(await worker().run()).toBe(1)
  await configure({ Schedule: { Frequency: 'Weekly' } })
  expect(await worker().run()).toBe(1)
  f.clock.time += DAY_MS
  expect(await worker().run()).toBe(0)
  await configure({ IsEnabled: false })
  f.clock.time += 7 * DAY_MS
  expect(await worker().run()).toBe(0)
})

test('many keys make several files, and a gateway that dies between them leaves its work to another', async () => {
  for (let n = 0; n < 1200; n++) await f.put(`k${String(n).padStart(5, '0')}`, '')
  await configure()
  const first = worker({ fileLines: 300 })
  const { metadata } = f.ctx
  const commit = metadata.commit.bind(metadata)
  let puts = 0
  // It dies after its second file.
  metadata.commit = async (all) => {
    if (all.partition === 'reports' && ++puts > 2) throw new Error('gone')
    return commit(all)
  }
  await first.run().catch(() => undefined)
  metadata.commit = commit
  expect(await worker({ fileLines: 300 }).run()).toBe(0)
  f.clock.time += INVENTORY_DEFAULTS.leaseMs + 1
  expect(await worker({ fileLines: 300 }).run()).toBe(1)
  const { lines, files } = await report()
  expect(files.length).toBe(3)
  expect(lines).toHaveLength(1200)
  expect(new Set(lines).size).toBe(1200)
})

test('a bucket of another owner takes reports only where its policy says so', async () => {
  await configure()
  const row = (await f.ctx.buckets.readFresh('reports')).value
  await f.ctx.metadata.commit({
    partition: 'reports',
    expects: [],
    writes: [{ table: 'bucket', sort: '', value: { ...row, owner: ['other', 'Other'] } as never }],
  })
  f.ctx.buckets.forget('reports')
  const failures: unknown[] = []
  const onError = (error: unknown): unknown => failures.push(error)
  expect(await worker({ onError }).run()).toBe(0)
  expect(failures).toHaveLength(1)
  await putBucketPolicy(f.ctx)({ Bucket: 'reports', Policy: 's3.amazonaws.com for b' }, CALL)
  f.clock.time += INVENTORY_DEFAULTS.leaseMs + 1
  expect(await worker().run()).toBe(1)
})

test('formats that are not written are refused', async () => {
  const S3BucketDestination = { Bucket: 'arn:aws:s3:::reports', Format: 'ORC' as const }
  await expect(configure({ Destination: { S3BucketDestination } })).rejects.toMatchObject({
    code: 'NotImplemented',
  })
  await expect(configure({ Schedule: undefined })).rejects.toMatchObject({ code: 'MalformedXML' })
})

test('all fields that there are', async () => {
  const writer = lineWriter(false, [
    'LifecycleExpirationDate',
    'ObjectOwner',
    'ObjectAccessControlList',
    'ChecksumAlgorithm',
    'BucketKeyStatus',
    'ObjectLockLegalHoldStatus',
    'ObjectLockMode',
    'ObjectLockRetainUntilDate',
    'EncryptionStatus',
    'ReplicationStatus',
    'IsMultipartUploaded',
    'LastModifiedDate',
  ])
  const line = writer.line({
    bucketName: 'b',
    bucket: (await f.ctx.buckets.readFresh('b')).value,
    key: 'k',
    version: {
      q: 'Q',
      t: 0,
      s: 1,
      e: 'e',
      c: { n: 2, p: [] },
      k: ['SHA256', 'x', 'FULL_OBJECT'],
      sse: { by: 'kms', key: 'k', bk: 1 },
      r: ['GOVERNANCE', 1000],
      lh: 1,
      rp: 'COMPLETED',
    },
    isLatest: true,
    expires: 2000,
  })
  const [list] = /(?<=")ey[^"]+/.exec(line)!
  expect(JSON.parse(Buffer.from(list, 'base64').toString())).toMatchObject({
    grants: [{ canonicalId: 'owner-id', permission: 'FULL_CONTROL', type: 'CanonicalUser' }],
  })
  expect(line.replace(list, 'ACL')).toBe(
    '"b","k","1970-01-01T00:00:00.000Z","true","COMPLETED","SSE-KMS","1970-01-01T00:00:01.000Z",' +
      '"GOVERNANCE","On","ENABLED","SHA256","ACL","owner-id","1970-01-01T00:00:02.000Z"\n',
  )
})
