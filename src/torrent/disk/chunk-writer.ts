/**
 * Verified pieces on their way into chunks: gathered until a chunk is full, or the oldest has waited
 * long enough, then written in the order of their numbers. A chunk that could not be written is tried
 * again until it is; its pieces stay in memory.
 */
import { DiskError } from '../disk-io.ts'
import type { ChunkStore } from './chunk-store.ts'
import type { Journal } from './journal.ts'
import type { PieceMemory } from './piece-memory.ts'
import type { Turns } from './turns.ts'
import { encodeRanges } from './varints.ts'
import { Spans } from './spans.ts'

/** A chunk is closed when it has as much. */
export const CHUNK_BYTES: number = 8 * 1024 ** 2
/** A piece and the gap before it, encoded, at most. */
const RANGE_BYTES_MAX = 8
const RETRY_MS_MAX = 10_000

export interface ChunkWriterParts {
  readonly store: ChunkStore
  readonly bucket: string
  readonly journal: Journal
  /** Shared by all torrents. */
  readonly turns: Turns
  readonly chunkBytes: number
  /** How long a piece may wait for others to go with it. */
  readonly lingerMs: number
  /** Before a failed chunk is tried again; twice as long each time. */
  readonly retryMs: number
  /** Its pieces are durable. */
  readonly onStored: (pieces: readonly PieceMemory[]) => void
}

/** Pieces that become one chunk. */
export class ChunkGroup {
  readonly pieces: PieceMemory[] = []
  readonly ranges: Spans = new Spans()
  keptBytes = 0
  heldBytes = 0
  seq: number | undefined
  failures = 0
  retry: NodeJS.Timeout | undefined
  #attempt: PromiseWithResolvers<void> = silent()

  /** Resolves once it is durable; rejects with DiskError where the next attempt fails. */
  get durable(): Promise<void> {
    return this.#attempt.promise
  }

  succeed(): void {
    this.#attempt.resolve()
  }

  fail(error: DiskError): void {
    const failed = this.#attempt
    this.#attempt = silent()
    failed.reject(error)
  }
}

export class ChunkWriter {
  readonly #parts: ChunkWriterParts
  #open: ChunkGroup | undefined
  #linger: NodeJS.Timeout | undefined
  /** Closed, and not stored yet. */
  readonly #groups = new Set<ChunkGroup>()
  #isClosing = false
  /** The last one that was due; one after the other. */
  #checkpoint: Promise<void> = Promise.resolve()

  constructor(parts: ChunkWriterParts) {
    this.#parts = parts
  }

  /** Memory that will be free once chunks under way are stored. */
  get closedBytes(): number {
    let bytes = 0
    for (const group of this.#groups) if (group.failures === 0) bytes += group.heldBytes
    return bytes
  }

  /** Pieces that are verified and not durable. */
  get pieceCount(): number {
    let count = this.#open?.pieces.length ?? 0
    for (const group of this.#groups) count += group.pieces.length
    return count
  }

  add(memory: PieceMemory): ChunkGroup {
    if (this.#open !== undefined && !this.#fits(this.#open)) this.close()
    const group = (this.#open ??= this.#begin())
    group.pieces.push(memory)
    group.ranges.add(memory.piece, memory.piece + 1)
    group.keptBytes += memory.length - memory.pads.bytes
    group.heldBytes += memory.layer.heldBytes
    if (this.#isClosing || group.keptBytes >= this.#parts.chunkBytes) this.close()
    return group
  }

  /** What is gathered goes now. */
  close(): void {
    clearTimeout(this.#linger)
    const group = this.#open
    if (group === undefined) return
    this.#open = undefined
    this.#groups.add(group)
    group.pieces.sort((a, b) => a.piece - b.piece)
    group.seq = this.#parts.journal.nextSeq()
    void this.#write(group)
  }

  /** Everything goes now, and resolves once it is durable. Rejects with DiskError where it is not. */
  async flush(): Promise<void> {
    this.close()
    const waiting = [...this.#groups].map((group) => group.durable)
    for (const group of this.#groups) this.#again(group)
    await Promise.all(waiting)
  }

  /** From now on nothing waits for others. */
  hurry(isHurrying: boolean): void {
    this.#isClosing = isHurrying
  }

  /** Resolves once no checkpoint is being written. */
  async checkpointed(): Promise<void> {
    await this.#checkpoint
  }

  /** No attempt comes after it. */
  stop(): void {
    clearTimeout(this.#linger)
    for (const { retry } of this.#groups) clearTimeout(retry)
  }

  #begin(): ChunkGroup {
    this.#linger = setTimeout(() => this.close(), this.#parts.lingerMs)
    return new ChunkGroup()
  }

  /** Whether the name of the chunk has room for another piece. */
  #fits({ pieces, ranges }: ChunkGroup): boolean {
    const max = this.#parts.journal.keys.rangeBytesMax - 2 * RANGE_BYTES_MAX
    return pieces.length * 4 < max || encodeRanges(ranges.edges).length < max
  }

  async #write(group: ChunkGroup): Promise<void> {
    const { store, bucket, journal, turns, retryMs, onStored } = this.#parts
    const entry = { seq: group.seq!, isChunk: true, ranges: encodeRanges(group.ranges.edges) }
    try {
      await turns.run(() => store.put(bucket, journal.keys.entry(entry), bodyOf(group.pieces)))
    } catch (cause) {
      const waitMs = Math.min(RETRY_MS_MAX, retryMs * 2 ** group.failures)
      group.failures += 1
      group.retry = setTimeout(() => this.#again(group), waitMs)
      const error = cause instanceof DiskError ? cause : new DiskError('writing a chunk', { cause })
      group.fail(error)
      return
    }
    journal.add(entry)
    this.#groups.delete(group)
    onStored(group.pieces)
    group.succeed()
    this.#checkpoint = this.#checkpoint.then(() =>
      journal.checkpointIfDue().catch(() => {
        // It would only have made the next start faster.
      }),
    )
  }

  /** Where its last attempt has failed, another. */
  #again(group: ChunkGroup): void {
    if (group.retry === undefined) return
    clearTimeout(group.retry)
    group.retry = undefined
    void this.#write(group)
  }
}

/** What is kept of pieces, one after the other. */
function bodyOf(pieces: readonly PieceMemory[]): Uint8Array[] {
  return pieces.flatMap(({ layer, pads, length }) =>
    [...pads.missing(0, length)].flatMap(([start, end]) => [...layer.views(start, end)]),
  )
}

/** Nobody need wait for it. */
function silent(): PromiseWithResolvers<void> {
  const promise = Promise.withResolvers<void>()
  promise.promise.catch(() => {})
  return promise
}
