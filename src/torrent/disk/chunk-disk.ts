/**
 * A disk whose pieces are chunks of objects in an S3: in this process, or remote. Verified pieces are
 * written together, in the order in which they come; what is unfinished waits in memory, and is put
 * aside in scratch objects where memory is short, or when its torrent goes.
 *
 * Memory: one budget. Half is for what is not stored yet: over three quarters of that engines are told to
 * wait, until it is under half. The other half is a cache of what was stored or read.
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
import type { ChunkStore } from './chunk-store.ts'
import { CHUNK_BYTES } from './chunk-writer.ts'
import { CountedStore } from './counted-store.ts'
import { type Counters, zeroCounters } from './counters.ts'
import { BUDGET_BYTES, Gauge } from './gauge.ts'
import { baseOf } from './journal-keys.ts'
import { PieceHashers } from './piece-hashers.ts'
import { Registry } from './registry.ts'
import { Segments } from './segments.ts'
import { createPieceCache } from './stored-pieces.ts'
import { type DiskParts, TorrentDisk } from './torrent-disk.ts'
import { Turns } from './turns.ts'

export interface ChunkDiskOptions {
  /** Of all pieces in memory. */
  readonly budgetBytes: number
  /** A chunk is closed when it has as much. */
  readonly chunkBytes: number
  /** How long a verified piece waits for others. */
  readonly lingerMs: number
  /** Before what failed is tried again; twice as long each time, up to ten seconds. */
  readonly retryMs: number
  /** Objects being written at once. */
  readonly putsAtOnce: number
  /** A piece that was had is not any more: its chunk is gone or damaged. */
  readonly onLost: (torrent: DiskTorrent, piece: number) => void
}

export const CHUNK_DISK_DEFAULTS: ChunkDiskOptions = {
  budgetBytes: BUDGET_BYTES,
  chunkBytes: CHUNK_BYTES,
  lingerMs: 1000,
  retryMs: 500,
  putsAtOnce: 3,
  onLost: () => {},
}

export class ChunkDisk implements DiskIoBackend {
  readonly name: string = 'chunk'
  readonly #registry = new Registry<TorrentDisk>()
  readonly #counters: Counters = zeroCounters()
  readonly #parts: DiskParts
  #isRelieving = false
  #relief: NodeJS.Timeout | undefined
  #isClosed = false

  constructor(store: ChunkStore, options: Partial<ChunkDiskOptions> = {}) {
    const all = { ...CHUNK_DISK_DEFAULTS, ...options }
    const gauge = new Gauge(all.budgetBytes, () => performance.now())
    this.#parts = {
      ...all,
      gauge,
      store: new CountedStore(store, this.#counters),
      segments: new Segments(),
      hashers: new PieceHashers(),
      cache: createPieceCache(() => gauge.cacheBytes, this.#counters),
      counters: this.#counters,
      turns: new Turns(all.putsAtOnce),
    }
  }

  async register(torrent: DiskTorrent): Promise<Registered> {
    const storage = this.#registry.reserve(torrent)
    try {
      const disk = await TorrentDisk.open(this.#parts, storage, torrent)
      this.#registry.set(storage, disk)
      return { storage, resume: disk.resume() }
    } catch (error) {
      this.#registry.release(torrent)
      throw error
    }
  }

  async unregister(storage: StorageIndex): Promise<void> {
    const disk = this.#registry.get(storage)
    this.#registry.hide(storage)
    try {
      await disk.close()
    } catch (error) {
      this.#registry.set(storage, disk)
      throw error
    }
    this.#registry.release(disk.torrent)
  }

  writeChunk(
    storage: StorageIndex,
    piece: number,
    offset: number,
    bytes: Uint8Array,
    flush: boolean = false,
  ): boolean {
    const disk = this.#registry.get(storage)
    disk.geometry.check(piece, offset, bytes.length)
    this.#counters.writtenBytes += bytes.length
    disk.write(piece, offset, bytes, flush)
    return this.#isFull()
  }

  writeBlockDirect(
    storage: StorageIndex,
    piece: number,
    offset: number,
    first: Uint8Array,
    second: Uint8Array,
  ): boolean {
    const disk = this.#registry.get(storage)
    disk.geometry.check(piece, offset, first.length + second.length)
    this.#counters.writtenBytes += first.length + second.length
    disk.write(piece, offset, first, false)
    disk.write(piece, offset + first.length, second, false)
    return this.#isFull()
  }

  drained(): Promise<void> {
    return this.#parts.gauge.drained()
  }

  async readChunk(
    storage: StorageIndex,
    piece: number,
    offset: number,
    length: number,
    isVolatile: boolean = false,
  ): Promise<Uint8Array> {
    const disk = this.#registry.get(storage)
    disk.geometry.check(piece, offset, length)
    const bytes = await disk.read(piece, offset, offset + length, isVolatile)
    this.#counters.readBytes += length
    return bytes
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
    const disk = this.#registry.get(storage)
    disk.geometry.check(piece, 0, 0)
    return disk.hash(piece, kinds)
  }

  async hashBlock(storage: StorageIndex, piece: number, offset: number): Promise<Uint8Array> {
    const disk = this.#registry.get(storage)
    const { geometry } = disk
    geometry.check(piece, offset, 0)
    const end = Math.min(geometry.treeOf(piece).bytes, offset + BLOCK_BYTES)
    geometry.check(piece, offset, end - offset)
    return disk.leaf(piece, offset, end)
  }

  async clearPiece(storage: StorageIndex, piece: number): Promise<void> {
    const disk = this.#registry.get(storage)
    disk.geometry.check(piece, 0, 0)
    await disk.track(disk.clear(piece))
  }

  async flushPiece(storage: StorageIndex, piece: number): Promise<void> {
    const disk = this.#registry.get(storage)
    disk.geometry.check(piece, 0, 0)
    await disk.flush(piece)
  }

  async flushAll(storage?: StorageIndex): Promise<void> {
    const disks =
      storage === undefined
        ? this.#registry.entries().map(([, disk]) => disk)
        : [this.#registry.get(storage)]
    await Promise.all(disks.map((disk) => disk.flushAll()))
  }

  async erase(torrent: Pick<DiskTorrent, 'id' | 'place'>): Promise<void> {
    if (this.#registry.has(torrent)) throw new DiskError(`torrent ${torrent.id} is registered`)
    await this.#parts.store.removeAll(torrent.place.bucket, baseOf(torrent))
  }

  cachedPieces(storage: StorageIndex): readonly CachedPiece[] {
    return this.#registry.get(storage).cachedPieces()
  }

  stats(): DiskStats {
    const { gauge, cache } = this.#parts
    const disks = this.#registry.entries().map(([, disk]) => disk)
    const sum = (of: (disk: TorrentDisk) => number): number =>
      disks.reduce((total, disk) => total + of(disk), 0)
    return {
      ...this.#counters,
      backPressureMs: gauge.fullMs,
      dirtyBytesNow: gauge.dirtyBytes,
      readCacheBytesNow: cache.bytes,
      entriesNow: cache.count + sum((disk) => disk.unfinishedCount),
      pinnedNow: sum((disk) => disk.pinned),
    }
  }

  /** For what else can be done with a registered torrent (chunk-files.ts). */
  torrentOf(storage: StorageIndex): TorrentDisk {
    return this.#registry.get(storage)
  }

  /** Stores what is dirty. Rejects with DiskError where that fails: what is not stored is lost then. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    clearTimeout(this.#relief)
    const open = this.#registry.entries()
    const outcomes = await Promise.allSettled(open.map(([storage]) => this.unregister(storage)))
    for (const [, disk] of open) disk.stop()
    this.#parts.hashers[Symbol.dispose]()
    const failed = outcomes.find((outcome) => outcome.status === 'rejected')
    if (failed !== undefined) throw failed.reason
  }

  #isFull(): boolean {
    const { isFull } = this.#parts.gauge
    if (isFull && !this.#isRelieving) {
      this.#isRelieving = true
      this.#relieve()
    }
    return isFull
  }

  /**
   * Makes room: chunks are closed as they are, and where they are not enough, the pieces that were not
   * written for longest are put aside. Otherwise many unfinished pieces would fill the buffer, and the
   * peers that could finish them would wait for room for ever. It goes on until there is room.
   */
  #relieve(): void {
    const { gauge } = this.#parts
    if (!gauge.isFull || this.#isClosed) {
      this.#isRelieving = false
      return
    }
    void this.#relieveAgain(this.#makeRoom())
  }

  async #relieveAgain(aside: readonly Promise<void>[]): Promise<void> {
    const outcomes = await Promise.allSettled(aside)
    const hasFailed = outcomes.some(({ status }) => status === 'rejected')
    const waitMs = hasFailed ? this.#parts.retryMs : LOOK_AGAIN_MS
    this.#relief = setTimeout(() => this.#relieve(), waitMs)
  }

  #makeRoom(): readonly Promise<void>[] {
    const { gauge } = this.#parts
    const disks = this.#registry.entries().map(([, disk]) => disk)
    const wanted = (): number =>
      gauge.dirtyBytes - gauge.lowBytes - disks.reduce((sum, disk) => sum + disk.comingBytes, 0)
    // Chunks that are on their way may be enough; then the next one may become as large as it should.
    if (wanted() > 0) for (const disk of disks) disk.closeChunk()
    let left = wanted()
    const aside: Promise<void>[] = []
    for (const disk of disks) {
      for (const each of disk.idlest()) {
        if (left <= 0) return aside
        left -= each.heldBytes
        aside.push(disk.putAside(each))
      }
    }
    return aside
  }
}

/** Between looks at what is full, where chunks under way are to make the room. */
const LOOK_AGAIN_MS = 10
