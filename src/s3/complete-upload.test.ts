import { createHash } from 'node:crypto'
import { beforeEach, expect, test } from 'vitest'
import { MemoryStore } from '../../metadata/memory.ts'
import { MemoryStorage } from '../../storage/memory.ts'
import type { ChecksumAlgorithm } from '../api/checksum.ts'
import { digestOf } from '../lib/digest.ts'
import { DONE_KEPT_MS } from './upload-row.ts'
import { outcome, type Parts, Uploads } from './uploads.fixture.ts'

let s3: Uploads

beforeEach(async () => {
  s3 = new Uploads(new MemoryStore(), new MemoryStorage())
  await s3.bucket()
})

const A = 'a'.repeat(100)
const B = 'b'.repeat(50)
const md5 = (text: string | Buffer): Buffer => createHash('md5').update(text).digest()

/** S3's ETag of an object of such parts. */
const etagOf = (...bodies: string[]): string =>
  `"${md5(Buffer.concat(bodies.map(md5))).toString('hex')}-${bodies.length}"`

test('parts become one object, with the ETag, headers and checksum that S3 gives it', async () => {
  const id = await s3.begin({
    ContentType: 'text/plain',
    Metadata: { Colour: 'red' },
    StorageClass: 'STANDARD_IA',
  })
  const parts = await s3.parts(id, A, B, 'tiny')
  const output = await s3.complete(id, parts)
  const whole = A + B + 'tiny'
  expect(output).toEqual({
    Location: '/b/big',
    Bucket: 'b',
    Key: 'big',
    ETag: etagOf(A, B, 'tiny'),
    ChecksumCRC64NVME: digestOf('CRC64NVME', Buffer.from(whole)),
    ChecksumType: 'FULL_OBJECT',
  })
  expect(await s3.text('big')).toBe(whole)
  expect(await s3.text('big', { Range: 'bytes=99-153' })).toBe(whole.slice(99, 154))
  expect(await s3.text('big', { PartNumber: 3 })).toBe('tiny')
  expect(await s3.head('big')).toMatchObject({
    ContentLength: whole.length,
    ContentType: 'text/plain',
    Metadata: { colour: 'red' },
    StorageClass: 'STANDARD_IA',
  })
  expect((await s3.listUploads()).Uploads).toEqual([])
  expect(await s3.rows('part')).toEqual([])
})

test('small parts, wherever they stand, are put together in one blob', async () => {
  const id = await s3.begin()
  const bodies = ['one', A, 'two', '', 'three']
  await s3.complete(id, await s3.parts(id, ...bodies))
  expect(await s3.text('big')).toBe(bodies.join(''))
  expect(await s3.blobs()).toHaveLength(2)
})

test('an upload of one empty part becomes an empty object', async () => {
  const id = await s3.begin()
  await s3.complete(id, await s3.parts(id, ''))
  expect(await s3.text('big')).toBe('')
  expect(await s3.head('big')).toMatchObject({ ContentLength: 0, ETag: etagOf('') })
})

test('gaps are allowed, and parts that are not named go', async () => {
  const id = await s3.begin()
  const parts: { PartNumber: number; ETag: string | undefined }[] = []
  for (const PartNumber of [2, 5, 9, 10_000]) {
    const { ETag } = await s3.part(id, PartNumber, `${PartNumber}${A}`)
    parts.push({ PartNumber, ETag })
  }
  await s3.complete(id, [parts[0]!, parts[3]!])
  expect(await s3.text('big')).toBe(`2${A}10000${A}`)
  await s3.sweep().run(false)
  expect(await s3.blobs()).toHaveLength(2)
  expect(await s3.rows('part')).toEqual([])
  expect(await s3.text('big')).toBe(`2${A}10000${A}`)
})

test('a list that is empty, not in order, or names other parts is refused, and the upload goes on', async () => {
  const id = await s3.begin()
  const [a, b] = (await s3.parts(id, A, B)) as [Parts[0], Parts[0]]
  const refused = (...parts: Parts): Promise<string> => outcome(s3.complete(id, parts))
  expect(await refused()).toBe('MalformedXML')
  expect(await refused({ PartNumber: 1 })).toBe('MalformedXML')
  expect(await refused(b, a)).toBe('InvalidPartOrder')
  expect(await outcome(today().complete(id, [a, a]))).toBe('InvalidPartOrder')
  expect(await refused({ ...a, PartNumber: 3 })).toBe('InvalidPart')
  expect(await refused({ ...a, ETag: b.ETag })).toBe('InvalidPart')
  expect(await refused({ ...a, PartNumber: 0 })).toBe('InvalidArgument')
  expect(await outcome(s3.complete('none', [a]))).toBe('NoSuchUpload')
  const unquoted = { ...a, ETag: a.ETag!.slice(1, -1) }
  expect(await refused(unquoted, b)).toBe('done')
  expect(await s3.text('big')).toBe(A + B)
})

/** The same store as AWS answers today. */
function today(): Uploads {
  return new Uploads(s3.ctx.metadata, s3.ctx.storage, { compat: 'aws-2026' })
}

test('a part that was sent again may be named twice, and the last counts', async () => {
  const id = await s3.begin()
  const [a] = (await s3.parts(id, A)) as [Parts[0]]
  const { ETag } = await s3.part(id, 1, B)
  expect(await outcome(s3.complete(id, [{ PartNumber: 1, ETag }, a]))).toBe('InvalidPart')
  expect(await outcome(s3.complete(id, [a, { PartNumber: 1, ETag }]))).toBe('done')
  expect(await s3.text('big')).toBe(B)
})

test('all parts but the last have a least size', async () => {
  s3 = new Uploads(new MemoryStore(), new MemoryStorage(), { partBytesMin: 60 })
  await s3.bucket()
  const id = await s3.begin()
  const [a, b, c] = (await s3.parts(id, A, B, B)) as [Parts[0], Parts[0], Parts[0]]
  await expect(s3.complete(id, [a, b, c])).rejects.toMatchObject({
    code: 'EntityTooSmall',
    fields: {
      ProposedSize: '50',
      MinSizeAllowed: '60',
      PartNumber: '2',
      ETag: b.ETag!.slice(1, -1),
    },
  })
  expect(await outcome(s3.complete(id, [a, b]))).toBe('done')
})

test('a size that the client claims is verified', async () => {
  const id = await s3.begin()
  const parts = await s3.parts(id, A)
  await expect(s3.complete(id, parts, { MpuObjectSize: 5 })).rejects.toMatchObject({
    code: 'InvalidRequest',
    message:
      "The provided 'x-amz-mp-object-size' header value 5 does not match what was computed: 100",
  })
  expect(await outcome(s3.complete(id, parts, { MpuObjectSize: 100 }))).toBe('done')
})

const sha256 = (text: string): Buffer =>
  Buffer.from(digestOf('SHA256', Buffer.from(text)), 'base64')

/** Parts A and B with their checksums. */
async function checked(id: string, algorithm: ChecksumAlgorithm): Promise<Parts> {
  const parts = []
  for (const [index, body] of [A, B].entries()) {
    const { ETag } = await s3.part(id, index + 1, body, algorithm)
    const checksum = digestOf(algorithm, Buffer.from(body))
    parts.push({ PartNumber: index + 1, ETag, [`Checksum${algorithm}`]: checksum })
  }
  return parts
}

test('a composite checksum is made of those of the parts, which Complete must name as AWS has it', async () => {
  const id = await s3.begin({ ChecksumAlgorithm: 'SHA256' })
  const parts = await checked(id, 'SHA256')
  const bare = parts.map(({ PartNumber, ETag }) => ({ PartNumber, ETag }))
  await expect(today().complete(id, bare)).rejects.toMatchObject({
    code: 'InvalidRequest',
    message:
      'The upload was created using a sha256 checksum. The complete request must include the checksum for each part. It was missing for part 1 in the request.',
  })
  const value = `${digestOf('SHA256', Buffer.concat([sha256(A), sha256(B)]))}-2`
  const wrong = [{ ...parts[0], ChecksumSHA256: sha256(B).toString('base64') }, parts[1]!]
  expect(await outcome(s3.complete(id, wrong))).toBe('BadDigest')
  const no = [{ ...parts[0], ChecksumSHA256: 'bad' }, parts[1]!]
  expect(await outcome(s3.complete(id, no))).toBe('InvalidPart')
  const claim = (ChecksumSHA256: string): Promise<string> =>
    outcome(s3.complete(id, parts, { ChecksumSHA256 }))
  expect(await claim('bad')).toBe('BadDigest')
  const bad = { ChecksumSHA256: 'bad' }
  expect(await outcome(today().complete(id, parts, bad))).toBe('InvalidRequest')
  expect(await claim(sha256(A).toString('base64'))).toBe('BadDigest')
  expect(await outcome(s3.complete(id, parts, { ChecksumType: 'FULL_OBJECT' }))).toBe(
    'InvalidRequest',
  )
  const output = await s3.complete(id, bare, { ChecksumSHA256: value })
  expect(output).toMatchObject({ ChecksumSHA256: value, ChecksumType: 'COMPOSITE' })
  const head = await s3.head('big', { ChecksumMode: 'ENABLED' })
  expect(head).toMatchObject({ ChecksumSHA256: value, ChecksumType: 'COMPOSITE' })
})

test('a full-object checksum is that of all bytes, and is verified', async () => {
  for (const algorithm of ['CRC32', 'CRC32C', 'CRC64NVME'] as const) {
    const id = await s3.begin({ ChecksumAlgorithm: algorithm, ChecksumType: 'FULL_OBJECT' })
    const parts = await checked(id, algorithm)
    const value = digestOf(algorithm, Buffer.from(A + B))
    const wrong = { [`Checksum${algorithm}`]: digestOf(algorithm, Buffer.from(A)) }
    expect(await outcome(s3.complete(id, parts, wrong))).toBe('BadDigest')
    const output = await s3.complete(id, parts, { [`Checksum${algorithm}`]: value })
    expect(output).toMatchObject({ [`Checksum${algorithm}`]: value, ChecksumType: 'FULL_OBJECT' })
  }
})

test('parts of an upload without an algorithm are verified by whatever they were sent with', async () => {
  const id = await s3.begin()
  const parts = await checked(id, 'CRC32')
  const wrong = [{ ...parts[0], ChecksumCRC32: 'AAAAAA==' }, parts[1]!]
  expect(await outcome(s3.complete(id, wrong))).toBe('BadDigest')
  expect(await s3.complete(id, parts)).toMatchObject({ ChecksumType: 'FULL_OBJECT' })
})

test('conditions hold at the commit, and a failed one leaves the upload as it was', async () => {
  const { ETag: before } = await s3.put('big', 'before')
  const id = await s3.begin()
  const parts = await s3.parts(id, A, 'tiny')
  expect(await outcome(s3.complete(id, parts, { IfNoneMatch: '*' }))).toBe('PreconditionFailed')
  expect(await outcome(s3.complete(id, parts, { IfMatch: '"x"' }))).toBe('PreconditionFailed')
  expect(await s3.text('big')).toBe('before')
  expect(await s3.blobs()).toHaveLength(1)
  expect(await outcome(s3.complete(id, parts, { IfMatch: before! }))).toBe('done')
  const other = await s3.begin({ Key: 'other' })
  expect(await outcome(s3.complete(other, parts, { Key: 'other', IfMatch: before! }))).toBe(
    'InvalidPart',
  )
})

test('a repeated Complete gets the same answer, for a while', async () => {
  const id = await s3.begin()
  const parts = await s3.parts(id, A, B)
  const first = await s3.complete(id, parts)
  await s3.put('big', 'newer')
  await s3.sweep().run(false)
  expect(await s3.complete(id, parts)).toEqual(first)
  expect(await s3.text('big')).toBe('newer')
  expect(await outcome(s3.abort(id))).toBe('NoSuchUpload')
  s3.clock.time += DONE_KEPT_MS
  await s3.sweep().run(false)
  expect(await s3.rows('upload')).toEqual([])
  expect(await outcome(s3.complete(id, parts))).toBe('NoSuchUpload')
})

test('in a versioned bucket each Complete makes a version, whose id a repeated one tells again', async () => {
  await s3.bucket('b', 'Enabled')
  const { VersionId: before } = await s3.put('big', 'before')
  const id = await s3.begin()
  const parts = await s3.parts(id, A)
  const first = await s3.complete(id, parts)
  expect(first.VersionId).toMatch(/^\w{26}$/)
  expect(await s3.complete(id, parts)).toEqual(first)
  expect(await s3.text('big', { VersionId: first.VersionId })).toBe(A)
  expect(await s3.text('big', { VersionId: before })).toBe('before')
})

test('ten thousand parts become one object, of which nothing is left once it is gone', async () => {
  const id = await s3.begin()
  const parts = await s3.parts(
    id,
    ...Array.from({ length: 10_000 }, (_, n) => `part ${n} and more;`),
  )
  const output = await s3.complete(id, parts)
  expect(output.ETag).toMatch(/-10000"$/)
  expect(await s3.rows('page')).toHaveLength(20)
  await s3.sweep().run(false)
  expect(await s3.rows('part')).toEqual([])
  expect(await s3.text('big', { PartNumber: 7778 })).toBe('part 7777 and more;')
  const text = await s3.text('big')
  expect(text.startsWith('part 0 and more;part 1 and more;')).toBe(true)
  expect(text.endsWith('part 9999 and more;')).toBe(true)
  await s3.delete('big')
  await s3.sweep().run(false)
  expect(await s3.blobs()).toEqual([])
  expect(await s3.rows('page')).toEqual([])
})

test('with opaque ETags an upload is completed like any other', async () => {
  s3 = new Uploads(new MemoryStore(), new MemoryStorage(), { etag: 'opaque' })
  await s3.bucket()
  const id = await s3.begin()
  const parts = await s3.parts(id, A, A)
  expect(parts[0]!.ETag).toMatch(/^"[0-9a-f]{32}-0"$/)
  expect(parts[0]!.ETag).not.toBe(parts[1]!.ETag)
  const { ETag } = await s3.complete(id, parts)
  expect(ETag).toMatch(/^"[0-9a-f]{32}-2"$/)
  expect(await s3.text('big')).toBe(A + A)
})
