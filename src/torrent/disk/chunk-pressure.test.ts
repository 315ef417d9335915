import { expect, test } from 'vitest'
import { DiskError } from '../disk-io.ts'
import { BLOCK_BYTES } from '../merkle.ts'
import { ChunkDisk, type ChunkDiskOptions } from './chunk-disk.ts'
import {
  blocksOf,
  download,
  expectAll,
  expectBytes,
  noise,
  opened,
  PIECE_BYTES,
  pieceOf,
  sample,
  writePiece,
} from './contract-samples.ts'
import { memoryS3, TroubledChunks } from './disk.fixture.ts'

const MIB = 1024 ** 2
const QUICK: Partial<ChunkDiskOptions> = { lingerMs: 2, retryMs: 5 }

interface Troubled {
  readonly disk: ChunkDisk
  readonly chunks: TroubledChunks
}

async function troubled(options: Partial<ChunkDiskOptions> = {}): Promise<Troubled> {
  const chunks = new TroubledChunks((await memoryS3()).store)
  const disk = new ChunkDisk(chunks, { ...QUICK, ...options })
  await opened(async () => disk)
  return { disk, chunks }
}

/** Puts wait until `open` is called. */
function gateOf(chunks: TroubledChunks): () => void {
  const { promise, resolve } = Promise.withResolvers<void>()
  chunks.gate = promise
  return resolve
}

/** Whether it is settled in a while. */
async function isSettled(promise: Promise<unknown>, ms = 40): Promise<boolean> {
  const late = Symbol('late')
  const timeout = new Promise((resolve) => setTimeout(resolve, ms, late))
  return (await Promise.race([promise.catch(() => {}), timeout])) !== late
}

test('over the high-water mark writers are told, and again when it is low', async () => {
  const { disk, chunks } = await troubled({ budgetBytes: 4 * MIB })
  const of = await sample({ sizes: [8 * MIB] })
  const { storage } = await disk.register(of.torrent)
  const open = gateOf(chunks)
  const hashing: Promise<unknown>[] = []
  let piece = 0
  for (let isFull = false; !isFull; piece++) {
    isFull = writePiece(disk, storage, of, piece)
    hashing.push(disk.hashPiece(storage, piece))
  }
  const { dirtyBytesNow } = disk.stats()
  expect(dirtyBytesNow).toBeGreaterThan(1.5 * MIB)
  expect(dirtyBytesNow).toBeLessThanOrEqual(2 * MIB)
  const drained = disk.drained()
  expect(await isSettled(drained)).toBe(false)
  open()
  await drained
  expect(disk.stats().dirtyBytesNow).toBeLessThanOrEqual(MIB)
  expect(disk.stats().backPressureMs).toBeGreaterThan(30)
  await Promise.all(hashing)
  for (let i = 0; i < piece; i++) expectBytes(await disk.readPiece(storage, i), pieceOf(of, i))
})

test('unfinished pieces that fill all memory are put aside, and writers go on', async () => {
  const { disk, chunks } = await troubled({ budgetBytes: 2 * MIB })
  const of = await sample({ sizes: [16 * MIB] })
  const { storage } = await disk.register(of.torrent)
  const { pieceCount, pieces } = of.torrent.info
  // Block by block over all pieces: none is whole before the last round.
  for (let round = 0; round < PIECE_BYTES / BLOCK_BYTES; round++) {
    for (let piece = 0; piece < pieceCount; piece++) {
      const { offset, bytes } = blocksOf(pieceOf(of, piece))[round]!
      const isFull = disk.writeChunk(storage, piece, offset, bytes)
      expectBytes(await disk.readChunk(storage, piece, offset, bytes.length, true), bytes)
      if (isFull) await disk.drained()
      expect(disk.stats().dirtyBytesNow).toBeLessThanOrEqual(MIB)
    }
  }
  expect(chunks.puts.some((key) => key.includes('/scratch/'))).toBe(true)
  for (let piece = 0; piece < pieceCount; piece++)
    expectBytes(await disk.readPiece(storage, piece), pieceOf(of, piece))
  for (let piece = 0; piece < pieceCount; piece++) {
    const found = await disk.hashPiece(storage, piece)
    expectBytes(found, pieces!.subarray(piece * 20, piece * 20 + 20))
  }
  await disk.flushAll()
  await disk.unregister(storage)
  const left: string[] = []
  for await (const { key } of chunks.list('b', 'p/', '')) left.push(key)
  expect(left.filter((key) => key.includes('/scratch/'))).toEqual([])
  await expectAll(disk, (await disk.register(of.torrent)).storage, of)
})

test('what is read is evicted for what is read next, however much is pinned', async () => {
  const { disk, chunks } = await troubled({ budgetBytes: 2 * MIB })
  const [of, other] = [
    await sample({ sizes: [8 * MIB] }),
    await sample({ seed: 2, sizes: [8 * MIB] }),
  ]
  const { storage } = await disk.register(of.torrent)
  await download(disk, storage, of)
  const { storage: second } = await disk.register(other.torrent)
  const open = gateOf(chunks)
  const hashing: Promise<unknown>[] = []
  for (let piece = 0, isFull = false; !isFull; piece++) {
    isFull = writePiece(disk, second, other, piece)
    hashing.push(disk.hashPiece(second, piece))
  }
  expect(disk.stats().pinnedNow).toBeGreaterThan(5)
  await expectAll(disk, storage, of)
  const stats = disk.stats()
  expect(stats.evictions).toBeGreaterThan(50)
  expect(stats.readCacheBytesNow).toBeLessThanOrEqual(MIB)
  expect(stats.readCacheBytesNow).toBeGreaterThan(0)
  open()
  await Promise.all(hashing)
})

test('blocks become chunks: few puts, and hardly a byte more than there is', async () => {
  const { disk } = await troubled({ lingerMs: 1000 })
  const of = await sample({ pieceBytes: 256 * 1024, sizes: [64 * MIB] })
  const { storage } = await disk.register(of.torrent)
  await download(disk, storage, of)
  const { upstreamPuts, upstreamPutBytes } = disk.stats()
  expect(upstreamPuts * 16).toBeLessThanOrEqual(130 + 16)
  expect(upstreamPutBytes / of.torrent.info.totalBytes).toBeLessThan(1.01)
})

test('a volatile read leaves the cache as it was, and sees what is not stored yet', async () => {
  const { disk } = await troubled()
  const of = await sample({ sizes: [4 * MIB] })
  const { storage } = await disk.register(of.torrent)
  await download(disk, storage, of, [1, 2])
  await disk.unregister(storage)
  const again = await disk.register(of.torrent)
  await disk.readChunk(again.storage, 1, 0, 5000, true)
  expect(disk.stats().readCacheBytesNow).toBe(0)
  writePiece(disk, again.storage, of, 3)
  const found = await disk.readChunk(again.storage, 3, 0, 5000, true)
  expectBytes(found, pieceOf(of, 3).subarray(0, 5000))
  const before = disk.stats()
  await disk.readChunk(again.storage, 1, 0, 5000)
  await disk.readChunk(again.storage, 1, 20_000, 5000)
  const { cacheHits, upstreamGets, prefetches, readCacheBytesNow } = disk.stats()
  expect(
    [cacheHits, upstreamGets, prefetches].map(
      (n, i) => n - [before.cacheHits, before.upstreamGets, before.prefetches][i]!,
    ),
  ).toEqual([1, 1, 1])
  expect(readCacheBytesNow).toBe(PIECE_BYTES)
})

test('a hash that is right is told once its piece is stored; one that is wrong at once', async () => {
  const { disk, chunks } = await troubled()
  const of = await sample()
  const { storage } = await disk.register(of.torrent)
  const open = gateOf(chunks)
  disk.writeChunk(storage, 1, 0, noise(PIECE_BYTES, 3))
  writePiece(disk, storage, of, 2)
  const right = disk.hashPiece(storage, 2)
  await disk.hashPiece(storage, 1)
  expect(await isSettled(right)).toBe(false)
  open()
  expectBytes(await right, of.torrent.info.pieces!.subarray(40, 60))
})

test('while the store is away a verified piece stays, is read, and is stored when it is back', async () => {
  const { disk, chunks } = await troubled()
  const of = await sample()
  const { storage } = await disk.register(of.torrent)
  chunks.failing = '/chunk/'
  writePiece(disk, storage, of, 1)
  await expect(disk.hashPiece(storage, 1)).rejects.toBeInstanceOf(DiskError)
  await expect(disk.flushPiece(storage, 1)).rejects.toBeInstanceOf(DiskError)
  await expect(disk.flushAll()).rejects.toBeInstanceOf(DiskError)
  await expect(disk.unregister(storage)).rejects.toBeInstanceOf(DiskError)
  expectBytes(await disk.readPiece(storage, 1), pieceOf(of, 1))
  writePiece(disk, storage, of, 2)
  const second = disk.hashPiece(storage, 2)
  await expect(second).rejects.toBeInstanceOf(DiskError)
  chunks.failing = undefined
  await disk.flushAll()
  await Promise.all([disk.hashPiece(storage, 1), disk.hashPiece(storage, 2)])
  await disk.unregister(storage)
  expect((await disk.register(of.torrent)).resume.have[0]).toBe(0b0110_0000)
})

test('a chunk that failed is tried again without being asked', async () => {
  const { disk, chunks } = await troubled()
  const of = await sample()
  const { storage } = await disk.register(of.torrent)
  chunks.failing = '/chunk/'
  writePiece(disk, storage, of, 1)
  await expect(disk.hashPiece(storage, 1)).rejects.toBeInstanceOf(DiskError)
  chunks.failing = undefined
  await expect.poll(() => disk.stats().dirtyBytesNow).toBe(0)
})

test('full memory and a store that is away: nothing is lost, and it goes on when it is back', async () => {
  const { disk, chunks } = await troubled({ budgetBytes: 2 * MIB })
  const of = await sample({ sizes: [4 * MIB] })
  const { storage } = await disk.register(of.torrent)
  chunks.failing = 'p/'
  let piece = 0
  for (let isFull = false; !isFull; piece++)
    isFull = disk.writeChunk(storage, piece, 0, pieceOf(of, piece).subarray(0, BLOCK_BYTES * 2))
  const drained = disk.drained()
  expect(await isSettled(drained)).toBe(false)
  for (let i = 0; i < piece; i++) {
    const found = await disk.readChunk(storage, i, 0, BLOCK_BYTES * 2)
    expectBytes(found, pieceOf(of, i).subarray(0, BLOCK_BYTES * 2))
  }
  chunks.failing = undefined
  await drained
  for (let i = 0; i < piece; i++)
    disk.writeChunk(storage, i, BLOCK_BYTES * 2, pieceOf(of, i).subarray(BLOCK_BYTES * 2))
  for (let i = 0; i < piece; i++) await disk.hashPiece(storage, i)
})

test('an unfinished piece that could not be put aside stays with what was written meanwhile', async () => {
  const { disk, chunks } = await troubled()
  const of = await sample()
  const { storage } = await disk.register(of.torrent)
  disk.writeChunk(storage, 1, 0, noise(BLOCK_BYTES, 1))
  disk.writeChunk(storage, 1, BLOCK_BYTES, noise(BLOCK_BYTES, 2))
  chunks.failing = '/scratch/'
  const open = gateOf(chunks)
  const flushed = disk.flushPiece(storage, 1)
  // It is on its way, and waits at the gate.
  expect(await isSettled(flushed, 5)).toBe(false)
  disk.writeChunk(storage, 1, 0, pieceOf(of, 1).subarray(0, BLOCK_BYTES))
  disk.writeChunk(storage, 1, 3 * BLOCK_BYTES, pieceOf(of, 1).subarray(3 * BLOCK_BYTES))
  const read = (): Promise<Uint8Array> => disk.readChunk(storage, 1, 0, 2 * BLOCK_BYTES)
  const expected = Buffer.concat([pieceOf(of, 1).subarray(0, BLOCK_BYTES), noise(BLOCK_BYTES, 2)])
  expectBytes(await read(), expected)
  open()
  await expect(flushed).rejects.toBeInstanceOf(DiskError)
  expectBytes(await read(), expected)
  chunks.failing = undefined
  await disk.flushPiece(storage, 1)
  expect(disk.stats().dirtyBytesNow).toBe(0)
  expectBytes(await read(), expected)
  disk.writeChunk(storage, 1, BLOCK_BYTES, pieceOf(of, 1).subarray(BLOCK_BYTES, 3 * BLOCK_BYTES))
  expectBytes(await disk.hashPiece(storage, 1), of.torrent.info.pieces!.subarray(20, 40))
})

test('a piece that is larger than the memory for it is a piece like others', async () => {
  const { disk } = await troubled({ budgetBytes: MIB })
  const of = await sample({ pieceBytes: 2 * MIB, sizes: [7 * MIB] })
  const { storage } = await disk.register(of.torrent)
  for (let piece = 0; piece < 4; piece++) {
    for (const { offset, bytes } of blocksOf(pieceOf(of, piece)))
      if (disk.writeChunk(storage, piece, offset, bytes)) await disk.drained()
  }
  for (let piece = 0; piece < 4; piece++) {
    const found = await disk.hashPiece(storage, piece)
    expectBytes(found, of.torrent.info.pieces!.subarray(piece * 20, piece * 20 + 20))
  }
  await expectAll(disk, storage, of)
})
