import { beforeEach, expect, test } from 'vitest'
import { MemoryStore } from '../../metadata/memory.ts'
import { MemoryStorage } from '../../storage/memory.ts'
import { SILENT } from '../lib/meter.ts'
import { type AccessEntry, AccessLog } from './access-log.ts'
import { putBucketAcl } from './bucket-acl.ts'
import { putBucketEncryption } from './bucket-encryption.ts'
import { deleteBucketPolicy, putBucketPolicy } from './bucket-policy.ts'
import { bucketSettings } from './bucket-settings.ts'
import { listObjectsV2 } from './list-objects.ts'
import { CALL, Fixture } from './s3.fixture.ts'

const ENTRY: AccessEntry = {
  requestId: '0123456789ABCDEF',
  method: 'GET',
  target: '/b/a%20b?X-Amz-Signature=secret&x=1',
  operation: 'GetObject',
  bucket: 'b',
  key: 'a b/"c',
  status: 200,
  code: undefined,
  bytesOut: 5,
  durationMs: 7.4,
  remoteAddress: '192.0.2.1',
  userAgent: 'agent "x"\n1',
  headers: { header: (name) => (name === 'host' ? 's3.example.com:9000' : undefined) },
  requester: 'someone',
}

let f: Fixture
let log: AccessLog
beforeEach(async () => {
  f = new Fixture(new MemoryStore(), new MemoryStorage(), { inlineMaxBytes: 65_536 })
  await f.bucket()
  await f.bucket('logs')
  await f.bucket('quiet')
  await letIn('logs', 'b')
  const onError = (error: unknown): never => {
    throw error
  }
  log = new AccessLog(f.ctx, { intervalMs: 60_000, onError }, SILENT)
})

/** In the words that the fixture's policies know. */
async function letIn(target: string, source: string): Promise<void> {
  const Policy = `logging.s3.amazonaws.com for ${source}`
  await putBucketPolicy(f.ctx)({ Bucket: target, Policy }, CALL)
}

function configure(more: object = {}): Promise<unknown> {
  const LoggingEnabled = { TargetBucket: 'logs', TargetPrefix: 'of-b/', ...more }
  return bucketSettings(f.ctx).PutBucketLogging!(
    { Bucket: 'b', BucketLoggingStatus: { LoggingEnabled } },
    CALL,
  )
}

/** Lines are noted once the configuration is read. */
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

async function keys(): Promise<string[]> {
  const { Contents = [] } = await listObjectsV2(f.ctx)({ Bucket: 'logs' }, CALL)
  return Contents.map((each) => each.Key!)
}

test('each request to a bucket with a log becomes a line of S3’s format, in an object of the bucket named', async () => {
  await configure()
  log.record(ENTRY)
  log.record({ ...ENTRY, bucket: 'quiet' })
  log.record({ ...ENTRY, bucket: 'none', code: 'NoSuchBucket', status: 404 })
  log.record({ ...ENTRY, operation: 'GetBucketTagging', key: undefined, requester: undefined })
  log.record({
    ...ENTRY,
    operation: 'PutObjectTagging',
    method: 'PUT',
    status: 403,
    code: 'AccessDenied',
  })
  await turn()
  expect(await keys()).toEqual([])
  await log.deliver()
  const [key, ...others] = await keys()
  expect(others).toEqual([])
  expect(key).toMatch(/^of-b\/2026-01-01-00-00-00-[0-9A-Z]{16}$/)
  const lines = (await f.text(key!, {}, 'logs')).split('\n')
  expect(lines).toHaveLength(4)
  expect(lines[0]).toBe(
    'owner-id b [01/Jan/2026:00:00:00 +0000] 192.0.2.1 someone 0123456789ABCDEF REST.GET.OBJECT ' +
      'a%20b/%22c "GET /b/a%20b?X-Amz-Signature=REDACTED&x=1 HTTP/1.1" 200 - 5 - 7 7 "-" ' +
      '"agent %22x%22%0a1" - - - - - s3.example.com:9000 - - -',
  )
  expect(lines[1]).toContain(' - 0123456789ABCDEF REST.GET.TAGGING - ')
  expect(lines[2]).toContain(' REST.PUT.OBJECT_TAGGING ')
  expect(lines[2]).toContain(' 403 AccessDenied ')
})

test('lines go by folders where the bucket wants them', async () => {
  const PartitionedPrefix = { PartitionDateSource: 'EventTime' }
  await configure({ TargetObjectKeyFormat: { PartitionedPrefix } })
  log.record(ENTRY)
  await turn()
  await log.deliver()
  expect((await keys())[0]).toMatch(
    /^of-b\/owner-id\/us-east-1\/b\/2026\/01\/01\/2026-01-01-00-00-00-/,
  )
})

test('many lines are delivered before their time, and the rest at the end', async () => {
  await configure()
  log.start()
  for (let n = 0; n < 6000; n++) log.record(ENTRY)
  for (let n = 0; n < 20; n++) await turn()
  expect((await keys()).length).toBeGreaterThan(0)
  await log.stop()
  let count = 0
  for (const key of await keys()) {
    count += (await f.text(key, {}, 'logs')).split('\n').length - 1
  }
  expect(count).toBe(6000)
})

test('what the log says of itself is S3’s: the format of keys, and in the old profile no grants', async () => {
  await configure({ TargetGrants: [] })
  expect(await bucketSettings(f.ctx).GetBucketLogging!({ Bucket: 'b' }, CALL)).toEqual({
    LoggingEnabled: {
      TargetBucket: 'logs',
      TargetPrefix: 'of-b/',
      TargetObjectKeyFormat: { SimplePrefix: {} },
    },
  })
  await bucketSettings(f.ctx).PutBucketLogging!({ Bucket: 'b', BucketLoggingStatus: {} }, CALL)
  expect(await bucketSettings(f.ctx).GetBucketLogging!({ Bucket: 'b' }, CALL)).toEqual({})
})

test('a bucket takes logs only where its policy lets the service in, or its list the group', async () => {
  await deleteBucketPolicy(f.ctx)({ Bucket: 'logs' }, CALL)
  await expect(configure()).rejects.toMatchObject({ code: 'AccessDenied' })
  await letIn('logs', 'quiet')
  await expect(configure()).rejects.toMatchObject({ code: 'AccessDenied' })
  // The model's type for it knows only four names.
  const ACL = 'log-delivery-write' as 'private'
  await putBucketAcl(f.ctx)({ Bucket: 'logs', ACL }, CALL)
  await configure()
})

test('a target that changes its mind gets no more lines', async () => {
  await configure()
  await deleteBucketPolicy(f.ctx)({ Bucket: 'logs' }, CALL)
  const failures: unknown[] = []
  const onError = (error: unknown): unknown => failures.push(error)
  const other = new AccessLog(f.ctx, { intervalMs: 60_000, onError }, SILENT)
  other.record(ENTRY)
  await turn()
  await other.deliver()
  expect(await keys()).toEqual([])
  expect(failures).toHaveLength(1)
})

test('targets that S3 would not deliver to are refused', async () => {
  const refused = (more: object): Promise<unknown> => expect(configure(more)).rejects.toBeDefined()
  await expect(configure({ TargetBucket: 'none' })).rejects.toMatchObject({ code: 'NoSuchKey' })
  await letIn('b', 'b')
  await expect(configure({ TargetBucket: 'b' })).rejects.toMatchObject({ code: 'InvalidArgument' })
  await refused({ TargetPrefix: undefined })
  await bucketSettings(f.ctx).PutBucketRequestPayment!(
    { Bucket: 'logs', RequestPaymentConfiguration: { Payer: 'Requester' } },
    CALL,
  )
  await expect(configure()).rejects.toMatchObject({ code: 'InvalidArgument' })
})

test('a target under an encryption of its own is refused as Ceph does', async () => {
  const Rules = [{ ApplyServerSideEncryptionByDefault: { SSEAlgorithm: 'AES256' as const } }]
  await putBucketEncryption(f.ctx)(
    { Bucket: 'logs', ServerSideEncryptionConfiguration: { Rules } },
    CALL,
  )
  await expect(configure()).rejects.toMatchObject({ code: 'InvalidArgument' })
})
