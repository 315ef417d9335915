/** Entries as they were read from segments: decoded, and compared with their checksums, when they are asked for. */
import { LogCorrupt } from './errors.ts'
import type { LogDisk } from './disk.ts'
import { CONTROL, headAt, isSound, RECORD_BYTES, seedOf, sizeAt } from './segment-format.ts'
import type { Run, Segment, SegmentState } from './segment-state.ts'
import type { EntryBatch, EntryKind, LogEntry } from './store.ts'

/** Entries that stood one behind another, read at once. */
interface Piece {
  readonly segment: Segment
  readonly first: number
  readonly count: number
  /** Where each begins in the file. */
  readonly offsets: Uint32Array
  /** From the first one's offset on. */
  readonly bytes: Buffer
}

export class SegmentBatch implements EntryBatch {
  readonly #pieces: readonly Piece[]
  readonly first: number
  readonly length: number

  constructor(pieces: readonly Piece[]) {
    this.#pieces = pieces
    this.first = pieces[0]?.first ?? 0
    this.length = pieces.reduce((sum, { count }) => sum + count, 0)
  }

  at(position: number): LogEntry {
    let left = position
    for (const piece of this.#pieces) {
      if (left >= 0 && left < piece.count) return entryOf(piece, left)
      left -= piece.count
    }
    throw new RangeError(`${position} is no position in ${this.length} entries`)
  }

  *[Symbol.iterator](): Iterator<LogEntry> {
    for (const piece of this.#pieces) for (let i = 0; i < piece.count; i++) yield entryOf(piece, i)
  }
}

/** Entries `from` to `to`, which are there, as far as they fit into so many bytes of the files; at least one. */
export function readBatch(
  disk: LogDisk,
  state: SegmentState,
  from: number,
  to: number,
  maxBytes: number,
): SegmentBatch {
  const pieces: Piece[] = []
  let bytes = 0
  for (let next = from; next <= to;) {
    const run = state.runOf(next)
    const wanted = Math.min(to, run.first + run.count - 1) - next + 1
    const count = fitting(run, next - run.first, wanted, maxBytes - bytes, pieces.length === 0)
    if (count === 0) break
    const piece = readPiece(disk, run, next, count)
    pieces.push(piece)
    bytes += piece.bytes.length
    if (count < wanted) break
    next += count
  }
  return new SegmentBatch(pieces)
}

/** The entry, which is there. */
export function readEntry(disk: LogDisk, state: SegmentState, index: number): LogEntry {
  const run = state.runOf(index)
  const i = index - run.first
  const offset = run.offsets[i]!
  const bytes = Buffer.allocUnsafe(endAt(run, i) - offset)
  const isShort = disk.read(run.segment.fd, bytes, offset) < bytes.length
  return decode(run.segment, bytes, 0, offset, index, isShort)
}

/** How many of the `wanted` entries from the i-th on have at most so many bytes. */
function fitting(run: Run, i: number, wanted: number, maxBytes: number, isFirst: boolean): number {
  const start = run.offsets[i]!
  if (endAt(run, i + wanted - 1) - start <= maxBytes) return wanted
  let low = isFirst ? 1 : 0
  let high = wanted - 1
  while (low < high) {
    const middle = (low + high + 1) >> 1
    if (endAt(run, i + middle - 1) - start <= maxBytes) low = middle
    else high = middle - 1
  }
  return low
}

function readPiece(disk: LogDisk, run: Run, first: number, count: number): Piece {
  const i = first - run.first
  const offsets = run.offsets.slice(i, i + count)
  const bytes = Buffer.allocUnsafeSlow(endAt(run, i + count - 1) - offsets[0]!)
  const read = disk.read(run.segment.fd, bytes, offsets[0]!)
  return { segment: run.segment, first, count, offsets, bytes: bytes.subarray(0, read) }
}

/** Behind the i-th entry; what is between two entries may be no entry. */
function endAt(run: Run, i: number): number {
  return i + 1 < run.count ? run.offsets[i + 1]! : run.end
}

function entryOf({ segment, first, offsets, bytes }: Piece, i: number): LogEntry {
  const offset = offsets[i]!
  return decode(segment, bytes, offset - offsets[0]!, offset, first + i, false)
}

function decode(
  { file, salt }: Segment,
  bytes: Buffer,
  at: number,
  offset: number,
  index: number,
  isShort: boolean,
): LogEntry {
  const size = isShort || at + RECORD_BYTES > bytes.length ? 0 : sizeAt(bytes, at)
  if (
    size < RECORD_BYTES ||
    at + size > bytes.length ||
    !isSound(bytes, at, size, seedOf(salt, offset))
  )
    throw new LogCorrupt(file, offset, `entry ${index} is damaged`)
  const head = headAt(bytes, at)
  if (head.index !== index || head.kind === CONTROL)
    throw new LogCorrupt(file, offset, `entry ${index} was expected, and ${head.index} is there`)
  const kind = head.kind as EntryKind
  const payload = new Uint8Array(
    bytes.buffer,
    bytes.byteOffset + at + RECORD_BYTES,
    size - RECORD_BYTES,
  )
  return { index, term: head.term, kind, payload }
}
