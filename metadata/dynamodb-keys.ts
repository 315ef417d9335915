/**
 * Positions as DynamoDB's keys: the partition key is the text `partition/table`, the sort key the bytes
 * of the row's sort key in UTF-8, which DynamoDB compares as unsigned bytes.
 *
 * A sort key of DynamoDB has 1 to 1024 bytes: exactly one S3 key, and not the empty one. So texts
 * of NULs alone, the empty one among them, get one NUL more. The order of all keys stays, everything
 * else stands as it is, and one text alone finds no place: that of 1024 NULs.
 */
import { SORT_BYTES_MAX } from './limits.ts'
import type { Range, Table } from './store.ts'

/** Least and greatest sort key of a range, both inclusive. */
export interface Bounds {
  readonly least: Uint8Array
  readonly most: Uint8Array
}

export function partitionKey(partition: string, table: Table): string {
  return `${partition}/${table}`
}

/** Rejects the one text that has no place with a `RangeError`. */
export function encodeSort(sort: string): Buffer {
  const bytes = encode(sort)
  if (bytes.length > SORT_BYTES_MAX)
    throw new RangeError(`A key of ${SORT_BYTES_MAX} NULs, the one that DynamoDB has no place for`)
  return bytes
}

export function decodeSort(bytes: Uint8Array): string {
  const isShifted = bytes.every((byte) => byte === 0)
  const { buffer, byteOffset, length } = bytes
  return Buffer.from(buffer, byteOffset, isShifted ? length - 1 : length).toString()
}

/** The range as DynamoDB takes it; none where it is empty. Its ends may be longer than any key. */
export function boundsOf({ from, to }: Pick<Range, 'from' | 'to'>): Bounds | undefined {
  const least = atLeast(encode(from))
  const most = to === undefined ? LAST : below(encode(to))
  return Buffer.compare(least, most) > 0 ? undefined : { least, most }
}

/** Behind all text, for UTF-8 has no such byte. */
const BEYOND = 0xff
const LAST: Uint8Array = Uint8Array.of(BEYOND)

function encode(sort: string): Buffer {
  const bytes = Buffer.from(sort)
  return bytes.every((byte) => byte === 0) ? Buffer.alloc(bytes.length + 1) : bytes
}

/** The least key at or behind `bytes`, which are text. */
function atLeast(bytes: Buffer): Buffer {
  if (bytes.length <= SORT_BYTES_MAX) return bytes
  // No key is that long: those behind its first 1024 bytes are meant, without them.
  const cut = Buffer.from(bytes.subarray(0, SORT_BYTES_MAX))
  cut[SORT_BYTES_MAX - 1]! += 1
  return cut
}

/** Something that keys at or before are all keys before `bytes`, which are text. */
function below(bytes: Buffer): Buffer {
  if (bytes.length > SORT_BYTES_MAX) return bytes.subarray(0, SORT_BYTES_MAX)
  const end = bytes.length - 1
  const last = bytes[end]!
  // Before `k` and NUL there is `k`, and nothing between the two.
  if (last === 0) return end === 0 ? EMPTY : bytes.subarray(0, end)
  const before = Buffer.alloc(Math.min(bytes.length + 1, SORT_BYTES_MAX), BEYOND)
  bytes.copy(before, 0, 0, end)
  before[end] = last - 1
  return before
}

/** Before every key. */
const EMPTY: Buffer = Buffer.alloc(0)
