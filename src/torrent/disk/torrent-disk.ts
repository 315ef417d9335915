/**
 * One torrent on a disk of chunks. A piece is unfinished (in memory, in scratch objects, or both) until
 * its hash is as the torrent says; then it waits for its chunk; and once that is stored it is had.
 */
import {
  type CachedPiece,
  type DiskTorrent,
  type HashKinds,
  type PieceHashes,
  type Resume,
  type StorageIndex,
} from '../disk-io.ts'
import { BLOCK_BYTES } from '../merkle.ts'
import type { ChunkStore } from './chunk-store.ts'
import { ChunkWriter } from './chunk-writer.ts'
import type { Counters } from './counters.ts'
import type { Gauge } from './gauge.ts'
import { blockBits, Geometry } from './geometry.ts'
import { Journal } from './journal.ts'
import type { PieceHashers } from './piece-hashers.ts'
import { PieceMemory, type PieceSurroundings } from './piece-memory.ts'
import { removeScratch, writeScratch } from './scratch-writer.ts'
import type { Segments } from './segments.ts'
import { type PieceCache, StoredPieces } from './stored-pieces.ts'
import type { Turns } from './turns.ts'
import { type Checked, neverWritten, UnfinishedPiece } from './unfinished-piece.ts'
import { onlyOf, verdictOf } from './verdict.ts'

/** What all torrents of a disk share. */
export interface DiskParts {
  readonly store: ChunkStore
  readonly segments: Segments
  readonly hashers: PieceHashers
  readonly gauge: Gauge
  readonly cache: PieceCache
  readonly counters: Counters
  readonly turns: Turns
  readonly chunkBytes: number
  readonly lingerMs: number
  readonly retryMs: number
  /** A chunk is gone or damaged: the piece is not had any more. */
  readonly onLost: (torrent: DiskTorrent, piece: number) => void
}

export class TorrentDisk {
  readonly torrent: DiskTorrent
  readonly geometry: Geometry
  readonly journal: Journal
  readonly stored: StoredPieces
  readonly #storage: StorageIndex
  readonly #parts: DiskParts
  readonly #around: PieceSurroundings
  readonly #writer: ChunkWriter
  readonly #unfinished = new Map<number, UnfinishedPiece>()
  /** Calls under way: `close` waits for them. */
  readonly #work = new Set<Promise<unknown>>()
  #writes = 0

  private constructor(
    parts: DiskParts,
    storage: StorageIndex,
    torrent: DiskTorrent,
    geometry: Geometry,
    journal: Journal,
  ) {
    const { info, place } = torrent
    const { store, segments, hashers, cache, counters } = parts
    this.torrent = torrent
    this.geometry = geometry
    this.journal = journal
    this.#storage = storage
    this.#parts = parts
    this.#around = {
      geometry,
      segments,
      hashers,
      kinds: { v1: info.hashes.v1 !== undefined, v2: info.hashes.v2 !== undefined },
    }
    const { bucket } = place
    this.#writer = new ChunkWriter({
      ...parts,
      bucket,
      journal,
      onStored: (pieces) => this.#stored(pieces),
    })
    this.stored = new StoredPieces({
      storage,
      store,
      bucket,
      journal,
      geometry,
      cache,
      counters,
      onLost: (piece) => this.#lost(piece),
    })
  }

  static async open(
    parts: DiskParts,
    storage: StorageIndex,
    torrent: DiskTorrent,
  ): Promise<TorrentDisk> {
    const geometry = new Geometry(torrent)
    const journal = await Journal.open(parts.store, torrent, geometry)
    const disk = new TorrentDisk(parts, storage, torrent, geometry, journal)
    parts.gauge.fit(geometry.pieceBytes)
    for (const [piece, scratch] of journal.scratch) {
      if (!journal.has(piece)) disk.#begin(piece, scratch)
      // Left by a crash between its chunk and its removal.
      else
        disk
          .track(removeScratch({ ...parts, bucket: torrent.place.bucket }, scratch))
          .catch(() => {})
    }
    return disk
  }

  /** What the torrent is kept in. */
  get store(): ChunkStore {
    return this.#parts.store
  }

  get counters(): Counters {
    return this.#parts.counters
  }

  resume(): Resume {
    const blocks = new Map<number, Uint8Array>()
    for (const [piece, each] of this.#unfinished)
      blocks.set(piece, blockBits(each.spans(), this.geometry.lengthOf(piece)))
    return { have: this.journal.haveBits(), blocks }
  }

  /** Memory that will be free without anything being done: chunks under way, and pieces that are being hashed for one. */
  get comingBytes(): number {
    let bytes = this.#writer.closedBytes
    for (const { checking, isVerified, heldBytes } of this.#unfinished.values())
      if (checking !== undefined && !isVerified) bytes += heldBytes
    return bytes
  }

  get pinned(): number {
    let checking = 0
    for (const each of this.#unfinished.values()) if (each.checking !== undefined) checking += 1
    return this.#writer.pieceCount + checking
  }

  get unfinishedCount(): number {
    return this.#unfinished.size
  }

  /** `flush`: the first to be put aside, should room be wanted. */
  write(piece: number, offset: number, bytes: Uint8Array, flush: boolean): void {
    const each = this.#unfinished.get(piece)
    // What is verified does not change.
    if (each === undefined ? this.journal.has(piece) : each.isVerified) return
    const written = each ?? this.#begin(piece, [])
    written.write(offset, bytes)
    written.lastWrite = flush ? 0 : ++this.#writes
    this.#account(written)
  }

  async read(piece: number, start: number, end: number, isVolatile: boolean): Promise<Uint8Array> {
    const each = this.#unfinished.get(piece)
    if (each !== undefined) {
      const bytes = await this.#working(each, each.read(start, end))
      this.#parts.counters.cacheHits += 1
      return bytes
    }
    if (this.journal.has(piece)) return this.track(this.stored.read(piece, start, end, isVolatile))
    const isPadding = this.geometry.padsOf(piece).covers(start, end)
    if (isPadding) return new Uint8Array(end - start)
    throw neverWritten(piece)
  }

  async hash(piece: number, kinds: HashKinds): Promise<PieceHashes> {
    const each = this.#unfinished.get(piece) ?? this.#beginPadding(piece)
    if (each === undefined) return this.track(this.hashStored(piece, kinds))
    const { hashes, verdict } = await this.#check(each)
    const isMore = (kinds.v1 && hashes.v1 === undefined) || (kinds.v2 && hashes.v2 === undefined)
    const more = isMore ? await this.#hashMore(each, kinds) : hashes
    if (verdict === 'good') await each.group?.durable
    return onlyOf(kinds, more)
  }

  /** Hashes that the torrent itself does not have. */
  #hashMore(each: UnfinishedPiece, kinds: HashKinds): Promise<PieceHashes> {
    if (each.memory === undefined) return this.track(this.hashStored(each.piece, kinds))
    return this.#working(each, each.memory.hashesOf(kinds))
  }

  /** Of what is in the store now, whatever the cache has. */
  async hashStored(piece: number, kinds: HashKinds): Promise<PieceHashes> {
    const length = this.geometry.lengthOf(piece)
    const bytes = await this.stored.fetch(piece, 0, length)
    this.#parts.counters.readBytes += length
    const memory = new PieceMemory(this.#around, piece)
    memory.write(0, bytes)
    try {
      return await memory.hashesOf(kinds)
    } finally {
      await memory.release()
    }
  }

  /** Neither stored nor on its way to be. */
  isWanted(piece: number): boolean {
    return !this.journal.has(piece) && this.#unfinished.get(piece)?.isVerified !== true
  }

  /** Whether these are the kept bytes of the piece. What the torrent cannot say is not right. */
  async isRight(piece: number, kept: Uint8Array): Promise<boolean> {
    const memory = new PieceMemory(this.#around, piece)
    try {
      let at = 0
      for (const [start, end] of memory.pads.missing(0, memory.length)) {
        memory.write(start, kept.subarray(at, at + end - start))
        at += end - start
      }
      if (at !== kept.length || !memory.isWhole) return false
      return verdictOf(await memory.hashes(), this.geometry.expected(piece)) === 'good'
    } finally {
      await memory.release()
    }
  }

  async leaf(piece: number, start: number, end: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(new SharedArrayBuffer(end - start))
    bytes.set(await this.read(piece, start, end, true))
    return this.track(this.#parts.hashers.leaf(bytes))
  }

  async clear(piece: number): Promise<void> {
    const each = this.#unfinished.get(piece)
    // On its way into a chunk it cannot be stopped: it is forgotten when it is there.
    if (each?.isVerified === true) await each.group?.durable
    const wasHad = this.journal.has(piece)
    const forgotten = wasHad ? this.forget([piece]) : Promise.resolve()
    if (each !== undefined && !each.isVerified) {
      this.#unfinished.delete(piece)
      while (each.work.size > 0) await Promise.allSettled(each.work)
      // A hash that was under way may have found it good.
      if (each.isVerified) return this.clear(piece)
      await this.#release(each)
      await removeScratch({ ...this.#parts, bucket: this.torrent.place.bucket }, each.scratch)
    }
    await forgotten
  }

  /** These are not had any more; resolves once that is durable. */
  async forget(pieces: readonly number[]): Promise<void> {
    const dropped = this.journal.drop(pieces)
    for (const piece of pieces) this.stored.forget(piece)
    await dropped
  }

  async flush(piece: number): Promise<void> {
    const each = this.#unfinished.get(piece)
    if (each === undefined) return
    await each.checking?.catch(() => {})
    if (each.isVerified) await this.#flushGroup(each)
    else await this.putAside(each)
  }

  async flushAll(): Promise<void> {
    await Promise.allSettled(
      [...this.#unfinished.values()].flatMap(({ checking }) => checking ?? []),
    )
    const partial = [...this.#unfinished.values()].filter((each) => !each.isVerified)
    await Promise.all([this.#writer.flush(), ...partial.map((each) => this.putAside(each))])
  }

  /** Waits for all calls, and stores all that is dirty. Rejects with DiskError, and everything stays. */
  async close(): Promise<void> {
    this.#writer.hurry(true)
    try {
      await this.#writer.flush()
      while (this.#work.size > 0) await Promise.allSettled(this.#work)
      await this.flushAll()
      while (this.#work.size > 0) await Promise.allSettled(this.#work)
    } finally {
      this.#writer.hurry(false)
    }
    await this.#writer.checkpointed()
    this.#writer.stop()
    this.stored.forgetAll()
  }

  /** No more attempts: what is not stored is lost. */
  stop(): void {
    this.#writer.stop()
  }

  /** What is verified goes now. */
  closeChunk(): void {
    this.#writer.close()
  }

  /** Pieces that can be put aside: the least lately written first, and never the latest. */
  idlest(): UnfinishedPiece[] {
    const partial = [...this.#unfinished.values()].filter(
      ({ frozen, checking, isVerified, memory }) =>
        frozen === undefined && checking === undefined && !isVerified && memory !== undefined,
    )
    partial.sort((a, b) => a.lastWrite - b.lastWrite)
    return partial.filter(({ lastWrite }) => lastWrite !== this.#writes)
  }

  /** Into a scratch object, and out of memory. Rejects with DiskError, and it stays. */
  async putAside(each: UnfinishedPiece): Promise<void> {
    while (each.aside !== undefined) await each.aside.catch(() => {})
    const aside = this.#putAside(each).finally(() => (each.aside = undefined))
    each.aside = this.#working(each, aside)
    return aside
  }

  cachedPieces(): CachedPiece[] {
    const storage = this.#storage
    const unfinished = [...this.#unfinished.values()]
      .filter(({ heldBytes }) => heldBytes > 0)
      .map(({ piece, memory, frozen, dirtyBytes, isVerified }) => {
        const bytes = (memory?.layer.spans.bytes ?? 0) + (frozen?.layer.spans.bytes ?? 0)
        return { storage, piece, blocks: Math.ceil(bytes / BLOCK_BYTES), dirtyBytes, isVerified }
      })
    const cached = this.stored.cached().map(({ piece, length }) => {
      return {
        storage,
        piece,
        blocks: Math.ceil(length / BLOCK_BYTES),
        dirtyBytes: 0,
        isVerified: true,
      }
    })
    return [...unfinished, ...cached]
  }

  track<T>(promise: Promise<T>): Promise<T> {
    return whileIn(this.#work, promise)
  }

  #begin(
    piece: number,
    scratch: ConstructorParameters<typeof UnfinishedPiece>[4],
  ): UnfinishedPiece {
    const { store } = this.#parts
    const { bucket } = this.torrent.place
    const each = new UnfinishedPiece(this.#around, store, bucket, piece, scratch)
    this.#unfinished.set(piece, each)
    return each
  }

  /** A piece of nothing but padding is there before anything is written. */
  #beginPadding(piece: number): UnfinishedPiece | undefined {
    if (this.journal.has(piece)) return undefined
    if (this.geometry.keptBytesOf(piece) > 0) throw neverWritten(piece)
    return this.#begin(piece, [])
  }

  async #check(each: UnfinishedPiece): Promise<Checked> {
    if (each.hashes !== undefined) return { hashes: each.hashes, verdict: 'good' }
    if (each.checking === undefined) {
      const checking = this.#checkOnce(each).finally(() => (each.checking = undefined))
      each.checking = this.#working(each, checking)
    }
    return each.checking
  }

  async #checkOnce(each: UnfinishedPiece): Promise<Checked> {
    const { piece } = each
    const gathered = each.gather()
    const memory = await gathered
    this.#account(each)
    const hashes = await memory.hashes()
    const verdict = verdictOf(hashes, this.geometry.expected(piece))
    if (verdict !== 'good' || this.#unfinished.get(piece) !== each) return { hashes, verdict }
    each.hashes = hashes
    each.group = this.#writer.add(memory)
    // The last ones wait for nobody.
    if (this.journal.count + this.#writer.pieceCount >= this.geometry.pieceCount)
      this.#writer.close()
    return { hashes, verdict }
  }

  #stored(pieces: readonly PieceMemory[]): void {
    for (const memory of pieces) {
      const each = this.#unfinished.get(memory.piece)
      if (each === undefined) continue
      this.#unfinished.delete(memory.piece)
      each.memory = undefined
      this.#account(each)
      this.stored.keep(memory)
      const place = { ...this.#parts, bucket: this.torrent.place.bucket }
      const removed = this.#afterWork(each).then(() => removeScratch(place, each.scratch))
      // Left, they are found when the torrent is registered again.
      this.track(removed).catch(() => {})
    }
  }

  async #afterWork(each: UnfinishedPiece): Promise<void> {
    while (each.work.size > 0) await Promise.allSettled(each.work)
    await this.#release(each)
  }

  async #flushGroup(each: UnfinishedPiece): Promise<void> {
    const { group } = each
    const durable = group?.durable
    await Promise.all([this.#writer.flush().catch(() => {}), durable])
  }

  async #putAside(each: UnfinishedPiece): Promise<void> {
    const frozen = each.freeze()
    if (frozen === undefined) return
    const place = { ...this.#parts, bucket: this.torrent.place.bucket, journal: this.journal }
    try {
      const parts = await writeScratch(place, frozen)
      each.scratch = [...each.scratch, ...parts]
      each.frozen = undefined
      await frozen.release()
    } catch (error) {
      await each.thaw()
      throw error
    } finally {
      this.#account(each)
    }
  }

  #lost(piece: number): void {
    this.track(this.forget([piece])).catch(() => {
      // It is not had in memory; the next reading after a restart finds it again.
    })
    this.#parts.onLost(this.torrent, piece)
  }

  async #release(each: UnfinishedPiece): Promise<void> {
    const { memory, frozen } = each
    each.memory = undefined
    each.frozen = undefined
    await memory?.release()
    await frozen?.release()
    this.#account(each)
  }

  /** Tells the gauge how much memory the piece takes now. */
  #account(each: UnfinishedPiece): void {
    const { heldBytes } = each
    if (heldBytes === each.accountedBytes) return
    this.#parts.gauge.change(heldBytes - each.accountedBytes)
    each.accountedBytes = heldBytes
  }

  /** Work that barriers on the piece, and on the torrent, wait for. */
  #working<T>(each: UnfinishedPiece, promise: Promise<T>): Promise<T> {
    return this.track(whileIn(each.work, promise))
  }
}

/** The promise is in the set until it is settled. */
function whileIn<T>(set: Set<Promise<unknown>>, promise: Promise<T>): Promise<T> {
  const leave = (): void => {
    set.delete(promise)
  }
  set.add(promise)
  promise.then(leave, leave)
  return promise
}
