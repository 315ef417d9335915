import { crc32 } from 'node:zlib'
import { expect, test } from 'vitest'
import { Crc32Words } from './crc32-words.ts'

test('is what zlib says, of pieces of any length, from any word on, with any seed', () => {
  const bytes = Uint8Array.from({ length: 2000 }, (_, i) => (i * 2_654_435_761) >>> 24)
  const words = new Crc32Words(bytes)
  for (let start = 0; start < 40; start += 4)
    for (let length = 0; length < 1200; length += length < 70 ? 1 : 13)
      for (const seed of [0, 1, 0xffff_ffff, 0x8000_0001])
        expect(words.of(start, start + length, seed), `${start}, ${length}, ${seed}`).toBe(
          crc32(bytes.subarray(start, start + length), seed),
        )
})

test('a buffer that stands within another is read where it stands', () => {
  const around = Buffer.alloc(64, 7)
  around.writeUInt32LE(123_456_789, 12)
  const bytes = around.subarray(8, 49)
  expect(new Crc32Words(bytes).of(4, 41, 5)).toBe(crc32(bytes.subarray(4, 41), 5))
})
