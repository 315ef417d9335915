import { assert, array, property, uint8Array, constantFrom } from 'fast-check'
import { describe, expect, test } from 'vitest'
import { combineCrcs, type CombinableCrc } from './crc-combine.ts'
import { digestOf } from './digest.ts'

const ALGORITHMS: readonly CombinableCrc[] = ['CRC32', 'CRC32C', 'CRC64NVME']

const piece = (algorithm: CombinableCrc, bytes: Uint8Array) => ({
  checksum: digestOf(algorithm, bytes),
  size: bytes.length,
})

describe.each(ALGORITHMS)('%s', (algorithm) => {
  test('of pieces put together equals that of the bytes, empty pieces included', () => {
    assert(
      property(array(uint8Array({ maxLength: 300 }), { maxLength: 6 }), (pieces) => {
        const combined = combineCrcs(
          algorithm,
          pieces.map((bytes) => piece(algorithm, bytes)),
        )
        expect(combined).toBe(digestOf(algorithm, Buffer.concat(pieces)))
      }),
    )
  })

  test('holds for long pieces of odd lengths', () => {
    const bytes = Buffer.alloc(3_000_001, 'sluice')
    assert(
      property(constantFrom(1, 65_535, 1_048_577, 2_999_999), (at) => {
        const pieces = [bytes.subarray(0, at), bytes.subarray(at)]
        expect(
          combineCrcs(
            algorithm,
            pieces.map((part) => piece(algorithm, part)),
          ),
        ).toBe(digestOf(algorithm, bytes))
      }),
      { numRuns: 8 },
    )
  })

  test('of lengths beyond 2^32 puts a piece where two steps put it', () => {
    const far = 5 * 1024 ** 3 + 12_345
    const [a, b] = [Buffer.from('head'), Buffer.from('tail')]
    const zero = digestOf(algorithm, new Uint8Array(0))
    const checksum = digestOf(algorithm, b)
    const atOnce = combineCrcs(algorithm, [piece(algorithm, a), { checksum, size: far }])
    const inSteps = combineCrcs(algorithm, [
      piece(algorithm, a),
      { checksum: zero, size: 3 * 1024 ** 3 },
      { checksum, size: far - 3 * 1024 ** 3 },
    ])
    expect(atOnce).toBe(inSteps)
  })

  test('of 10,000 parts takes milliseconds', () => {
    const checksum = digestOf(algorithm, Buffer.from('part'))
    const parts = Array.from({ length: 10_000 }, () => ({ checksum, size: 8 * 1024 ** 2 }))
    combineCrcs(algorithm, parts)
    const started = performance.now()
    combineCrcs(algorithm, parts)
    // Measured 4 to 8 ms; the bound leaves room for a busy machine, but none for BigInt.
    expect(performance.now() - started).toBeLessThan(250)
  })

  test('refuses what is no checksum of its kind', () => {
    expect(() => combineCrcs(algorithm, [{ checksum: 'AAA=', size: 1 }])).toThrow(RangeError)
  })
})
