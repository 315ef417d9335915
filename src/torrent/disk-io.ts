/**
 * The disk of a BitTorrent session: one backend for all torrents of an engine. It mirrors the DiskIoBackend
 * trait and what libtorrent's `disk_interface` demands; `disk/contract.ts` is its suite.
 *
 * What an engine may rely on:
 * - Blocks are seen by every read from the moment that `writeChunk` has returned, flushed or not.
 * - A hash that is as the torrent says is told only once its piece is on stable storage: an engine that
 *   announces a piece after its hash never announces what a power cut takes back.
 * - What was written stays until it is cleared, erased, or durable. Memory pressure moves it, never drops it.
 * - Calls on the pieces of one torrent may overlap; `clearPiece`, `unregister` and `erase` are barriers.
 */
import type { Info } from './metainfo.ts'

/** Names a registered torrent. Never 0 for all; used again only after `unregister` has resolved. */
export type StorageIndex = number

/** Where a torrent's chunks stand: below `prefix`, which ends with `/` or is empty. Nothing is written elsewhere. */
export interface DiskPlace {
  readonly bucket: string
  readonly prefix: string
}

/** What the disk has to know of a torrent. */
export interface DiskTorrent {
  /** Names its place on the disk: the info hash in hex (v1's where there is one, else v2's). */
  readonly id: string
  readonly place: DiskPlace
  readonly info: Info
  /** v2: layers by the root in hex; may be empty while they are fetched from peers (magnets). */
  readonly pieceLayers: ReadonlyMap<string, Uint8Array>
}

/** What is there already, out of the journal: no data was read for it. */
export interface Resume {
  /** Verified and durable pieces: a bit each, the first is the highest of the first byte (BEP 3). */
  readonly have: Uint8Array
  /** Blocks of unfinished pieces that are there: piece -> a bit a block of 16 KiB, in the same order. */
  readonly blocks: ReadonlyMap<number, Uint8Array>
}

export interface Registered {
  readonly storage: StorageIndex
  readonly resume: Resume
}

/** Which hashes of a piece are wanted. */
export interface HashKinds {
  readonly v1: boolean
  readonly v2: boolean
}

export interface PieceHashes {
  /** SHA-1 of the piece as the torrent has it (pad files are zeros), 20 bytes. */
  readonly v1: Uint8Array | undefined
  /**
   * v2: the Merkle root over the piece's 16 KiB leaves (BEP 52), 32 bytes; of a file no longer than a piece,
   * over as many leaves as the least power of two that holds the file.
   */
  readonly v2: Uint8Array | undefined
  /** v2: SHA-256 of each block of 16 KiB that the piece has of its file (pad files left out), 32 bytes each. */
  readonly leaves: Uint8Array | undefined
}

/** A piece of which something is in memory. */
export interface CachedPiece {
  readonly storage: StorageIndex
  readonly piece: number
  readonly blocks: number
  readonly dirtyBytes: number
  readonly isVerified: boolean
}

/** Counted since the start, but for what ends in `Now`. Bytes, entries, milliseconds. */
export interface DiskStats {
  readonly readBytes: number
  readonly writtenBytes: number
  readonly cacheHits: number
  readonly cacheMisses: number
  readonly evictions: number
  readonly prefetches: number
  readonly backPressureMs: number
  readonly upstreamPuts: number
  readonly upstreamPutBytes: number
  readonly upstreamGets: number
  readonly upstreamGetBytes: number
  /** Bytes that were not stored because the same content was there. */
  readonly dedupBytes: number
  readonly dirtyBytesNow: number
  readonly readCacheBytesNow: number
  readonly entriesNow: number
  /** Entries that a call under way keeps from being evicted. */
  readonly pinnedNow: number
}

/** The store below refused or failed; the engine stops the torrent, and what is in memory stays. */
export class DiskError extends Error {
  override readonly name: string = 'DiskError'
}

export interface DiskIoBackend extends AsyncDisposable {
  readonly name: string

  /** Makes the torrent known, and tells what is there of it. Rejects where its place is foreign or newer. */
  register(torrent: DiskTorrent): Promise<Registered>
  /** Waits for all work on it and for its dirty data, which is kept: an unfinished piece is there again after `register`. */
  unregister(storage: StorageIndex): Promise<void>

  /**
   * Takes bytes of one block (offset and length within the piece). They are the caller's again when this
   * returns. True: the buffer is over its high-water mark, and the caller should write no more until
   * `drained`. It is taken all the same. `flush`: the piece should not wait in memory for more.
   */
  writeChunk(
    storage: StorageIndex,
    piece: number,
    offset: number,
    bytes: Uint8Array,
    flush?: boolean,
  ): boolean
  /** The same for a block that lies in two slices, such as at the end of a ring buffer. */
  writeBlockDirect(
    storage: StorageIndex,
    piece: number,
    offset: number,
    first: Uint8Array,
    second: Uint8Array,
  ): boolean
  /** Resolves once the buffer is at or under its low-water mark; at once where it is. */
  drained(): Promise<void>

  /**
   * Any bytes of a piece, block aligned or not; not to be changed by the caller. `isVolatile`: they will
   * hardly be wanted again, and are not to displace others in the cache. Rejects with DiskError where
   * bytes were never written.
   */
  readChunk(
    storage: StorageIndex,
    piece: number,
    offset: number,
    length: number,
    isVolatile?: boolean,
  ): Promise<Uint8Array>
  readPiece(storage: StorageIndex, piece: number): Promise<Uint8Array>

  /**
   * Hashes of a piece, for the most part computed as its blocks came. Where they are what the torrent says,
   * the piece is verified, and the answer waits until it is durable; where not, the answer comes at once
   * and nothing is kept of it after `clearPiece`. Where the torrent cannot say (v2 without layers yet),
   * the answer comes at once, and `flushPiece` is the way to keep it.
   */
  hashPiece(storage: StorageIndex, piece: number): Promise<Uint8Array>
  hashPieceV2(storage: StorageIndex, piece: number): Promise<Uint8Array>
  /** Both at one reading; a hybrid is verified only where both agree. */
  hashPieces(storage: StorageIndex, piece: number, kinds: HashKinds): Promise<PieceHashes>
  /** SHA-256 of one block of 16 KiB (shorter at the end of a file): a leaf, 32 bytes. */
  hashBlock(storage: StorageIndex, piece: number, offset: number): Promise<Uint8Array>

  /** After a failed hash: waits for work on the piece, then forgets it, in memory and in the store. */
  clearPiece(storage: StorageIndex, piece: number): Promise<void>
  /** Resolves once all that was written of the piece before is on stable storage. */
  flushPiece(storage: StorageIndex, piece: number): Promise<void>
  /** The same for all pieces of a torrent, or of all torrents. */
  flushAll(storage?: StorageIndex): Promise<void>

  /** Removes what is kept of a torrent that is not registered any more. Objects made of it stay. */
  erase(torrent: Pick<DiskTorrent, 'id' | 'place'>): Promise<void>

  cachedPieces(storage: StorageIndex): readonly CachedPiece[]
  stats(): DiskStats
}
