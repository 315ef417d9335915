import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ChunkLost } from './chunk-store.ts'
import { readCheckpoint, writeCheckpoint } from './checkpoint.ts'
import { DiskError } from '../disk-io.ts'
import { JournalKeys } from './journal-keys.ts'
import { partsThatFit } from './journal.ts'
import { decodeRanges, encodeRanges, VarintReader, VarintWriter } from './varints.ts'

const keys = new JournalKeys({ id: 'ab'.repeat(20), place: { bucket: 'b', prefix: 'some/' } })

const edges = fc
  .array(fc.tuple(fc.integer({ min: 1, max: 5000 }), fc.integer({ min: 1, max: 3 * 2 ** 21 })), {
    minLength: 1,
    maxLength: 60,
  })
  .map((pairs) => {
    let at = 0
    return pairs.flatMap(([gap, length]) => [(at += gap), (at += length)])
  })

test('numbers and ranges come back as they were written', () => {
  fc.assert(
    fc.property(fc.array(fc.maxSafeNat()), edges, (numbers, ranges) => {
      const writer = new VarintWriter()
      for (const each of numbers) writer.write(each)
      const reader = new VarintReader(writer.finish())
      expect(numbers.map(() => reader.read())).toEqual(numbers)
      expect(reader.isAtEnd).toBe(true)
      expect(decodeRanges(encodeRanges(ranges))).toEqual(ranges)
    }),
  )
})

test('names say what they were made of, sort by their number, and fit', () => {
  fc.assert(
    fc.property(
      fc.nat(36 ** 8 - 2),
      edges,
      fc.boolean(),
      fc.nat(2 ** 21),
      (seq, all, isChunk, piece) => {
        for (const part of partsThatFit(all, keys.rangeBytesMax)) {
          const ranges = encodeRanges(part)
          const name = keys.entry({ seq, isChunk, ranges })
          expect(keys.readEntry(name)).toEqual({ seq, isChunk, ranges: Buffer.from(ranges) })
          const scratch = keys.scratch({ piece, seq, edges: part })
          expect(keys.readScratch(scratch)).toEqual({ piece, seq, edges: part })
          for (const each of [name, scratch]) expect(Buffer.byteLength(each)).toBeLessThan(1024)
          expect(name < keys.afterEntry(seq)).toBe(true)
          expect(keys.afterEntry(seq) < keys.entry({ seq: seq + 1, isChunk: true, ranges })).toBe(
            true,
          )
        }
        expect(partsThatFit(all, 20).flat()).toEqual(all)
      },
    ),
  )
})

test('any name, and any bytes for a checkpoint, are read or refused', () => {
  fc.assert(
    fc.property(fc.string(), fc.uint8Array({ maxLength: 60 }), (name, bytes) => {
      keys.readEntry(keys.chunks + name)
      keys.readScratch(keys.scratches + name)
      keys.readCheckpoint(keys.checkpoints + name)
      for (const each of [bytes, Buffer.concat([Buffer.from('SLDC\u0001'), bytes])]) {
        try {
          readCheckpoint(each)
        } catch (error) {
          expect(error).toBeInstanceOf(DiskError)
        }
      }
    }),
  )
})

test('a checkpoint that is cut short is damaged, and never half', () => {
  const entries = [1, 5, 900].map((seq) => ({
    seq,
    isChunk: seq !== 5,
    ranges: encodeRanges([seq, seq + 7]),
  }))
  const bytes = writeCheckpoint({ seq: 1000, pieceCount: 4000, entries })
  expect(readCheckpoint(bytes)).toEqual({ seq: 1000, pieceCount: 4000, entries })
  for (let length = 0; length < bytes.length; length++)
    expect(() => readCheckpoint(bytes.subarray(0, length))).toThrow(ChunkLost)
})
