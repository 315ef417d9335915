import fc from 'fast-check'
import { expect, test } from 'vitest'
import { DiskError, type StorageIndex } from '../disk-io.ts'
import { BLOCK_BYTES } from '../merkle.ts'
import { ChunkDisk } from './chunk-disk.ts'
import type { ChunkStore } from './chunk-store.ts'
import { expectBytes, PIECE_BYTES, pieceOf, sample } from './contract-samples.ts'
import { memoryS3, TroubledChunks } from './disk.fixture.ts'
import { hasBit } from './verdict.ts'

const PIECES = 12
const BLOCKS = PIECE_BYTES / BLOCK_BYTES

/** Of puts, every so many fails; half of those after they were carried out, as where an answer is lost. */
class FlakyChunks extends TroubledChunks {
  every = 0
  #count = 0

  override async put(
    bucket: string,
    key: string,
    body: readonly Uint8Array[],
  ): Promise<string | undefined> {
    const fails = this.every > 0 && ++this.#count % this.every === 0
    if (fails && this.#count % 2 === 0) throw new DiskError('it was refused')
    // Bytes that change under a put would be stored as they are then.
    await new Promise((resolve) => setImmediate(resolve))
    const version = await super.put(bucket, key, body)
    if (fails) throw new DiskError('its answer was lost')
    return version
  }
}

const step = fc.record({
  piece: fc.nat(PIECES - 1),
  block: fc.nat(BLOCKS - 1),
  kind: fc.constantFrom('write', 'write', 'write', 'fill', 'hash', 'flush', 'flushAll', 'wait'),
})

/** What it rejects with can only be DiskError. */
async function tried(promise: Promise<unknown>): Promise<boolean> {
  try {
    await promise
    return true
  } catch (error) {
    expect(error).toBeInstanceOf(DiskError)
    return false
  }
}

test('whatever puts fail, nothing that was written is lost, and what was told durable is', async () => {
  const of = await sample({ sizes: [PIECES * PIECE_BYTES], seed: 8 })
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 10, maxLength: 80 }),
      fc.integer({ min: 2, max: 5 }),
      async (steps, every) => {
        const { store } = await memoryS3()
        const chunks = new FlakyChunks(store)
        const first = start(chunks)
        const { storage } = await first.register(of.torrent)
        chunks.every = every
        const written = new Set<number>()
        const verified = new Set<number>()
        const under: Promise<unknown>[] = []
        const write = (piece: number, block: number): void => {
          const at = block * BLOCK_BYTES
          const bytes = pieceOf(of, piece).slice(at, at + BLOCK_BYTES)
          first.writeChunk(storage, piece, at, bytes)
          written.add(piece * BLOCKS + block)
        }
        for (const { piece, block, kind } of steps) {
          if (kind === 'write') write(piece, block)
          else if (kind === 'fill') for (let i = 0; i < BLOCKS; i++) write(piece, i)
          else if (kind === 'flush') under.push(tried(first.flushPiece(storage, piece)))
          else if (kind === 'flushAll') under.push(tried(first.flushAll(storage)))
          else if (kind === 'wait') await Promise.all(under.splice(0))
          else
            under.push(
              tried(first.hashPiece(storage, piece)).then(
                (isDone) => isDone && verified.add(piece),
              ),
            )
        }
        await Promise.all(under)
        await expectWritten(first, storage, written)
        // As after a crash, beside the first: what was told durable is there.
        const second = start(store)
        const { resume } = await second.register(of.torrent)
        for (const piece of verified) expect(hasBit(resume.have, piece)).toBe(true)
        chunks.every = 0
        await first.unregister(storage)
        await second[Symbol.asyncDispose]()
        const third = start(store)
        const again = await third.register(of.torrent)
        await expectWritten(third, again.storage, written)
        await third[Symbol.asyncDispose]()
        await first[Symbol.asyncDispose]()
      },
    ),
    { numRuns: 150, timeout: 5000 },
  )

  function start(store: ChunkStore): ChunkDisk {
    return new ChunkDisk(store, {
      budgetBytes: 5 * PIECE_BYTES,
      chunkBytes: 2 * PIECE_BYTES,
      lingerMs: 1,
      retryMs: 1,
    })
  }

  async function expectWritten(
    disk: ChunkDisk,
    storage: StorageIndex,
    written: ReadonlySet<number>,
  ): Promise<void> {
    for (const each of written) {
      const [piece, at] = [Math.floor(each / BLOCKS), (each % BLOCKS) * BLOCK_BYTES]
      const found = await disk.readChunk(storage, piece, at, BLOCK_BYTES, true)
      expectBytes(found, pieceOf(of, piece).subarray(at, at + BLOCK_BYTES))
    }
  }
})
