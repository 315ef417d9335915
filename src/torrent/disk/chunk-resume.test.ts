import { expect, test } from 'vitest'
import { MemoryStore } from '../../../metadata/memory.ts'
import { MemoryStorage } from '../../../storage/memory.ts'
import { DiskError } from '../disk-io.ts'
import { BLOCK_BYTES } from '../merkle.ts'
import { ChunkDisk } from './chunk-disk.ts'
import {
  download,
  expectAll,
  expectBytes,
  opened,
  pieceOf,
  sample,
  writePiece,
} from './contract-samples.ts'
import { memoryS3, TroubledChunks } from './disk.fixture.ts'
import { baseOf } from './journal-keys.ts'
import { writeCheckpoint } from './checkpoint.ts'

const QUICK = { lingerMs: 2, retryMs: 5, chunkBytes: 1 }

async function keysOf(chunks: TroubledChunks): Promise<readonly string[]> {
  const keys: string[] = []
  for await (const { key } of chunks.list('b', '', '')) keys.push(key)
  return keys
}

async function start(chunks: TroubledChunks): Promise<ChunkDisk> {
  const disk = new ChunkDisk(chunks, QUICK)
  await opened(async () => disk)
  return disk
}

test('another process finds what is there by names alone', async () => {
  const chunks = new TroubledChunks((await memoryS3()).store)
  const of = await sample({ version: 'hybrid' })
  const first = await start(chunks)
  const { storage } = await first.register(of.torrent)
  await download(first, storage, of, [4, 0, 1])
  writePiece(first, storage, of, 2)
  await first.flushAll()
  // The first ends without a word.
  const second = await start(chunks)
  const { storage: again, resume } = await second.register(of.torrent)
  expect(resume.have[0]).toBe(0b1100_1000)
  expect([...resume.blocks]).toEqual([[2, new Uint8Array([0b1111_0000])]])
  expect(second.stats()).toMatchObject({ readBytes: 0, upstreamGets: 1 })
  expect(chunks.gets).toEqual([])
  await second.hashPiece(again, 2)
  await download(
    second,
    again,
    of,
    [3, 5, 6, 7, 8, 9].filter((piece) => piece < of.torrent.info.pieceCount),
  )
  await expectAll(second, again, of)
})

test('many chunks are found by a checkpoint; where it is damaged, by their names', async () => {
  const { store } = await memoryS3()
  const chunks = new TroubledChunks(store)
  const of = await sample({ pieceBytes: 16_384, sizes: [300 * 16_384] })
  const first = await start(chunks)
  const { storage } = await first.register(of.torrent)
  await download(first, storage, of)
  await first.clearPiece(storage, 7)
  await first.unregister(storage)
  const checkpoint = (await keysOf(chunks)).find((key) => key.includes('/checkpoint/'))
  expect(checkpoint).toBeDefined()
  const check = async (): Promise<void> => {
    const second = await start(chunks)
    const { storage: again, resume } = await second.register(of.torrent)
    expect(resume.have[0]).toBe(0b1111_1110)
    expect(resume.have.slice(1, 37).every((byte) => byte === 255)).toBe(true)
    expectBytes(await second.readPiece(again, 299), pieceOf(of, 299))
    await expect(second.readPiece(again, 7)).rejects.toBeInstanceOf(DiskError)
    await second.unregister(again)
  }
  await check()
  await store.put('b', checkpoint!, [Buffer.from('SLDC\u0001damaged')])
  await check()
  await store.put('b', checkpoint!, [Buffer.from('anything')])
  await check()
})

test('nothing is written for a torrent after it was unregistered', async () => {
  const chunks = new TroubledChunks((await memoryS3()).store)
  const of = await sample({ pieceBytes: 16_384, sizes: [300 * 16_384] })
  const disk = await start(chunks)
  const { storage } = await disk.register(of.torrent)
  await download(disk, storage, of)
  await disk.unregister(storage)
  const checkpoints = (await keysOf(chunks)).filter((key) => key.includes('/checkpoint/'))
  expect(checkpoints.length).toBe(1)
  await disk.erase(of.torrent)
  await new Promise((resolve) => setTimeout(resolve, 30))
  expect(await keysOf(chunks)).toEqual([])
})

test('a newer program’s checkpoint, and another torrent’s place, are refused and left alone', async () => {
  const { store } = await memoryS3()
  const chunks = new TroubledChunks(store)
  const disk = await start(chunks)
  const [of, other] = [await sample(), await sample({ seed: 2 })]
  const newer = writeCheckpoint({ seq: 1, pieceCount: 8, entries: [] })
  newer[4] = 2
  await store.put('b', `${baseOf(of.torrent)}checkpoint/00000001`, [newer])
  await expect(disk.register(of.torrent)).rejects.toThrow('newer program')
  await store.put('b', `${baseOf(other.torrent)}info`, [of.torrent.info.encoded])
  await expect(disk.register(other.torrent)).rejects.toThrow('another’s')
  await store.put('b', `${baseOf(other.torrent)}info`, [other.torrent.info.encoded])
  await disk.register(other.torrent)
})

test('a prefix that leaves no room for names is refused with what to do', async () => {
  const disk = await start(new TroubledChunks((await memoryS3()).store))
  const of = await sample({ prefix: `${'x'.repeat(900)}/` })
  await expect(disk.register(of.torrent)).rejects.toThrow('shorten it')
})

test('names that are none of ours change nothing', async () => {
  const { store } = await memoryS3()
  const disk = await start(new TroubledChunks(store))
  const of = await sample()
  const base = baseOf(of.torrent)
  for (const name of [
    'chunk/x',
    'chunk/0000000a-*',
    'scratch/z',
    'scratch/zzzz-00000001-AQE',
    'checkpoint/nine',
    'other',
  ])
    await store.put('b', base + name, [Buffer.from('?')])
  const { resume } = await disk.register(of.torrent)
  expect(resume).toEqual({ have: new Uint8Array(1), blocks: new Map() })
})

test('scratch objects of a piece that is stored are removed when it is found', async () => {
  const { store } = await memoryS3()
  const chunks = new TroubledChunks(store)
  const first = await start(chunks)
  const of = await sample()
  const { storage } = await first.register(of.torrent)
  writePiece(first, storage, of, 1)
  await first.flushPiece(storage, 1)
  const scratch = (await keysOf(chunks)).find((key) => key.includes('/scratch/'))!
  const bytes = (await store.find('b', scratch))!
  await first.hashPiece(storage, 1)
  await first.unregister(storage)
  expect(await keysOf(chunks)).not.toContain(scratch)
  // As a crash would have left it.
  await store.put('b', scratch, [bytes])
  const second = await start(chunks)
  const { resume, storage: again } = await second.register(of.torrent)
  expect(resume.blocks.size).toBe(0)
  await second.unregister(again)
  expect(await keysOf(chunks)).not.toContain(scratch)
})

test('in a bucket with versions, erasing leaves none of them', async () => {
  const { store, fixture } = await memoryS3(new MemoryStore(), new MemoryStorage())
  await fixture.bucket('b', 'Enabled')
  const disk = await start(new TroubledChunks(store))
  const of = await sample()
  const { storage } = await disk.register(of.torrent)
  disk.writeChunk(storage, 3, 0, pieceOf(of, 3).subarray(0, BLOCK_BYTES))
  await disk.flushAll()
  await download(disk, storage, of, [1, 3])
  await disk.clearPiece(storage, 1)
  await disk.unregister(storage)
  await disk.erase(of.torrent)
  await fixture.sweep().run(true)
  expect(await fixture.blobs()).toEqual([])
})
