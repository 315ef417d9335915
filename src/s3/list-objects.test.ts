import { beforeEach, expect, test } from 'vitest'
import { MemoryStore } from '../../metadata/memory.ts'
import { MemoryStorage } from '../../storage/memory.ts'
import type { Input, Output } from '../api/operations.ts'
import { listObjects, listObjectsV2 } from './list-objects.ts'
import { CALL, Fixture, OWNER } from './s3.fixture.ts'

let s3: Fixture

beforeEach(async () => {
  s3 = new Fixture(new MemoryStore(), new MemoryStorage())
  await s3.bucket()
})

const v1 = (more: Partial<Input<'ListObjects'>> = {}): Promise<Output<'ListObjects'>> =>
  listObjects(s3.ctx)({ Bucket: 'b', ...more }, CALL)
const v2 = (more: Partial<Input<'ListObjectsV2'>> = {}): Promise<Output<'ListObjectsV2'>> =>
  listObjectsV2(s3.ctx)({ Bucket: 'b', ...more }, CALL)

async function fill(...keys: string[]): Promise<void> {
  for (const key of keys) await s3.put(key, key)
}

const keysOf = (page: Output<'ListObjects'>): unknown => page.Contents?.map((c) => c.Key)
const groupsOf = (page: Output<'ListObjects'>): unknown => page.CommonPrefixes?.map((c) => c.Prefix)

test('an entry says what S3 says of an object', async () => {
  await s3.put('k', 'hello', { StorageClass: 'STANDARD_IA' })
  const page = await v2({ FetchOwner: true })
  expect(page.Contents).toEqual([
    {
      Key: 'k',
      LastModified: new Date(s3.clock.now()),
      ETag: '"5d41402abc4b2a76b9719d911017c592"',
      Size: 5,
      StorageClass: 'STANDARD_IA',
      ChecksumAlgorithm: ['CRC64NVME'],
      ChecksumType: 'FULL_OBJECT',
      Owner: { ID: OWNER[0], DisplayName: OWNER[1] },
    },
  ])
  expect((await v2()).Contents?.[0]).not.toHaveProperty('Owner')
  expect((await v1()).Contents?.[0]).toHaveProperty('Owner')
})

test('V2 echoes what it was asked, and counts keys and prefixes together', async () => {
  await fill('a', 'b/1', 'b/2', 'c')
  const page = await v2({ Delimiter: '/', MaxKeys: 2, StartAfter: '0', Prefix: '' })
  expect(page).toMatchObject({
    Name: 'b',
    Prefix: '',
    Delimiter: '/',
    MaxKeys: 2,
    KeyCount: 2,
    StartAfter: '0',
    IsTruncated: true,
  })
  expect(keysOf(page)).toEqual(['a'])
  expect(groupsOf(page)).toEqual(['b/'])
  const rest = await v2({ Delimiter: '/', ContinuationToken: page.NextContinuationToken })
  expect(keysOf(rest)).toEqual(['c'])
  expect(rest.ContinuationToken).toBe(page.NextContinuationToken)
  expect(rest.IsTruncated).toBe(false)
  expect(rest).not.toHaveProperty('NextContinuationToken')
})

test('a token wins over StartAfter, and an empty token is none', async () => {
  await fill('bar', 'baz', 'foo')
  const first = await v2({ StartAfter: 'bar', MaxKeys: 1 })
  const second = await v2({
    StartAfter: 'bar',
    ContinuationToken: first.NextContinuationToken,
  })
  expect(keysOf(second)).toEqual(['foo'])
  expect(second.StartAfter).toBe('bar')
  const all = await v2({ ContinuationToken: '' })
  expect(keysOf(all)).toEqual(['bar', 'baz', 'foo'])
  expect(all.ContinuationToken).toBe('')
  await expect(v2({ ContinuationToken: 'garbage' })).rejects.toMatchObject({
    code: 'InvalidArgument',
    message: 'The continuation token provided is incorrect',
  })
})

test('V1 gives NextMarker only with a delimiter, and goes on from any marker', async () => {
  await fill('a', 'b/1', 'b/2', 'c')
  const plain = await v1({ MaxKeys: 1 })
  expect(plain).toMatchObject({ IsTruncated: true, Marker: '', MaxKeys: 1 })
  expect(plain).not.toHaveProperty('NextMarker')
  const folded = await v1({ MaxKeys: 2, Delimiter: '/' })
  expect(folded.NextMarker).toBe('b/')
  const rest = await v1({ Delimiter: '/', Marker: 'b/' })
  expect([keysOf(rest), groupsOf(rest)]).toEqual([['c'], []])
  expect(keysOf(await v1({ Marker: 'b/1' }))).toEqual(['b/2', 'c'])
})

test('no keys at all is an empty page that is not truncated', async () => {
  await fill('a')
  expect(await v2({ MaxKeys: 0 })).toMatchObject({ MaxKeys: 0, KeyCount: 0, IsTruncated: false })
  expect(await v2({ MaxKeys: 4000 })).toMatchObject({ MaxKeys: 1000, KeyCount: 1 })
  await expect(v1({ MaxKeys: -1 })).rejects.toMatchObject({ code: 'InvalidArgument' })
})

test('an empty delimiter is none, and is not echoed', async () => {
  await fill('a/b')
  const page = await v1({ Delimiter: '' })
  expect(keysOf(page)).toEqual(['a/b'])
  expect(page).not.toHaveProperty('Delimiter')
})

test('url encoding covers keys, prefixes, delimiter and markers, only when asked', async () => {
  await fill('foo+1/bar', 'quux ab/thud', 'asdf+b')
  const page = await v2({ Delimiter: '/', EncodingType: 'url', StartAfter: ' ' })
  expect(keysOf(page)).toEqual(['asdf%2Bb'])
  expect(groupsOf(page)).toEqual(['foo%2B1/', 'quux%20ab/'])
  expect(page).toMatchObject({ EncodingType: 'url', Delimiter: '/', StartAfter: '%20' })
  const next = await v1({ Delimiter: '+', EncodingType: 'url', MaxKeys: 1 })
  expect(next).toMatchObject({ Delimiter: '%2B', NextMarker: 'asdf%2B' })
  expect(keysOf(await v2({ Prefix: 'q' }))).toEqual(['quux ab/thud'])
})

test('the old listing shows its prefix as it came, where nobody could misread that', async () => {
  const prefixOf = async (Prefix: string): Promise<unknown> =>
    (await v1({ Prefix, EncodingType: 'url' })).Prefix
  expect(await prefixOf('a b\n')).toBe('a b\n')
  expect(await prefixOf('a+b')).toBe('a%2Bb')
  expect(await prefixOf('a\x01')).toBe('a%01')
  expect((await v2({ Prefix: 'a b', EncodingType: 'url' })).Prefix).toBe('a%20b')
})

test('a key whose newest version is a delete marker is not listed', async () => {
  await s3.bucket('b', 'Enabled')
  await fill('a/x', 'b')
  await s3.delete('a/x')
  const page = await v2({ Delimiter: '/' })
  expect([keysOf(page), groupsOf(page)]).toEqual([['b'], []])
})

test('a missing bucket, or one of another owner, is not listed', async () => {
  await expect(v2({ Bucket: 'none' })).rejects.toMatchObject({ code: 'NoSuchBucket' })
  await expect(v1({ ExpectedBucketOwner: 'x' })).rejects.toMatchObject({ code: 'AccessDenied' })
})
