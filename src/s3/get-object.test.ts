import { setImmediate as turn } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { MemoryStore } from '../../metadata/memory.ts'
import { MemoryStorage } from '../../storage/memory.ts'
import type { S3Error } from '../api/error.ts'
import type { Body } from '../lib/stream.ts'
import { parseRange } from '../api/byte-range.ts'
import { type Extent, writeRow } from './rows.ts'
import { Fixture, textOf } from './s3.fixture.ts'

async function opened(): Promise<Fixture> {
  const fixture = new Fixture(new MemoryStore(), new MemoryStorage())
  await fixture.bucket()
  return fixture
}

const DIGITS = '0123456789'
const LONG = 'abcdefghijklmnopqrstuvwxyz'

describe('ranges', () => {
  test.each<[string, string]>([
    ['bytes=0-3', '0123'],
    ['bytes=4-', '456789'],
    ['bytes=-3', '789'],
    ['bytes=-30', DIGITS],
    ['bytes=8-100', '89'],
    ['bytes=9-9', '9'],
    ['bytes=0-99999999999999999999999', DIGITS],
  ])('%s', (header, expected) => {
    const range = parseRange(header, 10)!
    expect(DIGITS.slice(range.start, range.end)).toBe(expected)
  })

  test('malformed ranges, and several at once, are ignored', () => {
    for (const header of ['bytes=', 'bytes=-', 'bytes=5-2', 'bytes=0-1,3-4', 'lines=0-1', '0-1']) {
      expect([header, parseRange(header, 10)]).toEqual([header, undefined])
    }
  })

  test('a range without a byte of the object is InvalidRange', () => {
    for (const [header, size] of [
      ['bytes=10-', 10],
      ['bytes=10-20', 10],
      ['bytes=-0', 10],
      ['bytes=0-', 0],
      ['bytes=-5', 0],
    ] as const) {
      expect(() => parseRange(header, size)).toThrow(
        expect.objectContaining({
          code: 'InvalidRange',
          fields: { RangeRequested: header, ActualObjectSize: String(size) },
        }),
      )
    }
  })

  test('the bytes asked for are sent, of a row and of a blob alike', async () => {
    const f = await opened()
    for (const body of [DIGITS, LONG]) {
      await f.put('k', body)
      const got = await f.get('k', { Range: 'bytes=2-5', ChecksumMode: 'ENABLED' })
      expect(got).toMatchObject({ ContentRange: `bytes 2-5/${body.length}`, ContentLength: 4 })
      expect(got.ChecksumCRC64NVME).toBeUndefined()
      expect(await f.text('k', { Range: 'bytes=2-5' })).toBe(body.slice(2, 6))
      expect(await f.head('k', { Range: 'bytes=2-5' })).toMatchObject({ ContentLength: 4 })
    }
  })
})

test('a whole read says everything, with the checksum only where it was asked for', async () => {
  const f = await opened()
  await f.put('k', 'hello', { StorageClass: 'STANDARD_IA' })
  const plain = await f.head('k')
  expect(plain).toEqual({
    AcceptRanges: 'bytes',
    ContentLength: 5,
    ContentType: 'binary/octet-stream',
    ETag: '"5d41402abc4b2a76b9719d911017c592"',
    LastModified: new Date(f.clock.time),
    Metadata: {},
    StorageClass: 'STANDARD_IA',
  })
  const checked = await f.head('k', { ChecksumMode: 'ENABLED' })
  expect(checked).toMatchObject({ ChecksumCRC64NVME: 'M3eFcAZSQlc=', ChecksumType: 'FULL_OBJECT' })
  await f.put('k', 'hello', { StorageClass: 'STANDARD' })
  expect((await f.head('k')).StorageClass).toBeUndefined()
})

test('response-* parameters replace the kept headers', async () => {
  const f = await opened()
  await f.put('k', 'x', { ContentType: 'text/plain', CacheControl: 'no-cache' })
  const overrides = {
    ResponseContentType: 'image/png',
    ResponseCacheControl: 'max-age=9',
    ResponseContentDisposition: 'attachment',
    ResponseContentEncoding: 'br',
    ResponseContentLanguage: 'de',
    ResponseExpires: new Date(0),
  }
  expect(await f.get('k', overrides)).toMatchObject({
    ContentType: 'image/png',
    CacheControl: 'max-age=9',
    ContentDisposition: 'attachment',
    ContentEncoding: 'br',
    ContentLanguage: 'de',
    ExpiresString: 'Thu, 01 Jan 1970 00:00:00 GMT',
  })
})

test('a missing key and a missing bucket are told apart', async () => {
  const f = await opened()
  await expect(f.get('k')).rejects.toMatchObject({ code: 'NoSuchKey', fields: { Key: 'k' } })
  await expect(f.get('k', {}, 'c')).rejects.toMatchObject({ code: 'NoSuchBucket' })
})

test('in an unversioned bucket "null" names the object and nothing else does', async () => {
  const f = await opened()
  await f.put('k', 'x')
  expect(await f.text('k', { VersionId: 'null' })).toBe('x')
  expect((await f.head('k', { VersionId: 'null' })).VersionId).toBeUndefined()
  const code = (VersionId: string): Promise<unknown> =>
    f.head('k', { VersionId }).catch((error: S3Error) => `${error.code}: ${error.message}`)
  expect(await code('01ARZ3NDEKTSV4RRFFQ69G5FAV')).toMatch('NoSuchVersion')
  expect(await code('nonsense')).toBe('InvalidArgument: Invalid version id specified')
  expect(await code('')).toBe('InvalidArgument: Version id cannot be the empty string')
})

test('a delete marker is NoSuchKey by the key and MethodNotAllowed by its id', async () => {
  const f = await opened()
  await f.bucket('b', 'Enabled')
  await f.put('k', 'x')
  const { VersionId } = await f.delete('k')
  const headers = { 'x-amz-delete-marker': 'true', 'x-amz-version-id': VersionId }
  await expect(f.get('k')).rejects.toMatchObject({ code: 'NoSuchKey', headers })
  await expect(f.get('k', { VersionId })).rejects.toMatchObject({
    code: 'MethodNotAllowed',
    headers: { ...headers, allow: 'DELETE' },
  })
})

test('an object put whole is its own part 1, and has no other', async () => {
  const f = await opened()
  await f.put('k', LONG)
  const part = await f.get('k', { PartNumber: 1, ChecksumMode: 'ENABLED' })
  expect(part).toMatchObject({ ContentRange: 'bytes 0-25/26', ContentLength: 26 })
  expect(part.PartsCount).toBeUndefined()
  expect(part.ChecksumCRC64NVME).toBeDefined()
  await expect(f.get('k', { PartNumber: 2 })).rejects.toMatchObject({ code: 'InvalidPart' })
  const today = new Fixture(f.ctx.metadata, f.ctx.storage, { compat: 'aws-2026' })
  await expect(today.get('k', { PartNumber: 2 })).rejects.toMatchObject({ status: 416 })
  await expect(f.get('k', { PartNumber: 1, Range: 'bytes=0-1' })).rejects.toMatchObject({
    code: 'InvalidRequest',
    message: 'Cannot specify both Range header and partNumber query parameter',
  })
})

/** One digit, repeated: a torn body would show another one. */
function body(n: number): string {
  return `${n % 10}`.repeat(20 + (n % 7))
}

/** Blobs that take a while to open: long enough to be swept meanwhile. */
class SlowStorage extends MemoryStorage {
  override async get(...args: Parameters<MemoryStorage['get']>): Promise<Body> {
    await turn()
    return super.get(...args)
  }
}

test('a GET while the key is overwritten and swept gives one version, whole', async () => {
  const f = new Fixture(new MemoryStore(), new SlowStorage())
  await f.bucket()
  await f.put('k', body(0))
  const sweep = f.sweep()
  const state = { isWriting: true }
  const writer = (async () => {
    for (let n = 1; n < 300; n++) {
      await f.put('k', body(n))
      await sweep.run(false)
      for (let turns = n % 4; turns > 0; turns--) await turn()
    }
    state.isWriting = false
  })()
  let reads = 0
  while (state.isWriting) {
    const got = await f.get('k')
    const text = await textOf(got.Body)
    expect(new Set(text).size).toBe(1)
    expect(text).toHaveLength(got.ContentLength!)
    reads++
  }
  await writer
  expect(reads).toBeGreaterThan(20)
})

test('a blob that is lost while it is sent is told as lost, one of a replaced version is not', async () => {
  const f = await opened()
  const extents: Extent[] = []
  for (const text of ['first', 'other']) {
    const id = f.ctx.ids.next()
    await f.ctx.storage.put(id, Buffer.from(text))
    extents.push([id, 0, 5])
  }
  const write = (q: string): Promise<boolean> =>
    f.ctx.metadata.commit({
      partition: 'b',
      expects: [],
      writes: [
        writeRow('object', 'k', { q, t: 0, s: 10, e: 'e', c: { x: extents }, o: ['i', 'n'] }),
      ],
    })
  await write('Q')
  const begun = async (): Promise<AsyncIterator<Uint8Array>> =>
    ((await f.get('k')).Body as Body)[Symbol.asyncIterator]()
  const [lost, replaced] = [await begun(), await begun()]
  await f.ctx.storage.delete([extents[1]![0]])
  for (const body of [lost, replaced]) await body.next()
  await expect(lost.next()).rejects.toMatchObject({ name: 'BlobMissing' })
  await write('P')
  await expect(replaced.next()).rejects.toMatchObject({ name: 'Superseded' })
})

test('a blob that a row names and that is lost is a loud error, not an empty body', async () => {
  const f = await opened()
  await f.put('k', LONG)
  await f.ctx.storage.delete(await f.blobs())
  await expect(f.get('k')).rejects.toMatchObject({ name: 'BlobMissing' })
})
