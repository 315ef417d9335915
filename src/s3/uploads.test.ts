import { beforeEach, expect, test } from 'vitest'
import { MemoryStore } from '../../metadata/memory.ts'
import { MemoryStorage } from '../../storage/memory.ts'
import { UPLOADS_PER_KEY_MAX } from '../api/limits.ts'
import { digestOf } from '../lib/digest.ts'
import { OWNER } from './s3.fixture.ts'
import { outcome, Uploads } from './uploads.fixture.ts'

let s3: Uploads

beforeEach(async () => {
  s3 = new Uploads(new MemoryStore(), new MemoryStorage())
  await s3.bucket()
})

const LONG = 'x'.repeat(100)

test('a part replaces the one of its number, whose bytes go', async () => {
  const id = await s3.begin()
  await s3.part(id, 1, LONG)
  const { ETag } = await s3.part(id, 1, 'y'.repeat(100))
  const { Parts } = await s3.listParts(id)
  expect(Parts).toEqual([
    { PartNumber: 1, ETag, Size: 100, LastModified: new Date(s3.clock.now()) },
  ])
  await s3.sweep().run(false)
  expect(await s3.blobs()).toHaveLength(1)
})

test('a part of a wrong number, or of no upload, is refused and leaves nothing', async () => {
  const id = await s3.begin()
  for (const number of [0, -1, 1.5, 10_001])
    expect(await outcome(s3.part(id, number, LONG))).toBe('InvalidArgument')
  for (const wrong of ['', 'x', 'toString', '__proto__'])
    expect(await outcome(s3.part(wrong, 1, LONG))).toBe('NoSuchUpload')
  expect(await outcome(s3.part(id, 10_000, LONG))).toBe('done')
  expect(await s3.blobs()).toHaveLength(1)
})

test('a part bears the checksum of its upload, and no other', async () => {
  const id = await s3.begin({ ChecksumAlgorithm: 'SHA256' })
  await expect(s3.part(id, 1, LONG, 'CRC32')).rejects.toMatchObject({
    code: 'InvalidRequest',
    message:
      'Checksum Type mismatch occurred, expected checksum Type: sha256, actual checksum Type: crc32',
  })
  const sha256 = digestOf('SHA256', Buffer.from(LONG))
  expect(await s3.part(id, 1, LONG, 'SHA256')).toMatchObject({ ChecksumSHA256: sha256 })
  const list = await s3.listParts(id)
  expect(list).toMatchObject({ ChecksumAlgorithm: 'SHA256', ChecksumType: 'COMPOSITE' })
  expect(list.Parts).toMatchObject([{ ChecksumSHA256: sha256 }])
})

test('in an upload without an algorithm a part may have any', async () => {
  const id = await s3.begin()
  const crc32 = digestOf('CRC32', Buffer.from(LONG))
  expect(await s3.part(id, 1, LONG, 'CRC32')).toMatchObject({ ChecksumCRC32: crc32 })
  expect(await s3.part(id, 2, LONG)).not.toHaveProperty('ChecksumCRC64NVME')
  expect((await s3.listParts(id)).Parts?.[0]).toMatchObject({ ChecksumCRC32: crc32 })
})

const begin = (
  ChecksumAlgorithm: 'CRC32' | 'CRC64NVME' | 'SHA1' | undefined,
  ChecksumType: 'COMPOSITE' | 'FULL_OBJECT',
): Promise<string> => outcome(s3.begin({ ChecksumAlgorithm, ChecksumType }))

test('only the pairs of checksum algorithm and type that S3 has are accepted', async () => {
  expect(await begin('CRC32', 'COMPOSITE')).toBe('done')
  expect(await begin('CRC32', 'FULL_OBJECT')).toBe('done')
  expect(await begin('CRC64NVME', 'FULL_OBJECT')).toBe('done')
  expect(await begin('CRC64NVME', 'COMPOSITE')).toBe('InvalidRequest')
  expect(await begin('SHA1', 'FULL_OBJECT')).toBe('InvalidRequest')
  expect(await begin(undefined, 'FULL_OBJECT')).toBe('InvalidRequest')
})

test('ListParts goes in pages', async () => {
  const id = await s3.begin({ StorageClass: 'GLACIER' })
  for (const number of [1, 3, 7, 10_000]) await s3.part(id, number, LONG)
  const first = await s3.listParts(id, { MaxParts: 2 })
  expect(first).toMatchObject({
    UploadId: id,
    IsTruncated: true,
    MaxParts: 2,
    PartNumberMarker: '0',
    NextPartNumberMarker: '3',
    StorageClass: 'GLACIER',
    Owner: { ID: OWNER[0] },
    Initiator: { ID: OWNER[0] },
  })
  const rest = await s3.listParts(id, { PartNumberMarker: first.NextPartNumberMarker })
  expect(rest.Parts?.map((part) => part.PartNumber)).toEqual([7, 10_000])
  expect(rest.IsTruncated).toBe(false)
  expect((await s3.listParts(id, { MaxParts: 0 })).IsTruncated).toBe(false)
  expect((await s3.listParts(id, { PartNumberMarker: '2000000000' })).Parts).toEqual([])
  expect(await outcome(s3.listParts(id, { PartNumberMarker: 'x' }))).toBe('InvalidArgument')
  expect(await outcome(s3.listParts('none'))).toBe('NoSuchUpload')
})

test('an aborted upload is gone at once, and its parts with the next sweep', async () => {
  const id = await s3.begin()
  const other = await s3.begin()
  for (const number of [1, 2, 3]) await s3.part(id, number, LONG)
  await s3.part(other, 1, LONG)
  await s3.abort(id)
  expect(await outcome(s3.abort(id))).toBe('NoSuchUpload')
  expect(await outcome(s3.listParts(id))).toBe('NoSuchUpload')
  expect(await outcome(s3.part(id, 4, LONG))).toBe('NoSuchUpload')
  await s3.sweep().run(false)
  expect(await s3.rows('part')).toHaveLength(1)
  expect(await s3.blobs()).toHaveLength(1)
})

test('uploads are listed at once, by key and then by their beginning, in pages', async () => {
  const keys = ['a/1', 'a/2', 'b', 'b', 'b', 'c']
  const ids: string[] = []
  for (const Key of keys) {
    ids.push(await s3.begin({ Key }))
    s3.clock.time += 1000
  }
  const all = await s3.listUploads()
  expect(all.Uploads?.map((upload) => upload.UploadId)).toEqual(ids)
  expect(all.Uploads?.[0]).toMatchObject({
    Key: 'a/1',
    StorageClass: 'STANDARD',
    Owner: { ID: OWNER[0] },
    Initiator: { ID: OWNER[0] },
  })
  for (let MaxUploads = 1; MaxUploads < 8; MaxUploads++) {
    const found: unknown[] = []
    let markers = {}
    for (;;) {
      const page = await s3.listUploads({ ...markers, MaxUploads })
      found.push(...page.Uploads!.map((upload) => upload.UploadId))
      if (page.IsTruncated !== true) break
      expect(page.Uploads).toHaveLength(MaxUploads)
      markers = { KeyMarker: page.NextKeyMarker, UploadIdMarker: page.NextUploadIdMarker }
    }
    expect(found).toEqual(ids)
  }
  const folded = await s3.listUploads({ Delimiter: '/', MaxUploads: 2 })
  expect(folded.CommonPrefixes).toEqual([{ Prefix: 'a/' }])
  expect(folded.Uploads?.map((upload) => upload.UploadId)).toEqual([ids[2]])
  const exact = await s3.listUploads({ Prefix: 'b' })
  expect(exact.Uploads).toHaveLength(3)
})

test('a marker of an upload counts only beside its key, and must be one', async () => {
  const id = await s3.begin()
  expect((await s3.listUploads({ UploadIdMarker: id })).Uploads).toHaveLength(1)
  expect((await s3.listUploads({ KeyMarker: 'big' })).Uploads).toHaveLength(0)
  expect(await outcome(s3.listUploads({ KeyMarker: 'big', UploadIdMarker: 'x' }))).toBe(
    'InvalidArgument',
  )
})

test('a key has a bounded number of uploads under way', async () => {
  const { metadata } = s3.ctx
  const u = Object.fromEntries(
    Array.from({ length: UPLOADS_PER_KEY_MAX }, (_, n) => [`${n}`, { t: 0, by: OWNER }]),
  )
  await metadata.commit({
    partition: 'b',
    expects: [],
    writes: [{ table: 'upload', sort: 'big', value: { u } }],
  })
  expect(await outcome(s3.begin())).toBe('InvalidRequest')
  expect(await outcome(s3.begin({ Key: 'other' }))).toBe('done')
})

test('the sweep ends uploads that were begun too long ago, and no others', async () => {
  s3 = new Uploads(new MemoryStore(), new MemoryStorage(), { abandonedUploadMs: 1000 })
  await s3.bucket()
  const old = await s3.begin()
  await s3.part(old, 1, LONG)
  s3.clock.time += 800
  const young = await s3.begin()
  s3.clock.time += 800
  expect(await s3.sweep().run(false)).toMatchObject({ uploads: 1 })
  expect((await s3.listUploads()).Uploads?.map((upload) => upload.UploadId)).toEqual([young])
  expect(await s3.blobs()).toEqual([])
})
