import { describe, expect, test } from 'vitest'
import { MemoryStore } from '../../metadata/memory.ts'
import { MemoryStorage } from '../../storage/memory.ts'
import type { S3Error } from '../api/error.ts'
import { parseCopySource } from './copy-source.ts'
import { partsContent } from './content.ts'
import { layOut } from './manifest.ts'
import { type StoredPart, writeRow } from './rows.ts'
import { countShares, Fixture } from './s3.fixture.ts'
import { transact } from './transact.ts'
import { pushVersion } from './version.ts'

async function opened(): Promise<Fixture> {
  const fixture = new Fixture(new MemoryStore(), new MemoryStorage())
  await fixture.bucket()
  return fixture
}

const LONG = 'a body that does not fit into its row'

/** An object of so many parts of 4 bytes, as a Complete would leave it. */
async function putParts(f: Fixture, key: string, count: number): Promise<string> {
  const parts: StoredPart[] = []
  let text = ''
  for (let number = 1; number <= count; number++) {
    const blob = f.ctx.ids.next()
    const body = String(number).padStart(4, '0')
    text += body
    await f.ctx.storage.put(blob, Buffer.from(body))
    parts.push([number, 4, `sum${number}`, [[blob, 0, 4]]])
  }
  await transact(f.ctx.metadata, 'b', async (tx) => {
    const bucket = await f.ctx.buckets.inBucket(tx, 'b')
    await pushVersion(f.ctx, tx, bucket, key, await tx.get('object', key), {
      t: f.clock.now(),
      s: text.length,
      e: `etag-${count}`,
      k: ['CRC32', `whole-${count}`, 'COMPOSITE'],
      c: partsContent(f.ctx, tx, parts),
      o: ['owner-id', 'Owner'],
    })
  })
  return text
}

describe('the source', () => {
  test.each<[string, object]>([
    ['b/k', { bucket: 'b', key: 'k' }],
    ['/b/k', { bucket: 'b', key: 'k' }],
    ['b/a%20b/c%2Bd+e', { bucket: 'b', key: 'a b/c+d+e' }],
    ['b%2Fk', { bucket: 'b', key: 'k' }],
    ['%2Fb%2Fk%2Fl', { bucket: 'b', key: 'k/l' }],
    ['b//k', { bucket: 'b', key: '/k' }],
    ['b/k?versionId=null', { bucket: 'b', key: 'k', versionId: 'null' }],
    ['b/%3FversionId', { bucket: 'b', key: '?versionId' }],
    ['b/\xc3\xa9', { bucket: 'b', key: 'é' }],
    ['b/ключ', { bucket: 'b', key: 'ключ' }],
  ])('%s', (header, expected) => {
    expect(parseCopySource(header)).toEqual(expected)
  })

  test('what names no bucket and key is InvalidArgument', () => {
    for (const header of ['', '/', 'b', '/b', 'b/', '//k', 'b/%', 'b/%ff']) {
      expect(() => parseCopySource(header)).toThrow(
        expect.objectContaining({ code: 'InvalidArgument' }),
      )
    }
  })
})

test('a copy has the bytes, ETag, headers and metadata of its source, and a life of its own', async () => {
  const f = await opened()
  for (const body of ['', 'short', LONG]) {
    const put = await f.put('from', body, { ContentType: 'text/plain', Metadata: { a: 'b' } })
    const { CopyObjectResult } = await f.copy('b/from', 'to')
    expect(CopyObjectResult).toMatchObject({
      ETag: put.ETag,
      ChecksumCRC64NVME: put.ChecksumCRC64NVME,
      LastModified: new Date(f.clock.time),
    })
    await f.delete('from')
    await f.sweep().run(false)
    expect(await f.text('to')).toBe(body)
    expect(await f.head('to')).toMatchObject({ ContentType: 'text/plain', Metadata: { a: 'b' } })
  }
  await f.delete('to')
  await f.sweep().run(false)
  expect(await f.blobs()).toEqual([])
})

test('copies move no bytes, however many there are, and the last one out takes the blob', async () => {
  const f = await opened()
  await f.put('0', LONG)
  for (let n = 1; n < 5; n++) await f.copy(`b/${n - 1}`, String(n))
  expect(await f.blobs()).toHaveLength(1)
  for (const n of [2, 0, 4, 1]) {
    await f.delete(String(n))
    await f.sweep().run(false)
    expect(await f.text('3')).toBe(LONG)
  }
  await f.delete('3')
  await f.sweep().run(false)
  expect(await f.blobs()).toEqual([])
  expect(await countShares(f.ctx.metadata)).toBe(0)
})

test.each([3, 64, 65, 1203])('an object of %i parts is copied with its parts', async (count) => {
  const f = await opened()
  const text = await putParts(f, 'from', count)
  await f.copy('b/from', 'to')
  await f.copy('b/to', 'again')
  await f.delete('from')
  await f.delete('to')
  await f.sweep().run(false)
  expect(await f.text('again')).toBe(text)
  expect(await f.text('again', { PartNumber: count })).toBe(String(count).padStart(4, '0'))
  const part = await f.head('again', { PartNumber: 2, ChecksumMode: 'ENABLED' })
  expect(part).toMatchObject({ PartsCount: count, ChecksumCRC32: 'sum2' })
  expect(await f.text('again', { Range: 'bytes=6-10' })).toBe(text.slice(6, 11))
  await f.delete('again')
  await f.sweep().run(false)
  expect(await f.blobs()).toEqual([])
})

test('REPLACE takes headers and metadata of the request, COPY those of the source but for the redirect', async () => {
  const f = await opened()
  await f.put('from', 'x', {
    ContentType: 'text/plain',
    WebsiteRedirectLocation: '/old',
    Metadata: { a: 'b' },
  })
  await f.copy('b/from', 'copied', { ContentType: 'ignored/yes', Metadata: { no: 'no' } })
  const copied = await f.head('copied')
  expect(copied).toMatchObject({ ContentType: 'text/plain', Metadata: { a: 'b' } })
  expect(copied.WebsiteRedirectLocation).toBeUndefined()
  await f.copy('b/from', 'replaced', {
    MetadataDirective: 'REPLACE',
    CacheControl: 'no-store',
    Metadata: { c: 'd' },
  })
  expect(await f.head('replaced')).toMatchObject({
    ContentType: 'binary/octet-stream',
    CacheControl: 'no-store',
    Metadata: { c: 'd' },
  })
})

test('an object copied onto itself must change something; its bytes then stay where they are', async () => {
  const f = await opened()
  await f.put('k', LONG)
  const blobs = await f.blobs()
  await expect(f.copy('b/k', 'k')).rejects.toMatchObject({ code: 'InvalidRequest' })
  for (const changes of [
    { MetadataDirective: 'REPLACE', Metadata: { a: 'b' } },
    { StorageClass: 'GLACIER_IR' },
    { WebsiteRedirectLocation: '/x' },
    { ChecksumAlgorithm: 'SHA256' },
  ]) {
    await f.copy('b/k', 'k', changes)
    await f.sweep().run(false)
    expect(await f.text('k')).toBe(LONG)
  }
  expect(await f.blobs()).toEqual(blobs)
  expect(await countShares(f.ctx.metadata)).toBe(0)
})

test('another checksum algorithm is computed from the bytes', async () => {
  const f = await opened()
  await f.put('from', 'hello')
  const { CopyObjectResult } = await f.copy('b/from', 'to', { ChecksumAlgorithm: 'SHA256' })
  expect(CopyObjectResult).toMatchObject({
    ChecksumSHA256: 'LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=',
    ChecksumType: 'FULL_OBJECT',
  })
})

test.each([3, 1203])(
  'the parts of %i lose checksums that are not of the new algorithm, and nothing else',
  async (count) => {
    const f = await opened()
    const text = await putParts(f, 'from', count)
    const other = { ChecksumAlgorithm: 'SHA256' }
    await f.copy('b/from', 'to', other)
    await f.copy('b/from', 'from', other)
    for (const key of ['to', 'from']) {
      const part = await f.head(key, { PartNumber: 2, ChecksumMode: 'ENABLED' })
      expect(part).toMatchObject({ PartsCount: count, ContentLength: 4 })
      expect([part.ChecksumSHA256, part.ChecksumCRC32]).toEqual([undefined, undefined])
      expect(await f.head(key, { ChecksumMode: 'ENABLED' })).toMatchObject({
        ChecksumSHA256: expect.any(String),
        ChecksumType: 'FULL_OBJECT',
      })
      expect(await f.text(key)).toBe(text)
    }
    await f.sweep().run(true)
    expect(await f.text('from')).toBe(text)
    await f.delete('from')
    await f.delete('to')
    await f.sweep().run(false)
    expect(await f.blobs()).toEqual([])
  },
)

test('conditions hold for the source and for the destination', async () => {
  const f = await opened()
  const { ETag } = await f.put('from', LONG)
  await f.put('to', 'x')
  const code = (more: object): Promise<unknown> =>
    f.copy('b/from', 'to', more).then(
      () => 'ok',
      (error: S3Error) => error.code,
    )
  expect(await code({ CopySourceIfMatch: '"x"' })).toBe('PreconditionFailed')
  expect(await code({ CopySourceIfNoneMatch: ETag })).toBe('PreconditionFailed')
  expect(await code({ IfNoneMatch: '*' })).toBe('PreconditionFailed')
  expect(await code({ IfMatch: '"x"' })).toBe('PreconditionFailed')
  expect(await f.text('to')).toBe('x')
  expect(await code({ CopySourceIfMatch: ETag })).toBe('ok')
  await f.delete('from')
  await f.delete('to')
  await f.sweep().run(false)
  expect(await f.blobs()).toEqual([])
  expect(await countShares(f.ctx.metadata)).toBe(0)
})

test('a source that is missing, deleted or too large is refused', async () => {
  const f = await opened()
  await expect(f.copy('b/none', 'to')).rejects.toMatchObject({ code: 'NoSuchKey' })
  await expect(f.copy('c/none', 'to')).rejects.toMatchObject({ code: 'NoSuchBucket' })
  await f.bucket('b', 'Enabled')
  await f.put('k', 'x')
  const { VersionId } = await f.delete('k')
  await expect(f.copy('b/k', 'to')).rejects.toMatchObject({ code: 'NoSuchKey' })
  const marker = f.copy(`b/k?versionId=${VersionId}`, 'to')
  await expect(marker).rejects.toMatchObject({ code: 'InvalidRequest' })
  await transact(f.ctx.metadata, 'b', async (tx) => {
    tx.put('object', 'huge', { q: 'Q', t: 0, s: 5 * 1024 ** 3 + 1, e: 'e', o: ['i', 'n'], c: {} })
  })
  const huge = f.copy('b/huge', 'to')
  await expect(huge).rejects.toMatchObject({
    code: 'InvalidRequest',
    message:
      'The specified copy source is larger than the maximum allowable size for a copy source: 5368709120',
  })
})

test('an old version is restored by copying it onto its key', async () => {
  const f = await opened()
  await f.bucket('b', 'Enabled')
  const { VersionId } = await f.put('k', LONG)
  await f.put('k', 'newer')
  const copied = await f.copy(`b/k?versionId=${VersionId}`, 'k')
  expect(copied.CopySourceVersionId).toBe(VersionId)
  expect(await f.text('k')).toBe(LONG)
  await f.delete('k', { VersionId })
  await f.sweep().run(false)
  expect(await f.text('k', { VersionId: copied.VersionId })).toBe(LONG)
})

test('a source of very many fragments is copied by its bytes', async () => {
  const f = await opened()
  const blob = f.ctx.ids.next()
  await f.ctx.storage.put(blob, Buffer.from('0123456789'))
  // Parts of many extents each, in far more pages than a commit takes.
  const extents = Array.from({ length: 40 }, (_, n) => [blob, n % 10, (n % 10) + 1] as const)
  const parts = Array.from({ length: 1600 }, (_, n): StoredPart => [n + 1, 40, null, extents])
  const { content, pages } = layOut(f.ctx.ids.next(), parts)
  expect(pages.length).toBeGreaterThan(24)
  for (const page of pages) {
    await f.ctx.metadata.commit({
      partition: 'b',
      expects: [],
      writes: [writeRow('page', page.sort, { p: page.parts })],
    })
  }
  await transact(f.ctx.metadata, 'b', async (tx) => {
    tx.put('object', 'from', {
      q: 'Q',
      v: 'null',
      t: 0,
      s: 64_000,
      e: 'e',
      o: ['i', 'n'],
      c: content,
    })
  })
  await f.copy('b/from', 'to')
  expect(await f.text('to')).toBe('0123456789'.repeat(6400))
  expect(await f.blobs()).toHaveLength(2)
  await f.copy('b/from', 'from', { ChecksumAlgorithm: 'SHA256' })
  expect(await f.text('from')).toBe('0123456789'.repeat(6400))
  await f.sweep().run(false)
  expect(await f.blobs()).toHaveLength(2)
})
