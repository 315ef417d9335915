/** Policy, ownership and public access block of a bucket: kept, told, and minded by whoever writes. */
import { describe, expect, test } from 'vitest'
import { MemoryStore } from '../../metadata/memory.ts'
import { MemoryStorage } from '../../storage/memory.ts'
import type { Call } from '../api/operations.ts'
import type { S3Options } from './context.ts'
import { createFacts } from './facts.ts'
import { readRow } from './rows.ts'
import { CALL, Fixture, OWNER } from './s3.fixture.ts'
import { createS3 } from './service.ts'
import { outcome } from './uploads.fixture.ts'

const OTHER: Call = { ...CALL, requester: { id: 'other', displayName: 'Other' } }
const B = { Bucket: 'b' }

async function opened(options: Partial<S3Options> = {}) {
  const f = new Fixture(new MemoryStore(), new MemoryStorage(), options)
  await f.bucket()
  return { f, s3: createS3(f.ctx), facts: createFacts(f.ctx) }
}

async function isShared(f: Fixture): Promise<boolean> {
  return (await readRow(f.ctx.metadata, 'b', 'bucket', ''))?.value.shared === 1
}

test('a policy is given back as it came, and is told with an id that changes', async () => {
  const { f, s3, facts } = await opened()
  expect(await outcome(s3.GetBucketPolicy!(B, CALL))).toBe('NoSuchBucketPolicy')
  expect(await facts.policy('b')).toBeUndefined()
  await s3.PutBucketPolicy!({ ...B, Policy: '{ "one" : 1 }' }, CALL)
  expect(await s3.GetBucketPolicy!(B, CALL)).toEqual({ Policy: '{ "one" : 1 }' })
  const first = await facts.policy('b')
  expect(first?.[1]).toBe('{ "one" : 1 }')
  await s3.PutBucketPolicy!({ ...B, Policy: 'two, writers' }, CALL)
  const second = await facts.policy('b')
  expect(second?.[1]).toBe('two, writers')
  expect(second?.[0]).not.toBe(first?.[0])
  expect(await isShared(f)).toBe(true)
  await s3.DeleteBucketPolicy!(B, CALL)
  await s3.DeleteBucketPolicy!(B, CALL)
  expect(await facts.policy('b')).toBeUndefined()
  // What others have put meanwhile stays theirs.
  expect(await isShared(f)).toBe(true)
})

test('the status of a policy is whether it is public; of none, what the profile says', async () => {
  const status = async (options: Partial<S3Options>, policy?: string) => {
    const { s3 } = await opened(options)
    if (policy !== undefined) await s3.PutBucketPolicy!({ ...B, Policy: policy }, CALL)
    else await s3.PutBucketAcl!({ ...B, ACL: 'public-read' }, CALL)
    return s3.GetBucketPolicyStatus!(B, CALL).then(
      ({ PolicyStatus }) => PolicyStatus?.IsPublic,
      ({ code }: { code: string }) => code,
    )
  }
  expect(await status({}, 'public')).toBe(true)
  expect(await status({}, 'private')).toBe(false)
  expect(await status({ compat: 'legacy' })).toBe(true)
  expect(await status({ compat: 'aws-2026' })).toBe('NoSuchBucketPolicy')
})

test('the public access block is kept, told, and taken away', async () => {
  const { s3 } = await opened()
  const none = 'NoSuchPublicAccessBlockConfiguration'
  expect(await outcome(s3.GetPublicAccessBlock!(B, CALL))).toBe(none)
  const block = {
    BlockPublicAcls: true,
    IgnorePublicAcls: false,
    BlockPublicPolicy: true,
    RestrictPublicBuckets: false,
  }
  await s3.PutPublicAccessBlock!({ ...B, PublicAccessBlockConfiguration: block }, CALL)
  expect(await s3.GetPublicAccessBlock!(B, CALL)).toEqual({ PublicAccessBlockConfiguration: block })
  expect(await outcome(s3.PutBucketPolicy!({ ...B, Policy: 'public' }, CALL))).toBe('AccessDenied')
  expect(await outcome(s3.PutBucketPolicy!({ ...B, Policy: 'private' }, CALL))).toBe('done')
  await s3.DeletePublicAccessBlock!(B, CALL)
  expect(await outcome(s3.GetPublicAccessBlock!(B, CALL))).toBe(none)
  expect(await outcome(s3.PutBucketPolicy!({ ...B, Policy: 'public' }, CALL))).toBe('done')
})

test('no path sets a public list where they are blocked', async () => {
  const { f, s3 } = await opened()
  await f.put('k', 'x')
  const PublicAccessBlockConfiguration = { BlockPublicAcls: true }
  await s3.PutPublicAccessBlock!({ ...B, PublicAccessBlockConfiguration }, CALL)
  const ACL = 'authenticated-read'
  const at = { ...B, Key: 'k' }
  for (const attempt of [
    s3.PutBucketAcl!({ ...B, ACL }, CALL),
    s3.PutObjectAcl!({ ...at, ACL }, CALL),
    f.put('new', 'x', { ACL }),
    f.copy('b/k', 'new', { ACL }),
    s3.CreateMultipartUpload!({ ...at, ACL }, CALL),
    f.put('new', 'x', { GrantRead: 'uri="http://acs.amazonaws.com/groups/global/AllUsers"' }),
  ])
    expect(await outcome(attempt)).toBe('AccessDenied')
  expect(await outcome(f.put('new', 'x', { ACL: 'private', Key: 'k' }))).toBe('done')
})

describe('ownership', () => {
  const set = (s3: Awaited<ReturnType<typeof opened>>['s3'], ObjectOwnership: string) =>
    s3.PutBucketOwnershipControls!(
      {
        ...B,
        OwnershipControls: { Rules: [{ ObjectOwnership: ObjectOwnership as 'ObjectWriter' }] },
      },
      CALL,
    )

  test('is kept, told, and taken away', async () => {
    const { s3 } = await opened()
    const none = 'OwnershipControlsNotFoundError'
    expect(await outcome(s3.GetBucketOwnershipControls!(B, CALL))).toBe(none)
    await set(s3, 'BucketOwnerPreferred')
    expect(await s3.GetBucketOwnershipControls!(B, CALL)).toEqual({
      OwnershipControls: { Rules: [{ ObjectOwnership: 'BucketOwnerPreferred' }] },
    })
    await s3.DeleteBucketOwnershipControls!(B, CALL)
    expect(await outcome(s3.GetBucketOwnershipControls!(B, CALL))).toBe(none)
    expect(await outcome(set(s3, 'Mine'))).toBe('MalformedXML')
    const two = {
      Rules: [{ ObjectOwnership: 'ObjectWriter' }, { ObjectOwnership: 'ObjectWriter' }],
    } as const
    expect(
      await outcome(
        s3.PutBucketOwnershipControls!({ ...B, OwnershipControls: two as never }, CALL),
      ),
    ).toBe('MalformedXML')
  })

  async function ownerOf(
    { f, s3 }: Awaited<ReturnType<typeof opened>>,
    more: object = {},
  ): Promise<string | undefined> {
    await s3.PutObject!({ ...B, Key: 'k', ...more }, OTHER)
    expect((await f.head('k')).ETag).toBeDefined()
    return (await s3.GetObjectAcl!({ ...B, Key: 'k' }, CALL)).Owner?.ID
  }

  test('of what others put: theirs, the bucket owner’s where they say so, or always', async () => {
    const world = await opened()
    await world.s3.PutBucketPolicy!({ ...B, Policy: 'writers' }, CALL)
    const given = { ACL: 'bucket-owner-full-control' }
    await set(world.s3, 'ObjectWriter')
    expect(await ownerOf(world)).toBe('other')
    expect(await ownerOf(world, given)).toBe('other')
    await set(world.s3, 'BucketOwnerPreferred')
    expect(await ownerOf(world)).toBe('other')
    expect(await ownerOf(world, given)).toBe(OWNER[0])
    await ownerOf(world)
    await set(world.s3, 'BucketOwnerEnforced')
    // Even of what is there already.
    expect((await world.s3.GetObjectAcl!({ ...B, Key: 'k' }, CALL)).Owner?.ID).toBe(OWNER[0])
    expect(await ownerOf(world)).toBe(OWNER[0])
    expect(await ownerOf(world, given)).toBe(OWNER[0])
  })

  test('of uploads in parts goes by the same rules, and tells who began them', async () => {
    const { s3 } = await opened()
    await s3.PutBucketPolicy!({ ...B, Policy: 'writers' }, CALL)
    await set(s3, 'BucketOwnerPreferred')
    const at = { ...B, Key: 'k' }
    const ACL = 'bucket-owner-full-control'
    const { UploadId } = await s3.CreateMultipartUpload!({ ...at, ACL }, OTHER)
    const listed = await s3.ListParts!({ ...at, UploadId }, CALL)
    expect([listed.Owner?.ID, listed.Initiator?.ID]).toEqual([OWNER[0], 'other'])
    const { ETag } = await s3.UploadPart!({ ...at, UploadId, PartNumber: 1 }, OTHER)
    const MultipartUpload = { Parts: [{ PartNumber: 1, ETag }] }
    await s3.CompleteMultipartUpload!({ ...at, UploadId, MultipartUpload }, OTHER)
    expect((await s3.GetObjectAcl!(at, CALL)).Owner?.ID).toBe(OWNER[0])
  })

  test('that is the bucket owner’s knows no lists', async () => {
    const { f, s3 } = await opened()
    await f.put('k', 'x', { ACL: 'public-read' })
    await s3.PutBucketAcl!({ ...B, ACL: 'public-read' }, CALL)
    expect(await outcome(set(s3, 'BucketOwnerEnforced'))).toBe(
      'InvalidBucketAclWithObjectOwnership',
    )
    await s3.PutBucketAcl!({ ...B, ACL: 'private' }, CALL)
    await set(s3, 'BucketOwnerEnforced')
    const not = 'AccessControlListNotSupported'
    const at = { ...B, Key: 'k' }
    expect(await outcome(s3.PutBucketAcl!({ ...B, ACL: 'private' }, CALL))).toBe(not)
    expect(await outcome(s3.PutObjectAcl!({ ...at, ACL: 'private' }, CALL))).toBe(not)
    expect(await outcome(f.put('k', 'x', { ACL: 'private' }))).toBe(not)
    expect(await outcome(f.copy('b/k', 'l', { ACL: 'public-read' }))).toBe(not)
    expect(await outcome(f.put('l', 'x', { GrantFullControl: `id="${OWNER[0]}"` }))).toBe('done')
    expect(await outcome(f.put('l', 'x', { GrantFullControl: 'id=other' }))).toBe(not)
    expect((await s3.GetObjectAcl!(at, CALL)).Grants).toHaveLength(1)
  })

  test('of a bucket that was never opened stays with its owner, whoever writes', async () => {
    const world = await opened()
    expect(await ownerOf(world)).toBe(OWNER[0])
    await world.s3.PutBucketAcl!({ ...B, ACL: 'public-read-write' }, CALL)
    expect(await ownerOf(world)).toBe('other')
  })
})

test('authorization is told of objects, versions and uploads as they are', async () => {
  const { f, s3, facts } = await opened()
  await f.bucket('b', 'Enabled')
  const { VersionId } = await f.put('k', 'x', { Tagging: 'a=1', ACL: 'public-read' })
  await f.put('k', 'y')
  expect(await facts.object('b', 'k', undefined)).toEqual({
    owner: OWNER[0],
    acl: undefined,
    tags: {},
  })
  const old = await facts.object('b', 'k', VersionId)
  expect(old).toMatchObject({ tags: { a: '1' }, acl: { grants: [{}, {}] } })
  expect(await facts.object('b', 'k', 'no id at all')).toBeUndefined()
  expect(await facts.object('b', 'k'.repeat(2000), undefined)).toBeUndefined()
  await f.delete('k')
  expect(await facts.object('b', 'k', undefined)).toBeUndefined()
  const { UploadId } = await s3.CreateMultipartUpload!({ ...B, Key: 'u' }, OTHER)
  expect(await facts.initiator('b', 'u', UploadId!)).toBe('other')
  expect(await facts.initiator('b', 'u', '__proto__')).toBeUndefined()
})

test('each key of a batch, and the source of a copy, is asked for by itself', async () => {
  const { f, s3 } = await opened()
  const asked: string[] = []
  const limited: Call = {
    ...CALL,
    access: {
      may: (action, { bucket, key, versionId }) => {
        asked.push([action, bucket, key, versionId].filter(Boolean).join(' '))
        return key !== 'secret'
      },
    },
  }
  for (const key of ['open', 'secret']) await f.put(key, 'x')
  const Objects = [{ Key: 'open' }, { Key: 'secret' }, { Key: 'secret', VersionId: 'null' }]
  const { Deleted, Errors } = await s3.DeleteObjects!({ ...B, Delete: { Objects } }, limited)
  expect(Deleted).toEqual([{ Key: 'open' }])
  expect(Errors?.map(({ Key, Code }) => [Key, Code])).toEqual([
    ['secret', 'AccessDenied'],
    ['secret', 'AccessDenied'],
  ])
  expect(asked).toEqual([
    's3:DeleteObject b open',
    's3:DeleteObject b secret',
    's3:DeleteObjectVersion b secret null',
  ])
  expect(await f.text('secret')).toBe('x')
  const copy = (CopySource: string) =>
    outcome(s3.CopyObject!({ ...B, Key: 'c', CopySource }, limited))
  const { UploadId } = await s3.CreateMultipartUpload!({ ...B, Key: 'u' }, CALL)
  const part = (CopySource: string) =>
    outcome(s3.UploadPartCopy!({ ...B, Key: 'u', UploadId, PartNumber: 1, CopySource }, limited))
  for (const source of [
    'b/secret',
    '/b/secret',
    'b/secret?versionId=null',
    'b%2Fsecret',
    'b/s%65cret',
  ]) {
    expect(await copy(source)).toBe('AccessDenied')
    expect(await part(source)).toBe('AccessDenied')
  }
})

test('tags are given only by who may give them: to what is put, begun and copied alike', async () => {
  const { f, s3 } = await opened()
  const asked: string[] = []
  const limited: Call = {
    ...CALL,
    access: {
      may: (action) => {
        asked.push(action)
        return action !== 's3:PutObjectTagging'
      },
    },
  }
  await f.put('source', 'x', { Tagging: 'a=b' })
  const at = { ...B, Key: 'k' }
  expect(await outcome(s3.PutObject!({ ...at, Tagging: 'a=b' }, limited))).toBe('AccessDenied')
  expect(await outcome(s3.CreateMultipartUpload!({ ...at, Tagging: 'a=b' }, limited))).toBe(
    'AccessDenied',
  )
  const CopySource = 'b/source'
  expect(await outcome(s3.CopyObject!({ ...at, CopySource }, limited))).toBe('AccessDenied')
  expect(asked.filter((action) => action === 's3:PutObjectTagging')).toHaveLength(3)
  await expect(f.head('k')).rejects.toMatchObject({ code: 'NoSuchKey' })
})
