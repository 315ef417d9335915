import { createHash } from 'node:crypto'
import { expect, onTestFinished, test } from 'vitest'
import { MemoryStore } from '../../../metadata/memory.ts'
import { MemoryStorage } from '../../../storage/memory.ts'
import { S3Error } from '../../api/error.ts'
import { payloadOf } from '../../api/payload-of.ts'
import type { BlobId, ByteRange } from '../../../storage/store.ts'
import { BlobDamaged } from '../../lib/store-error.ts'
import type { Body } from '../../lib/stream.ts'
import { bytesOf, CALL, type Fixture } from '../../s3/s3.fixture.ts'
import { DiskError, type StorageIndex } from '../disk-io.ts'
import { ChunkDisk } from './chunk-disk.ts'
import { ChunkFiles } from './chunk-files.ts'
import {
  download,
  expectAll,
  expectBytes,
  noise,
  PIECE_BYTES,
  pieceOf,
  type Sample,
  sample,
  type SampleOptions,
} from './contract-samples.ts'
import { INSIDE, memoryS3, type MemoryS3 } from './disk.fixture.ts'

const MIB = 1024 ** 2
const QUICK = { lingerMs: 2, retryMs: 5, chunkBytes: 256 * 1024 }
const NEVER = new AbortController().signal

/** A storage of which a test damages blobs. */
class DamagedStorage extends MemoryStorage {
  readonly damaged = new Set<BlobId>()
  isSealed = true

  override async get(id: BlobId, range?: ByteRange, signal?: AbortSignal): Promise<Body> {
    const body = await super.get(id, range, signal)
    if (!this.damaged.has(id)) return body
    if (this.isSealed) throw new BlobDamaged(`blob ${id}`)
    return flipped(body)
  }
}

async function* flipped(body: Body): Body {
  for await (const chunk of body) {
    const other = Uint8Array.from(chunk)
    other[0]! ^= 1
    yield other
  }
}

interface Rig extends MemoryS3 {
  readonly disk: ChunkDisk
  readonly files: ChunkFiles
  readonly storage: DamagedStorage
  readonly lost: number[]
}

async function rig(): Promise<Rig> {
  const storage = new DamagedStorage()
  const s3 = await memoryS3(new MemoryStore(), storage)
  const lost: number[] = []
  const disk = new ChunkDisk(s3.store, { ...QUICK, onLost: (_, piece) => lost.push(piece) })
  onTestFinished(() => disk[Symbol.asyncDispose]())
  return { ...s3, disk, files: new ChunkFiles(disk), storage, lost }
}

async function finished(
  { disk }: Rig,
  options: SampleOptions,
): Promise<{ readonly of: Sample; readonly storage: StorageIndex }> {
  const of = await sample(options)
  const { storage } = await disk.register(of.torrent)
  // In an order in which peers may bring them.
  const order = Array.from({ length: of.torrent.info.pieceCount }, (_, i) => i)
  order.sort((a, b) => ((a * 7) % 13) - ((b * 7) % 13))
  await download(disk, storage, of, order)
  return { of, storage }
}

async function storedBytes({ storage, fixture }: Rig): Promise<number> {
  await fixture.sweep().run(true)
  let sum = 0
  for await (const { size } of storage.list('')) sum += size
  return sum
}

const at = (key: string): { bucket: string; key: string } => ({ bucket: 'b', key })

async function read(fixture: Fixture, key: string): Promise<Buffer> {
  return bytesOf((await fixture.get(key)).Body)
}

/** The bytes of a file. */
function fileOf({ torrent, row }: Sample, index: number): Uint8Array {
  const { offset, sizeBytes } = torrent.info.files[index]!
  return row.subarray(offset, offset + sizeBytes)
}

test.each(['v1', 'v2', 'hybrid'] as const)(
  '%s: each file becomes an ordinary object',
  async (version) => {
    const all = await rig()
    const { of, storage } = await finished(all, { version })
    for (const [index, { isPad, sizeBytes, root }] of of.torrent.info.files.entries()) {
      if (isPad) {
        await expect(all.files.assemble(storage, index, at('pad'))).rejects.toThrow(RangeError)
        continue
      }
      const key = `files/${index}`
      const etag = await all.files.assemble(storage, index, at(key))
      const head = await all.fixture.head(key)
      expect(head).toMatchObject({ ETag: etag, ContentLength: sizeBytes })
      expect(head.Metadata).toMatchObject({ 'torrent-id': of.torrent.id })
      expect(head.Metadata?.['torrent-root']).toBe(root?.toString('hex'))
      expectBytes(await read(all.fixture, key), fileOf(of, index))
    }
  },
)

test('nothing is stored twice, and chunks and objects live on without each other', async () => {
  const all = await rig()
  const { of, storage } = await finished(all, { sizes: [3 * MIB + 17, 2 * MIB], seed: 3 })
  for (const index of [0, 1]) await all.files.assemble(storage, index, at(`f${index}`))
  expect(await storedBytes(all)).toBeLessThanOrEqual(of.torrent.info.totalBytes * 1.005)
  await all.fixture.delete('f0')
  await all.fixture.put('f1', 'something else')
  await storedBytes(all)
  await all.disk.unregister(storage)
  const again = await all.disk.register(of.torrent)
  await expectAll(all.disk, again.storage, of)
  await all.files.assemble(again.storage, 0, at('f0'))
  await all.disk.unregister(again.storage)
  await all.disk.erase(of.torrent)
  await storedBytes(all)
  expectBytes(await read(all.fixture, 'f0'), fileOf(of, 0))
  await all.fixture.delete('f0')
  expect(await storedBytes(all)).toBe(0)
})

test('parts of any size are for those inside: a client is told the least size', async () => {
  const all = await rig()
  const { of, storage } = await finished(all, { sizes: [MIB] })
  await all.files.assemble(storage, 0, at('whole'))
  const target = { Bucket: 'b', Key: 'client' }
  const { UploadId } = await all.api.CreateMultipartUpload!(target, CALL)
  const parts = []
  for (const PartNumber of [1, 2]) {
    const input = { ...target, UploadId, PartNumber, CopySource: 'b/whole' }
    const { CopyPartResult } = await all.api.UploadPartCopy!(input, CALL)
    parts.push({ PartNumber, ETag: CopyPartResult!.ETag! })
  }
  const complete = { ...target, UploadId, MultipartUpload: { Parts: parts } }
  const error: unknown = await all.api.CompleteMultipartUpload!(complete, CALL).catch(
    (e: unknown) => e,
  )
  expect(error instanceof S3Error && error.code).toBe('EntityTooSmall')
  await all.api.CompleteMultipartUpload!(complete, INSIDE)
  expectBytes((await read(all.fixture, 'client')).subarray(0, MIB), fileOf(of, 0))
})

test('a file that is not whole becomes no object', async () => {
  const all = await rig()
  const of = await sample({ sizes: [3 * PIECE_BYTES, PIECE_BYTES] })
  const { storage } = await all.disk.register(of.torrent)
  await download(all.disk, storage, of, [0, 3])
  await expect(all.files.assemble(storage, 0, at('x'))).rejects.toThrow('piece 1 is not there')
  await all.files.assemble(storage, 1, at('y'))
  expectBytes(await read(all.fixture, 'y'), fileOf(of, 1))
})

test('more ranges than an upload has parts are put together by levels', async () => {
  const all = await rig()
  const bytes = noise(30_000, 5)
  await all.store.put('b', 'p/.torrent/x/chunk/1', [bytes])
  const runs = Array.from({ length: 10_050 }, (_, i) => {
    const start = (i * 7919) % 29_000
    return { key: 'p/.torrent/x/chunk/1', start, end: start + 1 + (i % 3) }
  })
  await all.store.assemble('b', 'many', runs, { contentType: 'text/plain', metadata: {} })
  const expected = Buffer.concat(runs.map(({ start, end }) => bytes.subarray(start, end)))
  expectBytes(await read(all.fixture, 'many'), expected)
  expect((await all.fixture.head('many')).ContentType).toBe('text/plain')
  const left: string[] = []
  for await (const { key } of all.store.list('b', 'p/', '')) left.push(key)
  expect(left).toEqual(['p/.torrent/x/chunk/1'])
})

test('the same file in another torrent comes by its root, without a byte downloaded', async () => {
  const all = await rig()
  const first = await finished(all, { version: 'v2', sizes: [500_000, 70_000], seed: 9 })
  await all.files.assemble(first.storage, 0, at('movies/one'))
  await all.disk.unregister(first.storage)
  await all.disk.erase(first.of.torrent)
  // Another torrent, in which the file has other neighbours. Pieces are as long.
  const of = await sample({ version: 'hybrid', sizes: [500_000, 1, 300_000], seed: 9 })
  const { storage } = await all.disk.register(of.torrent)
  const before = await storedBytes(all)
  const adopted = await all.files.adoptFrom(storage, [])
  expect(adopted).toEqual([0, 1, 2, 3, 4, 5, 6, 7])
  expect(all.disk.stats().dedupBytes).toBe(500_000)
  expect(await storedBytes(all)).toBe(before)
  expectBytes(await all.disk.readPiece(storage, 7), pieceOf(of, 7))
  await all.disk.unregister(storage)
  expect((await all.disk.register(of.torrent)).resume.have[0]).toBe(255)
})

test.each(['v1', 'v2'] as const)(
  '%s: the same torrent at another place comes by its chunks',
  async (version) => {
    const all = await rig()
    const options = { version, sizes: [700_000, 33], seed: 4 }
    await finished(all, { ...options, prefix: 'elsewhere/' })
    const before = await storedBytes(all)
    const of = await sample(options)
    const { storage } = await all.disk.register(of.torrent)
    const adopted = await all.files.adoptFrom(storage, [{ bucket: 'b', prefix: 'elsewhere/' }])
    expect(adopted.length).toBe(of.torrent.info.pieceCount)
    await expectAll(all.disk, storage, of)
    // But for the information of the torrent itself.
    expect((await storedBytes(all)) - before).toBeLessThan(5000)
  },
)

test('an object that is a file of the torrent gives its pieces; one that is not gives none', async () => {
  const all = await rig()
  const of = await sample({ sizes: [5 * PIECE_BYTES + 100, PIECE_BYTES] })
  const bytes = Buffer.from(fileOf(of, 0))
  const { storage } = await all.disk.register(of.torrent)
  const put = (body: Uint8Array): Promise<unknown> =>
    all.api.PutObject!({ Bucket: 'b', Key: 'mine', Body: payloadOf(body) }, CALL)
  await put(noise(bytes.length, 1))
  expect(await all.files.adopt(storage, 0, at('mine'))).toEqual([])
  await put(bytes.subarray(1))
  expect(await all.files.adopt(storage, 0, at('mine'))).toEqual([])
  expect(await all.files.adopt(storage, 0, at('none'))).toEqual([])
  bytes[PIECE_BYTES + 7]! ^= 1
  await put(bytes)
  // One byte of piece 1 is other; piece 5 has bytes of the next file too.
  expect(await all.files.adopt(storage, 0, at('mine'))).toEqual([0, 2, 3, 4])
  await put(noise(bytes.length, 2))
  for (const piece of [0, 2, 3, 4])
    expectBytes(await all.disk.readPiece(storage, piece), pieceOf(of, piece))
})

test('a damaged blob is never served: its piece is not had any more, and comes again', async () => {
  const all = await rig()
  const { of, storage } = await finished(all, { sizes: [MIB], seed: 2 })
  await all.disk.unregister(storage)
  const again = await all.disk.register(of.torrent)
  const [blob] = await all.fixture.blobs()
  all.storage.damaged.add(blob!)
  const outcomes = await Promise.allSettled(
    Array.from({ length: 16 }, (_, piece) => all.disk.readPiece(again.storage, piece)),
  )
  for (const [piece, outcome] of outcomes.entries())
    if (outcome.status === 'fulfilled') expectBytes(outcome.value, pieceOf(of, piece))
    else expect(outcome.reason).toBeInstanceOf(DiskError)
  const failed = outcomes.flatMap(({ status }, piece) => (status === 'rejected' ? [piece] : []))
  expect(failed.length).toBeGreaterThan(0)
  expect(new Set(all.lost)).toEqual(new Set(failed))
  await all.disk.unregister(again.storage)
  const third = await all.disk.register(of.torrent)
  for (const piece of failed) expect(third.resume.have[piece >> 3]! & (128 >> (piece & 7))).toBe(0)
  await download(all.disk, third.storage, of, failed)
  await expectAll(all.disk, third.storage, of)
  await all.files.assemble(third.storage, 0, at('healed'))
  expectBytes(await read(all.fixture, 'healed'), of.row)
})

test('where nothing seals the storage, a scrub finds the flipped bit', async () => {
  const all = await rig()
  all.storage.isSealed = false
  const { of, storage } = await finished(all, { version: 'hybrid', sizes: [MIB], seed: 2 })
  expect(await all.files.scrub(storage, undefined, NEVER)).toEqual([])
  const [blob] = await all.fixture.blobs()
  all.storage.damaged.add(blob!)
  const bad = await all.files.scrub(storage, undefined, NEVER)
  expect(bad.length).toBeGreaterThan(0)
  expect(await all.files.scrub(storage, bad, NEVER)).toEqual([])
  await download(all.disk, storage, of, bad)
  expect(await all.files.scrub(storage, undefined, NEVER)).toEqual([])
  await expectAll(all.disk, storage, of)
})

test('a chunk that somebody removed is found by a scrub', async () => {
  const all = await rig()
  const { of, storage } = await finished(all, { sizes: [MIB], seed: 2 })
  let removed = ''
  for await (const { key } of all.store.list('b', 'p/', ''))
    if (key.includes('/chunk/')) removed = key
  await all.fixture.delete(removed)
  const bad = await all.files.scrub(storage, undefined, NEVER)
  expect(bad.length).toBeGreaterThan(0)
  await download(all.disk, storage, of, bad)
  await expectAll(all.disk, storage, of)
  expect(createHash('sha1').update(pieceOf(of, bad[0]!)).digest()).toEqual(
    Buffer.from(await all.disk.hashPiece(storage, bad[0]!)),
  )
})
