/** Reading a segment from its beginning: record after record, as far as they are whole. */
import { Crc32Words } from '../lib/crc32-words.ts'
import type { LogDisk } from './disk.ts'
import {
  GROUP_UNIT,
  GROUPS,
  headAt,
  RECORD_BYTES,
  type RecordHead,
  seedOf,
  sizeAt,
  strideOf,
} from './segment-format.ts'

const WINDOW_BYTES: number = 4 * 1024 * 1024
/**
 * Bytes that the search behind a broken record compares with checksums. Only data that was made to look
 * like records makes it more: then it is taken for damage, which loses nothing.
 */
const SEARCH_BYTES_MAX: number = 1024 * 1024 * 1024
/** How far indexes go beyond the last one in what was written with it. */
const INDEX_AHEAD: number = 2 ** 28

export interface Place {
  readonly disk: LogDisk
  readonly fd: number
  readonly salt: number
  /** Group of the first record. */
  readonly group: number
  /** No record goes beyond. */
  readonly limit: number
}

export class SegmentScan {
  readonly #place: Place
  #window: Buffer = Buffer.alloc(0)
  #crc = new Crc32Words(this.#window)
  /** Bytes of the file in the window, and where they stand in it. */
  #filled = 0
  #start = 0
  /** Where the next record begins, or what is no record. */
  at: number
  /** The last record. */
  last: RecordHead | undefined

  constructor(place: Place, from: number) {
    this.#place = place
    this.at = from
  }

  /** The record at `at`, which then goes on; undefined where none stands there whole. */
  next(): RecordHead | undefined {
    const head = this.#soundAt(this.at)
    if (head === undefined) return undefined
    this.at += strideOf(head.size)
    this.last = head
    return head
  }

  /** Of a record that stands, or should stand, at `at`: a group that was not ended goes on. */
  get nextGroup(): number {
    const { last } = this
    if (last === undefined) return this.#place.group
    return last.endsGroup ? (last.group + 1) % GROUPS : last.group
  }

  /** First byte of the payload of the record that `next` gave. */
  payloadByte(): number {
    const at = this.at - strideOf(this.last!.size) + RECORD_BYTES
    return this.#window[at - this.#start]!
  }

  /**
   * What stands behind `at`, where no record is whole: `nothing`; `torn`: records of the group that was
   * being written; `damage`: records of a later group, so that this one had been on stable storage.
   */
  behind(lastIndex: number): 'nothing' | 'torn' | 'damage' {
    const own = this.nextGroup
    let found: 'nothing' | 'torn' = 'nothing'
    for (const head of this.#soundBehind(lastIndex)) {
      if (head === undefined || head.group !== own) return 'damage'
      found = 'torn'
    }
    return found
  }

  /** Goes on at the next place at which a record is whole; false: there is none. */
  skip(lastIndex: number): boolean {
    const next = this.#soundBehind(lastIndex).next()
    if (next.done || next.value === undefined) return false
    this.at = next.value.at
    return true
  }

  /** Records behind `at` that are whole; undefined where the search was given up. */
  *#soundBehind(lastIndex: number): Generator<(RecordHead & { at: number }) | undefined, void> {
    let budget = SEARCH_BYTES_MAX
    for (let at = this.at + 8; this.#has(at, RECORD_BYTES);) {
      const size = this.#plausibleSize(at, lastIndex)
      if ((budget -= size) < 0) yield undefined
      const head = size === 0 ? undefined : this.#soundAt(at)
      if (head !== undefined) yield { ...head, at }
      at += head === undefined ? 8 : strideOf(head.size)
    }
  }

  /** Size of the record that may stand there, where the window is; 0: none does. */
  #plausibleSize(at: number, lastIndex: number): number {
    const size = sizeAt(this.#window, at - this.#start)
    if (size < RECORD_BYTES || at + size > this.#place.limit || isPlace(size)) return 0
    const { index, term } = headAt(this.#window, at - this.#start)
    return index > lastIndex + INDEX_AHEAD || term > Number.MAX_SAFE_INTEGER ? 0 : size
  }

  #soundAt(at: number): RecordHead | undefined {
    if (!this.#has(at, RECORD_BYTES)) return undefined
    const size = sizeAt(this.#window, at - this.#start)
    if (size < RECORD_BYTES || !this.#has(at, size)) return undefined
    const offset = at - this.#start
    const crc = this.#crc.of(offset + 4, offset + size, seedOf(this.#place.salt, at))
    if (crc !== this.#window.readUInt32LE(offset)) return undefined
    return headAt(this.#window, offset)
  }

  /** Has the window reach from `at` so far; false where the file does not. */
  #has(at: number, bytes: number): boolean {
    const { disk, fd, limit } = this.#place
    if (at + bytes > limit) return false
    if (at >= this.#start && at + bytes <= this.#start + this.#filled) return true
    const want = Math.min(Math.max(WINDOW_BYTES, bytes), limit - at)
    if (want > this.#window.length) {
      this.#window = Buffer.allocUnsafeSlow(want)
      this.#crc = new Crc32Words(this.#window)
    }
    this.#filled = disk.read(fd, this.#window.subarray(0, want), at)
    this.#start = at
    return bytes <= this.#filled
  }
}

/**
 * Whether that is the word with the group of a record of an earlier use, 8 bytes before, and no size: there
 * are as many of them as records, and each would have megabytes compared. A record of just that size is not
 * found either, nor need it be, where another stands behind it.
 */
function isPlace(size: number): boolean {
  return size >= GROUP_UNIT && size % GROUP_UNIT < RECORD_BYTES
}
