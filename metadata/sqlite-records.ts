/**
 * The bytes of the commit log. A segment is a header, then frames: each is a group of commits, whole or
 * worth nothing. A record in it is one row as it was written, or its removal. Numbers are little-endian.
 *
 *     segment  "SLUILOG2", u32 number, u32 store, u32 CRC of these 16 bytes
 *     frame    u32 magic, u32 CRC of all that follows, u32 segment, u32 offset, u32 bytes of records
 *     record   u16 bytes of partition, u16 of sort, u32 of json, u32 of body, u8 table, u8 kind,
 *              u16 zero, f64 rev; then partition, sort, json and body
 *
 * A frame names its own place, and its CRC begins with the store's number: bytes of another place or
 * store (a body may hold anything) are never taken for a frame of this one.
 */
import { crc32 } from 'node:zlib'

export const SEGMENT_HEADER_BYTES = 20
export const FRAME_HEADER_BYTES = 20
const RECORD_HEADER_BYTES = 24
const SEGMENT_MAGIC: Buffer = Buffer.from('SLUILOG2', 'latin1')
const FRAME_MAGIC: Buffer = Buffer.from([0x8f, 0x47, 0x52, 0x9a])
/** Most UTF-8 bytes of a UTF-16 unit. */
const UNIT_BYTES_MAX = 3
/** Memory of a frame at first, and when most frames need no more. */
const FRAME_BYTES: number = 1024 * 1024

const REMOVED = 0
const ROW = 1
const ROW_WITH_BYTES = 2

/** Where the bytes of a row are: `length` of them, from `at` on. Segment 0: the row has none. */
export interface Place {
  readonly segment: number
  readonly at: number
  readonly length: number
  /** Bytes of the whole record, which has to stay as long as the row does. */
  readonly held: number
}

const NOWHERE: Place = { segment: 0, at: 0, length: 0, held: 0 }

/** A row as it was written; rev 0: it was removed. */
export interface LogRecord {
  readonly partition: string
  readonly table: number
  readonly sort: string
  readonly rev: number
  readonly json: string
  readonly place: Place
}

/** A frame that is being made, in memory that is used again. */
export class FrameWriter {
  readonly #store: number
  #buffer: Buffer = Buffer.allocUnsafeSlow(FRAME_BYTES)
  #segment = 0
  #offset = 0
  #end = FRAME_HEADER_BYTES

  constructor(store: number) {
    this.#store = store
  }

  get isEmpty(): boolean {
    return this.#end === FRAME_HEADER_BYTES
  }

  /** A frame at that place; the one before is no longer needed. */
  begin(segment: number, offset: number): void {
    if (this.#buffer.length > 4 * FRAME_BYTES) this.#buffer = Buffer.allocUnsafeSlow(FRAME_BYTES)
    this.#segment = segment
    this.#offset = offset
    this.#end = FRAME_HEADER_BYTES
  }

  /** Adds a record; answers where its body is. */
  add(
    partition: string,
    table: number,
    sort: string,
    rev: number,
    json: string,
    bytes: Uint8Array | undefined,
  ): Place {
    const units = partition.length + sort.length + json.length
    const bodyBytes = bytes === undefined ? 0 : bytes.length
    this.#makeRoom(RECORD_HEADER_BYTES + units * UNIT_BYTES_MAX + bodyBytes)
    const buffer = this.#buffer
    const start = this.#end
    let at = start + RECORD_HEADER_BYTES
    const partitionBytes = buffer.write(partition, at)
    const sortBytes = buffer.write(sort, (at += partitionBytes))
    const jsonBytes = buffer.write(json, (at += sortBytes))
    at += jsonBytes
    if (bytes !== undefined) buffer.set(bytes, at)
    buffer.writeUInt16LE(partitionBytes, start)
    buffer.writeUInt16LE(sortBytes, start + 2)
    buffer.writeUInt32LE(jsonBytes, start + 4)
    buffer.writeUInt32LE(bodyBytes, start + 8)
    buffer[start + 12] = table
    buffer[start + 13] = rev === 0 ? REMOVED : bytes === undefined ? ROW : ROW_WITH_BYTES
    buffer.writeUInt16LE(0, start + 14)
    buffer.writeDoubleLE(rev, start + 16)
    this.#end = at + bodyBytes
    if (bytes === undefined) return NOWHERE
    const held = this.#end - start
    return { segment: this.#segment, at: this.#offset + at, length: bodyBytes, held }
  }

  /** The frame, good until the next one is begun. */
  finish(): Buffer {
    const frame = this.#buffer.subarray(0, this.#end)
    FRAME_MAGIC.copy(frame)
    frame.writeUInt32LE(this.#segment, 8)
    frame.writeUInt32LE(this.#offset, 12)
    frame.writeUInt32LE(this.#end - FRAME_HEADER_BYTES, 16)
    frame.writeUInt32LE(crc32(frame.subarray(8), this.#store), 4)
    return frame
  }

  #makeRoom(bytes: number): void {
    if (this.#end + bytes <= this.#buffer.length) return
    const larger = Buffer.allocUnsafeSlow(Math.max(this.#buffer.length * 2, this.#end + bytes))
    this.#buffer.copy(larger, 0, 0, this.#end)
    this.#buffer = larger
  }
}

export function segmentHeader(number: number, store: number): Buffer {
  const header = Buffer.alloc(SEGMENT_HEADER_BYTES)
  SEGMENT_MAGIC.copy(header)
  header.writeUInt32LE(number, 8)
  header.writeUInt32LE(store, 12)
  header.writeUInt32LE(crc32(header.subarray(0, 16)), 16)
  return header
}

/** Bytes of the frame whose header this is, where it may be one of that place; undefined where it is none. */
export function frameBytes(header: Buffer, segment: number, offset: number): number | undefined {
  if (header.length < FRAME_HEADER_BYTES || header.compare(FRAME_MAGIC, 0, 4, 0, 4) !== 0)
    return undefined
  if (header.readUInt32LE(8) !== segment || header.readUInt32LE(12) !== offset) return undefined
  return FRAME_HEADER_BYTES + header.readUInt32LE(16)
}

/** Whether a frame, whose header is good, is as it was written. */
export function isWhole(frame: Buffer, store: number): boolean {
  return crc32(frame.subarray(8), store) === frame.readUInt32LE(4)
}

/** Where in `bytes`, which begin at `offset` in the segment, the next whole frame is; -1: none. */
export function nextFrame(bytes: Buffer, segment: number, offset: number, store: number): number {
  for (let at = bytes.indexOf(FRAME_MAGIC); at >= 0; at = bytes.indexOf(FRAME_MAGIC, at + 1)) {
    const length = frameBytes(bytes.subarray(at), segment, offset + at)
    if (length === undefined || at + length > bytes.length) continue
    if (isWhole(bytes.subarray(at, at + length), store)) return at
  }
  return -1
}

/** The records of a whole frame. */
export function* recordsOf(frame: Buffer): Generator<LogRecord> {
  const segment = frame.readUInt32LE(8)
  const offset = frame.readUInt32LE(12)
  for (let start = FRAME_HEADER_BYTES; start < frame.length;) {
    const sortAt = start + RECORD_HEADER_BYTES + frame.readUInt16LE(start)
    const jsonAt = sortAt + frame.readUInt16LE(start + 2)
    const bodyAt = jsonAt + frame.readUInt32LE(start + 4)
    const length = frame.readUInt32LE(start + 8)
    const held = bodyAt + length - start
    yield {
      partition: frame.toString('utf8', start + RECORD_HEADER_BYTES, sortAt),
      table: frame[start + 12]!,
      sort: frame.toString('utf8', sortAt, jsonAt),
      rev: frame.readDoubleLE(start + 16),
      json: frame.toString('utf8', jsonAt, bodyAt),
      place:
        frame[start + 13] === ROW_WITH_BYTES
          ? { segment, at: offset + bodyAt, length, held }
          : NOWHERE,
    }
    start += held
  }
}
