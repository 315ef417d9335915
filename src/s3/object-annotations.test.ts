import { beforeEach, expect, test } from 'vitest'
import { MemoryStore } from '../../metadata/memory.ts'
import { MemoryStorage } from '../../storage/memory.ts'
import { underKey } from '../../storage/open.ts'
import { brings, Encrypted } from './encryption.fixture.ts'
import {
  deleteObjectAnnotation,
  getObjectAnnotation,
  listObjectAnnotations,
  putObjectAnnotation,
} from './object-annotations.ts'
import { putObjectLegalHold } from './object-lock.ts'
import { renameObject } from './rename-object.ts'
import { scanRows } from './rows.ts'
import { BytesPayload, CALL, Fixture, textOf } from './s3.fixture.ts'

const LONG = 'a text that is longer than what stands in a row'

let f: Fixture
beforeEach(async () => {
  f = new Fixture(new MemoryStore(), new MemoryStorage())
  await f.bucket()
  await f.put('k', 'body')
})

function annotate(name: string, text: string | Uint8Array, more: object = {}): Promise<object> {
  const AnnotationPayload = new BytesPayload(Buffer.from(text))
  const input = { Bucket: 'b', Key: 'k', AnnotationName: name, AnnotationPayload, ...more }
  return putObjectAnnotation(f.ctx)(input, CALL)
}

async function read(name: string, more: object = {}): Promise<string> {
  const input = { Bucket: 'b', Key: 'k', AnnotationName: name, ...more }
  return textOf((await getObjectAnnotation(f.ctx)(input, CALL)).AnnotationPayload)
}

function remove(name: string, more: object = {}): Promise<object> {
  const input = { Bucket: 'b', Key: 'k', AnnotationName: name, ...more }
  return deleteObjectAnnotation(f.ctx)(input, CALL)
}

const list = (more: object = {}): ReturnType<ReturnType<typeof listObjectAnnotations>> =>
  listObjectAnnotations(f.ctx)({ Bucket: 'b', Key: 'k', ...more }, CALL)

async function names(more: object = {}): Promise<(string | undefined)[]> {
  return ((await list(more)).Annotations ?? []).map(({ AnnotationName }) => AnnotationName)
}

const parts = async (bucket = 'b'): Promise<number> =>
  (await scanRows(f.ctx.metadata, bucket, 'part', { from: '', limit: 1000 })).length

test('an annotation is put, got, replaced and deleted beside its object, which stays as it is', async () => {
  const put = await annotate('summary', 'short')
  expect(put).toMatchObject({ Key: 'k', AnnotationName: 'summary', ChecksumType: 'FULL_OBJECT' })
  await annotate('summary', LONG)
  expect(await read('summary')).toBe(LONG)
  await annotate('summary', 'short again')
  expect(await read('summary')).toBe('short again')
  expect(await f.text('k')).toBe('body')
  await remove('summary')
  await remove('summary')
  await expect(read('summary')).rejects.toMatchObject({ code: 'NoSuchAnnotation', status: 404 })
  await f.sweep().run(false)
  expect(await f.blobs()).toEqual([])
})

test('annotations are listed in the order of their names, by prefix and in pages', async () => {
  for (const name of ['b', 'a/2', 'a/1', '\u{1f600}', 'é']) await annotate(name, name)
  expect(await names()).toEqual(['a/1', 'a/2', 'b', 'é', '\u{1f600}'])
  expect(await names({ AnnotationPrefix: 'a/' })).toEqual(['a/1', 'a/2'])
  const page = await list({ MaxAnnotationResults: 2 })
  expect(page.AnnotationCount).toBe(2)
  const rest = await names({ ContinuationToken: page.NextContinuationToken })
  expect(rest).toEqual(['b', 'é', '\u{1f600}'])
  expect(page.Annotations![0]).toMatchObject({ Size: 3, ChecksumAlgorithm: ['CRC64NVME'] })
})

test.each([
  ['', 'InvalidAnnotationName'],
  ['aws-x', 'InvalidAnnotationName'],
  ['S3x', 'InvalidAnnotationName'],
  ['a\nb', 'InvalidAnnotationName'],
  ['é'.repeat(257), 'AnnotationNameTooLong'],
])('the name %j is refused', async (name, code) => {
  await expect(annotate(name, 'x')).rejects.toMatchObject({ code, status: 400 })
})

test('what is empty, over 1 MiB or no UTF-8 is refused, and nothing is stored', async () => {
  await expect(annotate('a', '')).rejects.toMatchObject({ code: 'InvalidRequest' })
  const long = new Uint8Array(1024 * 1024 + 1).fill(65)
  await expect(annotate('a', long)).rejects.toMatchObject({ code: 'EntityTooLarge' })
  const binary = Uint8Array.of(0xc3, 0x28)
  await expect(annotate('a', binary)).rejects.toMatchObject({ code: 'UnsupportedMediaType' })
  expect(await names()).toEqual([])
  expect(await parts()).toBe(0)
})

test('one more than a thousand is refused, but one of them may be replaced', async () => {
  for (let n = 0; n < 1000; n++) await annotate(`n${n}`, 'x')
  await expect(annotate('more', 'x')).rejects.toMatchObject({ code: 'AnnotationLimitExceeded' })
  await annotate('n7', 'y')
  await remove('n8')
  await annotate('more', 'x')
})

test('a condition on the object is one on its ETag', async () => {
  const ObjectIfMatch = '"nothing"'
  const failed = { code: 'PreconditionFailed' }
  await expect(annotate('a', 'x', { ObjectIfMatch })).rejects.toMatchObject(failed)
  await annotate('a', 'x', { ObjectIfMatch: (await f.head('k')).ETag })
  await expect(remove('a', { ObjectIfMatch })).rejects.toMatchObject(failed)
})

test('of what is not there nothing is annotated', async () => {
  await expect(annotate('a', 'x', { Key: 'none' })).rejects.toMatchObject({ code: 'NoSuchKey' })
  await expect(read('a', { Key: 'none' })).rejects.toMatchObject({ code: 'NoSuchKey' })
  await expect(remove('a', { Key: 'none' })).rejects.toMatchObject({ code: 'NoSuchKey' })
  await expect(annotate('a', 'x', { Bucket: 'none' })).rejects.toMatchObject({
    code: 'NoSuchBucket',
  })
})

test('each version has annotations of its own, and they go with it', async () => {
  await f.bucket('b', 'Enabled')
  const { VersionId: first } = await f.put('k', 'one')
  await annotate('a', LONG)
  const { VersionId: second } = await f.put('k', 'two')
  expect(await names()).toEqual([])
  await annotate('a', 'of two')
  await annotate('b', 'of one', { VersionId: first })
  expect(await names({ VersionId: first })).toEqual(['a', 'b'])
  expect(await names({ VersionId: second })).toEqual(['a'])
  await f.delete('k', { VersionId: second })
  expect(await names()).toEqual(['a', 'b'])
  await f.sweep().run(false)
  expect(await parts()).toBe(2)
  await f.delete('k', { VersionId: first })
  await f.sweep().run(false)
  expect(await parts()).toBe(0)
})

test('an object that is overwritten or deleted leaves nothing of its annotations', async () => {
  await annotate('a', LONG)
  await f.put('k', 'new')
  expect(await names()).toEqual([])
  await annotate('b', LONG)
  await f.delete('k')
  await f.sweep().run(true)
  expect(await parts()).toBe(0)
  expect(await f.blobs()).toEqual([])
})

test('annotations move with an object that is renamed', async () => {
  await annotate('a', LONG)
  await renameObject(f.ctx)({ Bucket: 'b', Key: 'new', RenameSource: 'k' }, CALL)
  expect(await read('a', { Key: 'new' })).toBe(LONG)
})

test('a copy has the annotations of its source, unless they are excluded', async () => {
  await annotate('a', LONG)
  await annotate('b', 'short')
  await f.bucket('c')
  await f.copy('b/k', 'copy', { Bucket: 'c' })
  await f.copy('b/k', 'bare', { AnnotationDirective: 'EXCLUDE' })
  expect(await names({ Key: 'bare' })).toEqual([])
  await f.delete('k')
  await f.sweep().run(true)
  f.clock.time += 2 * 3_600_000
  await f.sweep().run(true)
  expect(await read('a', { Bucket: 'c', Key: 'copy' })).toBe(LONG)
  expect(await read('b', { Bucket: 'c', Key: 'copy' })).toBe('short')
})

test('a copy onto itself keeps its annotations', async () => {
  await annotate('a', LONG)
  await f.copy('b/k', 'k', { MetadataDirective: 'REPLACE', Metadata: { x: 'y' } })
  await f.sweep().run(true)
  expect(await read('a')).toBe(LONG)
  expect(await parts()).toBe(1)
})

test('a copy that comes to no end leaves nothing after an hour', async () => {
  await annotate('a', LONG)
  await expect(f.copy('b/k', 'k2', { IfMatch: '"none"' })).rejects.toBeDefined()
  await f.sweep().run(false)
  expect(await parts()).toBe(2)
  f.clock.time += 2 * 3_600_000
  await f.sweep().run(false)
  expect(await parts()).toBe(1)
})

test('annotations of a version that is locked are neither replaced nor deleted', async () => {
  await annotate('a', 'x')
  const row = await f.ctx.buckets.readFresh('b')
  await f.ctx.metadata.commit({
    partition: 'b',
    expects: [],
    writes: [{ table: 'bucket', sort: '', value: { ...row.value, lock: {} } as never }],
  })
  f.ctx.buckets.forget('b')
  await putObjectLegalHold(f.ctx)({ Bucket: 'b', Key: 'k', LegalHold: { Status: 'ON' } }, CALL)
  await expect(annotate('a', 'y')).rejects.toMatchObject({ code: 'AccessDenied' })
  await expect(remove('a')).rejects.toMatchObject({ code: 'AccessDenied' })
  await annotate('b', 'new ones hurt nobody')
})

test('annotations are encrypted as their object is, and copies as theirs', async () => {
  const storage = new MemoryStorage()
  const e = new Encrypted(new MemoryStore(), storage, underKey(storage))
  f = e
  await e.bucket()
  await e.put('k', 'x', { ServerSideEncryption: 'aws:kms', SSEKMSKeyId: 'k1' })
  const mark = 'a text that nobody finds at rest'
  expect(await annotate('short', mark)).toMatchObject({ ServerSideEncryption: 'aws:kms' })
  await annotate('long', mark.repeat(10))
  await e.copy('b/k', 'copy', { ServerSideEncryption: 'AES256' })
  expect(await read('short')).toBe(mark)
  expect(await read('long', { Key: 'copy' })).toBe(mark.repeat(10))
  expect((await e.atRest()).includes(mark)).toBe(false)
  await e.put('c', 'x', brings('customer'))
  await expect(annotate('a', 'x', { Key: 'c' })).rejects.toMatchObject({ code: 'InvalidRequest' })
  const customer = e.copy('b/k', 'd', brings('customer'))
  await expect(customer).rejects.toMatchObject({ code: 'InvalidRequest' })
})
