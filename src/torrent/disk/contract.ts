/**
 * The promises of `DiskIoBackend`, as tests: a disk's own test file is a call of this. Each fault that
 * disks of BitTorrent sessions have been seen with has its case.
 */
import { describe, expect, test } from 'vitest'
import { DiskError } from '../disk-io.ts'
import { hashPromises } from './contract-hash.ts'
import { lifePromises } from './contract-life.ts'
import { randomPromises } from './contract-random.ts'
import {
  blocksOf,
  download,
  expectAll,
  expectBytes,
  noise,
  opened,
  type OpenDisk,
  PIECE_BYTES,
  pieceOf,
  sample,
  writePiece,
} from './contract-samples.ts'

/** `open` gives an empty disk each time; the suite closes it. */
export function diskContract(name: string, open: OpenDisk): void {
  describe(`a disk: ${name}`, () => {
    describe('writing and reading', () => {
      accessPromises(open)
    })
    describe('hashes', () => {
      hashPromises(open)
    })
    describe('torrents that come and go', () => {
      lifePromises(open)
    })
    describe('any order of calls', () => {
      randomPromises(open)
    })
  })
}

function accessPromises(open: OpenDisk): void {
  test.each([false, true])(
    'a block is read from the moment it is written, volatile: %s',
    async (isVolatile) => {
      const disk = await opened(open)
      const of = await sample()
      const { storage } = await disk.register(of.torrent)
      for (const { offset, bytes } of blocksOf(pieceOf(of, 1))) {
        disk.writeChunk(storage, 1, offset, bytes)
        const found = await disk.readChunk(storage, 1, offset, bytes.length, isVolatile)
        expectBytes(found, bytes)
      }
      expectBytes(await disk.readPiece(storage, 1), pieceOf(of, 1))
    },
  )

  test('a buffer is its owner’s again when a write has returned', async () => {
    const disk = await opened(open)
    const of = await sample()
    const { storage } = await disk.register(of.torrent)
    writePiece(disk, storage, of, 2)
    expectBytes(await disk.readPiece(storage, 2), pieceOf(of, 2))
  })

  test('reads need not begin or end with a block', async () => {
    const disk = await opened(open)
    const of = await sample()
    const { storage } = await disk.register(of.torrent)
    const bytes = pieceOf(of, 3)
    writePiece(disk, storage, of, 3)
    const check = async (): Promise<void> => {
      for (const [offset, length] of [
        [0, 1],
        [16_383, 2],
        [16_000, 33_000],
        [1, PIECE_BYTES - 2],
        [PIECE_BYTES - 1, 1],
        [77, 0],
      ] as const) {
        const found = await disk.readChunk(storage, 3, offset, length)
        expectBytes(found, bytes.subarray(offset, offset + length))
      }
    }
    await check()
    await disk.hashPiece(storage, 3)
    await check()
    await disk.unregister(storage)
    const again = await disk.register(of.torrent)
    expectBytes(await disk.readChunk(again.storage, 3, 5, 40_000), bytes.subarray(5, 40_005))
  })

  test('a block in two slices is one block', async () => {
    const disk = await opened(open)
    const of = await sample()
    const { storage } = await disk.register(of.torrent)
    const bytes = pieceOf(of, 1)
    disk.writeBlockDirect(storage, 1, 0, bytes.subarray(0, 5000), bytes.subarray(5000, 16_384))
    disk.writeBlockDirect(storage, 1, 16_384, bytes.subarray(16_384, 32_768), new Uint8Array(0))
    expectBytes(await disk.readChunk(storage, 1, 0, 32_768), bytes.subarray(0, 32_768))
  })

  test('blocks in any order, odd slices too, make the piece', async () => {
    const disk = await opened(open)
    const of = await sample()
    const { storage } = await disk.register(of.torrent)
    const bytes = pieceOf(of, 2)
    for (const [start, end] of [
      [50_000, 65_536],
      [7, 16_390],
      [0, 7],
      [16_390, 50_000],
    ] as const)
      disk.writeChunk(storage, 2, start, bytes.subarray(start, end))
    expectBytes(await disk.readPiece(storage, 2), bytes)
    expectBytes(await disk.hashPiece(storage, 2), of.torrent.info.pieces!.subarray(40, 60))
  })

  test('what is written over is read as it was written last, and hashed so', async () => {
    const disk = await opened(open)
    const of = await sample()
    const { storage } = await disk.register(of.torrent)
    for (const { offset } of blocksOf(pieceOf(of, 1)))
      disk.writeChunk(storage, 1, offset, noise(16_384, offset + 9))
    // Long enough for bytes to be hashed as they come.
    await new Promise((resolve) => setTimeout(resolve, 30))
    writePiece(disk, storage, of, 1)
    expectBytes(await disk.readPiece(storage, 1), pieceOf(of, 1))
    expectBytes(await disk.hashPiece(storage, 1), of.torrent.info.pieces!.subarray(20, 40))
  })

  test('bytes that were never written are an error, never zeros', async () => {
    const disk = await opened(open)
    const of = await sample()
    const { storage } = await disk.register(of.torrent)
    disk.writeChunk(storage, 1, 0, pieceOf(of, 1).subarray(0, 16_384))
    await expect(disk.readChunk(storage, 1, 16_383, 2)).rejects.toBeInstanceOf(DiskError)
    await expect(disk.readPiece(storage, 2)).rejects.toBeInstanceOf(DiskError)
    await expect(disk.hashPiece(storage, 1)).rejects.toBeInstanceOf(DiskError)
    await expect(disk.hashPiece(storage, 2)).rejects.toBeInstanceOf(DiskError)
    await expect(disk.hashBlock(storage, 1, 16_384)).rejects.toBeInstanceOf(DiskError)
  })

  test('what lies beyond a torrent or a piece is refused', async () => {
    const disk = await opened(open)
    const of = await sample()
    const { storage } = await disk.register(of.torrent)
    const block = new Uint8Array(16_384)
    const last = of.torrent.info.pieceCount - 1
    const lastBytes = pieceOf(of, last).length
    for (const [piece, offset, length] of [
      [-1, 0, 1],
      [last + 1, 0, 1],
      [0.5, 0, 1],
      [0, -1, 1],
      [0, PIECE_BYTES - 1, 2],
      [0, PIECE_BYTES + 1, 0],
      [last, lastBytes, 1],
      [0, 0.5, 1],
      [0, Number.NaN, 1],
    ] as const) {
      const bytes = block.subarray(0, length)
      expect(() => disk.writeChunk(storage, piece, offset, bytes)).toThrow(RangeError)
      expect(() => disk.writeBlockDirect(storage, piece, offset, bytes, block)).toThrow(RangeError)
      await expect(disk.readChunk(storage, piece, offset, length)).rejects.toThrow(RangeError)
    }
    for (const piece of [-1, last + 1]) {
      await expect(disk.readPiece(storage, piece)).rejects.toThrow(RangeError)
      await expect(disk.hashPiece(storage, piece)).rejects.toThrow(RangeError)
      await expect(disk.clearPiece(storage, piece)).rejects.toThrow(RangeError)
      await expect(disk.flushPiece(storage, piece)).rejects.toThrow(RangeError)
      await expect(disk.hashBlock(storage, piece, 0)).rejects.toThrow(RangeError)
    }
    expect(() => disk.writeChunk(storage + 1, 0, 0, block)).toThrow(RangeError)
    await expect(disk.readChunk(storage + 1, 0, 0, 1)).rejects.toThrow(RangeError)
  })

  test('an engine that waits where it is told to brings all of a torrent in', async () => {
    const disk = await opened(open)
    const of = await sample({ sizes: [3_000_001], seed: 4 })
    const { storage } = await disk.register(of.torrent)
    await download(disk, storage, of)
    await disk.drained()
    await expectAll(disk, storage, of)
  })

  test('counts move', async () => {
    const disk = await opened(open)
    const of = await sample()
    const { storage } = await disk.register(of.torrent)
    expect(disk.stats()).toMatchObject({ readBytes: 0, writtenBytes: 0 })
    await download(disk, storage, of)
    await disk.readChunk(storage, 1, 0, 1000)
    await disk.readChunk(storage, 1, 0, 1000)
    const stats = disk.stats()
    expect(stats.writtenBytes).toBe(of.torrent.info.totalBytes)
    expect(stats.readBytes).toBeGreaterThanOrEqual(2000)
    expect(stats.cacheHits + stats.cacheMisses).toBeGreaterThanOrEqual(2)
    for (const value of Object.values(stats)) expect(value).toBeGreaterThanOrEqual(0)
  })

  test('a piece of which something is in memory is listed, and its blocks counted', async () => {
    const disk = await opened(open)
    const of = await sample()
    const { storage } = await disk.register(of.torrent)
    disk.writeChunk(storage, 1, 16_384, pieceOf(of, 1).subarray(16_384, 49_152))
    expect(disk.cachedPieces(storage)).toMatchObject([
      { storage, piece: 1, blocks: 2, isVerified: false },
    ])
  })
}
