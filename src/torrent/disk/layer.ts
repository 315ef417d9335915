/** Bytes of a piece that are in memory, in segments, and which of them are there. */
import { SEGMENT_BYTES, type Segments } from './segments.ts'
import { Spans } from './spans.ts'

export class Layer {
  readonly spans: Spans = new Spans()
  readonly #pieceBytes: number
  readonly #pool: Segments
  #segments: (Uint8Array | undefined)[]
  #heldBytes = 0

  /** `pieceBytes`: the length of the piece. */
  constructor(pool: Segments, pieceBytes: number) {
    this.#pool = pool
    this.#pieceBytes = pieceBytes
    this.#segments = Array.from({ length: Math.ceil(pieceBytes / SEGMENT_BYTES) })
  }

  /** Memory that it takes. */
  get heldBytes(): number {
    return this.#heldBytes
  }

  /** Copies the bytes in. False: some of them were there, and are other bytes now. */
  write(offset: number, bytes: Uint8Array): boolean {
    for (let at = 0; at < bytes.length;) {
      const position = offset + at
      const index = Math.floor(position / SEGMENT_BYTES)
      const segment = this.#segments[index] ?? this.#borrow(index)
      const from = position - index * SEGMENT_BYTES
      const part = bytes.subarray(at, at + segment.length - from)
      segment.set(part, from)
      at += part.length
    }
    return this.spans.add(offset, offset + bytes.length)
  }

  /** Memory for bytes that are to be filled in from elsewhere; `spans` is the caller's to change. */
  *room(start: number, end: number): Generator<Uint8Array> {
    for (let at = start; at < end;) {
      const index = Math.floor(at / SEGMENT_BYTES)
      const segment = this.#segments[index] ?? this.#borrow(index)
      const from = at - index * SEGMENT_BYTES
      const part = segment.subarray(from, from + end - at)
      yield part
      at += part.length
    }
  }

  /** Copies what is there of a range to `target`, which begins with the range's first byte. */
  read(target: Uint8Array, start: number, end: number): void {
    for (const [from, to] of this.spans.within(start, end)) {
      let at = from - start
      for (const view of this.views(from, to)) {
        target.set(view, at)
        at += view.length
      }
    }
  }

  /** The bytes themselves, of a range that is there: valid until `release`. */
  *views(start: number, end: number): Generator<Uint8Array> {
    for (let at = start; at < end;) {
      const index = Math.floor(at / SEGMENT_BYTES)
      const from = at - index * SEGMENT_BYTES
      const view = this.#segments[index]!.subarray(from, from + end - at)
      yield view
      at += view.length
    }
  }

  /** Gives the memory back: nobody may look at it any more. */
  release(): void {
    for (const segment of this.#segments) if (segment !== undefined) this.#pool.giveBack(segment)
    this.#segments = []
    this.#heldBytes = 0
  }

  #borrow(index: number): Uint8Array {
    const size = Math.min(SEGMENT_BYTES, this.#pieceBytes - index * SEGMENT_BYTES)
    const segment = this.#pool.lend(size)
    this.#segments[index] = segment
    this.#heldBytes += segment.length
    return segment
  }
}
