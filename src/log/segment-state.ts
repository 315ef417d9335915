/**
 * What stands in the segments, as far as it counts: where each entry is (4 bytes an entry), their terms,
 * and the boundary. What is done to the log is done to this, at work and at recovery alike.
 */
import { Terms } from './terms.ts'
import type { LogId } from './store.ts'

/** A file of records that is open. */
export interface Segment {
  readonly fd: number
  /** Its path. */
  readonly file: string
  readonly number: number
  readonly salt: number
  /** Behind its last record. */
  end: number
  /** Of the file. */
  sizeBytes: number
}

/** Entries that stand one behind another in a segment. */
export interface Run {
  readonly segment: Segment
  readonly first: number
  count: number
  /** Where each begins; more room than entries. */
  offsets: Uint32Array<ArrayBuffer>
  /** Behind the last. */
  end: number
  /** Another may be added behind the last. */
  isOpen: boolean
}

const ROOM = 256

export class SegmentState {
  readonly #terms = new Terms()
  /** In order, without gaps from one to the next. */
  #runs: Run[] = []
  last: number
  boundary: LogId | undefined

  constructor(last: number, boundary: LogId | undefined) {
    this.last = last
    this.boundary = boundary
  }

  get firstIndex(): number {
    return (this.boundary?.index ?? 0) + 1
  }

  /** Index `last` + 1, as a record of `stride` bytes at that offset. */
  append(segment: Segment, term: number, offset: number, stride: number): void {
    const index = ++this.last
    let run = this.#runs.at(-1)
    if (run === undefined || !run.isOpen || run.segment !== segment) {
      // Nothing is added to the one before: the room that it has left is given back.
      if (run !== undefined) run.offsets = run.offsets.slice(0, run.count)
      run = {
        segment,
        first: index,
        count: 0,
        offsets: new Uint32Array(ROOM),
        end: 0,
        isOpen: true,
      }
      this.#runs.push(run)
    }
    if (run.count === run.offsets.length) {
      const larger = new Uint32Array(run.count * 2)
      larger.set(run.offsets)
      run.offsets = larger
    }
    run.offsets[run.count++] = offset
    run.end = offset + stride
    this.#terms.note(index, term)
  }

  truncate(from: number): void {
    if (from > this.last) return
    this.last = from - 1
    this.#terms.cut(from)
    while (this.#runs.length > 0 && this.#runs.at(-1)!.first >= from) this.#runs.pop()
    const run = this.#runs.at(-1)
    if (run === undefined) return
    // What is appended from now on stands behind what was cut off.
    run.isOpen = false
    if (run.first + run.count <= from) return
    run.count = from - run.first
    run.end = run.offsets[run.count]!
  }

  purge(boundary: LogId): void {
    if (boundary.index <= (this.boundary?.index ?? 0)) return
    this.boundary = boundary
    let count = 0
    while (count < this.#runs.length && endOf(this.#runs[count]!) <= boundary.index + 1) count++
    this.#runs.splice(0, count)
    if (boundary.index >= this.last) {
      this.last = boundary.index
      this.#terms.clear()
    } else this.#terms.forget(boundary.index + 1)
  }

  reset(): void {
    this.last = 0
    this.boundary = undefined
    this.#runs = []
    this.#terms.clear()
  }

  termOf(index: number): number | undefined {
    if (index === this.boundary?.index) return this.boundary.term
    return index > this.last || index < this.firstIndex ? undefined : this.#terms.of(index)
  }

  /** Where the entry stands, which is there. */
  runOf(index: number): Run {
    const runs = this.#runs
    let low = 0
    let high = runs.length - 1
    if (runs[high]!.first <= index) return runs[high]!
    while (low < high) {
      const middle = (low + high + 1) >> 1
      if (runs[middle]!.first <= index) low = middle
      else high = middle - 1
    }
    return runs[low]!
  }

  /** The run of the first entries that count; undefined where there are none. */
  firstRun(): Run | undefined {
    return this.#runs[0]
  }
}

function endOf({ first, count }: Run): number {
  return first + count
}
