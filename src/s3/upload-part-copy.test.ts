import { createHash } from 'node:crypto'
import { beforeEach, expect, test } from 'vitest'
import { MemoryStore } from '../../metadata/memory.ts'
import { MemoryStorage } from '../../storage/memory.ts'
import { digestOf } from '../lib/digest.ts'
import { HesitatingStore } from './troubled-store.fixture.ts'
import { outcome, Uploads } from './uploads.fixture.ts'

let s3: Uploads

beforeEach(async () => {
  s3 = new Uploads(new MemoryStore(), new MemoryStorage())
  await s3.bucket()
})

const LONG = Array.from({ length: 200 }, (_, n) => String.fromCharCode(33 + (n % 90))).join('')
const md5 = (text: string): string => `"${createHash('md5').update(text).digest('hex')}"`

test('parts copied from objects, whole or in ranges, are theirs even when the sources are gone', async () => {
  await s3.put('long', LONG)
  await s3.put('short', '0123456789')
  const id = await s3.begin()
  const whole = await s3.copyPart(id, 1, 'b/long')
  expect(whole.CopyPartResult).toMatchObject({ ETag: md5(LONG) })
  const range = await s3.copyPart(id, 2, '/b/long', { CopySourceRange: 'bytes=10-109' })
  const inlined = await s3.copyPart(id, 3, 'b/short', { CopySourceRange: 'bytes=2-4' })
  expect(inlined.CopyPartResult).toMatchObject({ ETag: md5('234') })
  expect(await s3.blobs()).toHaveLength(1)
  const etags = [whole, range, inlined].map((copy) => copy.CopyPartResult!.ETag)
  await s3.complete(
    id,
    etags.map((ETag, index) => ({ PartNumber: index + 1, ETag })),
  )
  await s3.delete('long')
  await s3.delete('short')
  await s3.sweep().run(false)
  expect(await s3.text('big')).toBe(`${LONG}${LONG.slice(10, 110)}234`)
  await s3.delete('big')
  await s3.sweep().run(false)
  expect(await s3.blobs()).toEqual([])
})

test('a range over several parts of the source is copied by its extents', async () => {
  const source = await s3.begin({ Key: 'source' })
  const parts = []
  for (const [index, text] of ['a'.repeat(50), 'b'.repeat(50), 'tiny'].entries()) {
    const { ETag } = await s3.part(source, index + 1, text).catch(() => ({ ETag: undefined }))
    parts.push({ PartNumber: index + 1, ETag })
  }
  expect(parts[0]?.ETag).toBeUndefined()
  const big = await s3.begin()
  await s3.complete(big, await s3.parts(big, 'a'.repeat(50), 'b'.repeat(50), 'tiny'))
  const id = await s3.begin()
  const { CopyPartResult } = await s3.copyPart(id, 1, 'b/big', {
    CopySourceRange: 'bytes=40-101',
  })
  await s3.complete(id, [{ PartNumber: 1, ETag: CopyPartResult!.ETag }])
  await s3.sweep().run(false)
  expect(await s3.text('big')).toBe(`${'a'.repeat(10)}${'b'.repeat(50)}ti`)
})

test('an upload with an algorithm gets the checksum of just the bytes that are copied', async () => {
  await s3.put('long', LONG)
  const id = await s3.begin({ ChecksumAlgorithm: 'CRC32', ChecksumType: 'FULL_OBJECT' })
  const { CopyPartResult } = await s3.copyPart(id, 1, 'b/long', { CopySourceRange: 'bytes=5-104' })
  const bytes = Buffer.from(LONG.slice(5, 105))
  const crc32 = digestOf('CRC32', bytes)
  expect(CopyPartResult).toMatchObject({ ChecksumCRC32: crc32, ETag: md5(bytes.toString()) })
  const output = await s3.complete(id, [{ PartNumber: 1, ETag: CopyPartResult!.ETag }])
  expect(output).toMatchObject({ ChecksumCRC32: crc32, ChecksumType: 'FULL_OBJECT' })
})

test('an object with a part that was copied unread has no checksum, rather than a wrong one', async () => {
  await s3.put('long', LONG)
  const id = await s3.begin()
  const { CopyPartResult } = await s3.copyPart(id, 1, 'b/long', { CopySourceRange: 'bytes=5-104' })
  const output = await s3.complete(id, [{ PartNumber: 1, ETag: CopyPartResult!.ETag }])
  expect(output).not.toHaveProperty('ChecksumType')
})

test('ranges of another form, or past the end, are refused', async () => {
  await s3.put('short', '0123456789')
  const id = await s3.begin()
  const copy = (CopySourceRange: string): Promise<string> =>
    outcome(s3.copyPart(id, 1, 'b/short', { CopySourceRange }))
  for (const wrong of ['0-2', 'bytes=0', 'bytes=a-b', 'bytes=0-', 'bytes=-2', 'bytes=0-2,3-5'])
    expect(await copy(wrong)).toBe('InvalidArgument')
  expect(await copy('bytes=5-4')).toBe('InvalidArgument')
  expect(await copy('bytes=5-3')).toBe('InvalidArgument')
  expect(await copy('bytes=0-10')).toBe('InvalidRange')
  expect(await copy('bytes=0-9')).toBe('done')
})

test('conditions on the source, a missing source and a missing upload are told apart', async () => {
  const { ETag } = await s3.put('short', '0123456789')
  const id = await s3.begin()
  expect(await outcome(s3.copyPart(id, 1, 'b/short', { CopySourceIfMatch: ETag }))).toBe('done')
  expect(await outcome(s3.copyPart(id, 1, 'b/short', { CopySourceIfNoneMatch: ETag }))).toBe(
    'PreconditionFailed',
  )
  expect(await outcome(s3.copyPart(id, 1, 'b/none'))).toBe('NoSuchKey')
  expect(await outcome(s3.copyPart(id, 1, 'none/short'))).toBe('NoSuchBucket')
  expect(await outcome(s3.copyPart('none', 1, 'b/short'))).toBe('NoSuchUpload')
  expect(await outcome(s3.copyPart(id, 0, 'b/short'))).toBe('InvalidArgument')
})

test('a copy of a source that is overwritten meanwhile is of the one or of the other', async () => {
  const other = LONG.toLowerCase()
  for (let seed = 1; seed <= 60; seed++) {
    s3 = new Uploads(new HesitatingStore(seed), new MemoryStorage())
    await s3.bucket()
    await s3.put('long', LONG)
    const id = await s3.begin()
    const [copied] = await Promise.all([s3.copyPart(id, 1, 'b/long'), s3.put('long', other)])
    await s3.sweep().run(false)
    await s3.complete(id, [{ PartNumber: 1, ETag: copied.CopyPartResult!.ETag }])
    expect(await s3.text('long')).toBe(other)
    const text = await s3.text('big')
    expect(md5(text)).toBe(copied.CopyPartResult!.ETag)
    expect([LONG, other]).toContain(text)
  }
})
