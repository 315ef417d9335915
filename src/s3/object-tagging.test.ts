import { beforeEach, expect, test } from 'vitest'
import { MemoryStore } from '../../metadata/memory.ts'
import { MemoryStorage } from '../../storage/memory.ts'
import type { Access } from '../api/access.ts'
import type { Call } from '../api/operations.ts'
import { deleteBucketTagging, getBucketTagging, putBucketTagging } from './bucket-tagging.ts'
import { createBucket } from './create-bucket.ts'
import { deleteObjectTagging, getObjectTagging, putObjectTagging } from './object-tagging.ts'
import { copyObject } from './copy-object.ts'
import { CALL } from './s3.fixture.ts'
import { Uploads } from './uploads.fixture.ts'

let f: Uploads
beforeEach(async () => {
  f = new Uploads(new MemoryStore(), new MemoryStorage())
  await f.bucket()
})

type Pairs = readonly (readonly [string, string])[]

const tagSet = (pairs: Pairs): { TagSet: { Key: string; Value: string }[] } => ({
  TagSet: pairs.map(([Key, Value]) => ({ Key, Value })),
})

function put(Key: string, pairs: Pairs, more: object = {}): Promise<unknown> {
  return putObjectTagging(f.ctx)({ Bucket: 'b', Key, Tagging: tagSet(pairs), ...more }, CALL)
}

async function get(Key: string, more: object = {}): Promise<Pairs> {
  const { TagSet } = await getObjectTagging(f.ctx)({ Bucket: 'b', Key, ...more }, CALL)
  return TagSet!.map((tag) => [tag.Key!, tag.Value!] as const)
}

test('tags are put, replaced and taken off, and are shown by their keys, and nothing else of the object changes', async () => {
  await f.put('k', 'hello')
  const before = await f.head('k')
  f.clock.time += 5000
  await put('k', [
    ['2', ''],
    ['1', 'one'],
  ])
  expect(await get('k')).toEqual([
    ['1', 'one'],
    ['2', ''],
  ])
  expect(await f.head('k')).toEqual({ ...before, TagCount: 2 })
  expect(await f.text('k')).toBe('hello')
  await put('k', [['new', 'x']])
  expect(await get('k')).toEqual([['new', 'x']])
  await deleteObjectTagging(f.ctx)({ Bucket: 'b', Key: 'k' }, CALL)
  expect(await get('k')).toEqual([])
  expect(await f.head('k')).toEqual(before)
  await expect(get('nothing')).rejects.toMatchObject({ code: 'NoSuchKey' })
  await expect(put('nothing', [])).rejects.toMatchObject({ code: 'NoSuchKey' })
})

test('each version bears its own tags, and a delete marker none', async () => {
  await f.bucket('b', 'Enabled')
  const { VersionId: first } = await f.put('k', '1', { Tagging: 'n=1' })
  const { VersionId: second } = await f.put('k', '2')
  expect(await put('k', [['n', 'one']], { VersionId: first })).toEqual({ VersionId: first })
  expect(await get('k', { VersionId: first })).toEqual([['n', 'one']])
  expect(await get('k', { VersionId: second })).toEqual([])
  const { VersionId: marker } = await f.delete('k')
  await expect(put('k', [['a', 'b']])).rejects.toMatchObject({ code: 'NoSuchKey' })
  await expect(put('k', [['a', 'b']], { VersionId: marker })).rejects.toMatchObject({
    code: 'MethodNotAllowed',
  })
  expect(await f.text('k', { VersionId: first })).toBe('1')
})

test('a header gives tags to an upload, whole or in parts, percent-encoded in UTF-8', async () => {
  await f.put('k', 'x', { Tagging: 'a=1&caf%C3%A9=%2B+&empty&e=' })
  expect(await get('k')).toEqual([
    ['a', '1'],
    ['café', '+ '],
    ['e', ''],
    ['empty', ''],
  ])
  const id = await f.begin({ Tagging: 'from=parts' })
  await f.complete(id, await f.parts(id, 'x'))
  expect(await get('big')).toEqual([['from', 'parts']])
  for (const Tagging of ['a=1&a=2', 'a=%zz', '%FF=1']) {
    await expect(f.put('k2', 'x', { Tagging })).rejects.toMatchObject({ code: 'InvalidArgument' })
  }
  await expect(f.head('k2')).rejects.toMatchObject({ code: 'NoSuchKey' })
})

test('a copy bears the tags of its source, or those of the request', async () => {
  await f.put('k', 'x', { Tagging: 'a=1' })
  await f.copy('b/k', 'kept', { Tagging: 'ignored=1' })
  expect(await get('kept')).toEqual([['a', '1']])
  await f.copy('b/k', 'replaced', { TaggingDirective: 'REPLACE', Tagging: 'b=2' })
  expect(await get('replaced')).toEqual([['b', '2']])
  await f.copy('b/k', 'bare', { TaggingDirective: 'REPLACE' })
  expect(await get('bare')).toEqual([])
})

test('more than 10 tags, long ones, double ones, odd characters and the prefix of AWS are refused, and change nothing', async () => {
  await f.put('k', 'x', { Tagging: 'a=1' })
  const many = (count: number): Pairs => Array.from({ length: count }, (_, n) => [`${n}`, ''])
  const refused: Pairs[] = [
    many(11),
    [['k'.repeat(129), '']],
    [['', 'v']],
    [['k', 'v'.repeat(257)]],
    [
      ['k', '1'],
      ['k', '2'],
    ],
    [['aws:k', 'v']],
    [['k', 'a|b']],
    [['k\n', 'v']],
  ]
  for (const pairs of refused) {
    await expect(put('k', pairs)).rejects.toMatchObject({ code: 'InvalidTag', status: 400 })
  }
  await expect(
    putObjectTagging(f.ctx)(
      { Bucket: 'b', Key: 'k', Tagging: { TagSet: [{ Key: 'k' } as never] } },
      CALL,
    ),
  ).rejects.toMatchObject({ code: 'MalformedXML' })
  expect(await get('k')).toEqual([['a', '1']])
  await put('k', many(10))
  await put('k', [['𝔎'.repeat(128), '𝔙'.repeat(256)]])
})

test('who may not give tags can neither upload nor copy with them, and who may not read them is not told their number', async () => {
  const without = (...denied: string[]): Call => {
    const access: Access = { may: (action) => !denied.includes(action) }
    return { ...CALL, access }
  }
  await f.put('k', 'x', { Tagging: 'a=1' })
  const copy = (call: Call): Promise<unknown> =>
    copyObject(f.ctx)({ Bucket: 'b', Key: 'copy', CopySource: 'b/k' }, call)
  await expect(copy(without('s3:PutObjectTagging'))).rejects.toMatchObject({ code: 'AccessDenied' })
  await expect(copy(without('s3:GetObjectTagging'))).rejects.toMatchObject({ code: 'AccessDenied' })
  await expect(f.head('copy')).rejects.toMatchObject({ code: 'NoSuchKey' })
  await copy(without())
  expect(await f.head('copy')).toMatchObject({ TagCount: 1 })
})

test('a bucket has up to 50 tags, from its creation or later', async () => {
  const of = { Bucket: 'tagged' }
  const Tags = tagSet([['team', 'a']]).TagSet
  await createBucket(f.ctx)({ ...of, CreateBucketConfiguration: { Tags } }, CALL)
  expect(await getBucketTagging(f.ctx)(of, CALL)).toEqual({ TagSet: Tags })
  const many = Array.from({ length: 51 }, (_, n) => [`${n + 10}`, ''] as const)
  const Tagging = tagSet(many.slice(1))
  await putBucketTagging(f.ctx)({ ...of, Tagging }, CALL)
  expect(await getBucketTagging(f.ctx)(of, CALL)).toEqual(Tagging)
  await expect(
    putBucketTagging(f.ctx)({ ...of, Tagging: tagSet(many) }, CALL),
  ).rejects.toMatchObject({ code: 'InvalidTag' })
  await deleteBucketTagging(f.ctx)(of, CALL)
  await expect(getBucketTagging(f.ctx)(of, CALL)).rejects.toMatchObject({ code: 'NoSuchTagSet' })
})

test('the error for too many tags is the one of the profile', async () => {
  const today = new Uploads(new MemoryStore(), new MemoryStorage(), { compat: 'aws-2026' })
  await today.bucket()
  const Tagging = Array.from({ length: 11 }, (_, n) => `${n}=`).join('&')
  await expect(today.put('k', 'x', { Tagging })).rejects.toMatchObject({ code: 'BadRequest' })
  await expect(f.put('k', 'x', { Tagging })).rejects.toMatchObject({ code: 'InvalidTag' })
})
