/**
 * Where a log begins and ends, as calls are accepted: the rules about which call may follow which, for
 * all engines. A call that breaks one changes nothing.
 */
import { LogCompacted, LogGap } from './errors.ts'
import {
  CALL_BYTES_MAX,
  ENTRY_BYTES_MAX,
  VOTE_BYTES_MAX,
  type HardState,
  type LogEntry,
  type LogId,
} from './store.ts'

export class LogBounds {
  /** As `LogStore.lastIndex`, after all calls that were accepted. */
  last: number
  boundary: LogId | undefined

  constructor(last: number, boundary: LogId | undefined) {
    this.last = last
    this.boundary = boundary
  }

  /** Answers the bytes of the payloads. */
  append(entries: readonly LogEntry[]): number {
    const bytes = checkEntries(entries, this.last + 1)
    this.last += entries.length
    return bytes
  }

  /** Answers the bytes of the payloads. */
  replace(from: number, entries: readonly LogEntry[]): number {
    checkIndex(from)
    checkKept(this.boundary, from)
    if (from > this.last + 1) throw new LogGap(this.last + 1, from)
    const bytes = checkEntries(entries, from)
    this.last = from - 1 + entries.length
    return bytes
  }

  /** False: there is nothing to do. */
  truncate(from: number): boolean {
    checkIndex(from)
    checkKept(this.boundary, from)
    if (from > this.last) return false
    this.last = from - 1
    return true
  }

  /** False: there is nothing to do. */
  purge({ index, term }: LogId): boolean {
    if (index !== 0) checkIndex(index)
    checkTerm(term)
    if (index <= (this.boundary?.index ?? 0)) return false
    this.boundary = { index, term }
    this.last = Math.max(this.last, index)
    return true
  }

  reset(): void {
    this.last = 0
    this.boundary = undefined
  }
}

/** Throws where the entry was purged. */
export function checkKept(boundary: LogId | undefined, index: number): void {
  if (boundary && index <= boundary.index) throw new LogCompacted(boundary)
}

export function checkIndex(index: number): void {
  if (!Number.isSafeInteger(index) || index < 1)
    throw new RangeError(`${index} is no index: 1 to 2^53 - 1`)
}

export function checkRange(from: number, to: number, maxBytes: number): void {
  checkIndex(from)
  if (!Number.isSafeInteger(to)) throw new RangeError(`${to} is no index: 1 to 2^53 - 1`)
  if (!(maxBytes > 0)) throw new RangeError(`At most ${maxBytes} bytes are no entries`)
}

export function checkHardState({ term, vote }: HardState): void {
  checkTerm(term)
  if (vote === undefined) return
  if (Buffer.byteLength(vote) > VOTE_BYTES_MAX)
    throw new RangeError(`A vote has at most ${VOTE_BYTES_MAX} bytes`)
  if (!vote.isWellFormed()) throw new RangeError('A vote is not well-formed text')
}

function checkTerm(term: number): void {
  if (!Number.isSafeInteger(term) || term < 0)
    throw new RangeError(`${term} is no term: 0 to 2^53 - 1`)
}

/** Answers the bytes of the payloads. */
function checkEntries(entries: readonly LogEntry[], first: number): number {
  let bytes = 0
  for (let i = 0; i < entries.length; i++) {
    const { index, term, kind, payload } = entries[i]!
    if (index !== first + i) {
      checkIndex(index)
      throw new LogGap(first + i, index)
    }
    checkTerm(term)
    if (kind !== 0 && kind !== 1 && kind !== 2)
      throw new RangeError(`${String(kind)} is no kind of entry: 0, 1 or 2`)
    if (!(payload instanceof Uint8Array)) throw new RangeError('A payload is not a Uint8Array')
    if (payload.length > ENTRY_BYTES_MAX)
      throw new RangeError(`An entry of ${payload.length} bytes; it may have ${ENTRY_BYTES_MAX}`)
    bytes += payload.length
  }
  if (entries.length > 0) checkIndex(first + entries.length - 1)
  if (bytes > CALL_BYTES_MAX)
    throw new RangeError(`Entries of ${bytes} bytes at once; there may be ${CALL_BYTES_MAX}`)
  return bytes
}
