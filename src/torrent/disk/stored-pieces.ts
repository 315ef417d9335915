/**
 * Reading pieces that are stored: out of the cache, or out of their chunk. A piece that was just stored
 * is in the cache whole; what is read from a chunk comes by lines, and a volatile read by its own bytes.
 */
import type { StorageIndex } from '../disk-io.ts'
import { Arc } from './arc.ts'
import { ChunkLost, type ChunkStore } from './chunk-store.ts'
import type { Counters } from './counters.ts'
import type { Geometry } from './geometry.ts'
import type { Journal } from './journal.ts'
import { neverWritten } from './unfinished-piece.ts'
import { PieceMemory } from './piece-memory.ts'

/** What is read at once for a block: peers ask for the next ones soon. */
export const LINE_BYTES: number = 256 * 1024

/** Shared by all torrents of a disk. */
export type PieceCache = Arc<PieceMemory | Uint8Array>

export function createPieceCache(bytesMax: () => number, counters: Counters): PieceCache {
  return new Arc<PieceMemory | Uint8Array>(bytesMax, (_, value) => {
    counters.evictions += 1
    letGo(value)
  })
}

/** Memory that no cache holds any more goes back to where it is lent from. */
export function letGo(value: PieceMemory | Uint8Array | undefined): void {
  if (value instanceof PieceMemory) void value.release()
}

export interface StoredParts {
  readonly storage: StorageIndex
  readonly store: ChunkStore
  readonly bucket: string
  readonly journal: Journal
  readonly geometry: Geometry
  readonly cache: PieceCache
  readonly counters: Counters
  /** A chunk of these pieces is gone or damaged. */
  readonly onLost: (piece: number) => void
}

export class StoredPieces {
  readonly #parts: StoredParts
  /** Lines under way: who wants the same waits for it. */
  readonly #fetching = new Map<string, Promise<Uint8Array>>()

  constructor(parts: StoredParts) {
    this.#parts = parts
  }

  /** A piece that is in memory and has just been stored. */
  keep(memory: PieceMemory): void {
    const { cache, storage } = this.#parts
    const isKept = cache.set(`${storage}:${memory.piece}`, memory, memory.layer.heldBytes)
    if (!isKept) letGo(memory)
  }

  forget(piece: number): void {
    const { cache, storage, geometry } = this.#parts
    letGo(cache.delete(`${storage}:${piece}`))
    for (let line = 0; line * LINE_BYTES < geometry.lengthOf(piece); line++)
      letGo(cache.delete(`${storage}:${piece}:${line}`))
  }

  forgetAll(): void {
    const { cache, storage } = this.#parts
    for (const key of cache.keys()) if (key.startsWith(`${storage}:`)) letGo(cache.delete(key))
  }

  /** A piece that is in the cache whole. */
  cached(): PieceMemory[] {
    const { cache, storage } = this.#parts
    return cache.keys().flatMap((key) => {
      const value = key.startsWith(`${storage}:`) ? cache.peek(key) : undefined
      return value instanceof PieceMemory ? [value] : []
    })
  }

  async read(piece: number, start: number, end: number, isVolatile: boolean): Promise<Uint8Array> {
    const { cache, storage, counters } = this.#parts
    const key = `${storage}:${piece}`
    const whole = isVolatile ? cache.peek(key) : cache.get(key)
    if (whole instanceof PieceMemory) {
      counters.cacheHits += 1
      return whole.read(start, end)
    }
    const first = Math.floor(start / LINE_BYTES)
    const last = Math.floor(Math.max(start, end - 1) / LINE_BYTES)
    if (first === last) return this.#readLine(piece, first, start, end, isVolatile)
    if (isVolatile) {
      counters.cacheMisses += 1
      return this.fetch(piece, start, end)
    }
    const target = new Uint8Array(end - start)
    await Promise.all(
      Array.from({ length: last - first + 1 }, async (_, i) => {
        const lineStart = (first + i) * LINE_BYTES
        const [from, to] = [Math.max(start, lineStart), Math.min(end, lineStart + LINE_BYTES)]
        target.set(await this.#readLine(piece, first + i, from, to, false), from - start)
      }),
    )
    return target
  }

  /** Out of the store, whatever the cache has; padding is zeros. */
  async fetch(piece: number, start: number, end: number): Promise<Uint8Array> {
    const { store, bucket, journal, geometry, onLost } = this.#parts
    const place = journal.locate(piece)
    if (place === undefined) throw neverWritten(piece)
    const from = place.offset + geometry.keptBefore(piece, start)
    const to = place.offset + geometry.keptBefore(piece, end)
    let kept: Uint8Array
    try {
      kept = await store.get(bucket, { key: place.key, start: from, end: to })
    } catch (error) {
      // Not where it was stored again meanwhile.
      if (error instanceof ChunkLost && journal.locate(piece)?.key === place.key) onLost(piece)
      throw error
    }
    if (kept.length === end - start) return kept
    const target = new Uint8Array(end - start)
    let at = 0
    for (const [lower, upper] of geometry.padsOf(piece).missing(start, end)) {
      target.set(kept.subarray(at, at + upper - lower), lower - start)
      at += upper - lower
    }
    return target
  }

  async #readLine(
    piece: number,
    line: number,
    start: number,
    end: number,
    isVolatile: boolean,
  ): Promise<Uint8Array> {
    const { cache, storage, counters, geometry } = this.#parts
    const key = `${storage}:${piece}:${line}`
    const lineStart = line * LINE_BYTES
    const there = isVolatile ? cache.peek(key) : cache.get(key)
    if (there instanceof Uint8Array) {
      counters.cacheHits += 1
      return there.subarray(start - lineStart, end - lineStart)
    }
    counters.cacheMisses += 1
    if (isVolatile) return this.fetch(piece, start, end)
    let fetching = this.#fetching.get(key)
    if (fetching === undefined) {
      const lineEnd = Math.min(geometry.lengthOf(piece), lineStart + LINE_BYTES)
      counters.prefetches += lineEnd - lineStart > end - start ? 1 : 0
      fetching = this.fetch(piece, lineStart, lineEnd).finally(() => this.#fetching.delete(key))
      this.#fetching.set(key, fetching)
    }
    const place = this.#parts.journal.locate(piece)?.key
    const bytes = await fetching
    // Should the piece have gone meanwhile, its bytes are not to stay.
    if (place !== undefined && this.#parts.journal.locate(piece)?.key === place)
      cache.set(key, bytes, bytes.length)
    return bytes.subarray(start - lineStart, end - lineStart)
  }
}
