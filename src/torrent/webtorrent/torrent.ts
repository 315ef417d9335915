/** One torrent of the WebTorrent engine. */
import { callbackify } from 'node:util'
import type { DiskIoBackend, Registered, StorageIndex } from '../disk-io.ts'
import type { EngineEvents, EngineState, EngineStatus, TorrentOrder } from '../engine.ts'
import type { Info } from '../metainfo.ts'
import { readInfo } from '../read-metainfo.ts'
import { Blame } from './blame.ts'
import { DiskChunkStore, type Held } from './chunk-store.ts'
import type { Torrent, Wire } from './wire.ts'

const SHA1_BYTES = 20
/** Above every priority that WebTorrent gives by itself; the first that is wanted gets the highest. */
const URGENT = 2 ** 40
const FAILED = /^Piece (\d+) failed verification$/

export interface Surroundings {
  readonly disk: DiskIoBackend
  readonly held: Held
  readonly events: EngineEvents
}

export class WebtorrentTorrent {
  readonly order: TorrentOrder
  readonly #around: Surroundings
  readonly #bound: PromiseWithResolvers<StorageIndex> = Promise.withResolvers<StorageIndex>()
  readonly #added: PromiseWithResolvers<void> = Promise.withResolvers<void>()
  readonly #blame = new Blame<string>()
  readonly #banned = new Set<string>()
  #torrent!: Torrent
  #info: Info | undefined
  #wanted: readonly number[] | undefined
  /** A byte a piece that is wanted and not there. */
  #missing: Uint8Array = new Uint8Array()
  #missingCount = 0
  #state: EngineState
  #problem: string | undefined
  #hashFailures = 0
  #urgent = URGENT
  #removal: Promise<void> | undefined

  constructor(order: TorrentOrder, info: Info | undefined, around: Surroundings) {
    this.order = order
    this.#around = around
    this.#info = info
    this.#wanted = order.wanted
    this.#state = info === undefined ? 'metadata' : 'checking'
    this.#bound.promise.catch(() => {})
    this.#added.promise.catch(() => {})
  }

  /** Resolves once it is at work, or waits for its info. */
  get added(): Promise<void> {
    return this.#added.promise
  }

  newStore(chunkLength: number): DiskChunkStore {
    return new DiskChunkStore({
      disk: this.#around.disk,
      chunkLength,
      bound: this.#bound.promise,
      totalBytes: () => this.#info?.totalBytes,
      sha1Of: (piece) => this.#info?.pieces?.subarray(piece * SHA1_BYTES, (piece + 1) * SHA1_BYTES),
      held: this.#around.held,
      onFailure: (error) => {
        if (this.#removal === undefined) this.stop(`its disk failed: ${error.message}`, error)
      },
    })
  }

  /** In the same moment in which WebTorrent was given it. */
  attach(torrent: Torrent): void {
    this.#torrent = torrent
    // What is there comes out of the disk's journal; WebTorrent would read and hash all of it.
    torrent._verifyPieces = callbackify(() => this.#bind())
    torrent.on('infoHash', () => {
      if (this.#info === undefined) this.#added.resolve()
    })
    torrent.on('ready', () => this.#begin())
    torrent.on('verified', (piece: number) => this.#takePiece(piece))
    torrent.on('warning', (warning: Error | string) => this.#takeWarning(String(warning)))
    torrent.on('wire', (wire: Wire) => this.#takeWire(wire))
    torrent.on('error', (error: Error) => {
      this.#added.reject(error)
      this.stop(`WebTorrent gave it up: ${error.message}`, error)
    })
  }

  /** Learns where it is on the disk, and tells WebTorrent what is there. */
  async #bind(): Promise<void> {
    const { source, id } = this.order
    if (this.#torrent.infoHash !== id)
      throw new Error(`WebTorrent reads it as ${this.#torrent.infoHash}, and it is ${id}`)
    let registered: Registered
    if ('magnet' in source) {
      this.#info = readInfo(this.#torrent.infoBuffer!)
      registered = await source.onInfo(this.#info)
    } else registered = source.registered
    if (this.#torrent.destroyed) throw new Error('the torrent was removed')
    this.#bound.resolve(registered.storage)
    const { have } = registered.resume
    for (let piece = 0; piece < this.#info!.pieceCount; piece++)
      if ((have[piece >> 3]! & (0x80 >> (piece & 7))) !== 0) this.#torrent._markVerified(piece)
  }

  #begin(): void {
    this.#state = 'downloading'
    this.#added.resolve()
    this.#select()
  }

  #select(): void {
    const info = this.#info!
    const files = this.#wanted ?? info.files.keys()
    this.#missing = new Uint8Array(info.pieceCount)
    this.#missingCount = 0
    for (const index of files) {
      const { offset, sizeBytes } = info.files[index] ?? { offset: 0, sizeBytes: 0 }
      if (sizeBytes === 0) continue
      const first = Math.floor(offset / info.pieceBytes)
      const last = Math.floor((offset + sizeBytes - 1) / info.pieceBytes)
      this.#torrent.select(first, last)
      for (let piece = first; piece <= last; piece++) {
        if (this.#torrent.pieces[piece] === null || this.#missing[piece] === 1) continue
        this.#missing[piece] = 1
        this.#missingCount++
      }
    }
    if (this.#missingCount === 0) queueMicrotask(() => this.#finish())
  }

  #takePiece(piece: number): void {
    this.#blame.clear(piece)
    if (!this.#torrent.ready || this.#isOver) return
    this.#around.events.onPiece(this.order.id, piece)
    if (this.#missing[piece] !== 1) return
    this.#missing[piece] = 0
    if (--this.#missingCount === 0) this.#finish()
  }

  /** It has stopped, or is being removed: nothing more is told of it. */
  get #isOver(): boolean {
    return this.#problem !== undefined || this.#removal !== undefined
  }

  #finish(): void {
    if (this.#isOver) return
    this.#state = this.order.seeds ? 'seeding' : 'finished'
    if (!this.order.seeds) {
      this.#torrent.pause()
      this.#drop(() => true)
    }
    this.#around.events.onDone(this.order.id)
  }

  #takeWarning(warning: string): void {
    const failed = FAILED.exec(warning.replace(/^Error: /, ''))
    if (failed === null) return
    this.#hashFailures++
    for (const peerId of this.#blame.spoiled(Number(failed[1]))) {
      this.#banned.add(peerId)
      this.#drop((wire) => wire.peerId === peerId)
    }
  }

  #drop(which: (wire: Wire) => boolean): void {
    for (const wire of this.#torrent.wires.filter(which)) wire.destroy()
  }

  #takeWire(wire: Wire): void {
    const { peerId } = wire
    if (this.#banned.has(peerId)) {
      wire.destroy()
      return
    }
    wire.on('piece', (piece: number) => this.#blame.sent(piece, peerId))
    wire.on('close', () => this.#blame.forget(peerId))
  }

  /** It stands still from here on; what is told first is the reason. */
  stop(problem: string, error: Error): void {
    if (this.#isOver) return
    this.#problem = problem
    this.#bound.reject(error)
    if (!this.#torrent.destroyed) this.#torrent.destroy({ destroyStore: false }, () => {})
    queueMicrotask(() => this.#around.events.onError(this.order.id, error))
  }

  /** Resolves once nothing of it is under way. */
  remove(): Promise<void> {
    this.#removal ??= new Promise((resolve) => {
      this.#bound.reject(new Error('the torrent was removed'))
      this.#added.reject(new Error('the torrent was removed'))
      if (this.#torrent.destroyed) resolve()
      else this.#torrent.destroy({ destroyStore: false }, resolve)
    })
    return this.#removal
  }

  addPeer(address: string): void {
    if (!this.#torrent.destroyed) this.#torrent.addPeer(address)
  }

  setWanted(wanted: readonly number[]): void {
    this.#wanted = wanted
    if (!this.#torrent.ready || this.#torrent.destroyed) return
    this.#torrent.deselect(0, this.#info!.pieceCount - 1)
    this.#torrent.resume()
    this.#state = 'downloading'
    this.#select()
  }

  prioritise(pieces: readonly number[]): void {
    if (!this.#torrent.ready || this.#torrent.destroyed) return
    for (const piece of this.#known(pieces)) {
      // Beside what is selected already, which a selection of the usual kind would be merged with.
      this.#torrent._select(piece, piece, this.#urgent--, undefined, true)
      this.#torrent.critical(piece, piece)
    }
  }

  relax(pieces: readonly number[]): void {
    if (!this.#torrent.ready || this.#torrent.destroyed) return
    for (const piece of this.#known(pieces)) this.#torrent._deselect(piece, piece, true)
  }

  #known(pieces: readonly number[]): readonly number[] {
    return pieces.filter((piece) => piece >= 0 && piece < this.#info!.pieceCount)
  }

  status(): EngineStatus {
    const { wires, downloadSpeed, uploadSpeed, received, uploaded } = this.#torrent
    return {
      id: this.order.id,
      state: this.#problem === undefined ? this.#state : 'stopped',
      peers: wires.length,
      seeds: wires.filter((wire) => wire.isSeeder).length,
      downloadRate: downloadSpeed,
      uploadRate: uploadSpeed,
      downloadedBytes: received,
      uploadedBytes: uploaded,
      hashFailures: this.#hashFailures,
      problem: this.#problem,
    }
  }
}
