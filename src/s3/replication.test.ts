import type { ReplicationRule } from '@aws-sdk/client-s3'
import { beforeEach, describe, expect, test } from 'vitest'
import { MemoryStore } from '../../metadata/memory.ts'
import { MemoryStorage } from '../../storage/memory.ts'
import { underKey } from '../../storage/open.ts'
import type { Call } from '../api/operations.ts'
import { SILENT } from '../lib/meter.ts'
import { bucketReplication } from './bucket-replication.ts'
import type { Context } from './context.ts'
import { deleteBucket } from './delete-bucket.ts'
import { brings, Encrypted } from './encryption.fixture.ts'
import { putObjectTagging } from './object-tagging.ts'
import { putObject } from './put-object.ts'
import { renameObject } from './rename-object.ts'
import type { Replica, Replicas } from './replicas.ts'
import { Replication, REPLICATION_DEFAULTS, type ReplicationOptions } from './replication.ts'
import { scanRows, type StoredTag } from './rows.ts'
import { BytesPayload, bytesOf, CALL } from './s3.fixture.ts'

/** Another S3, which says of all that comes to it when it came. */
class There implements Replicas {
  readonly seen: string[] = []
  readonly replicas: Replica[] = []
  isAway = false
  isVersionedThere = true
  has = (target: string): boolean => target === 'copy' || target === 'other'

  async isVersioned(): Promise<boolean> {
    this.#answer()
    return this.isVersionedThere
  }

  async put(target: string, replica: Replica): Promise<string> {
    this.#answer()
    const { body } = await replica.read()
    this.replicas.push(replica)
    return this.#take(`${target}/${replica.key}=${(await bytesOf(body)).toString()}`)
  }

  async mark(target: string, key: string): Promise<string> {
    this.#answer()
    return this.#take(`${target}/${key} deleted`)
  }

  async tag(
    target: string,
    key: string,
    versionId: string,
    tags: readonly StoredTag[],
  ): Promise<void> {
    this.#answer()
    this.#take(`${target}/${key}@${versionId} ${JSON.stringify(tags)}`)
  }

  #answer(): void {
    if (this.isAway) throw new Error('nobody is there')
  }

  #take(what: string): string {
    this.seen.push(what)
    return `v${this.seen.length}`
  }
}

let f: Encrypted
let there: There
let worker: Replication
let failures: unknown[]
beforeEach(async () => {
  const storage = new MemoryStorage()
  f = new Encrypted(new MemoryStore(), storage, underKey(storage))
  there = new There()
  ;(f.ctx as { replicas: Replicas }).replicas = there
  failures = []
  worker = workerOf(f.ctx)
  await f.bucket('b', 'Enabled')
})

function workerOf(ctx: Context, options: Partial<ReplicationOptions> = {}): Replication {
  const onError = (error: unknown): unknown => failures.push(error)
  return new Replication(ctx, { ...REPLICATION_DEFAULTS, onError, ...options }, SILENT)
}

const RULE: ReplicationRule = {
  Status: 'Enabled',
  Priority: 1,
  Filter: { Prefix: '' },
  DeleteMarkerReplication: { Status: 'Enabled' },
  Destination: { Bucket: 'arn:aws:s3:::copy' },
}

function configure(...Rules: ReplicationRule[]): Promise<unknown> {
  return bucketReplication(f.ctx).PutBucketReplication!(
    { Bucket: 'b', ReplicationConfiguration: { Role: 'arn:aws:iam::1:role/r', Rules } },
    CALL,
  )
}

async function waiting(): Promise<number> {
  return (await scanRows(f.ctx.metadata, 'b', 'event', { from: '', limit: 100 })).length
}

const statusOf = async (key: string, more: object = {}): Promise<string | undefined> =>
  (await f.head(key, more)).ReplicationStatus

test('a version is PENDING in the commit that makes it, goes there, and is COMPLETED', async () => {
  await f.put('before', 'x')
  await configure(RULE)
  await f.put('k', 'one', { ContentType: 'text/plain', Metadata: { a: 'b' }, Tagging: 't=1' })
  expect(await statusOf('k')).toBe('PENDING')
  expect(await waiting()).toBe(1)
  await worker.replicate('b')
  expect(there.seen).toEqual(['copy/k=one'])
  expect(there.replicas[0]).toMatchObject({
    size: 3,
    headers: { ContentType: 'text/plain' },
    metadata: { a: 'b' },
    tags: [['t', '1']],
    checksum: ['CRC64NVME', expect.any(String), 'FULL_OBJECT'],
    parts: undefined,
  })
  expect(await statusOf('k')).toBe('COMPLETED')
  expect(await statusOf('before')).toBeUndefined()
  expect(await waiting()).toBe(0)
  await worker.replicate('b')
  expect(there.seen).toHaveLength(1)
})

test('versions of a key arrive in their order, whatever came between', async () => {
  await configure(RULE)
  await f.put('k', 'one')
  there.isAway = true
  await worker.replicate('b')
  expect(failures).toHaveLength(1)
  await f.put('k', 'two')
  await f.delete('k')
  await f.put('k', 'three')
  there.isAway = false
  // It is not due yet, and no later version overtakes the first.
  await worker.replicate('b')
  expect(there.seen).toEqual([])
  f.clock.time += REPLICATION_DEFAULTS.retryMs
  await worker.replicate('b')
  expect(there.seen).toEqual(['copy/k=one', 'copy/k=two', 'copy/k deleted', 'copy/k=three'])
  expect(await waiting()).toBe(0)
})

test('what is added while a key is copied is copied too', async () => {
  await configure(RULE)
  await f.put('k', 'one')
  const put = there.put.bind(there)
  there.put = async (target, replica) => {
    if (there.seen.length === 0) await f.put('k', 'two')
    return put(target, replica)
  }
  await worker.replicate('b')
  expect(await waiting()).toBe(1)
  await worker.replicate('b')
  expect(there.seen).toEqual(['copy/k=one', 'copy/k=two'])
  expect(await waiting()).toBe(0)
})

test('two gateways are never at one key; when one dies the other goes on', async () => {
  await configure(RULE)
  await f.put('k', 'one')
  let release: (() => void) | undefined
  const put = there.put.bind(there)
  there.put = async (target, replica) => {
    await new Promise<void>((resolve) => (release = resolve))
    return put(target, replica)
  }
  const first = worker.replicate('b')
  while (release === undefined) await new Promise((resolve) => setImmediate(resolve))
  const letGo: () => void = release
  there.put = put
  const other = workerOf(f.ctx)
  await other.replicate('b')
  expect(there.seen).toEqual([])
  f.clock.time += REPLICATION_DEFAULTS.claimMs
  await other.replicate('b')
  expect(there.seen).toEqual(['copy/k=one'])
  letGo()
  await first
})

test('what nobody takes for a day is FAILED, and waits no longer', async () => {
  await configure(RULE)
  await f.put('k', 'one')
  there.isAway = true
  for (let hours = 0; hours <= 26; hours++) {
    await worker.replicate('b')
    f.clock.time += 3_600_000
  }
  expect(await statusOf('k')).toBe('FAILED')
  expect(await waiting()).toBe(0)
})

test('what is encrypted with a client’s key is FAILED at once; what we have the keys of is copied in clear', async () => {
  await configure(RULE)
  await f.put('c', 'secret', brings('mine'))
  await f.put('k', 'open', { ServerSideEncryption: 'aws:kms', SSEKMSKeyId: 'k1' })
  await worker.replicate('b')
  expect((await f.head('c', brings('mine'))).ReplicationStatus).toBe('FAILED')
  expect(there.seen).toEqual(['copy/k=open'])
  expect(there.replicas[0]!.encryption).toEqual({ method: 'aws:kms' })
})

test('with two destinations it is COMPLETED once it is at both', async () => {
  await configure(RULE, {
    ...RULE,
    Priority: 2,
    Destination: { Bucket: 'arn:aws:s3:::other', StorageClass: 'GLACIER' },
  })
  await f.put('k', 'one')
  const put = there.put.bind(there)
  there.put = (target, replica) =>
    target === 'other' ? Promise.reject(new Error('away')) : put(target, replica)
  await worker.replicate('b')
  expect(await statusOf('k')).toBe('PENDING')
  there.put = put
  f.clock.time += REPLICATION_DEFAULTS.retryMs
  await worker.replicate('b')
  expect(await statusOf('k')).toBe('COMPLETED')
  expect(there.seen).toEqual(['copy/k=one', 'other/k=one'])
  expect(there.replicas[1]!.storageClass).toBe('GLACIER')
})

test('tags that change afterwards change there, and that is all that goes there', async () => {
  await configure(RULE)
  await f.put('k', 'one')
  await worker.replicate('b')
  const Tagging = { TagSet: [{ Key: 'a', Value: '1' }] }
  await putObjectTagging(f.ctx)({ Bucket: 'b', Key: 'k', Tagging }, CALL)
  expect(await statusOf('k')).toBe('PENDING')
  await worker.replicate('b')
  expect(there.seen).toEqual(['copy/k=one', 'copy/k@v1 [["a","1"]]'])
  expect(await statusOf('k')).toBe('COMPLETED')
})

test('what another gateway’s replication writes is a REPLICA, and goes no further', async () => {
  await configure(RULE)
  await f.put('k', 'one', { ReplicationStatus: 'REPLICA' })
  expect(await statusOf('k')).toBe('REPLICA')
  await f.delete('k', { ReplicationStatus: 'REPLICA' })
  expect(await waiting()).toBe(0)
  const refusing: Call = { ...CALL, access: { may: (action) => action !== 's3:ReplicateObject' } }
  const Body = new BytesPayload(Buffer.from('x'))
  const asked = { Bucket: 'b', Key: 'k', Body, ReplicationStatus: 'REPLICA' as const }
  await expect(putObject(f.ctx)(asked, refusing)).rejects.toMatchObject({ code: 'AccessDenied' })
})

test('copies, uploads in parts and renamed objects go there like others', async () => {
  await configure(RULE)
  await f.put('k', 'one')
  await f.copy('b/k', 'copied')
  const upload = await f.begin()
  await f.complete(upload, await f.parts(upload, 'a', 'b'))
  await renameObject(f.ctx)({ Bucket: 'b', Key: 'renamed', RenameSource: 'k' }, CALL)
  await worker.replicate('b')
  // What was renamed before it was copied goes there under its new name alone.
  expect([...there.seen].sort()).toEqual([
    'copy/big=ab',
    'copy/copied=one',
    'copy/k deleted',
    'copy/renamed=one',
  ])
  expect(there.replicas.some(({ parts }) => parts === 2)).toBe(true)
  expect(await statusOf('renamed')).toBe('COMPLETED')
  expect(await waiting()).toBe(0)
})

test('of a bucket that is gone nothing waits any more', async () => {
  await configure(RULE)
  const { VersionId } = await f.put('k', 'one')
  await f.delete('k', { VersionId })
  await deleteBucket(f.ctx)({ Bucket: 'b' }, CALL)
  await worker.replicate('b')
  expect(failures).toEqual([])
  expect(await waiting()).toBe(0)
})

describe('rules', () => {
  test('the highest priority that fits decides for each destination', async () => {
    await configure(
      { ...RULE, Priority: 1, DeleteMarkerReplication: { Status: 'Disabled' } },
      { ...RULE, Priority: 2, Filter: { Prefix: 'logs/' }, Status: 'Disabled' },
      { ...RULE, Priority: 3, Filter: { Prefix: 'a/' } },
      {
        ...RULE,
        Priority: 4,
        Filter: { Tag: { Key: 'x', Value: 'y' } },
        DeleteMarkerReplication: { Status: 'Disabled' },
        Destination: { Bucket: 'arn:aws:s3:::other' },
      },
    )
    await f.put('plain', '1')
    await f.delete('plain')
    await f.put('a/k', '2', { Tagging: 'x=y' })
    await f.delete('a/k')
    await worker.replicate('b')
    expect([...there.seen].sort()).toEqual([
      'copy/a/k deleted',
      'copy/a/k=2',
      'copy/plain=1',
      'other/a/k=2',
    ])
  })

  test.each([
    [{ ...RULE, Destination: { Bucket: 'arn:aws:s3:::unknown' } }, 'InvalidRequest'],
    [{ ...RULE, Destination: { Bucket: 'copy' } }, 'InvalidArgument'],
    [{ ...RULE, Status: undefined }, 'MalformedXML'],
    [{ ...RULE, Prefix: 'a' }, 'MalformedXML'],
    [{ ...RULE, Priority: undefined }, 'InvalidArgument'],
    [{ ...RULE, DeleteMarkerReplication: undefined }, 'InvalidArgument'],
    [{ ...RULE, Filter: { Tag: { Key: 'a', Value: 'b' } } }, 'InvalidArgument'],
    [{ ...RULE, ID: 'x'.repeat(256) }, 'InvalidArgument'],
    [{ ...RULE, ExistingObjectReplication: { Status: 'Enabled' } }, 'NotImplemented'],
  ])('%j is refused: %s', async (rule, code) => {
    await expect(configure(rule as ReplicationRule)).rejects.toMatchObject({ code })
  })

  test('both buckets have to keep versions, and the other has to be there', async () => {
    there.isVersionedThere = false
    await expect(configure(RULE)).rejects.toMatchObject({
      message: 'Destination bucket must have versioning enabled.',
    })
    there.isAway = true
    await expect(configure(RULE)).rejects.toMatchObject({ code: 'InvalidRequest' })
    there.isAway = false
    there.isVersionedThere = true
    await f.bucket('b')
    await expect(configure(RULE)).rejects.toMatchObject({ code: 'InvalidRequest' })
    await f.bucket('b', 'Enabled')
    const s3 = bucketReplication(f.ctx)
    await expect(s3.GetBucketReplication!({ Bucket: 'b' }, CALL)).rejects.toMatchObject({
      code: 'ReplicationConfigurationNotFoundError',
    })
    await configure(RULE)
    expect(await s3.GetBucketReplication!({ Bucket: 'b' }, CALL)).toMatchObject({
      ReplicationConfiguration: { Rules: [RULE] },
    })
    await s3.DeleteBucketReplication!({ Bucket: 'b' }, CALL)
    await f.put('k', 'x')
    expect(await waiting()).toBe(0)
  })
})

test('by itself it does what it is nudged to', async () => {
  await configure(RULE)
  const busy = workerOf(f.ctx, { retryMs: 20 })
  busy.start()
  await f.put('k', 'one')
  for (let n = 0; n < 200 && there.seen.length === 0; n++)
    await new Promise((resolve) => setTimeout(resolve, 5))
  await busy.stop()
  expect(there.seen).toEqual(['copy/k=one'])
})
