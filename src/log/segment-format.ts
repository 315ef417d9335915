/**
 * The bytes of a segment: a header of 64 bytes, then records, each at a multiple of 8. All numbers are
 * little-endian.
 *
 *     header   0 "SLUICLOG" · 8 u32 version · 12 u32 salt · 16 u64 number · 24 u64 end of the segment before
 *              32 u64 next index · 40 u64, 48 u64 boundary (index, term) · 56 u32 group that comes next · 60 u32 CRC-32 of bytes 0 to 59
 *     record   0 u32 CRC-32 · 4 u32 size (28 bits, with these 24) | kind << 28 | ends a change << 30 | ends a group << 31
 *              8 u64 index (53 bits) | group << 53 · 16 u64 term · 24 payload
 *
 * The CRC of a record covers it from byte 4 on and begins with where it stands plus the segment's salt,
 * which is new each time a file is used: what an earlier use left in the file is no record, and what
 * comes to stand in a wrong place neither. A *change* is what one call
 * wrote: it holds if its last record is there. A *group* is what was synced together; its number (11
 * bits, in turn) tells a torn end from damage: behind a record that is not whole there can only be
 * records of the same group, for the next group was begun when this one was on stable storage.
 *
 * Kinds 0 to 2 are entries. Kind 3 says what happens to entries; the first byte of its payload is which.
 */
import { crc32 } from '@node-rs/crc32'
import { Crc32Words } from '../lib/crc32-words.ts'
import type { LogId } from './store.ts'

export const FORMAT_VERSION = 1
export const HEADER_BYTES = 64
export const RECORD_BYTES = 24
/** Group numbers are below this. */
export const GROUPS = 2048

/** Kind of a record that is no entry. */
export const CONTROL = 3
/** What a control record says, about its index and term. */
export const TRUNCATE = 1
export const PURGE = 2
export const RESET = 3
/** The log was closed in order: what stood before is whole. */
export const CLOSED = 4

const MAGIC = 'SLUICLOG'
const SIZE_MASK = 0x0fff_ffff
const KIND_SHIFT = 28
const ENDS_CHANGE = 0x4000_0000
const ENDS_GROUP = 0x8000_0000
/** 2^32, and 2^21: an index has 53 bits. */
const HIGH = 0x1_0000_0000
const INDEX_HIGH_MASK = 0x1f_ffff
const GROUP_SHIFT = 21
/** What a group counts in the word that has it; below stand the highest bits of the index. */
export const GROUP_UNIT: number = 2 ** GROUP_SHIFT

export interface SegmentHeader {
  /** Begins the CRC of each record. */
  readonly salt: number
  /** From 1 on, in the order in which they were begun. */
  readonly number: number
  /** Where the records of the segment before end; 0 for the first. */
  readonly previousEnd: number
  /** Index that an entry appended here would have. */
  readonly nextIndex: number
  /** What was purged by then; index 0: nothing. */
  readonly boundary: LogId
  /** Group of the first record. */
  readonly group: number
}

/** A record, but for its payload. */
export interface RecordHead {
  /** With this head. */
  readonly size: number
  readonly kind: number
  readonly endsChange: boolean
  readonly endsGroup: boolean
  readonly group: number
  readonly index: number
  readonly term: number
}

/** From a record of that size to the next. */
export function strideOf(size: number): number {
  return (size + 7) & ~7
}

/** Of a record that is no entry. */
export const CONTROL_STRIDE: number = strideOf(RECORD_BYTES + 1)

export function encodeHeader(header: SegmentHeader): Buffer {
  const bytes = Buffer.alloc(HEADER_BYTES)
  bytes.write(MAGIC, 0, 'latin1')
  bytes.writeUInt32LE(FORMAT_VERSION, 8)
  bytes.writeUInt32LE(header.salt, 12)
  const numbers = [
    header.number,
    header.previousEnd,
    header.nextIndex,
    header.boundary.index,
    header.boundary.term,
  ]
  for (const [i, value] of numbers.entries()) bytes.writeBigUInt64LE(BigInt(value), 16 + 8 * i)
  bytes.writeUInt32LE(header.group, 56)
  bytes.writeUInt32LE(crc32(bytes.subarray(0, 60)), 60)
  return bytes
}

/** `foreign`: not of this format; a number: of that version, which is not ours; undefined: damaged. */
export function decodeHeader(bytes: Buffer): SegmentHeader | 'foreign' | number | undefined {
  if (bytes.length < 12 || bytes.toString('latin1', 0, 8) !== MAGIC) return 'foreign'
  const version = bytes.readUInt32LE(8)
  // A newer version may have its checksum elsewhere.
  if (version > FORMAT_VERSION) return version
  if (bytes.length < HEADER_BYTES) return undefined
  if (crc32(bytes.subarray(0, 60)) !== bytes.readUInt32LE(60)) return undefined
  const at = (i: number): number => Number(bytes.readBigUInt64LE(16 + 8 * i))
  return {
    salt: bytes.readUInt32LE(12),
    number: at(0),
    previousEnd: at(1),
    nextIndex: at(2),
    boundary: { index: at(3), term: at(4) },
    group: bytes.readUInt32LE(56),
  }
}

/** What a record is the last one of: nothing, a change, or a change and the group. */
export type Ends = 'none' | 'change' | 'group'
const ENDS_BITS: Readonly<Record<Ends, number>> = {
  none: 0,
  change: ENDS_CHANGE,
  group: ENDS_CHANGE | ENDS_GROUP,
}

/** Writes records one behind another into a buffer that has room for them. */
export class RecordWriter {
  readonly bytes: Buffer
  readonly #view: DataView
  readonly #crc: Crc32Words
  #seed = 0
  #groupBits = 0
  /** Where the next record goes. */
  at = 0

  /** The buffer begins at a multiple of 8 in its memory. */
  constructor(bytes: Buffer) {
    this.bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
    this.#crc = new Crc32Words(bytes)
  }

  /** From the beginning of the buffer on, which stands at that offset of the segment. */
  begin(salt: number, group: number, offset: number): void {
    this.#seed = salt + offset
    this.#groupBits = group << GROUP_SHIFT
    this.at = 0
  }

  /** `ends`: what the record is the last one of. */
  put(kind: number, index: number, term: number, payload: Uint8Array, ends: Ends): void {
    const { at } = this
    const view = this.#view
    const size = RECORD_BYTES + payload.length
    view.setUint32(at + 4, (size | (kind << KIND_SHIFT) | ENDS_BITS[ends]) >>> 0, true)
    view.setUint32(at + 8, index >>> 0, true)
    view.setUint32(at + 12, (Math.floor(index / HIGH) | this.#groupBits) >>> 0, true)
    view.setUint32(at + 16, term >>> 0, true)
    view.setUint32(at + 20, Math.floor(term / HIGH), true)
    this.bytes.set(payload, at + RECORD_BYTES)
    const next = at + strideOf(size)
    for (let i = at + size; i < next; i++) this.bytes[i] = 0
    view.setUint32(at, this.#crc.of(at + 4, at + size, seedOf(this.#seed, at)), true)
    this.at = next
  }
}

/** The head of what stands there; of no meaning where that is no record. At least 24 bytes are there. */
export function headAt(bytes: Buffer, at: number): RecordHead {
  const word = bytes.readUInt32LE(at + 4)
  const high = bytes.readUInt32LE(at + 12)
  return {
    size: word & SIZE_MASK,
    kind: (word >>> KIND_SHIFT) & 3,
    endsChange: (word & ENDS_CHANGE) !== 0,
    endsGroup: (word & ENDS_GROUP) !== 0,
    group: high >>> GROUP_SHIFT,
    index: bytes.readUInt32LE(at + 8) + (high & INDEX_HIGH_MASK) * HIGH,
    term: bytes.readUInt32LE(at + 16) + bytes.readUInt32LE(at + 20) * HIGH,
  }
}

/** Size of the record that may stand there, with its head. */
export function sizeAt(bytes: Buffer, at: number): number {
  return bytes.readUInt32LE(at + 4) & SIZE_MASK
}

/** What the CRC of a record at that offset begins with. */
export function seedOf(salt: number, offset: number): number {
  return (salt + offset) >>> 0
}

/** Whether a record of that size stands there whole. All of it is in `bytes`. */
export function isSound(bytes: Buffer, at: number, size: number, seed: number): boolean {
  return crc32(bytes.subarray(at + 4, at + size), seed) === bytes.readUInt32LE(at)
}
