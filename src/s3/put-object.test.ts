import { expect, test } from 'vitest'
import { MemoryStore } from '../../metadata/memory.ts'
import type { Commit } from '../../metadata/store.ts'
import { MemoryStorage } from '../../storage/memory.ts'
import { S3Error } from '../api/error.ts'
import type { Call } from '../api/operations.ts'
import { StoreFull, StoreUnavailable } from '../lib/store-error.ts'
import { putBucketAcl } from './bucket-acl.ts'
import { listObjects } from './list-objects.ts'
import { putObject } from './put-object.ts'
import { readRow } from './rows.ts'
import { BytesPayload, CALL, Fixture, OWNER } from './s3.fixture.ts'

async function opened(options = {}): Promise<Fixture> {
  const fixture = new Fixture(new MemoryStore(), new MemoryStorage(), options)
  await fixture.bucket()
  return fixture
}

const LONG = 'a body that does not fit into its row'

test('what was put is read back, inlined or not, and empty too', async () => {
  const f = await opened()
  for (const body of ['', 'short', 'exactly 16 bytes', LONG]) {
    await f.put('k', body)
    expect(await f.text('k')).toBe(body)
  }
})

test('the answer bears the MD5 as ETag, and the checksum that the client chose, else CRC64NVME', async () => {
  const f = await opened()
  expect(await f.put('k', 'hello')).toEqual({
    ETag: '"5d41402abc4b2a76b9719d911017c592"',
    ChecksumCRC64NVME: 'M3eFcAZSQlc=',
    ChecksumType: 'FULL_OBJECT',
  })
  const Body = new BytesPayload(Buffer.from('hello'), { algorithm: 'CRC32' })
  expect(await f.put('k', '', { Body })).toMatchObject({ ChecksumCRC32: 'NhCmhg==' })
})

test('a body that nobody sent is an empty object', async () => {
  const f = await opened()
  const answer = await f.put('k', '', { Body: undefined })
  expect(answer).toMatchObject({
    ETag: '"d41d8cd98f00b204e9800998ecf8427e"',
    ChecksumCRC64NVME: 'AAAAAAAAAAA=',
  })
  expect(await f.text('k')).toBe('')
})

test('an opaque ETag is new for each upload, and no MD5', async () => {
  const f = await opened({ etag: 'opaque' })
  const first = await f.put('k', 'hello')
  const second = await f.put('k', 'hello')
  expect(first.ETag).toMatch(/^"[0-9a-f]{32}-0"$/)
  expect(second.ETag).not.toBe(first.ETag)
})

test('headers and metadata come back as they were sent', async () => {
  const f = await opened()
  const headers = {
    ContentType: 'text/plain',
    CacheControl: 'no-cache',
    ContentDisposition: 'inline',
    ContentEncoding: 'gzip',
    ContentLanguage: 'en',
    ExpiresString: 'next tuesday',
    WebsiteRedirectLocation: '/there',
  }
  await f.put('k', 'x', {
    ...headers,
    Metadata: { Colour: 'r\xf6t', empty: '', ['__proto__']: 'p' },
  })
  const shown = { ...headers, Metadata: { colour: 'r\xf6t', empty: '', ['__proto__']: 'p' } }
  expect(await f.head('k')).toMatchObject(shown)
  expect(await f.get('k')).toMatchObject(shown)
  await f.put('plain', 'x')
  expect(await f.head('plain')).toMatchObject({ ContentType: 'binary/octet-stream', Metadata: {} })
})

test('more than 2 KB of user metadata is refused', async () => {
  const f = await opened()
  await f.put('k', 'x', { Metadata: { a: 'x'.repeat(2047) } })
  await expect(f.put('k', 'x', { Metadata: { a: 'x'.repeat(2048) } })).rejects.toMatchObject({
    code: 'MetadataTooLarge',
  })
})

test('of 32 concurrent creations with If-None-Match: * exactly one wins', async () => {
  const f = await opened()
  const puts = Array.from({ length: 32 }, (_, n) =>
    f.put('k', `${LONG} ${n}`, { IfNoneMatch: '*' }),
  )
  const settled = await Promise.allSettled(puts)
  const losers = settled.filter((result) => result.status === 'rejected')
  expect(losers).toHaveLength(31)
  expect(losers.every(({ reason }) => reason.code === 'PreconditionFailed')).toBe(true)
  const winners = settled.flatMap((result, n) => (result.status === 'fulfilled' ? [n] : []))
  expect(winners).toHaveLength(1)
  expect(await f.text('k')).toBe(`${LONG} ${winners[0]}`)
  expect(await f.blobs()).toHaveLength(1)
})

test('of concurrent If-Match writes of one ETag exactly one wins', async () => {
  const f = await opened()
  const { ETag } = await f.put('k', 'first')
  const puts = Array.from({ length: 16 }, (_, n) => f.put('k', `w${n}`, { IfMatch: ETag }))
  const settled = await Promise.allSettled(puts)
  expect(settled.filter((result) => result.status === 'fulfilled')).toHaveLength(1)
})

test('nothing is written into a bucket that is missing or being deleted, and the body is not read', async () => {
  const f = await opened()
  const Body = new BytesPayload(Buffer.from(LONG))
  Body.take = () => {
    throw new Error('read')
  }
  const missing = f.put('k', '', { Body }, 'nope')
  await expect(missing).rejects.toMatchObject({
    code: 'NoSuchBucket',
    fields: { BucketName: 'nope' },
  })
  // Marked after this process has seen the bucket: the commit must notice.
  await f.put('k', 'x')
  const { value } = await f.ctx.buckets.readFresh('b')
  await f.ctx.metadata.commit({
    partition: 'b',
    expects: [],
    writes: [{ table: 'bucket', sort: '', value: { ...(value as object), deleting: 1 } }],
  })
  await expect(f.put('k2', LONG)).rejects.toMatchObject({ code: 'NoSuchBucket' })
  expect(await f.blobs()).toEqual([])
})

test('what is not carried out is said so, and nothing is stored', async () => {
  const f = await opened()
  for (const member of ['ObjectLockEventHold']) {
    const put = f.put('k', LONG, { [member]: 'x' })
    await expect(put).rejects.toMatchObject({ code: 'NotImplemented' })
  }
  await expect(f.get('k')).rejects.toMatchObject({ code: 'NoSuchKey' })
  expect(await f.blobs()).toEqual([])
})

test('a body that proves false leaves the old object and no blob', async () => {
  const f = await opened()
  await f.put('k', 'old')
  for (const body of ['new', LONG]) {
    const Body = new BytesPayload(Buffer.from(body), { failure: new S3Error('BadDigest') })
    await expect(f.put('k', '', { Body })).rejects.toMatchObject({ code: 'BadDigest' })
  }
  expect(await f.text('k')).toBe('old')
  expect(await f.blobs()).toEqual([])
})

test('a body over the limit is refused, announced or not', async () => {
  const f = await opened({ putBytesMax: 30 })
  const bytes = Buffer.alloc(31)
  for (const unsized of [true, false]) {
    const Body = new BytesPayload(bytes, { unsized })
    await expect(f.put('k', '', { Body })).rejects.toMatchObject({ code: 'EntityTooLarge' })
  }
  expect(await f.blobs()).toEqual([])
  await f.put('k', Buffer.alloc(30))
})

test('a key of 1024 bytes is kept, a longer one refused, and one that is no Unicode too', async () => {
  const f = await opened()
  await f.put('é'.repeat(512), 'x')
  expect(await f.text('é'.repeat(512))).toBe('x')
  const code = (key: string): Promise<unknown> => f.put(key, 'x').catch((e: S3Error) => e.code)
  expect(await code(`${'é'.repeat(512)}x`)).toBe('KeyTooLongError')
  expect(await code('a\ud800')).toBe('InvalidURI')
})

test('a commit that fails takes its blob away, unless its outcome is unknown', async () => {
  class FailingStore extends MemoryStore {
    failure: Error | undefined
    override async commit(commit: Commit): Promise<boolean> {
      if (this.failure !== undefined) throw this.failure
      return super.commit(commit)
    }
  }
  const store = new FailingStore()
  const f = new Fixture(store, new MemoryStorage())
  await f.bucket()
  store.failure = new StoreFull('full')
  await expect(f.put('k', LONG)).rejects.toBeInstanceOf(StoreFull)
  expect(await f.blobs()).toHaveLength(0)
  store.failure = new StoreUnavailable('down')
  await expect(f.put('k', LONG)).rejects.toBeInstanceOf(StoreUnavailable)
  expect(await f.blobs()).toHaveLength(1)
})

test('in a versioned bucket the answer names the version, in another it does not', async () => {
  const f = await opened()
  expect((await f.put('k', 'x')).VersionId).toBeUndefined()
  await f.bucket('b', 'Enabled')
  const { VersionId } = await f.put('k', 'y')
  expect(await f.text('k', { VersionId })).toBe('y')
  expect(await f.text('k', { VersionId: 'null' })).toBe('x')
  await f.bucket('b', 'Suspended')
  expect((await f.put('k', 'z')).VersionId).toBeUndefined()
  expect((await f.head('k')).VersionId).toBe('null')
})

test('another owner than the one expected is AccessDenied', async () => {
  const f = await opened()
  await f.put('k', 'x', { ExpectedBucketOwner: 'owner-id' })
  const put = f.put('k', 'x', { ExpectedBucketOwner: '123456789012' })
  await expect(put).rejects.toMatchObject({ code: 'AccessDenied' })
})

test('a version tells its owner only where that is not the bucket’s, and is shown with its owner either way', async () => {
  const f = new Fixture(new MemoryStore(), new MemoryStorage())
  await f.bucket()
  await putBucketAcl(f.ctx)({ Bucket: 'b', ACL: 'public-read-write' }, CALL)
  const other: Call = { ...CALL, requester: { id: 'other-id', displayName: 'Other' } }
  const put = putObject(f.ctx)
  await put({ Bucket: 'b', Key: 'own', Body: new BytesPayload(new Uint8Array(1)) }, CALL)
  await put({ Bucket: 'b', Key: 'theirs', Body: new BytesPayload(new Uint8Array(1)) }, other)
  expect((await readRow(f.ctx.metadata, 'b', 'object', 'own'))?.value).not.toHaveProperty('o')
  const listed = await listObjects(f.ctx)({ Bucket: 'b' }, CALL)
  expect(listed.Contents?.map(({ Owner }) => Owner)).toEqual([
    { ID: OWNER[0], DisplayName: OWNER[1] },
    { ID: 'other-id', DisplayName: 'Other' },
  ])
})
