import { beforeEach, expect, test } from 'vitest'
import { MemoryStore } from '../../metadata/memory.ts'
import { MemoryStorage } from '../../storage/memory.ts'
import { SILENT } from '../lib/meter.ts'
import { type AccessEntry, AccessLog } from './access-log.ts'
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
  const onError = (error: unknown): never => {
    throw error
  }
  log = new AccessLog(f.ctx, { intervalMs: 60_000, onError }, SILENT)
})

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

test('grants for logs are refused', async () => {
  await expect(configure({ TargetGrants: [] })).rejects.toMatchObject({ code: 'NotImplemented' })
})
