/** What a disk promises of hashes. */
import { createHash } from 'node:crypto'
import { expect, test } from 'vitest'
import { BLOCK_BYTES, leafOf, pieceHash, rootOf } from '../merkle.ts'
import {
  blocksOf,
  download,
  expectBytes,
  noise,
  opened,
  type OpenDisk,
  PIECE_BYTES,
  pieceOf,
  sample,
  writePiece,
} from './contract-samples.ts'

const BOTH = { v1: true, v2: true }

export function hashPromises(open: OpenDisk): void {
  test('version 1: SHA-1 of each piece, across the ends of files', async () => {
    const disk = await opened(open)
    const of = await sample()
    const { storage } = await disk.register(of.torrent)
    const { pieceCount, pieces } = of.torrent.info
    for (let piece = 0; piece < pieceCount; piece++) {
      writePiece(disk, storage, of, piece)
      const found = await disk.hashPiece(storage, piece)
      expectBytes(found, pieces!.subarray(piece * 20, piece * 20 + 20))
    }
  })

  test.each(['v2', 'hybrid'] as const)(
    '%s: the Merkle root over leaves of 16 KiB; of a file shorter than a piece, its own root',
    async (version) => {
      const disk = await opened(open)
      const of = await sample({ version })
      const { storage } = await disk.register(of.torrent)
      await download(disk, storage, of)
      const { files, pieceBytes } = of.torrent.info
      for (const { offset, sizeBytes, root } of files.filter((file) => file.root !== undefined)) {
        const bytes = of.row.subarray(offset, offset + sizeBytes)
        const first = offset / pieceBytes
        for (let at = 0; at < sizeBytes; at += pieceBytes) {
          const leaves = blocksOf(bytes.subarray(at, at + pieceBytes)).map((b) => leafOf(b.bytes))
          const layer = Buffer.concat(leaves)
          const expected = sizeBytes > pieceBytes ? pieceHash(layer, pieceBytes) : rootOf(layer, 0)
          expectBytes(await disk.hashPieceV2(storage, first + at / pieceBytes), expected)
          const hashes = await disk.hashPieces(storage, first + at / pieceBytes, BOTH)
          expectBytes(hashes.leaves!, layer)
          if (sizeBytes <= pieceBytes) expectBytes(root!, expected)
        }
      }
    },
  )

  test('both at once are each by its own rule, and neither is zeros', async () => {
    const disk = await opened(open)
    const of = await sample({ version: 'hybrid' })
    const { storage } = await disk.register(of.torrent)
    for (let piece = 0; piece < of.torrent.info.pieceCount; piece++) {
      writePiece(disk, storage, of, piece)
      const { v1, v2 } = await disk.hashPieces(storage, piece, BOTH)
      expect([v1?.length, v2?.length]).toEqual([20, 32])
      expect(v1!.some((byte) => byte !== 0) && v2!.some((byte) => byte !== 0)).toBe(true)
      expectBytes(v1!, createHash('sha1').update(pieceOf(of, piece)).digest())
      expectBytes(v1!, of.torrent.info.pieces!.subarray(piece * 20, piece * 20 + 20))
    }
    const { v1, v2 } = await disk.hashPieces(storage, 0, { v1: false, v2: true })
    expect([v1, v2?.length]).toEqual([undefined, 32])
  })

  test('padding is zeros, and is not waited for', async () => {
    const disk = await opened(open)
    const of = await sample({ version: 'hybrid', sizes: [100, PIECE_BYTES] })
    const { storage } = await disk.register(of.torrent)
    disk.writeChunk(storage, 0, 0, of.row.subarray(0, 100))
    expectBytes(await disk.hashPiece(storage, 0), of.torrent.info.pieces!.subarray(0, 20))
    expectBytes(await disk.readPiece(storage, 0), pieceOf(of, 0))
    await disk.unregister(storage)
    const again = await disk.register(of.torrent)
    for (const [start, end] of [
      [50, 30_000],
      [20_000, 21_000],
      [100, PIECE_BYTES],
      [0, 100],
    ] as const) {
      const found = await disk.readChunk(again.storage, 0, start, end - start, start === 50)
      expectBytes(found, pieceOf(of, 0).subarray(start, end))
    }
  })

  test('what a peer sends for padding is not believed', async () => {
    const disk = await opened(open)
    const of = await sample({ version: 'hybrid', sizes: [100, PIECE_BYTES] })
    const { storage } = await disk.register(of.torrent)
    const block = noise(BLOCK_BYTES, 3)
    block.set(of.row.subarray(0, 100))
    disk.writeChunk(storage, 0, 0, block)
    expectBytes(await disk.readChunk(storage, 0, 0, BLOCK_BYTES), of.row.subarray(0, BLOCK_BYTES))
    expectBytes(await disk.hashPiece(storage, 0), of.torrent.info.pieces!.subarray(0, 20))
  })

  test('a leaf is SHA-256 of its block, which is short at the end of a file', async () => {
    const disk = await opened(open)
    const of = await sample({ version: 'v2', sizes: [PIECE_BYTES + 20_000] })
    const { storage } = await disk.register(of.torrent)
    const bytes = pieceOf(of, 1)
    writePiece(disk, storage, of, 1)
    expectBytes(await disk.hashBlock(storage, 1, 0), leafOf(bytes.subarray(0, BLOCK_BYTES)))
    expectBytes(
      await disk.hashBlock(storage, 1, BLOCK_BYTES),
      leafOf(bytes.subarray(BLOCK_BYTES, 20_000)),
    )
    await expect(disk.hashBlock(storage, 1, 2 * BLOCK_BYTES)).rejects.toThrow(RangeError)
  })

  test('a piece that is wrong is told as it is, and after it was cleared comes anew', async () => {
    const disk = await opened(open)
    const of = await sample()
    const { storage } = await disk.register(of.torrent)
    const wrong = noise(PIECE_BYTES, 77)
    disk.writeChunk(storage, 1, 0, wrong)
    expectBytes(await disk.hashPiece(storage, 1), createHash('sha1').update(wrong).digest())
    await disk.clearPiece(storage, 1)
    await expect(disk.readChunk(storage, 1, 0, 1)).rejects.toThrow('never written')
    writePiece(disk, storage, of, 1)
    expectBytes(await disk.hashPiece(storage, 1), of.torrent.info.pieces!.subarray(20, 40))
    expectBytes(await disk.readPiece(storage, 1), pieceOf(of, 1))
  })

  test('bytes that change while they are hashed are never taken for those that were', async () => {
    const disk = await opened(open)
    const pieceBytes = 4 * 1024 ** 2
    const of = await sample({ version: 'hybrid', pieceBytes, sizes: [4 * pieceBytes] })
    const { storage } = await disk.register(of.torrent)
    for (let piece = 0; piece < 4; piece++) {
      writePiece(disk, storage, of, piece)
      const hashed = disk.hashPiece(storage, piece)
      await new Promise((resolve) => setTimeout(resolve, 1 + 2 * piece))
      disk.writeChunk(storage, piece, 0, noise(BLOCK_BYTES, 9))
      const expected = of.torrent.info.pieces!.subarray(piece * 20, piece * 20 + 20)
      const isRight = Buffer.compare(await hashed, expected) === 0
      const found = Buffer.from(await disk.readPiece(storage, piece))
      expect(found.equals(pieceOf(of, piece))).toBe(isRight)
    }
  })

  test('a hybrid is verified only where both of its hashes agree', async () => {
    const disk = await opened(open)
    const of = await sample({ version: 'hybrid' })
    const pieces = Buffer.from(of.torrent.info.pieces!)
    const wrong = noise(PIECE_BYTES, 5)
    // A torrent whose version 1 is of other bytes than its version 2.
    createHash('sha1').update(wrong).digest().copy(pieces, 20)
    const torrent = { ...of.torrent, info: { ...of.torrent.info, pieces } }
    const { storage } = await disk.register(torrent)
    disk.writeChunk(storage, 1, 0, wrong)
    expectBytes((await disk.hashPieces(storage, 1, BOTH)).v1!, pieces.subarray(20, 40))
    await disk.unregister(storage)
    const { resume } = await disk.register(torrent)
    expect([...resume.have].some((byte) => byte !== 0)).toBe(false)
  })

  test('a verified piece stays as it is, whatever is written to it', async () => {
    const disk = await opened(open)
    const of = await sample()
    const { storage } = await disk.register(of.torrent)
    writePiece(disk, storage, of, 1)
    await disk.hashPiece(storage, 1)
    disk.writeChunk(storage, 1, 0, noise(BLOCK_BYTES, 8))
    expectBytes(await disk.readPiece(storage, 1), pieceOf(of, 1))
    expectBytes(await disk.hashPiece(storage, 1), of.torrent.info.pieces!.subarray(20, 40))
  })

  test('hashes asked for several times at once are all answered', async () => {
    const disk = await opened(open)
    const of = await sample({ version: 'hybrid' })
    const { storage } = await disk.register(of.torrent)
    writePiece(disk, storage, of, 1)
    const asked = [
      disk.hashPiece(storage, 1),
      disk.hashPieceV2(storage, 1),
      disk.hashPieces(storage, 1, BOTH),
      disk.hashPiece(storage, 1),
    ] as const
    const [v1, v2, both, again] = await Promise.all(asked)
    expectBytes(v1, again)
    expectBytes(v1, both.v1!)
    expectBytes(v2, both.v2!)
  })

  test('without its layers a long file of version 2 is hashed, and flushing keeps it', async () => {
    const disk = await opened(open)
    const of = await sample({ version: 'v2', withoutLayers: true, sizes: [2 * PIECE_BYTES] })
    const { storage } = await disk.register(of.torrent)
    writePiece(disk, storage, of, 0)
    const found = await disk.hashPieceV2(storage, 0)
    const leaves = blocksOf(pieceOf(of, 0)).map(({ bytes }) => leafOf(bytes))
    expectBytes(found, pieceHash(Buffer.concat(leaves), PIECE_BYTES))
    await disk.flushPiece(storage, 0)
    expectBytes(await disk.readPiece(storage, 0), pieceOf(of, 0))
    await disk.unregister(storage)
    const again = await disk.register(of.torrent)
    expect(again.resume.blocks.get(0)).toEqual(new Uint8Array([0b1111_0000]))
    expectBytes(await disk.hashPieceV2(again.storage, 0), found)
  })

  test('pieces of odd lengths, as version 1 allows them, are pieces like others', async () => {
    const disk = await opened(open)
    const bytes = noise(100, 3)
    const pieces = Buffer.concat(
      [0, 30, 60, 90].map((at) =>
        createHash('sha1')
          .update(bytes.subarray(at, at + 30))
          .digest(),
      ),
    )
    const { torrent } = await sample({ sizes: [100] })
    const info = { ...torrent.info, pieceBytes: 30, pieceCount: 4, pieces }
    const { storage } = await disk.register({ ...torrent, info })
    for (let piece = 0; piece < 4; piece++) {
      const part = bytes.subarray(piece * 30, piece * 30 + 30)
      disk.writeChunk(storage, piece, 0, part.subarray(0, 4))
      disk.writeChunk(storage, piece, 4, part.subarray(4))
      expectBytes(
        await disk.hashPiece(storage, piece),
        pieces.subarray(piece * 20, piece * 20 + 20),
      )
      expectBytes(await disk.readPiece(storage, piece), part)
    }
  })

  test('hashing is work for another thread', async () => {
    const disk = await opened(open)
    const pieceBytes = 16 * 1024 ** 2
    const of = await sample({ version: 'hybrid', pieceBytes, sizes: [pieceBytes] })
    const { storage } = await disk.register(of.torrent)
    const alone = process.threadCpuUsage()
    createHash('sha1').update(of.row).digest()
    createHash('sha256').update(of.row).digest()
    const cost = process.threadCpuUsage(alone).user
    // Bytes that are wrong: nothing but hashing is to be done then.
    const wrong = noise(pieceBytes, 99)
    for (const { offset, bytes } of blocksOf(wrong)) disk.writeChunk(storage, 0, offset, bytes)
    const before = process.threadCpuUsage()
    await disk.hashPieces(storage, 0, BOTH)
    expect(process.threadCpuUsage(before).user).toBeLessThan(cost * 0.8)
  })
}
