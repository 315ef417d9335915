/**
 * One piece in memory: its bytes, its padding, and its hashes, which are computed beside the event loop
 * as bytes land in order. Bytes that are written over begin the hashes anew.
 */
import type { PieceHashes } from '../disk-io.ts'
import type { Geometry } from './geometry.ts'
import { Layer } from './layer.ts'
import type { HashedPart } from './piece-digest.ts'
import type { PieceHashers, PieceHashing } from './piece-hashers.ts'
import type { Segments } from './segments.ts'
import type { Spans } from './spans.ts'

/** A message to a thread costs some 20 us: blocks go together. */
const HASHED_AT_ONCE_BYTES: number = 128 * 1024

/** What all pieces of a torrent have in common. */
export interface PieceSurroundings {
  readonly geometry: Geometry
  readonly segments: Segments
  readonly hashers: PieceHashers
  /** Which hashes the torrent has. */
  readonly kinds: { readonly v1: boolean; readonly v2: boolean }
}

export class PieceMemory {
  readonly piece: number
  readonly length: number
  readonly layer: Layer
  readonly pads: Spans
  readonly #around: PieceSurroundings
  #hashing: PieceHashing | undefined
  /** Bytes that the thread has been told of, from the first on. */
  #hashed = 0
  /** Changes when bytes do that were there before. */
  #generation = 0
  /** Threads that may still look at its bytes. */
  readonly #looking = new Set<Promise<unknown>>()

  constructor(around: PieceSurroundings, piece: number) {
    this.#around = around
    this.piece = piece
    this.length = around.geometry.lengthOf(piece)
    this.pads = around.geometry.padsOf(piece)
    this.layer = new Layer(around.segments, this.length)
  }

  get isWhole(): boolean {
    return this.layer.spans.bytes + this.pads.bytes === this.length
  }

  /** Bytes that fall on padding are not taken: it is zeros, whatever a peer says. */
  write(offset: number, bytes: Uint8Array): void {
    if (this.pads.bytes === 0) this.#put(offset, bytes)
    else
      for (const [from, to] of this.pads.missing(offset, offset + bytes.length))
        this.#put(from, bytes.subarray(from - offset, to - offset))
  }

  #put(offset: number, bytes: Uint8Array): void {
    if (!this.layer.write(offset, bytes)) {
      this.#generation++
      if (offset < this.#hashed) this.#beginAnew()
    }
  }

  /** Hashes what lies in order, where that is enough to be worth a message. */
  hashAhead(): void {
    const reach = this.#reach(this.#hashed)
    if (reach - this.#hashed >= HASHED_AT_ONCE_BYTES || reach === this.length) this.#hashTo(reach)
  }

  /** Whether all of a range is here, padding counted. */
  has(start: number, end: number): boolean {
    return this.#reach(start) >= end
  }

  /** A copy of a range; what is not here is zeros, as padding is. */
  read(start: number, end: number): Uint8Array {
    const target = new Uint8Array(end - start)
    this.layer.read(target, start, end)
    return target
  }

  /** Of a piece that is whole. Should its bytes change meanwhile, of those that it has in the end. */
  async hashes(): Promise<PieceHashes> {
    for (;;) {
      const generation = this.#generation
      this.#hashTo(this.length)
      const hashing = this.#hashing!
      this.#hashing = undefined
      this.#hashed = 0
      const hashes = await this.#look(hashing.finish())
      if (generation === this.#generation) return hashes
    }
  }

  /** Hashes that the torrent itself does not have, or a reading for its own sake. */
  hashesOf(kinds: { readonly v1: boolean; readonly v2: boolean }): Promise<PieceHashes> {
    const hashing = this.#begin(kinds)
    hashing.update([...this.#parts(0, this.length)])
    return this.#look(hashing.finish())
  }

  leaf(start: number, end: number): Promise<Uint8Array> {
    const copy = new Uint8Array(new SharedArrayBuffer(end - start))
    this.layer.read(copy, start, end)
    return this.#around.hashers.leaf(copy)
  }

  /** Gives the memory back, once no thread looks at it. */
  async release(): Promise<void> {
    this.#beginAnew()
    while (this.#looking.size > 0) await Promise.allSettled(this.#looking)
    this.layer.release()
  }

  #beginAnew(): void {
    // A thread that died has let go of the bytes too.
    if (this.#hashing !== undefined) this.#look(this.#hashing.drop()).catch(() => {})
    this.#hashing = undefined
    this.#hashed = 0
  }

  async #look<T>(promise: Promise<T>): Promise<T> {
    this.#looking.add(promise)
    try {
      return await promise
    } finally {
      this.#looking.delete(promise)
    }
  }

  #hashTo(end: number): void {
    this.#hashing ??= this.#begin(this.#around.kinds)
    if (end === this.#hashed) return
    this.#hashing.update([...this.#parts(this.#hashed, end)])
    this.#hashed = end
  }

  #begin({ v1, v2 }: { readonly v1: boolean; readonly v2: boolean }): PieceHashing {
    const { hashers, geometry } = this.#around
    return hashers.begin({ v1, tree: v2 ? geometry.treeOf(this.piece) : undefined })
  }

  *#parts(start: number, end: number): Generator<HashedPart> {
    for (let at = start; at < end;) {
      const padEnd = Math.min(end, this.pads.reach(at))
      if (padEnd > at) yield padEnd - at
      const dataEnd = Math.min(end, this.layer.spans.reach(padEnd))
      yield* this.layer.views(padEnd, dataEnd)
      if (dataEnd === at) throw new Error('bytes that are not there cannot be hashed')
      at = dataEnd
    }
  }

  #reach(start: number): number {
    for (let at = start; ;) {
      const reach = this.pads.reach(this.layer.spans.reach(at))
      if (reach === at) return at
      at = reach
    }
  }
}
