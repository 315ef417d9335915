/**
 * What the commit log has that SQLite has not, read when the store is opened.
 *
 * Behind the last whole frame of the newest segment there may be anything: room, or a group whose sync
 * was cut off, of which nobody was told. But where a whole frame follows, what stands before it was on
 * stable storage once, and is damaged: that is refused, and so is a segment that is missing.
 */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { StoreDamaged } from '../src/lib/store-error.ts'
import {
  FRAME_HEADER_BYTES,
  frameBytes,
  isWhole,
  nextFrame,
  recordsOf,
  SEGMENT_HEADER_BYTES,
  segmentHeader,
  type LogRecord,
} from './sqlite-records.ts'
import type { State } from './sqlite-rows.ts'
import type { Segments } from './sqlite-segments.ts'

/**
 * Hands on every record behind `from`, in order, and leaves the log so that it goes on behind the last.
 * `needed`: segments that rows in SQLite have bytes in.
 */
export function replay(
  log: Segments,
  from: Omit<State, 'rev'>,
  needed: readonly number[],
  onRecord: (record: LogRecord) => void,
): void {
  const last = Math.max(0, ...log.numbers)
  if (last === 0 && from.at === 0) return log.begin(from.segment)
  for (const number of needed) checkIsThere(log, number)
  for (let number = from.segment; number < Math.max(last, from.segment + 1); number++)
    checkIsThere(log, number)
  for (let number = from.segment; number <= last; number++) {
    const start =
      number === from.segment ? Math.max(from.at, SEGMENT_HEADER_BYTES) : SEGMENT_HEADER_BYTES
    using file = new SegmentFile(log.fileOf(number), number, from.store)
    const end = file.replay(start, onRecord)
    if (number === last) {
      if (file.hasFrameBehind(end)) throw file.damaged(end)
      log.resume(number, end)
    } else if (end !== file.sizeBytes) throw file.damaged(end)
  }
}

function checkIsThere(log: Segments, number: number): void {
  if (log.numbers.has(number)) return
  throw new StoreDamaged(
    `${log.fileOf(number)} is missing, and rows are in it that are nowhere else: nothing was changed. Restore the file, or the database and its log together, from a backup`,
  )
}

/** A segment that is read from the disk; throws where it is none of the store's. */
export class SegmentFile {
  /** Where its first frame is. */
  readonly begin: number = SEGMENT_HEADER_BYTES
  readonly sizeBytes: number
  readonly #file: string
  readonly #number: number
  readonly #store: number
  readonly #fd: number

  constructor(file: string, number: number, store: number) {
    this.#file = file
    this.#number = number
    this.#store = store
    this.#fd = openSync(file, 'r')
    this.sizeBytes = fstatSync(this.#fd).size
    if (this.#read(0, SEGMENT_HEADER_BYTES).equals(segmentHeader(number, store))) return
    closeSync(this.#fd)
    throw new StoreDamaged(
      `${file} is no part of this store, or its first ${SEGMENT_HEADER_BYTES} bytes are damaged: nothing was changed. Restore the file, or the database and its log together, from a backup`,
    )
  }

  [Symbol.dispose](): void {
    closeSync(this.#fd)
  }

  /** The frame at the place, where there is a whole one. */
  frame(at: number): Buffer | undefined {
    const length = frameBytes(this.#read(at, FRAME_HEADER_BYTES), this.#number, at)
    if (length === undefined || at + length > this.sizeBytes) return undefined
    const frame = this.#read(at, length)
    return isWhole(frame, this.#store) ? frame : undefined
  }

  /** The records of all whole frames from there on; answers where they end. */
  replay(start: number, onRecord: (record: LogRecord) => void): number {
    let at = start
    for (let frame = this.frame(at); frame !== undefined; frame = this.frame(at)) {
      for (const record of recordsOf(frame)) onRecord(record)
      at += frame.length
    }
    return at
  }

  hasFrameBehind(at: number): boolean {
    const rest = this.#read(at, Math.max(0, this.sizeBytes - at))
    return nextFrame(rest, this.#number, at, this.#store) >= 0
  }

  damaged(at: number): StoreDamaged {
    return new StoreDamaged(
      `${this.#file} is damaged at offset ${at}, and what was there was on stable storage: nothing was changed. Restore the file, or the database and its log together, from a backup`,
    )
  }

  #read(at: number, length: number): Buffer {
    const bytes = Buffer.allocUnsafeSlow(length)
    return bytes.subarray(0, readSync(this.#fd, bytes, 0, length, at))
  }
}
