/**
 * A disk that keeps nothing: for measuring a network. It takes everything, reads as zeros, and answers
 * each hash with what the torrent says, so that an engine takes every piece for good.
 */
import type {
  CachedPiece,
  DiskIoBackend,
  DiskStats,
  DiskTorrent,
  HashKinds,
  PieceHashes,
  Registered,
  StorageIndex,
} from '../disk-io.ts'
import { BLOCK_BYTES, blocksIn, leafOf } from '../merkle.ts'
import { type Counters, zeroCounters } from './counters.ts'
import { Geometry } from './geometry.ts'
import { Registry } from './registry.ts'

const SHA1_BYTES = 20
const SHA256_BYTES = 32

export class DisabledDisk implements DiskIoBackend {
  readonly name: string = 'disabled'
  readonly #registry = new Registry<{ torrent: DiskTorrent; geometry: Geometry }>()
  readonly #counters: Counters = zeroCounters()

  async register(torrent: DiskTorrent): Promise<Registered> {
    const storage = this.#registry.reserve(torrent)
    this.#registry.set(storage, { torrent, geometry: new Geometry(torrent) })
    const have = new Uint8Array(Math.ceil(torrent.info.pieceCount / 8))
    return { storage, resume: { have, blocks: new Map() } }
  }

  async unregister(storage: StorageIndex): Promise<void> {
    this.#registry.release(this.#registry.get(storage).torrent)
  }

  writeChunk(storage: StorageIndex, piece: number, offset: number, bytes: Uint8Array): boolean {
    this.#registry.get(storage).geometry.check(piece, offset, bytes.length)
    this.#counters.writtenBytes += bytes.length
    return false
  }

  writeBlockDirect(
    storage: StorageIndex,
    piece: number,
    offset: number,
    first: Uint8Array,
    second: Uint8Array,
  ): boolean {
    const length = first.length + second.length
    this.#registry.get(storage).geometry.check(piece, offset, length)
    this.#counters.writtenBytes += length
    return false
  }

  async drained(): Promise<void> {}

  async readChunk(
    storage: StorageIndex,
    piece: number,
    offset: number,
    length: number,
  ): Promise<Uint8Array> {
    this.#registry.get(storage).geometry.check(piece, offset, length)
    this.#counters.readBytes += length
    return new Uint8Array(length)
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
    const { geometry } = this.#registry.get(storage)
    geometry.check(piece, 0, 0)
    const { v1, v2 } = geometry.expected(piece)
    return {
      v1: kinds.v1 ? (v1 ?? new Uint8Array(SHA1_BYTES)) : undefined,
      v2: kinds.v2 ? (v2 ?? new Uint8Array(SHA256_BYTES)) : undefined,
      // No torrent says what they should be.
      leaves: kinds.v2
        ? new Uint8Array(blocksIn(geometry.treeOf(piece).bytes) * SHA256_BYTES)
        : undefined,
    }
  }

  async hashBlock(storage: StorageIndex, piece: number, offset: number): Promise<Uint8Array> {
    this.#registry.get(storage).geometry.check(piece, offset, 0)
    return leafOf(new Uint8Array(BLOCK_BYTES))
  }

  async clearPiece(storage: StorageIndex, piece: number): Promise<void> {
    this.#registry.get(storage).geometry.check(piece, 0, 0)
  }

  async flushPiece(storage: StorageIndex, piece: number): Promise<void> {
    this.#registry.get(storage).geometry.check(piece, 0, 0)
  }

  async flushAll(storage?: StorageIndex): Promise<void> {
    if (storage !== undefined) this.#registry.get(storage)
  }

  async erase(): Promise<void> {}

  cachedPieces(storage: StorageIndex): readonly CachedPiece[] {
    this.#registry.get(storage)
    return []
  }

  stats(): DiskStats {
    return { ...this.#counters }
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}
