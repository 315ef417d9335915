/**
 * CRC-32 (of zlib, PNG, Ethernet) of short pieces of a buffer: of a hundred bytes in a third of the time
 * that a call of native code takes, which is the better one from some hundred bytes on.
 */
import { crc32 } from '@node-rs/crc32'
import { endianness } from 'node:os'

/** From so many bytes on native code is as fast: its call takes 0.15 us, and then 20 bytes a nanosecond. */
const SHORT_MAX = 240
const IS_LITTLE: boolean = endianness() === 'LE'

/** Eight tables of 256: the k-th says what a byte does that stands k bytes before the end of a block. */
const TABLES: Int32Array = tables()

function tables(): Int32Array {
  const made = new Int32Array(8 * 256)
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb8_8320 : crc >>> 1
    made[byte] = crc
  }
  for (let i = 256; i < made.length; i++) {
    const before = made[i - 256]!
    made[i] = (before >>> 8) ^ made[before & 255]!
  }
  return made
}

/** A buffer of which many pieces are summed. */
export class Crc32Words {
  readonly #bytes: Uint8Array
  readonly #words: Int32Array

  /** The bytes begin at a multiple of 4 in their memory. */
  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
    this.#words = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length >> 2)
  }

  /** As `crc32(bytes.subarray(start, end), seed)`; `start` is a multiple of 4. */
  of(start: number, end: number, seed: number): number {
    if (end - start > SHORT_MAX || !IS_LITTLE) return crc32(this.#bytes.subarray(start, end), seed)
    const words = this.#words
    const t = TABLES
    let crc = ~seed
    let word = start >> 2
    for (const stop = word + ((end - start) >> 3) * 2; word < stop; word += 2) {
      const low = words[word]! ^ crc
      const high = words[word + 1]!
      crc =
        t[1792 + (low & 255)]! ^
        t[1536 + ((low >>> 8) & 255)]! ^
        t[1280 + ((low >>> 16) & 255)]! ^
        t[1024 + (low >>> 24)]! ^
        t[768 + (high & 255)]! ^
        t[512 + ((high >>> 8) & 255)]! ^
        t[256 + ((high >>> 16) & 255)]! ^
        t[high >>> 24]!
    }
    const bytes = this.#bytes
    for (let at = word << 2; at < end; at++) crc = (crc >>> 8) ^ t[(crc ^ bytes[at]!) & 255]!
    return ~crc >>> 0
  }
}
