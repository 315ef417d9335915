/**
 * libtorrent 2.0 as an engine. Its network thread knows peers, trackers and what to ask for; each block goes
 * to our disk and comes from it (`jobs.ts`), and nothing is kept elsewhere.
 */
import { bencode } from '../bencode.ts'
import type { DiskIoBackend, Registered } from '../disk-io.ts'
import type {
  EngineEvents,
  EngineOptions,
  EngineStatus,
  TorrentEngine,
  TorrentOrder,
} from '../engine.ts'
import { isLoopback } from '../loopback.ts'
import type { Info } from '../metainfo.ts'
import { readInfo, readMetainfo } from '../read-metainfo.ts'
import { DiskJobs } from './jobs.ts'
import {
  ADDED,
  CLOSED,
  FINISHED,
  HASH_FAILED,
  LISTENS,
  loadNative,
  METADATA,
  type Native,
  type NativeEngine,
  type NativeOrder,
  PIECE,
  REMOVED,
  STATUS,
  STOPPED,
} from './native.ts'
import { LibtorrentTorrent } from './torrent.ts'

const STATUS_EVERY_MS = 500

export class LibtorrentEngine implements TorrentEngine {
  readonly name = 'libtorrent'
  readonly knowsV2 = true
  readonly #native: Native
  readonly #engine: NativeEngine
  readonly #events: EngineEvents
  readonly #byId = new Map<string, LibtorrentTorrent>()
  readonly #jobs: DiskJobs
  readonly #listening: PromiseWithResolvers<void> = Promise.withResolvers<void>()
  readonly #closed: PromiseWithResolvers<void> = Promise.withResolvers<void>()
  readonly #statusTimer: NodeJS.Timeout
  /** By the addon's name for it. */
  readonly #byKey = new Map<number, LibtorrentTorrent>()
  #lastKey = 0
  #isClosing = false
  port = 0

  /** Resolves once peers can reach it. Rejects with LibtorrentMissing, or where it cannot listen. */
  static async open(
    disk: DiskIoBackend,
    options: EngineOptions,
    events: EngineEvents,
  ): Promise<LibtorrentEngine> {
    const engine = new LibtorrentEngine(loadNative(), disk, options, events)
    try {
      await engine.#listening.promise
      return engine
    } catch (error) {
      await engine[Symbol.asyncDispose]()
      throw error
    }
  }

  private constructor(
    native: Native,
    disk: DiskIoBackend,
    { listen, finds, limits }: EngineOptions,
    events: EngineEvents,
  ) {
    this.#native = native
    this.#events = events
    this.#jobs = new DiskJobs(native, disk)
    const started = native.start(
      { ...listen, ...finds, ...limits, isLoopback: isLoopback(listen.host), ownDisk: '' },
      (count) => this.#jobs.run(count),
      (event, key, number, text) => this.#take(event, key, number, text),
      (memory) => this.#jobs.addSlab(memory),
    )
    this.#jobs.started(started)
    this.#engine = started.engine
    this.#statusTimer = setInterval(() => native.askStatus(started.engine), STATUS_EVERY_MS)
    this.#statusTimer.unref()
  }

  async add(order: TorrentOrder): Promise<void> {
    if (this.#isClosing) throw new Error('the engine is closed')
    if (this.#byId.has(order.id)) throw new Error(`torrent ${order.id} is there already`)
    const torrent = new LibtorrentTorrent(order, (error) => this.#events.onError(order.id, error))
    this.#byId.set(order.id, torrent)
    try {
      if ('magnet' in order.source) this.#addMagnet(torrent, order.source.magnet)
      else {
        const { info, pieceLayers } = readMetainfo(order.source.metainfo)
        torrent.learn(info, pieceLayers)
        this.#addRegistered(torrent, order.source.metainfo, order.source.registered)
      }
      await torrent.added.promise
    } catch (error) {
      if (this.#byId.get(order.id) === torrent) this.#byId.delete(order.id)
      throw error
    }
  }

  #addRegistered(
    torrent: LibtorrentTorrent,
    metainfo: Uint8Array,
    { storage, resume }: Registered,
  ): void {
    const key = this.#keyFor(torrent)
    torrent.have = resume.have
    this.#jobs.serve(key, torrent.serve(Promise.resolve(storage)))
    this.#start({
      key,
      metainfo,
      magnet: '',
      trackers: torrent.order.trackers,
      have: resume.have,
      pieces: [...resume.blocks.keys()],
      blocks: [...resume.blocks.values()],
      wanted: torrent.wantedRanges(),
    })
  }

  #addMagnet(torrent: LibtorrentTorrent, magnet: string): void {
    const key = this.#keyFor(torrent)
    this.#jobs.serve(key, torrent.serve(torrent.bound.promise))
    this.#start({
      key,
      metainfo: undefined,
      magnet,
      trackers: torrent.order.trackers,
      have: undefined,
      pieces: [],
      blocks: [],
      wanted: undefined,
    })
  }

  #keyFor(torrent: LibtorrentTorrent): number {
    const key = ++this.#lastKey
    torrent.key = key
    this.#byKey.set(key, torrent)
    return key
  }

  #start(order: NativeOrder): void {
    const refusal = this.#native.add(this.#engine, order)
    if (refusal === undefined) return
    this.#forget(order.key)
    throw new Error(`libtorrent refuses the torrent: ${refusal}`)
  }

  #forget(key: number): void {
    this.#byKey.delete(key)
    this.#jobs.forget(key)
  }

  remove(id: string): Promise<void> {
    const torrent = this.#byId.get(id)
    if (torrent === undefined) return Promise.resolve()
    torrent.leave()
    this.#native.remove(this.#engine, torrent.key)
    return torrent.removed.promise
  }

  addPeer(id: string, host: string, port: number): void {
    const torrent = this.#byId.get(id)
    if (torrent === undefined) return
    torrent.addPeer(host, port)
    this.#native.connect(this.#engine, torrent.key, host, port)
  }

  setWanted(id: string, wanted: readonly number[]): void {
    const torrent = this.#byId.get(id)
    if (torrent === undefined) return
    torrent.wanted = wanted
    const ranges = torrent.wantedRanges()
    if (ranges === undefined) return
    this.#native.want(this.#engine, torrent.key, ranges)
    if (torrent.problem === undefined) this.#native.resume(this.#engine, torrent.key)
  }

  prioritise(id: string, pieces: readonly number[]): void {
    const torrent = this.#byId.get(id)
    if (torrent === undefined) return
    const now = performance.now()
    for (const piece of pieces)
      this.#native.prioritise(this.#engine, torrent.key, piece, torrent.nextDeadline(now))
  }

  relax(id: string, pieces: readonly number[]): void {
    const torrent = this.#byId.get(id)
    if (torrent === undefined) return
    for (const piece of pieces) this.#native.relax(this.#engine, torrent.key, piece)
  }

  status(id: string): EngineStatus | undefined {
    return this.#byId.get(id)?.status()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#isClosing) {
      this.#isClosing = true
      clearInterval(this.#statusTimer)
      for (const torrent of this.#byId.values()) torrent.leave()
      this.#native.close(this.#engine)
    }
    await this.#closed.promise
  }

  #take(event: number, key: number, number: number, text: string | Buffer): void {
    if (event === LISTENS) this.#listens(number, String(text))
    else if (event === CLOSED) this.#close()
    else {
      const torrent = this.#byKey.get(key)
      if (event === REMOVED) this.#takeRemoval(key, torrent)
      // What a former addition of a magnet still tells is of no interest.
      else if (torrent?.key === key && !torrent.isLeaving)
        this.#takeOf(torrent, event, number, text)
    }
  }

  #takeOf(torrent: LibtorrentTorrent, event: number, piece: number, text: string | Buffer): void {
    const { id, seeds } = torrent.order
    // Of one that has stopped, nothing is told that was under way.
    if (torrent.problem !== undefined && (event === PIECE || event === FINISHED)) return
    switch (event) {
      case PIECE:
        if (torrent.isNews(piece)) this.#events.onPiece(id, piece)
        break
      case HASH_FAILED:
        torrent.failHash()
        break
      case STATUS:
        torrent.takeStatus(text as Buffer)
        break
      case FINISHED:
        torrent.finish()
        if (!seeds) this.#native.pause(this.#engine, torrent.key)
        this.#events.onDone(id)
        break
      case STOPPED:
        torrent.stop(String(text))
        break
      case METADATA:
        void this.#takeInfo(torrent, text as Buffer)
        break
      case ADDED:
        this.#takeAddition(torrent, String(text))
        break
      default:
    }
  }

  #takeAddition(torrent: LibtorrentTorrent, refusal: string): void {
    if (refusal === '') {
      for (const { host, port } of torrent.peers)
        this.#native.connect(this.#engine, torrent.key, host, port)
      torrent.added.resolve()
      return
    }
    this.#forget(torrent.key)
    const problem = `libtorrent refuses the torrent: ${refusal}`
    torrent.added.reject(new Error(problem))
    torrent.stop(problem)
  }

  /** The info of a magnet has come; libtorrent waits with its check until the torrent is on the disk. */
  async #takeInfo(torrent: LibtorrentTorrent, bytes: Buffer): Promise<void> {
    const { source } = torrent.order
    if (!('magnet' in source) || torrent.info !== undefined) return
    try {
      const info = readInfo(bytes)
      torrent.learn(info, new Map())
      const registered = await source.onInfo(info)
      if (torrent.isLeaving) torrent.bound.reject(new Error('the torrent was removed'))
      else if (isNew(registered)) {
        const ranges = torrent.wantedRanges()
        if (ranges !== undefined) this.#native.want(this.#engine, torrent.key, ranges)
        torrent.bound.resolve(registered.storage)
      } else this.#addAgain(torrent, info, source.magnet, registered)
    } catch (error) {
      torrent.stop(`the magnet leads to no usable torrent: ${(error as Error).message}`)
      torrent.bound.reject(error)
    }
  }

  /** Some of a magnet's data is there: libtorrent takes that only of a torrent that it has the info of. */
  #addAgain(torrent: LibtorrentTorrent, info: Info, magnet: string, registered: Registered): void {
    this.#native.remove(this.#engine, torrent.key)
    torrent.bound.reject(new Error('the torrent is added again'))
    const tiers = new URL(magnet).searchParams.getAll('tr').map((tracker) => [tracker])
    // The info dictionary as it came: it is what the info hash names.
    const head = [Buffer.from('d13:announce-list'), bencode(tiers), Buffer.from('4:info')]
    const metainfo = Buffer.concat([...head, info.encoded, Buffer.from('e')])
    this.#addRegistered(torrent, metainfo, registered)
  }

  #takeRemoval(key: number, torrent: LibtorrentTorrent | undefined): void {
    this.#forget(key)
    if (torrent?.key !== key || !torrent.isLeaving) return
    torrent.takeRemoval()
    if (this.#byId.get(torrent.order.id) === torrent) this.#byId.delete(torrent.order.id)
  }

  #listens(port: number, refusal: string): void {
    if (port === 0) this.#listening.reject(new Error(`libtorrent cannot listen: ${refusal}`))
    else {
      if (this.port === 0) this.port = port
      this.#listening.resolve()
    }
  }

  #close(): void {
    for (const torrent of this.#byId.values()) torrent.takeRemoval()
    this.#byId.clear()
    this.#byKey.clear()
    this.#closed.resolve()
  }
}

/** Whether nothing of it is there. */
function isNew({ resume }: Registered): boolean {
  return resume.blocks.size === 0 && resume.have.every((byte) => byte === 0)
}
