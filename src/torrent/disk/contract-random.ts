/** Calls in any order, pieces side by side, compared with what was written. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { DiskError, type DiskIoBackend, type StorageIndex } from '../disk-io.ts'
import { BLOCK_BYTES } from '../merkle.ts'
import {
  expectBytes,
  noise,
  type OpenDisk,
  PIECE_BYTES,
  pieceOf,
  type Sample,
  sample,
} from './contract-samples.ts'

const PIECES = 5

type Step =
  | { readonly kind: 'write'; readonly block: number; readonly isWrong: boolean }
  | { readonly kind: 'fill' }
  | { readonly kind: 'read'; readonly from: number; readonly length: number }
  | { readonly kind: 'hash' }
  | { readonly kind: 'clear' }
  | { readonly kind: 'flush' }
  | { readonly kind: 'drain' }

const BLOCKS = PIECE_BYTES / BLOCK_BYTES
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('write' as const),
      block: fc.nat(BLOCKS - 1),
      isWrong: fc.oneof({ weight: 5, arbitrary: fc.constant(false) }, fc.boolean()),
    }),
  },
  { weight: 2, arbitrary: fc.constant<Step>({ kind: 'fill' }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('read' as const),
      from: fc.nat(PIECE_BYTES - 1),
      length: fc.nat(PIECE_BYTES),
    }),
  },
  { weight: 3, arbitrary: fc.constant<Step>({ kind: 'hash' }) },
  fc.constantFrom<Step>({ kind: 'clear' }, { kind: 'flush' }, { kind: 'drain' }),
)

/** What a piece should be: blocks as they were written last. */
interface Model {
  blocks: (Uint8Array | undefined)[]
  isVerified: boolean
}

export function randomPromises(open: OpenDisk): void {
  test('whatever is called in whatever order, bytes are as they were written last', async () => {
    const of = await sample({ sizes: [PIECES * PIECE_BYTES - 30_000], seed: 6 })
    const phases = fc.array(
      fc.array(fc.array(step, { maxLength: 12 }), { minLength: PIECES, maxLength: PIECES }),
      { minLength: 1, maxLength: 3 },
    )
    await fc.assert(
      fc.asyncProperty(phases, async (rounds) => {
        await using disk = await open()
        const models = Array.from({ length: PIECES }, (): Model => ({
          blocks: [],
          isVerified: false,
        }))
        for (const pieces of rounds) {
          const { storage, resume } = await disk.register(of.torrent)
          for (const [piece, model] of models.entries()) {
            expect((resume.have[0]! & (128 >> piece)) !== 0).toBe(model.isVerified)
            const bits = resume.blocks.get(piece)?.[0] ?? 0
            const isThere = (block: number): boolean => (bits & (128 >> block)) !== 0
            for (let block = 0; !model.isVerified && block < BLOCKS; block++)
              expect(isThere(block)).toBe(model.blocks[block] !== undefined)
          }
          await Promise.all(
            pieces.map(async (steps, piece) => {
              for (const each of steps) await take(disk, storage, of, piece, models[piece]!, each)
            }),
          )
          await disk.unregister(storage)
        }
      }),
      { numRuns: 30 },
    )
  })
}

async function take(
  disk: DiskIoBackend,
  storage: StorageIndex,
  of: Sample,
  piece: number,
  model: Model,
  each: Step,
): Promise<void> {
  const bytes = pieceOf(of, piece)
  const count = Math.ceil(bytes.length / BLOCK_BYTES)
  const write = (block: number, isWrong: boolean): void => {
    const start = block * BLOCK_BYTES
    if (start >= bytes.length) return
    const right = bytes.slice(start, start + BLOCK_BYTES)
    const written = isWrong ? noise(right.length, block) : right
    disk.writeChunk(storage, piece, start, written)
    if (!model.isVerified) model.blocks[block] = written.slice()
    written.fill(0)
  }
  const isWhole = model.blocks.filter((block) => block !== undefined).length === count
  switch (each.kind) {
    case 'write':
      return write(each.block, each.isWrong)
    case 'fill':
      for (let block = 0; block < count; block++) if (!model.blocks[block]) write(block, false)
      return
    case 'read':
      return compare(disk, storage, piece, model, each, bytes.length)
    case 'hash': {
      const hashed = disk.hashPiece(storage, piece)
      if (!isWhole) return expect(hashed).rejects.toBeInstanceOf(DiskError)
      const expected = of.torrent.info.pieces!.subarray(piece * 20, piece * 20 + 20)
      const isRight = Buffer.concat(model.blocks as Uint8Array[]).equals(bytes)
      model.isVerified ||= isRight
      expect(Buffer.compare(await hashed, expected) === 0).toBe(isRight)
      return
    }
    case 'clear':
      model.blocks = []
      model.isVerified = false
      return disk.clearPiece(storage, piece)
    case 'flush':
      return disk.flushPiece(storage, piece)
    case 'drain':
      return disk.drained()
  }
}

async function compare(
  disk: DiskIoBackend,
  storage: StorageIndex,
  piece: number,
  model: Model,
  { from, length }: { readonly from: number; readonly length: number },
  pieceBytes: number,
): Promise<void> {
  const start = Math.min(from, pieceBytes)
  const end = Math.min(pieceBytes, start + length)
  const row = new Uint8Array(pieceBytes)
  let isThere = true
  for (let block = 0; block * BLOCK_BYTES < pieceBytes; block++) {
    const bytes = model.blocks[block]
    row.set(bytes ?? [], block * BLOCK_BYTES)
    if (bytes === undefined && block * BLOCK_BYTES < end && (block + 1) * BLOCK_BYTES > start)
      isThere &&= start === end
  }
  const found = disk.readChunk(storage, piece, start, end - start)
  if (!isThere) return expect(found).rejects.toBeInstanceOf(DiskError)
  expectBytes(await found, row.subarray(start, end))
}
