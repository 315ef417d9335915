/**
 * A disk in memory: all pieces stay, and what is there is as durable as it will ever be. For tests, for
 * measuring an engine, and as the model that other disks are compared with.
 */
import {
  type CachedPiece,
  DiskError,
  type DiskIoBackend,
  type DiskStats,
  type DiskTorrent,
  type HashKinds,
  type PieceHashes,
  type Registered,
  type StorageIndex,
} from '../disk-io.ts'
import { BLOCK_BYTES } from '../merkle.ts'
import { type Counters, zeroCounters } from './counters.ts'
import { blockBits, Geometry } from './geometry.ts'
import { PieceHashers } from './piece-hashers.ts'
import { PieceMemory, type PieceSurroundings } from './piece-memory.ts'
import { nameOf, Registry } from './registry.ts'
import { Segments } from './segments.ts'
import { hasBit, onlyOf, setBit, verdictOf } from './verdict.ts'

const NO_WORK: ReadonlySet<Promise<unknown>> = new Set()

interface Torrent extends PieceSurroundings {
  readonly torrent: DiskTorrent
  readonly pieces: Map<number, PieceMemory>
  readonly have: Uint8Array
  /** Work on a piece: what `clearPiece` and `unregister` wait for. */
  readonly work: Map<PieceMemory, Set<Promise<unknown>>>
}

type Kept = Pick<Torrent, 'pieces' | 'have'>

export class MemoryDisk implements DiskIoBackend {
  readonly name: string = 'memory'
  readonly #registry = new Registry<Torrent>()
  readonly #kept = new Map<string, Kept>()
  readonly #segments = new Segments()
  readonly #hashers = new PieceHashers()
  readonly #counters: Counters = zeroCounters()

  async register(torrent: DiskTorrent): Promise<Registered> {
    const storage = this.#registry.reserve(torrent)
    const { info } = torrent
    const kept = this.#kept.get(nameOf(torrent))
    const pieces = kept?.pieces ?? new Map<number, PieceMemory>()
    const have = kept?.have ?? new Uint8Array(Math.ceil(info.pieceCount / 8))
    this.#kept.set(nameOf(torrent), { pieces, have })
    this.#registry.set(storage, {
      torrent,
      pieces,
      have,
      work: new Map(),
      geometry: new Geometry(torrent),
      segments: this.#segments,
      hashers: this.#hashers,
      kinds: { v1: info.hashes.v1 !== undefined, v2: info.hashes.v2 !== undefined },
    })
    const blocks = new Map<number, Uint8Array>()
    for (const [piece, { layer, length }] of pieces)
      if (!hasBit(have, piece) && layer.spans.bytes > 0)
        blocks.set(piece, blockBits(layer.spans, length))
    return { storage, resume: { have: have.slice(), blocks } }
  }

  async unregister(storage: StorageIndex): Promise<void> {
    const { torrent, work } = this.#registry.get(storage)
    this.#registry.hide(storage)
    for (const each of work.values()) await Promise.allSettled(each)
    this.#registry.release(torrent)
  }

  writeChunk(storage: StorageIndex, piece: number, offset: number, bytes: Uint8Array): boolean {
    const known = this.#registry.get(storage)
    known.geometry.check(piece, offset, bytes.length)
    this.#counters.writtenBytes += bytes.length
    if (hasBit(known.have, piece)) return false
    const memory = memoryOf(known, piece)
    memory.write(offset, bytes)
    memory.hashAhead()
    return false
  }

  writeBlockDirect(
    storage: StorageIndex,
    piece: number,
    offset: number,
    first: Uint8Array,
    second: Uint8Array,
  ): boolean {
    this.#registry.get(storage).geometry.check(piece, offset, first.length + second.length)
    this.writeChunk(storage, piece, offset, first)
    return this.writeChunk(storage, piece, offset + first.length, second)
  }

  async drained(): Promise<void> {}

  async readChunk(
    storage: StorageIndex,
    piece: number,
    offset: number,
    length: number,
  ): Promise<Uint8Array> {
    const known = this.#registry.get(storage)
    known.geometry.check(piece, offset, length)
    const memory = memoryOf(known, piece)
    if (!memory.has(offset, offset + length)) throw notThere(piece)
    this.#counters.readBytes += length
    this.#counters.cacheHits += 1
    return memory.read(offset, offset + length)
  }

  async readPiece(storage: StorageIndex, piece: number): Promise<Uint8Array> {
    const { geometry } = this.#registry.get(storage)
    geometry.check(piece, 0, 0)
    return this.readChunk(storage, piece, 0, geometry.lengthOf(piece))
  }

  async hashPiece(storage: StorageIndex, piece: number): Promise<Uint8Array> {
    return (await this.hashPieces(storage, piece, { v1: true, v2: false })).v1!
  }

  async hashPieceV2(storage: StorageIndex, piece: number): Promise<Uint8Array> {
    return (await this.hashPieces(storage, piece, { v1: false, v2: true })).v2!
  }

  async hashPieces(storage: StorageIndex, piece: number, kinds: HashKinds): Promise<PieceHashes> {
    const known = this.#registry.get(storage)
    known.geometry.check(piece, 0, 0)
    const memory = memoryOf(known, piece)
    if (!memory.isWhole) throw notThere(piece)
    return this.#working(known, memory, async () => {
      const hashes = await memory.hashes()
      const isGood = verdictOf(hashes, known.geometry.expected(piece)) === 'good'
      // Cleared meanwhile, it is another piece.
      if (isGood && known.pieces.get(piece) === memory) setBit(known.have, piece)
      const isMore = (kinds.v1 && !known.kinds.v1) || (kinds.v2 && !known.kinds.v2)
      return onlyOf(kinds, isMore ? await memory.hashesOf(kinds) : hashes)
    })
  }

  async hashBlock(storage: StorageIndex, piece: number, offset: number): Promise<Uint8Array> {
    const known = this.#registry.get(storage)
    const { geometry } = known
    geometry.check(piece, offset, 0)
    const end = Math.min(geometry.treeOf(piece).bytes, offset + BLOCK_BYTES)
    geometry.check(piece, offset, end - offset)
    const memory = memoryOf(known, piece)
    if (!memory.has(offset, end)) throw notThere(piece)
    return this.#working(known, memory, () => memory.leaf(offset, end))
  }

  async clearPiece(storage: StorageIndex, piece: number): Promise<void> {
    const known = this.#registry.get(storage)
    known.geometry.check(piece, 0, 0)
    const memory = known.pieces.get(piece)
    known.have[piece >> 3]! &= ~(128 >> (piece & 7))
    if (memory === undefined) return
    known.pieces.delete(piece)
    await Promise.allSettled(known.work.get(memory) ?? NO_WORK)
    await memory.release()
  }

  async flushPiece(storage: StorageIndex, piece: number): Promise<void> {
    this.#registry.get(storage).geometry.check(piece, 0, 0)
  }

  async flushAll(storage?: StorageIndex): Promise<void> {
    if (storage !== undefined) this.#registry.get(storage)
  }

  async erase(torrent: Pick<DiskTorrent, 'id' | 'place'>): Promise<void> {
    if (this.#registry.has(torrent)) throw new DiskError(`torrent ${torrent.id} is registered`)
    const kept = this.#kept.get(nameOf(torrent))
    this.#kept.delete(nameOf(torrent))
    for (const memory of kept?.pieces.values() ?? []) await memory.release()
  }

  cachedPieces(storage: StorageIndex): readonly CachedPiece[] {
    const { pieces, have } = this.#registry.get(storage)
    return [...pieces].map(([piece, { layer }]) => ({
      storage,
      piece,
      blocks: Math.ceil(layer.spans.bytes / BLOCK_BYTES),
      dirtyBytes: 0,
      isVerified: hasBit(have, piece),
    }))
  }

  stats(): DiskStats {
    return { ...this.#counters }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const [storage] of this.#registry.entries()) await this.unregister(storage)
    this.#hashers[Symbol.dispose]()
  }

  async #working<T>(known: Torrent, memory: PieceMemory, work: () => Promise<T>): Promise<T> {
    const under = known.work.get(memory) ?? new Set()
    known.work.set(memory, under)
    const promise = work()
    under.add(promise)
    try {
      return await promise
    } finally {
      under.delete(promise)
      if (under.size === 0) known.work.delete(memory)
    }
  }
}

function memoryOf(known: Torrent, piece: number): PieceMemory {
  let memory = known.pieces.get(piece)
  if (memory === undefined) {
    memory = new PieceMemory(known, piece)
    known.pieces.set(piece, memory)
  }
  return memory
}

function notThere(piece: number): DiskError {
  return new DiskError(`piece ${piece}: bytes that were never written`)
}
