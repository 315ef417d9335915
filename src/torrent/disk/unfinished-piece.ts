/**
 * A piece that is not durable yet: bytes that are being written, bytes on their way to a scratch object,
 * and bytes in scratch objects, the newer over the older. What is in none of them was never written.
 */
import { DiskError } from '../disk-io.ts'
import { ChunkLost, type ChunkStore } from './chunk-store.ts'
import type { ChunkGroup } from './chunk-writer.ts'
import type { ScratchPart } from './journal.ts'
import { PieceMemory, type PieceSurroundings } from './piece-memory.ts'
import { Spans } from './spans.ts'
import type { Verdict } from './verdict.ts'
import type { PieceHashes } from '../disk-io.ts'

/** Times that what is read may be moved under us. */
const ATTEMPTS_MAX = 8

export interface Checked {
  readonly hashes: PieceHashes
  readonly verdict: Verdict
}

export class UnfinishedPiece {
  readonly piece: number
  readonly #around: PieceSurroundings
  readonly #store: ChunkStore
  readonly #bucket: string
  /** What writes go to. */
  memory: PieceMemory | undefined
  /** What is on its way to scratch: it does not change. */
  frozen: PieceMemory | undefined
  /** The oldest first. */
  scratch: readonly ScratchPart[]
  /** Ticks of the disk's clock of writes. */
  lastWrite = 0
  /** The chunk that it goes into; undefined until it is verified. */
  group: ChunkGroup | undefined
  /** A hash under way. */
  checking: Promise<Checked> | undefined
  /** Being put aside. */
  aside: Promise<void> | undefined
  /** Once it is verified. */
  hashes: PieceHashes | undefined
  /** All that a barrier waits for. */
  readonly work: Set<Promise<unknown>> = new Set()
  /** Bytes that the gauge knows of. */
  accountedBytes = 0

  constructor(
    around: PieceSurroundings,
    store: ChunkStore,
    bucket: string,
    piece: number,
    scratch: readonly ScratchPart[],
  ) {
    this.#around = around
    this.#store = store
    this.#bucket = bucket
    this.piece = piece
    this.scratch = scratch
  }

  get heldBytes(): number {
    return (this.memory?.layer.heldBytes ?? 0) + (this.frozen?.layer.heldBytes ?? 0)
  }

  /** Bytes that are in memory alone. */
  get dirtyBytes(): number {
    return (this.memory?.layer.spans.bytes ?? 0) + (this.frozen?.layer.spans.bytes ?? 0)
  }

  get isVerified(): boolean {
    return this.group !== undefined
  }

  write(offset: number, bytes: Uint8Array): void {
    this.memory ??= new PieceMemory(this.#around, this.piece)
    this.memory.write(offset, bytes)
    if (this.frozen === undefined && this.scratch.length === 0) this.memory.hashAhead()
  }

  /** All that is there, padding not counted. */
  spans(): Spans {
    const spans = new Spans()
    for (const part of this.scratch) spans.addAll(part.spans)
    if (this.frozen !== undefined) spans.addAll(this.frozen.layer.spans)
    if (this.memory !== undefined) spans.addAll(this.memory.layer.spans)
    return spans
  }

  /** Rejects with DiskError where some of it was never written. */
  async read(start: number, end: number): Promise<Uint8Array> {
    for (let attempt = 1; ; attempt++) {
      if (this.memory?.has(start, end) === true) return this.memory.read(start, end)
      try {
        return await this.#compose(start, end)
      } catch (error) {
        // A scratch object goes as soon as its bytes are elsewhere.
        if (!(error instanceof ChunkLost) || attempt === ATTEMPTS_MAX) throw error
      }
    }
  }

  /** Everything in one memory, so that it can be hashed. Rejects as `read`. */
  async gather(): Promise<PieceMemory> {
    const length = this.#around.geometry.lengthOf(this.piece)
    if (this.#missing(this.spans(), 0, length)) throw neverWritten(this.piece)
    if (this.memory?.isWhole === true) return this.memory
    const whole = new PieceMemory(this.#around, this.piece)
    const loaded = new Set<ScratchPart>()
    try {
      for (let part = this.#unloaded(loaded); part !== undefined; part = this.#unloaded(loaded)) {
        const bytes = await this.#store.get(this.#bucket, wholeOf(part))
        copyScratch(part, bytes, (offset, some) => whole.write(offset, some))
        loaded.add(part)
      }
    } catch (error) {
      await whole.release()
      throw error
    }
    for (const newer of [this.frozen, this.memory])
      if (newer !== undefined)
        for (const [start, end] of newer.layer.spans) whole.write(start, newer.read(start, end))
    const before = this.memory
    this.memory = whole
    await before?.release()
    return whole
  }

  /** What was being written is now still; undefined where there is nothing, or no time for it. */
  freeze(): PieceMemory | undefined {
    const isBusy = this.frozen !== undefined || this.checking !== undefined || this.isVerified
    if (isBusy || this.memory === undefined || this.memory.layer.spans.bytes === 0) return undefined
    this.frozen = this.memory
    this.memory = undefined
    return this.frozen
  }

  /** It could not be stored: writes that came meanwhile go over it. */
  async thaw(): Promise<void> {
    const { frozen, memory } = this
    if (frozen === undefined) return
    this.frozen = undefined
    // It was gathered meanwhile, with what is frozen: it may be being hashed, or on its way into a chunk.
    if (memory?.isWhole === true) return frozen.release()
    for (const [start, end] of memory?.layer.spans ?? [])
      frozen.write(start, memory!.read(start, end))
    this.memory = frozen
    await memory?.release()
  }

  #unloaded(loaded: ReadonlySet<ScratchPart>): ScratchPart | undefined {
    return this.scratch.find((part) => !loaded.has(part))
  }

  #missing(spans: Spans, start: number, end: number): boolean {
    const pads = this.#around.geometry.padsOf(this.piece)
    for (const [from, to] of spans.missing(start, end)) if (!pads.covers(from, to)) return true
    return false
  }

  async #compose(start: number, end: number): Promise<Uint8Array> {
    if (this.#missing(this.spans(), start, end)) throw neverWritten(this.piece)
    const target = new Uint8Array(end - start)
    const done = new Spans()
    // What is in memory is taken now, before anything is waited for.
    for (const newer of [this.memory, this.frozen]) {
      if (newer === undefined) continue
      for (const [from, to] of done.missing(start, end))
        newer.layer.read(target.subarray(from - start, to - start), from, to)
      for (const [from, to] of newer.layer.spans.within(start, end)) done.add(from, to)
    }
    for (const part of this.scratch.toReversed()) {
      for (const [from, to] of done.missing(start, end))
        await this.#readScratch(part, target, start, from, to)
      for (const [from, to] of part.spans.within(start, end)) done.add(from, to)
    }
    return target
  }

  async #readScratch(
    part: ScratchPart,
    target: Uint8Array,
    start: number,
    from: number,
    to: number,
  ): Promise<void> {
    let at = 0
    for (const [lower, upper] of part.spans) {
      const [first, last] = [Math.max(lower, from), Math.min(upper, to)]
      if (first < last) {
        const run = { key: part.key, start: at + first - lower, end: at + last - lower }
        target.set(await this.#store.get(this.#bucket, run), first - start)
      }
      at += upper - lower
    }
  }
}

export function neverWritten(piece: number): DiskError {
  return new DiskError(`piece ${piece}: bytes that were never written`)
}

function wholeOf({ key, spans }: ScratchPart): { key: string; start: number; end: number } {
  return { key, start: 0, end: spans.bytes }
}

function copyScratch(
  { spans }: ScratchPart,
  bytes: Uint8Array,
  write: (offset: number, bytes: Uint8Array) => void,
): void {
  let at = 0
  for (const [start, end] of spans) {
    write(start, bytes.subarray(at, at + end - start))
    at += end - start
  }
}
