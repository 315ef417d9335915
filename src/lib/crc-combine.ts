/**
 * The CRC of bytes put together, from the CRCs of their pieces: how an object of 10,000 parts gets
 * its full-object checksum without its bytes being read again.
 *
 * A CRC is a remainder of polynomials over GF(2): crc(AB) = crc(A) * x^(8 * length of B) + crc(B),
 * modulo the CRC's polynomial. Polynomials are kept as these CRCs keep them, the highest power in
 * the lowest bit; 64 bits as two halves, since BigInt would cost twenty times as much.
 */
import { base64Of32, base64Of64 } from './digest.ts'

/** The checksums that can be combined. */
export type CombinableCrc = 'CRC32' | 'CRC32C' | 'CRC64NVME'

/** A piece of the bytes: its checksum in base64, its length in bytes. */
export interface CrcPiece {
  readonly checksum: string
  readonly size: number
}

/** Pieces of an upload mostly have the same few lengths; beyond this many lengths we start anew. */
const CACHED_LENGTHS_MAX = 64

/** The checksum (base64) of the pieces one after the other. Throws where a checksum is no CRC of the kind. */
export function combineCrcs(algorithm: CombinableCrc, pieces: Iterable<CrcPiece>): string {
  const field = FIELDS[algorithm]
  let crc: Polynomial = [0, 0]
  for (const { checksum, size } of pieces) {
    const [high, low] = field.decode(checksum)
    const [shiftedHigh, shiftedLow] = size === 0 ? crc : field.times(crc, field.power(size))
    crc = [(shiftedHigh ^ high) >>> 0, (shiftedLow ^ low) >>> 0]
  }
  return field.encode(crc)
}

/** Upper and lower 32 bits; a 32-bit CRC has its bits in the lower half. */
type Polynomial = readonly [high: number, low: number]

interface Field {
  times(a: Polynomial, b: Polynomial): Polynomial
  /** x^(8 * sizeBytes). */
  power(sizeBytes: number): Polynomial
  decode(checksum: string): Polynomial
  encode(crc: Polynomial): string
}

/** a * b modulo a polynomial of degree 32 given by its reversed bits. */
function times32(a: number, b: number, modulus: number): number {
  let product = 0
  let factor = b
  for (let bit = 31; bit >= 0; bit -= 1) {
    product ^= -((a >>> bit) & 1) & factor
    factor = (factor >>> 1) ^ (-(factor & 1) & modulus)
  }
  return product >>> 0
}

/** The same for degree 64. */
function times64(a: Polynomial, b: Polynomial, modulus: Polynomial): Polynomial {
  let [productHigh, productLow] = [0, 0]
  let [high, low] = b
  for (let bit = 63; bit >= 0; bit -= 1) {
    const taken = -(((bit > 31 ? a[0] : a[1]) >>> (bit & 31)) & 1)
    productHigh ^= taken & high
    productLow ^= taken & low
    const carry = -(low & 1)
    low = ((low >>> 1) | (high << 31)) ^ (carry & modulus[1])
    high = (high >>> 1) ^ (carry & modulus[0])
  }
  return [productHigh >>> 0, productLow >>> 0]
}

/** x^(8n) by n, each found from the squares x^(8 * 2^k). */
function powers(x8: Polynomial, times: Field['times']): Field['power'] {
  const squares: Polynomial[] = [x8]
  const known = new Map<number, Polynomial>()
  const square = (k: number): Polynomial => {
    let last = squares.at(-1) ?? x8
    while (squares.length <= k) {
      last = times(last, last)
      squares.push(last)
    }
    return squares[k] ?? last
  }
  return (size) => {
    const cached = known.get(size)
    if (cached !== undefined) return cached
    let result: Polynomial | undefined
    for (let [rest, k] = [size, 0]; rest > 0; rest = Math.floor(rest / 2), k += 1) {
      if (rest % 2 === 1) result = result === undefined ? square(k) : times(result, square(k))
    }
    if (known.size >= CACHED_LENGTHS_MAX) known.clear()
    known.set(size, result ?? x8)
    return result ?? x8
  }
}

function decode(checksum: string, length: number): Buffer {
  const bytes = Buffer.from(checksum, 'base64')
  if (bytes.length !== length)
    throw new RangeError(`not a checksum of ${length} bytes: ${checksum}`)
  return bytes
}

function field32(modulus: number): Field {
  const times: Field['times'] = (a, b) => [0, times32(a[1], b[1], modulus)]
  return {
    times,
    // In reversed bits x^k is bit 31 - k.
    power: powers([0, 1 << 23], times),
    decode: (checksum) => [0, decode(checksum, 4).readUInt32BE(0)],
    encode: (crc) => base64Of32(crc[1]),
  }
}

function field64(modulus: Polynomial): Field {
  const times: Field['times'] = (a, b) => times64(a, b, modulus)
  return {
    times,
    power: powers([1 << 23, 0], times),
    decode: (checksum) => {
      const bytes = decode(checksum, 8)
      return [bytes.readUInt32BE(0), bytes.readUInt32BE(4)]
    },
    encode: (crc) => base64Of64(crc[0], crc[1]),
  }
}

const FIELDS: Readonly<Record<CombinableCrc, Field>> = {
  CRC32: field32(0xedb88320),
  CRC32C: field32(0x82f63b78),
  CRC64NVME: field64([0x9a6c9329, 0xac4bc9b5]),
}
