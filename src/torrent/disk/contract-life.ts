/** What a disk promises of torrents that are registered, cleared, unregistered and erased. */
import { expect, test } from 'vitest'
import { DiskError, type Resume } from '../disk-io.ts'
import { BLOCK_BYTES } from '../merkle.ts'
import {
  download,
  expectAll,
  expectBytes,
  noise,
  opened,
  type OpenDisk,
  pieceOf,
  sample,
  writePiece,
} from './contract-samples.ts'

export function lifePromises(open: OpenDisk): void {
  test('torrents have indices of their own, and never see each other’s bytes', async () => {
    const disk = await opened(open)
    const samples = await Promise.all([1, 2, 3].map((seed) => sample({ seed })))
    const registered = await Promise.all(samples.map(({ torrent }) => disk.register(torrent)))
    const indices = registered.map(({ storage }) => storage)
    expect(new Set(indices).size).toBe(3)
    for (const [i, of] of samples.entries()) writePiece(disk, indices[i]!, of, 1)
    for (const [i, of] of samples.entries())
      expectBytes(await disk.readPiece(indices[i]!, 1), pieceOf(of, 1))
  })

  test('the same torrent at two places is two torrents; at one place it is refused', async () => {
    const disk = await opened(open)
    const of = await sample()
    const other = await sample({ prefix: 'q/' })
    const { storage } = await disk.register(of.torrent)
    await expect(disk.register(of.torrent)).rejects.toBeInstanceOf(DiskError)
    const second = await disk.register(other.torrent)
    writePiece(disk, storage, of, 1)
    await expect(disk.readPiece(second.storage, 1)).rejects.toBeInstanceOf(DiskError)
  })

  test('an index is not given again while its torrent is on its way out', async () => {
    const disk = await opened(open)
    const [of, other] = [await sample(), await sample({ seed: 2 })]
    const { storage } = await disk.register(of.torrent)
    writePiece(disk, storage, of, 1)
    const leaving = disk.unregister(storage)
    const { storage: next } = await disk.register(other.torrent)
    expect(next).not.toBe(storage)
    await leaving
    expect(() => disk.writeChunk(storage, 0, 0, new Uint8Array(1))).toThrow(RangeError)
    await expect(disk.unregister(storage)).rejects.toThrow(RangeError)
  })

  test('unregistering keeps what is verified and what is unfinished, and resuming reads nothing', async () => {
    const disk = await opened(open)
    const of = await sample()
    const { storage, resume } = await disk.register(of.torrent)
    expect(resume).toEqual({ have: new Uint8Array(1), blocks: new Map() })
    await download(disk, storage, of, [0, 3])
    const bytes = pieceOf(of, 2)
    disk.writeChunk(storage, 2, 0, bytes.subarray(0, BLOCK_BYTES))
    disk.writeChunk(storage, 2, 2 * BLOCK_BYTES, bytes.subarray(2 * BLOCK_BYTES, 4 * BLOCK_BYTES))
    disk.writeChunk(storage, 2, BLOCK_BYTES, bytes.subarray(BLOCK_BYTES, BLOCK_BYTES + 100))
    await disk.unregister(storage)

    const before = disk.stats().readBytes
    const again = await disk.register(of.torrent)
    const expected: Resume = {
      have: new Uint8Array([0b1001_0000]),
      blocks: new Map([[2, new Uint8Array([0b1011_0000])]]),
    }
    expect(again.resume).toEqual(expected)
    expect(disk.stats().readBytes).toBe(before)
    expectBytes(await disk.readPiece(again.storage, 3), pieceOf(of, 3))
    const half = await disk.readChunk(again.storage, 2, 2 * BLOCK_BYTES, 2 * BLOCK_BYTES)
    expectBytes(half, bytes.subarray(2 * BLOCK_BYTES, 4 * BLOCK_BYTES))
    disk.writeChunk(again.storage, 2, BLOCK_BYTES, bytes.subarray(BLOCK_BYTES, 2 * BLOCK_BYTES))
    expectBytes(await disk.hashPiece(again.storage, 2), of.torrent.info.pieces!.subarray(40, 60))
    expectBytes(await disk.readPiece(again.storage, 2), bytes)
  })

  test('unregistering waits for hashes under way', async () => {
    const disk = await opened(open)
    const of = await sample()
    const { storage } = await disk.register(of.torrent)
    writePiece(disk, storage, of, 1)
    const hashed = disk.hashPiece(storage, 1)
    await Promise.all([hashed, disk.unregister(storage)])
    const { resume } = await disk.register(of.torrent)
    expect(resume.have[0]).toBe(0b0100_0000)
  })

  test('a finished torrent is there again, all of it', async () => {
    const disk = await opened(open)
    const of = await sample({ version: 'hybrid' })
    const { storage } = await disk.register(of.torrent)
    await download(disk, storage, of)
    await disk.unregister(storage)
    const again = await disk.register(of.torrent)
    const { pieceCount } = of.torrent.info
    const bits = [...again.resume.have].map((byte) => byte.toString(2).padStart(8, '0')).join('')
    expect(bits.slice(0, pieceCount)).toBe('1'.repeat(pieceCount))
    await expectAll(disk, again.storage, of)
  })

  test('clearing waits for the hash of the piece, and nothing of it comes back', async () => {
    const disk = await opened(open)
    const of = await sample()
    const { storage } = await disk.register(of.torrent)
    disk.writeChunk(storage, 1, 0, noise(pieceOf(of, 1).length, 9))
    writePiece(disk, storage, of, 2)
    let isHashed = false
    const hashed = disk.hashPiece(storage, 1).then(() => (isHashed = true))
    await disk.clearPiece(storage, 1)
    expect(isHashed).toBe(true)
    await hashed
    await expect(disk.readChunk(storage, 1, 0, 1)).rejects.toBeInstanceOf(DiskError)
    expectBytes(await disk.readPiece(storage, 2), pieceOf(of, 2))
    await disk.unregister(storage)
    const { resume } = await disk.register(of.torrent)
    expect(resume.blocks.has(1)).toBe(false)
  })

  test('what is written after a clear was called is kept, and nothing from before comes back', async () => {
    const disk = await opened(open)
    const of = await sample()
    const { storage } = await disk.register(of.torrent)
    const wrong = noise(pieceOf(of, 1).length, 9)
    disk.writeChunk(storage, 1, 0, wrong.subarray(0, 3 * BLOCK_BYTES))
    await disk.flushPiece(storage, 1)
    disk.writeChunk(storage, 1, 3 * BLOCK_BYTES, wrong.subarray(3 * BLOCK_BYTES))
    const hashed = disk.hashPiece(storage, 1)
    const cleared = disk.clearPiece(storage, 1)
    writePiece(disk, storage, of, 1)
    await Promise.all([hashed, cleared])
    expectBytes(await disk.readPiece(storage, 1), pieceOf(of, 1))
    expectBytes(await disk.hashPiece(storage, 1), of.torrent.info.pieces!.subarray(20, 40))
  })

  test('clearing a piece that has nothing is nothing', async () => {
    const disk = await opened(open)
    const of = await sample()
    const { storage } = await disk.register(of.torrent)
    await disk.clearPiece(storage, 0)
    expect(disk.cachedPieces(storage)).toEqual([])
  })

  test('a piece that is cleared after it was verified is gone for good', async () => {
    const disk = await opened(open)
    const of = await sample()
    const { storage } = await disk.register(of.torrent)
    await download(disk, storage, of, [1, 2])
    await disk.clearPiece(storage, 1)
    await expect(disk.readPiece(storage, 1)).rejects.toBeInstanceOf(DiskError)
    await disk.unregister(storage)
    const again = await disk.register(of.torrent)
    expect(again.resume.have[0]).toBe(0b0010_0000)
    await download(disk, again.storage, of, [1])
    expectBytes(await disk.readPiece(again.storage, 1), pieceOf(of, 1))
    expectBytes(await disk.readPiece(again.storage, 2), pieceOf(of, 2))
  })

  test('flushed blocks are read, written on, and verified like others', async () => {
    const disk = await opened(open)
    const of = await sample()
    const { storage } = await disk.register(of.torrent)
    const bytes = pieceOf(of, 1)
    disk.writeChunk(storage, 1, 0, bytes.subarray(0, BLOCK_BYTES), true)
    await disk.flushPiece(storage, 1)
    expectBytes(await disk.readChunk(storage, 1, 5, 1000), bytes.subarray(5, 1005))
    disk.writeChunk(storage, 1, BLOCK_BYTES, bytes.subarray(BLOCK_BYTES))
    await disk.flushAll()
    expect(disk.stats().dirtyBytesNow).toBe(0)
    expectBytes(await disk.readPiece(storage, 1), bytes)
    expectBytes(await disk.hashPiece(storage, 1), of.torrent.info.pieces!.subarray(20, 40))
    await disk.flushAll(storage)
    expectBytes(await disk.readPiece(storage, 1), bytes)
  })

  test('erasing removes what is kept, and only of that torrent, which must be out', async () => {
    const disk = await opened(open)
    const [of, other] = [await sample(), await sample({ seed: 2 })]
    const { storage } = await disk.register(of.torrent)
    const second = await disk.register(other.torrent)
    await download(disk, storage, of, [1])
    await download(disk, second.storage, other, [1])
    writePiece(disk, storage, of, 2)
    await expect(disk.erase(of.torrent)).rejects.toBeInstanceOf(DiskError)
    await disk.unregister(storage)
    await disk.erase(of.torrent)
    const { resume } = await disk.register(of.torrent)
    expect(resume).toEqual({ have: new Uint8Array(1), blocks: new Map() })
    expectBytes(await disk.readPiece(second.storage, 1), pieceOf(other, 1))
  })
}
