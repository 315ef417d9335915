/**
 * The bytes between a log's server and those who use it, as docs/log-protocol.md describes them: the
 * numbers of calls and errors, and how entries and errors stand in a frame. All numbers are little-endian.
 *
 *     frame    0 u32 length of the rest · 4 u32 id · 8 u8 call, or code of the reply · 9 body
 *     entry    0 u64 index · 8 u64 term · 16 u32 kind · 20 u32 length · 24 payload
 *     error    0 u64, 8 u64 numbers · 16 u32 length of the message · 20 message · file
 */
import { StoreFull, StoreLocked } from '../lib/store-error.ts'
import { LogCompacted, LogCorrupt, LogGap, StoreClosed, StorePoisoned } from './errors.ts'
import { CALL_BYTES_MAX, type EntryKind, type LogEntry } from './store.ts'

export const PROTOCOL_MAGIC = 'SLUICLOG'
export const PROTOCOL_VERSION = 1

/** Bytes before the body of a frame, its length included. */
export const FRAME_HEAD_BYTES = 9
/** Most bytes behind a frame's length: all that one call may write, and the heads of 699,000 entries. */
export const FRAME_BYTES_MAX: number = CALL_BYTES_MAX + 16 * 1024 * 1024
/** The same before a client was welcomed. */
export const HELLO_BYTES_MAX = 64
export const ENTRY_HEAD_BYTES = 24
/** Indexes that one `TERMS` looks at. */
export const TERMS_MAX = 65_536
/** Problems that one `VERIFY` tells of. */
export const PROBLEMS_MAX = 1000

export const CALL = {
  HELLO: 0,
  PERSIST: 1,
  REPLACE: 2,
  TRUNCATE: 3,
  PURGE: 4,
  RESET: 5,
  FLUSH: 6,
  ENTRIES: 7,
  TERMS: 8,
  STATE: 9,
  WAIT_DURABLE: 10,
  SAVE_HARD_STATE: 11,
  LOAD_HARD_STATE: 12,
  VERIFY: 13,
  STATS: 14,
} as const

/** Of a reply. From `BAD_FRAME` on the connection ends behind it. */
export const CODE = {
  DONE: 0,
  RANGE: 1,
  LOG_GAP: 2,
  LOG_COMPACTED: 3,
  LOG_CORRUPT: 4,
  STORE_FULL: 5,
  STORE_POISONED: 6,
  STORE_CLOSED: 7,
  UNKNOWN_CALL: 8,
  FAILED: 9,
  BAD_FRAME: 64,
  TOO_LARGE: 65,
  BAD_VERSION: 66,
  STORE_LOCKED: 67,
} as const

/** What came is no call: the connection ends. */
export class WireError extends Error {
  override readonly name: string = 'WireError'
  readonly code: number

  constructor(code: number, message: string) {
    super(message)
    this.code = code
  }
}

/** Reads the numbers of a frame one after another; `WireError` where it ends too soon. */
export class FrameBody {
  readonly bytes: Buffer
  at: number

  constructor(bytes: Buffer, at: number) {
    this.bytes = bytes
    this.at = at
  }

  get left(): number {
    return this.bytes.length - this.at
  }

  u8(): number {
    return this.bytes[this.#take(1)]!
  }

  u32(): number {
    return this.bytes.readUInt32LE(this.#take(4))
  }

  /** Beyond 2^53 it is not exact, and refused as too large all the same. */
  u64(): number {
    const at = this.#take(8)
    return this.bytes.readUInt32LE(at) + this.bytes.readUInt32LE(at + 4) * 0x1_0000_0000
  }

  /** A view. */
  take(length: number): Buffer {
    const at = this.#take(length)
    return this.bytes.subarray(at, at + length)
  }

  end(): void {
    if (this.left > 0) throw new WireError(CODE.BAD_FRAME, `${this.left} bytes too many in a call`)
  }

  /** All entries up to the end; payloads are views. What they say is not judged here. */
  entries(): LogEntry[] {
    const { bytes } = this
    const entries: LogEntry[] = []
    while (this.left > 0) {
      const index = this.u64()
      const term = this.u64()
      const kind = this.u32() as EntryKind
      const length = this.u32()
      const at = this.#take(length)
      const payload = new Uint8Array(bytes.buffer, bytes.byteOffset + at, length)
      entries.push({ index, term, kind, payload })
    }
    return entries
  }

  #take(length: number): number {
    const { at } = this
    if (at + length > this.bytes.length)
      throw new WireError(CODE.BAD_FRAME, 'A call ends before what it says to have')
    this.at = at + length
    return at
  }
}

/** At most 2^53 - 1. */
export function writeU64(bytes: Buffer, value: number, at: number): void {
  bytes.writeUInt32LE(value >>> 0, at)
  bytes.writeUInt32LE(Math.floor(value / 0x1_0000_0000), at + 4)
}

export function entriesSize(entries: readonly LogEntry[]): number {
  let size = 0
  for (const { payload } of entries) size += ENTRY_HEAD_BYTES + payload.length
  return size
}

/** Writes them from there on, where there is room. */
export function writeEntries(bytes: Buffer, entries: readonly LogEntry[], at: number): void {
  for (const { index, term, kind, payload } of entries) {
    writeU64(bytes, index, at)
    writeU64(bytes, term, at + 8)
    bytes.writeUInt32LE(kind, at + 16)
    bytes.writeUInt32LE(payload.length, at + 20)
    bytes.set(payload, at + ENTRY_HEAD_BYTES)
    at += ENTRY_HEAD_BYTES + payload.length
  }
}

export interface ErrorReply {
  readonly code: number
  readonly body: Buffer
}

export function encodeError(error: unknown): ErrorReply {
  const message = Buffer.from(error instanceof Error ? error.message : String(error))
  const [code, one, other, file] = partsOf(error)
  const body = Buffer.alloc(20 + message.length + Buffer.byteLength(file))
  writeU64(body, one, 0)
  writeU64(body, other, 8)
  body.writeUInt32LE(message.length, 16)
  message.copy(body, 20)
  body.write(file, 20 + message.length)
  return { code, body }
}

/** Code, two numbers, file. */
function partsOf(error: unknown): readonly [number, number, number, string] {
  if (error instanceof WireError) return [error.code, 0, 0, '']
  if (error instanceof RangeError) return [CODE.RANGE, 0, 0, '']
  if (error instanceof LogGap) return [CODE.LOG_GAP, error.expected, safe(error.given), '']
  if (error instanceof LogCompacted)
    return [CODE.LOG_COMPACTED, error.boundary.index, error.boundary.term, '']
  if (error instanceof LogCorrupt) return [CODE.LOG_CORRUPT, error.offset, 0, error.segment]
  if (error instanceof StoreFull) return [CODE.STORE_FULL, 0, 0, '']
  if (error instanceof StorePoisoned) return [CODE.STORE_POISONED, 0, 0, '']
  if (error instanceof StoreClosed) return [CODE.STORE_CLOSED, 0, 0, '']
  if (error instanceof StoreLocked) return [CODE.STORE_LOCKED, 0, 0, '']
  return [CODE.FAILED, 0, 0, '']
}

function safe(value: number): number {
  return Number.isSafeInteger(value) && value >= 0 ? value : Number.MAX_SAFE_INTEGER
}

/** The error that a reply tells of. */
export function decodeError(code: number, body: FrameBody): Error {
  const one = body.u64()
  const other = body.u64()
  const message = body.take(body.u32()).toString()
  const file = body.take(body.left).toString()
  if (code === CODE.RANGE) return new RangeError(message)
  if (code === CODE.LOG_GAP) return new LogGap(one, other)
  if (code === CODE.LOG_COMPACTED) return new LogCompacted({ index: one, term: other })
  // Its message begins with the place already.
  if (code === CODE.LOG_CORRUPT)
    return new LogCorrupt(file, one, message.slice(`${file}, at ${one}: `.length))
  if (code === CODE.STORE_FULL) return new StoreFull(message)
  if (code === CODE.STORE_POISONED) return new StorePoisoned(message)
  if (code === CODE.STORE_CLOSED) return new StoreClosed(message)
  if (code === CODE.STORE_LOCKED) return new StoreLocked(message)
  return new WireError(code, message)
}
