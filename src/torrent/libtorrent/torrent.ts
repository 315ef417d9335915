/** One torrent of the libtorrent engine: what it was asked for, where it is on the disk, how it is getting on. */
import type { StorageIndex } from '../disk-io.ts'
import type { EngineState, EngineStatus, TorrentOrder } from '../engine.ts'
import type { Info } from '../metainfo.ts'
import type { Served } from './jobs.ts'
import { ownBytes } from './own-bytes.ts'

/** Peers that are remembered of a torrent, to be tried again where it is added anew. */
const PEERS_MAX = 100
/** Between the deadlines of pieces that are wanted one after the other. */
const DEADLINE_STEP_MS = 10

/** `torrent_status::state_t`. */
const STATES: readonly EngineState[] = [
  'checking',
  'checking',
  'metadata',
  'downloading',
  'seeding',
  'seeding',
  'checking',
  'checking',
]
const FINISHED = 4

export class LibtorrentTorrent {
  readonly order: TorrentOrder
  readonly added: PromiseWithResolvers<void> = Promise.withResolvers<void>()
  readonly removed: PromiseWithResolvers<void> = Promise.withResolvers<void>()
  readonly peers: { readonly host: string; readonly port: number }[] = []
  readonly #onError: (error: Error) => void
  wanted: readonly number[] | undefined
  info: Info | undefined
  own: Int32Array | undefined
  isVerifiable = false
  /** Pieces that were there when it was added. */
  have: Uint8Array = new Uint8Array()
  /** What the addon calls it now; a magnet whose data is there already is added a second time. */
  key = 0
  isLeaving = false
  problem: string | undefined
  /** Where a magnet is on the disk, once its info is there. */
  readonly bound: PromiseWithResolvers<StorageIndex> = Promise.withResolvers<StorageIndex>()
  #isRemoved = false
  #opened = 0
  #deadlineAt = 0
  #state = 0
  #numbers: readonly number[] = [0, 0, 0, 0, 0, 0]
  #hashFailures = 0

  constructor(order: TorrentOrder, onError: (error: Error) => void) {
    this.order = order
    this.wanted = order.wanted
    this.#onError = onError
    if ('magnet' in order.source) this.#state = 2
    // Who removes it meanwhile does not wait for them.
    this.added.promise.catch(() => {})
    this.bound.promise.catch(() => {})
  }

  /** Its info is known, and the layers of version 2 that came with it. */
  learn(info: Info, layers: ReadonlyMap<string, Uint8Array>): void {
    this.info = info
    this.own = ownBytes(info)
    this.isVerifiable = isVerifiableBy(info, layers)
  }

  /** For libtorrent's jobs under its key of now. */
  serve(bound: Promise<StorageIndex>): Served {
    bound.catch(() => {})
    return new Serving(this, this.key, bound)
  }

  open(): void {
    this.#opened++
  }

  close(): void {
    this.#opened--
    this.#settleRemoval()
  }

  /** It stands still from here on; what is told first is the reason. */
  stop(problem: string, error: Error = new Error(problem)): void {
    if (this.problem !== undefined || this.isLeaving) return
    this.problem = problem
    this.#onError(error)
  }

  /** It is to be removed: nothing more is told of it. */
  leave(): void {
    this.isLeaving = true
    this.bound.reject(new Error('the torrent was removed'))
    this.added.reject(new Error('the torrent was removed'))
  }

  /** libtorrent does not know it any more; `removed` waits for the last job of its disk. */
  takeRemoval(): void {
    this.#isRemoved = true
    this.#settleRemoval()
  }

  #settleRemoval(): void {
    if (this.#isRemoved && this.#opened === 0) this.removed.resolve()
  }

  addPeer(host: string, port: number): void {
    if (this.peers.length < PEERS_MAX) this.peers.push({ host, port })
  }

  /** Pairs of start and end, as the addon takes what is wanted. */
  wantedRanges(): Float64Array | undefined {
    const { info, wanted } = this
    if (info === undefined || wanted === undefined) return undefined
    return Float64Array.from(
      wanted.flatMap((index) => {
        const file = info.files[index]
        return file === undefined ? [] : [file.offset, file.offset + file.sizeBytes]
      }),
    )
  }

  /** Milliseconds from now, after those of all pieces before. */
  nextDeadline(now: number): number {
    this.#deadlineAt = Math.max(now, this.#deadlineAt) + DEADLINE_STEP_MS
    return this.#deadlineAt - now
  }

  /** `Status` of `addon/session.hpp`. */
  takeStatus(bytes: Buffer): void {
    const fields = Array.from({ length: bytes.length / 8 }, (_, i) => bytes.readDoubleLE(8 * i))
    this.#state = fields[0]!
    this.#numbers = fields.slice(1, 7)
  }

  finish(): void {
    this.#state = FINISHED
  }

  /** libtorrent tells of pieces that were there, too. */
  isNews(piece: number): boolean {
    return ((this.have[piece >> 3] ?? 0) & (0x80 >> (piece & 7))) === 0
  }

  failHash(): void {
    this.#hashFailures++
  }

  status(): EngineStatus {
    const [peers, seeds, downloadRate, uploadRate, downloadedBytes, uploadedBytes] =
      this.#numbers as [number, number, number, number, number, number]
    return {
      id: this.order.id,
      state: this.#stateNow(),
      peers,
      seeds,
      downloadRate,
      uploadRate,
      downloadedBytes,
      uploadedBytes,
      hashFailures: this.#hashFailures,
      problem: this.problem,
    }
  }

  #stateNow(): EngineState {
    if (this.problem !== undefined) return 'stopped'
    const state = STATES[this.#state] ?? 'checking'
    return state === 'seeding' && !this.order.seeds ? 'finished' : state
  }
}

class Serving implements Served {
  readonly #torrent: LibtorrentTorrent
  readonly #key: number
  readonly bound: Promise<StorageIndex>

  constructor(torrent: LibtorrentTorrent, key: number, bound: Promise<StorageIndex>) {
    this.#torrent = torrent
    this.#key = key
    this.bound = bound
  }

  get own(): Int32Array | undefined {
    return this.#torrent.own
  }

  get isVerifiable(): boolean {
    return this.#torrent.isVerifiable
  }

  onFailure(error: Error): void {
    // What fails of a former addition is as it should be.
    if (this.#torrent.key !== this.#key) return
    this.#torrent.stop(`its disk failed: ${error.message}`, error)
  }

  onOpen(): void {
    this.#torrent.open()
  }

  onClose(): void {
    this.#torrent.close()
  }
}

/** Whether the disk can tell right pieces from wrong ones by all hashes that libtorrent checks. */
function isVerifiableBy(info: Info, layers: ReadonlyMap<string, Uint8Array>): boolean {
  if (info.hashes.v2 === undefined) return true
  return info.files.every(
    ({ root, sizeBytes }) =>
      root === undefined || sizeBytes <= info.pieceBytes || layers.has(root.toString('hex')),
  )
}
