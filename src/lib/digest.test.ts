import { createHash } from 'node:crypto'
import { assert, array, constantFrom, property, tuple, uint8Array } from 'fast-check'
import { beforeAll, describe, expect, test } from 'vitest'
import { createDigest, digestOf, digestsReady, sha256Hex, type Algorithm } from './digest.ts'

beforeAll(async () => digestsReady)

/** Of "123456789" and of no bytes: the check values of the algorithms' own specifications. */
const KNOWN: Readonly<Record<Algorithm, readonly [check: string, empty: string]>> = {
  md5: ['25f9e794323b453885f5181f1b624d0b', 'd41d8cd98f00b204e9800998ecf8427e'],
  MD5: ['JfnnlDI7RTiF9RgfG2JNCw==', '1B2M2Y8AsgTpgAmY7PhCfg=='],
  CRC32: [fromHex('cbf43926'), fromHex('00000000')],
  CRC32C: [fromHex('e3069283'), fromHex('00000000')],
  CRC64NVME: [fromHex('ae8b14860a799888'), fromHex('0000000000000000')],
  SHA1: ['98O8HYCOBHMq32eZZczDTKeuNEE=', '2jmj7l5rSw0yVb/vlWAYkK/YBwk='],
  SHA256: [
    'FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU=',
    '47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=',
  ],
  SHA512: [
    '2eZ2LdHI6vbWGzxhkvxAjU1tXxF20MKRabwk5xw/J0rSf81YEbMT1oH35V7ALXPUmclUVba1u1A6z1dPuo/+hQ==',
    createHash('sha512').digest('base64'),
  ],
  XXHASH64: [fromHex('8cb841db40e6ae83'), fromHex('ef46db3751d8e999')],
  XXHASH3: [fromHex('72dcb18b67a17dff'), fromHex('2d06800538d394c2')],
  XXHASH128: [
    fromHex('33119477ede5dcd5e9716427681d5860'),
    fromHex('99aa06d3014798d86001c324468d497f'),
  ],
}
const ALGORITHMS = Object.keys(KNOWN) as Algorithm[]

function fromHex(hex: string): string {
  return Buffer.from(hex, 'hex').toString('base64')
}

function streamed(algorithm: Algorithm, chunks: readonly Uint8Array[]): string {
  const digest = createDigest(algorithm)
  for (const chunk of chunks) digest.update(chunk)
  return digest.value()
}

describe.each(ALGORITHMS)('%s', (algorithm) => {
  const [check, empty] = KNOWN[algorithm]

  test('gives the known answers, whole and in pieces', () => {
    const bytes = Buffer.from('123456789')
    expect(digestOf(algorithm, bytes)).toBe(check)
    expect(
      streamed(algorithm, [bytes.subarray(0, 1), bytes.subarray(1, 6), bytes.subarray(6)]),
    ).toBe(check)
    expect(digestOf(algorithm, new Uint8Array(0))).toBe(empty)
    expect(streamed(algorithm, [])).toBe(empty)
  })

  test('does not depend on where the bytes are cut', () => {
    assert(
      property(array(uint8Array({ maxLength: 400 }), { maxLength: 8 }), (chunks) => {
        expect(streamed(algorithm, chunks)).toBe(digestOf(algorithm, Buffer.concat(chunks)))
      }),
      { numRuns: 50 },
    )
  })

  test('is the same for a body longer than any inner buffer', () => {
    const bytes = Buffer.alloc(1_300_003)
    for (let at = 0; at < bytes.length; at += 1) bytes[at] = (at * 31 + (at >>> 9)) & 0xff
    const cuts = [0, 65_535, 65_536, 131_073, 700_001, bytes.length]
    const chunks = cuts.slice(1).map((end, at) => bytes.subarray(cuts[at], end))
    expect(streamed(algorithm, chunks)).toBe(digestOf(algorithm, bytes))
  })
})

test('digests under way at the same time never mix', () => {
  const step = tuple(
    constantFrom(...ALGORITHMS),
    constantFrom(0, 1, 2),
    uint8Array({ maxLength: 90 }),
  )
  assert(
    property(array(step, { maxLength: 60 }), (steps) => {
      const streams = new Map<string, { algorithm: Algorithm; chunks: Uint8Array[] }>()
      const digests = new Map<string, ReturnType<typeof createDigest>>()
      for (const [algorithm, number, chunk] of steps) {
        const stream = `${algorithm}.${number}`
        const digest = digests.get(stream) ?? createDigest(algorithm)
        digests.set(stream, digest)
        digest.update(chunk)
        const { chunks } = streams.get(stream) ?? { chunks: [] }
        streams.set(stream, { algorithm, chunks: [...chunks, chunk] })
        // A whole body in between takes nothing from those under way.
        digestOf(algorithm, chunk)
      }
      for (const [stream, { algorithm, chunks }] of streams) {
        expect(digests.get(stream)?.value()).toBe(digestOf(algorithm, Buffer.concat(chunks)))
      }
    }),
    { numRuns: 50 },
  )
})

test('a part of a larger memory is digested, not the memory', () => {
  const memory = Buffer.from('xx123456789yy')
  for (const algorithm of ALGORITHMS) {
    expect(digestOf(algorithm, memory.subarray(2, 11))).toBe(KNOWN[algorithm][0])
  }
})

test('sha256Hex is that of x-amz-content-sha256', () => {
  expect(sha256Hex('')).toBe('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855')
})
