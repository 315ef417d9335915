import { expect, test } from 'vitest'
import { MemoryStore } from '../../metadata/memory.ts'
import { MemoryStorage } from '../../storage/memory.ts'
import type { Call, Input, Output } from '../api/operations.ts'
import { getBucketAcl } from './bucket-acl.ts'
import { getBucketLocation, headBucket } from './bucket-info.ts'
import { getBucketVersioning } from './bucket-versioning.ts'
import { getBucketCors, putBucketCors } from './bucket-cors.ts'
import type { S3Options } from './context.ts'
import { createBucket } from './create-bucket.ts'
import { createMultipartUpload } from './create-upload.ts'
import { deleteBucket } from './delete-bucket.ts'
import { healBuckets } from './heal-buckets.ts'
import { listBuckets } from './list-buckets.ts'
import { listObjects, listObjectsV2 } from './list-objects.ts'
import { listMultipartUploads } from './list-uploads.ts'
import { listObjectVersions } from './list-versions.ts'
import { readEntry, readTrace } from './root.ts'
import { readRow } from './rows.ts'
import { BytesPayload, CALL, Fixture } from './s3.fixture.ts'
import { CrashingStore, HesitatingStore } from './troubled-store.fixture.ts'
import { uploadPart } from './upload-part.ts'
import { outcome } from './uploads.fixture.ts'

const OTHER: Call = { ...CALL, requester: { id: 'other-id', displayName: 'Other' } }
const CREATION_MAX_MS = 10 * 60 * 1000

function fixture(options: Partial<S3Options> = {}): Fixture {
  return new Fixture(new MemoryStore(), new MemoryStorage(), options)
}

type CreateInput = Partial<Input<'CreateBucket'>>

const create = (
  s3: Fixture,
  name: string,
  more: CreateInput = {},
  call = CALL,
): Promise<Output<'CreateBucket'>> => createBucket(s3.ctx)({ Bucket: name, ...more }, call)
const remove = (s3: Fixture, name: string): Promise<unknown> =>
  deleteBucket(s3.ctx)({ Bucket: name }, CALL)
const head = (s3: Fixture, name: string): Promise<Output<'HeadBucket'>> =>
  headBucket(s3.ctx)({ Bucket: name }, CALL)

async function names(s3: Fixture, more: Input<'ListBuckets'> = {}, call = CALL): Promise<string[]> {
  const page = await listBuckets(s3.ctx)(more, call)
  return page.Buckets!.map((bucket) => bucket.Name!)
}

/** What the sweep does for buckets; gives the partitions that it would sweep. */
async function heal(s3: Fixture): Promise<string[]> {
  const found = new Set<string>()
  for await (const name of healBuckets(s3.ctx)) found.add(name)
  return [...found]
}

test('a new bucket can be used, is listed, and tells where it is', async () => {
  const s3 = fixture()
  expect(await create(s3, 'first')).toEqual({ Location: '/first' })
  expect(await head(s3, 'first')).toEqual({ BucketRegion: 'us-east-1' })
  expect(await names(s3)).toEqual(['first'])
  await s3.put('k', 'v', {}, 'first')
  expect(await s3.text('k', {}, 'first')).toBe('v')
  expect(await readTrace(s3.ctx.metadata, 'first')).toBeUndefined()
  expect(await getBucketLocation(s3.ctx)({ Bucket: 'first' }, CALL)).toEqual({})
  expect(await getBucketVersioning(s3.ctx)({ Bucket: 'first' }, CALL)).toEqual({})
})

test('elsewhere the region is told by its name', async () => {
  const s3 = fixture({ region: 'eu-west-1' })
  await create(s3, 'first')
  const location = await getBucketLocation(s3.ctx)({ Bucket: 'first' }, CALL)
  expect(location).toEqual({ LocationConstraint: 'eu-west-1' })
})

test('who created a bucket may do so again: in us-east-1 with success and the ACL asked for now', async () => {
  const s3 = fixture({ compat: 'aws-2026' })
  const withLists = { ObjectOwnership: 'ObjectWriter' } as const
  await create(s3, 'mine', { ACL: 'aws-exec-read' as 'private', ...withLists })
  const grants = async (): Promise<number> =>
    (await getBucketAcl(s3.ctx)({ Bucket: 'mine' }, CALL)).Grants!.length
  expect(await grants()).toBe(2)
  expect(await create(s3, 'mine', withLists)).toEqual({ Location: '/mine' })
  expect(await grants()).toBe(1)
  expect(await outcome(create(s3, 'mine', {}, OTHER))).toBe('BucketAlreadyExists')
  const there = fixture({ region: 'eu-west-1' })
  await create(there, 'mine')
  expect(await outcome(create(there, 'mine'))).toBe('BucketAlreadyOwnedByYou')
})

test('in the old profile it succeeds again as long as nothing else is asked for', async () => {
  const s3 = fixture({ compat: 'legacy' })
  await create(s3, 'mine')
  expect(await outcome(create(s3, 'mine'))).toBe('done')
  expect(await outcome(create(s3, 'mine', { ACL: 'public-read' }))).toBe('BucketAlreadyExists')
})

test('a bucket of today knows no lists and lets no public in, one of the old profile does both', async () => {
  const today = fixture({ compat: 'aws-2026' })
  await create(today, 'mine')
  const { value } = (await readRow(today.ctx.metadata, 'mine', 'bucket', ''))!
  expect(value).toMatchObject({
    ownership: 'BucketOwnerEnforced',
    block: { acls: 1, ignoreAcls: 1, policy: 1, restrict: 1 },
  })
  const ask = (more: CreateInput): Promise<string> => outcome(create(today, 'other', more))
  expect(await ask({ ACL: 'public-read' })).toBe('InvalidBucketAclWithObjectOwnership')
  expect(await ask({ ACL: 'public-read', ObjectOwnership: 'ObjectWriter' })).toBe('AccessDenied')
  const old = fixture({ compat: 'legacy' })
  await create(old, 'mine', { ACL: 'public-read' })
  const row = (await readRow(old.ctx.metadata, 'mine', 'bucket', ''))!.value
  expect(row).not.toHaveProperty('ownership')
  expect(row).not.toHaveProperty('block')
})

const constrained = (
  region: string,
  constraint: string,
  compat: S3Options['compat'] = 'aws-2026',
): Promise<string> =>
  outcome(
    create(fixture({ region, compat }), 'bbb', {
      CreateBucketConfiguration: { LocationConstraint: constraint as 'eu-west-1' },
    }),
  )

test('a location must be ours', async () => {
  expect(await constrained('us-east-1', 'us-east-1')).toBe('done')
  expect(await constrained('us-east-1', 'eu-west-1')).toBe('IllegalLocationConstraintException')
  expect(await constrained('us-east-1', 'bar')).toBe('InvalidLocationConstraint')
  expect(await constrained('eu-west-1', 'EU')).toBe('done')
  expect(await constrained('eu-west-1', 'us-east-1')).toBe('IllegalLocationConstraintException')
  expect(await constrained('garage', 'garage')).toBe('done')
})

test('in the old profile a bucket may name any region, and says that it is there', async () => {
  expect(await constrained('us-east-1', 'nowhere', 'legacy')).toBe('InvalidLocationConstraint')
  const s3 = fixture({ compat: 'legacy' })
  await create(s3, 'abroad', { CreateBucketConfiguration: { LocationConstraint: 'eu-west-1' } })
  const said = await getBucketLocation(s3.ctx)({ Bucket: 'abroad' }, CALL)
  expect(said).toEqual({ LocationConstraint: 'eu-west-1' })
})

test('what cannot be done is refused: wrong names, nobody', async () => {
  const s3 = fixture()
  expect(await outcome(create(s3, 'No'))).toBe('InvalidBucketName')
  expect(await outcome(create(s3, 'bbb', {}, { ...CALL, requester: undefined }))).toBe(
    'AccessDenied',
  )
  expect(await names(s3)).toEqual([])
})

test('ListBuckets shows the own buckets, in pages, by prefix, by region', async () => {
  const s3 = fixture()
  for (const name of ['b-2', 'a-1', 'b-1', 'c-1']) await create(s3, name)
  await create(s3, 'b-0', {}, OTHER)
  expect(await names(s3)).toEqual(['a-1', 'b-1', 'b-2', 'c-1'])
  expect(await names(s3, {}, OTHER)).toEqual(['b-0'])
  expect(await names(s3, { Prefix: 'b' })).toEqual(['b-1', 'b-2'])
  expect(await names(s3, { BucketRegion: 'us-east-1' })).toHaveLength(4)
  expect(await names(s3, { BucketRegion: 'eu-west-1' })).toEqual([])
  const list = listBuckets(s3.ctx)
  const first = await list({ MaxBuckets: 3 }, CALL)
  expect(first.Buckets).toHaveLength(3)
  expect(first.Buckets![0]).toMatchObject({ BucketRegion: 'us-east-1' })
  const rest = await names(s3, { MaxBuckets: 3, ContinuationToken: first.ContinuationToken })
  expect(rest).toEqual(['c-1'])
  expect((await list({ MaxBuckets: 4 }, CALL)).ContinuationToken).toBeUndefined()
  expect(await outcome(list({ MaxBuckets: 0 }, CALL))).toBe('InvalidArgument')
  expect(await outcome(list({ BucketRegion: 'x' }, CALL))).toBe('InvalidArgument')
  expect(await outcome(list({ ContinuationToken: 'x' }, CALL))).toBe('InvalidArgument')
})

test('an empty bucket can be deleted, another one not, and the attempt disturbs nobody', async () => {
  const s3 = fixture()
  await create(s3, 'bbb')
  await s3.put('k', 'v', {}, 'bbb')
  const before = await readRow(s3.ctx.metadata, 'bbb', 'bucket', '')
  await expect(remove(s3, 'bbb')).rejects.toMatchObject({
    code: 'BucketNotEmpty',
    message: 'The bucket you tried to delete is not empty',
  })
  expect((await readRow(s3.ctx.metadata, 'bbb', 'bucket', ''))?.rev).toBe(before?.rev)
  await s3.delete('k', {}, 'bbb')
  await remove(s3, 'bbb')
  expect(await names(s3)).toEqual([])
  expect(await outcome(head(s3, 'bbb'))).toBe('NoSuchBucket')
  expect(await outcome(s3.put('k', 'v', {}, 'bbb'))).toBe('NoSuchBucket')
  expect(await outcome(remove(s3, 'bbb'))).toBe('NoSuchBucket')
})

test('a bucket that another gateway deleted or made is gone or there at once', async () => {
  const one = fixture()
  const other = new Fixture(one.ctx.metadata, one.ctx.storage)
  const asked = { Bucket: 'shared' }
  const asks: readonly (() => Promise<unknown>)[] = [
    () => head(other, 'shared'),
    () => getBucketLocation(other.ctx)(asked, CALL),
    () => listObjects(other.ctx)(asked, CALL),
    () => listObjectsV2(other.ctx)(asked, CALL),
    () => listObjectVersions(other.ctx)(asked, CALL),
    () => listMultipartUploads(other.ctx)(asked, CALL),
    () => other.put('k', 'x', {}, 'shared'),
    () => other.get('k', {}, 'shared'),
  ]
  for (const ask of asks) {
    await create(one, 'shared')
    await head(other, 'shared')
    await remove(one, 'shared')
    await expect(ask(), String(ask)).rejects.toMatchObject({ code: 'NoSuchBucket' })
  }
  await create(one, 'shared')
  expect(await other.put('k', 'x', {}, 'shared')).toMatchObject({ ETag: expect.any(String) })
  await expect(remove(one, 'shared')).rejects.toMatchObject({ code: 'BucketNotEmpty' })
})

test('a document that another gateway wrote is there at once', async () => {
  const one = fixture()
  const other = new Fixture(one.ctx.metadata, one.ctx.storage)
  await create(one, 'shared')
  await head(other, 'shared')
  const CORSRules = [{ AllowedMethods: ['GET'], AllowedOrigins: ['*'] }]
  const rules = { Bucket: 'shared', CORSConfiguration: { CORSRules } }
  await putBucketCors(one.ctx)(rules, CALL)
  expect(await getBucketCors(other.ctx)({ Bucket: 'shared' }, CALL)).toEqual({ CORSRules })
})

test('versions and delete markers keep a bucket', async () => {
  const s3 = fixture()
  await s3.bucket('bbb', 'Enabled')
  await s3.delete('k', {}, 'bbb')
  await expect(remove(s3, 'bbb')).rejects.toMatchObject({
    code: 'BucketNotEmpty',
    message:
      'The bucket you tried to delete is not empty. You must delete all versions in the bucket.',
  })
})

test('another owner was expected: nothing is told, nothing is deleted', async () => {
  const s3 = fixture()
  await create(s3, 'bbb')
  const input = { Bucket: 'bbb', ExpectedBucketOwner: 'other-id' }
  expect(await outcome(headBucket(s3.ctx)(input, CALL))).toBe('AccessDenied')
  expect(await outcome(deleteBucket(s3.ctx)(input, CALL))).toBe('AccessDenied')
  expect(await names(s3)).toEqual(['bbb'])
})

/** A bucket with many unfinished uploads of one key, each with a part in a blob. */
async function withUploads(s3: Fixture, name: string, count: number): Promise<void> {
  await create(s3, name)
  for (let n = 0; n < count; n++) {
    const { UploadId } = await createMultipartUpload(s3.ctx)({ Bucket: name, Key: 'big' }, CALL)
    const Body = new BytesPayload(Buffer.alloc(100, n))
    await uploadPart(s3.ctx)({ Bucket: name, Key: 'big', UploadId, PartNumber: 1, Body }, CALL)
  }
}

test('uploads go with their bucket, and the sweep finds what they leave, even where the name is taken again', async () => {
  const s3 = fixture()
  await withUploads(s3, 'bbb', 90)
  await remove(s3, 'bbb')
  expect(await readRow(s3.ctx.metadata, 'bbb', 'upload', 'big')).toBeUndefined()
  expect(await s3.blobs()).toHaveLength(90)
  await create(s3, 'bbb')
  await s3.put('k', 'x'.repeat(100), {}, 'bbb')
  await s3.sweep().run(false)
  expect(await s3.blobs()).toHaveLength(1)
  expect(await s3.text('k', {}, 'bbb')).toBe('x'.repeat(100))
})

test('a deleted bucket is forgotten once nothing of it is left', async () => {
  const s3 = fixture()
  await withUploads(s3, 'bbb', 2)
  await remove(s3, 'bbb')
  expect(await heal(s3)).toEqual(['bbb'])
  await s3.sweep().run(false)
  expect(await s3.blobs()).toEqual([])
  s3.clock.time += CREATION_MAX_MS + 1
  expect(await heal(s3)).toEqual([])
  expect(await readTrace(s3.ctx.metadata, 'bbb')).toBeUndefined()
})

/** Crashes at each commit of `act`, before and after it; `check` is told what stands then. */
async function crashEverywhere(
  prepare: (s3: Fixture) => Promise<void>,
  act: (s3: Fixture) => Promise<unknown>,
  check: (s3: Fixture) => Promise<void>,
): Promise<number> {
  for (let n = 1; ; n++) {
    for (const loses of [true, false]) {
      const store = new CrashingStore()
      const s3 = new Fixture(store, new MemoryStorage())
      await prepare(s3)
      store.crashAt(n, loses)
      await outcome(act(s3))
      if (!store.revive()) return n - 1
      const after = new Fixture(store, s3.ctx.storage, {}, s3.clock)
      after.clock.time += CREATION_MAX_MS + 1
      await check(after)
    }
  }
}

async function isWhole(s3: Fixture, name: string): Promise<void> {
  const row = await readRow(s3.ctx.metadata, name, 'bucket', '')
  const entry = await readEntry(s3.ctx.metadata, name)
  expect(entry === undefined).toBe(row === undefined)
  expect(row?.value.deleting).toBeUndefined()
  expect(await readTrace(s3.ctx.metadata, name)).toBeUndefined()
}

test('wherever CreateBucket crashes, the sweep makes a whole bucket of it or none', async () => {
  const steps = await crashEverywhere(
    async () => {},
    (s3) => create(s3, 'bbb'),
    async (s3) => {
      await heal(s3)
      await isWhole(s3, 'bbb')
    },
  )
  expect(steps).toBe(3)
})

test('wherever CreateBucket crashes, it can be repeated', async () => {
  await crashEverywhere(
    async () => {},
    (s3) => create(s3, 'bbb'),
    async (s3) => {
      await create(s3, 'bbb')
      expect(await names(s3)).toEqual(['bbb'])
      await isWhole(s3, 'bbb')
    },
  )
})

test('wherever DeleteBucket crashes, the sweep ends it or there is a whole bucket', async () => {
  const steps = await crashEverywhere(
    (s3) => withUploads(s3, 'bbb', 50),
    (s3) => remove(s3, 'bbb'),
    async (s3) => {
      await s3.sweep().run(false)
      s3.clock.time += CREATION_MAX_MS + 1
      await heal(s3)
      await isWhole(s3, 'bbb')
      const stands = (await outcome(head(s3, 'bbb'))) === 'done'
      expect(await s3.blobs()).toHaveLength(stands ? 50 : 0)
    },
  )
  expect(steps).toBe(6)
})

test('wherever DeleteBucket crashes, the name can be taken at once', async () => {
  await crashEverywhere(
    (s3) => withUploads(s3, 'bbb', 1),
    (s3) => remove(s3, 'bbb'),
    async (s3) => {
      await create(s3, 'bbb')
      await s3.put('k', 'v', {}, 'bbb')
      expect(await names(s3)).toEqual(['bbb'])
      await s3.sweep().run(false)
      expect(await s3.text('k', {}, 'bbb')).toBe('v')
    },
  )
})

test('a bucket that is deleted while objects are put is kept or stays empty', async () => {
  const seen = new Set<string>()
  for (let seed = 1; seed <= 200; seed++) {
    const s3 = new Fixture(new HesitatingStore(seed), new MemoryStorage())
    await create(s3, 'bbb')
    await head(s3, 'bbb')
    const [put, removed] = await Promise.all([
      outcome(s3.put('k', 'v', {}, 'bbb')),
      outcome(remove(s3, 'bbb')),
    ])
    seen.add(`${put} ${removed}`)
    const object = await readRow(s3.ctx.metadata, 'bbb', 'object', 'k')
    expect(object !== undefined).toBe(put === 'done')
    expect(await outcome(head(s3, 'bbb'))).toBe(removed === 'done' ? 'NoSuchBucket' : 'done')
  }
  expect([...seen].toSorted()).toEqual(['NoSuchBucket done', 'done BucketNotEmpty'])
})

test('creations and deletions of one name at once leave a whole bucket or none', async () => {
  for (let seed = 1; seed <= 300; seed++) {
    const s3 = new Fixture(new HesitatingStore(seed), new MemoryStorage())
    await create(s3, 'bbb')
    await Promise.all([
      outcome(remove(s3, 'bbb')),
      outcome(create(s3, 'bbb')),
      outcome(remove(s3, 'bbb')),
      outcome(create(s3, 'bbb', {}, OTHER)),
      outcome(remove(s3, 'bbb')),
    ])
    const row = await readRow(s3.ctx.metadata, 'bbb', 'bucket', '')
    const entry = await readEntry(s3.ctx.metadata, 'bbb')
    expect(row?.value.deleting).toBeUndefined()
    expect(entry?.value.owner).toBe(row?.value.owner[0])
    s3.clock.time += CREATION_MAX_MS + 1
    await heal(s3)
    await isWhole(s3, 'bbb')
  }
})
