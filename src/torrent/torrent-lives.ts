/**
 * The life of each torrent of a session: turn by turn at the engine. A turn ends where something has to
 * begin anew (other files are wanted, pieces were damaged), where the store fails, which makes the torrent
 * wait and try again, or where the torrent itself is no good, which ends its life.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { S3Error } from '../api/error.ts'
import { StoreFull, StoreUnavailable } from '../lib/store-error.ts'
import { Assembly } from './assembly.ts'
import { DiskError, type DiskPlace, type Registered } from './disk-io.ts'
import type { TorrentEngine, TorrentSource } from './engine.ts'
import { HeldKeys } from './held-keys.ts'
import { AGAIN, type HeldTorrent } from './held-torrent.ts'
import { peerOf, readMagnet, writeMagnet } from './magnet.ts'
import { type Info, type Metainfo, TorrentError } from './metainfo.ts'
import { readMetainfo } from './read-metainfo.ts'
import type { TorrentRecord } from './registry.ts'
import { Repeated } from './repeated.ts'
import { callFor, type SessionParts } from './session-parts.ts'
import { checkTargets, sizeOf } from './torrent-targets.ts'
import { writeMetainfo } from './write-metainfo.ts'

const NO_BLOCKS: ReadonlyMap<number, Uint8Array> = new Map()

export class TorrentLives {
  readonly keys: HeldKeys = new HeldKeys()
  readonly #parts: SessionParts
  readonly #engine: TorrentEngine
  readonly #assembly: Assembly
  readonly #records: Repeated<HeldTorrent>
  readonly #running = new Map<HeldTorrent, Promise<void>>()
  /** What the disk has told at registering, until the engine has it: it knows of single blocks too. */
  readonly #fresh = new WeakMap<HeldTorrent, Registered>()

  constructor(parts: SessionParts, engine: TorrentEngine) {
    this.#parts = parts
    this.#engine = engine
    this.#assembly = new Assembly(parts, (torrent) => this.#settle(torrent))
    this.#records = new Repeated(async (torrent) => {
      if (torrent.record.removing === undefined) await this.write(torrent)
    })
  }

  /** Begins a torrent's life, where it has none. */
  begin(torrent: HeldTorrent): void {
    if (this.#running.has(torrent)) return
    torrent.hasFailed = false
    torrent.problem = undefined
    const life = this.#live(torrent).finally(() => this.#running.delete(torrent))
    this.#running.set(torrent, life)
  }

  /** Ends it; resolves once nothing is under way any more, and the disk has let go of it. What was written is kept. */
  async end(torrent: HeldTorrent, reason: Error): Promise<void> {
    torrent.ending.abort(reason)
    torrent.waits.fail(reason)
    await this.#running.get(torrent)
    await this.#assembly.idle(torrent)
    if (torrent.storage !== undefined) await this.#parts.disk.unregister(torrent.storage)
    torrent.storage = undefined
  }

  /** A piece is there, verified and durable. */
  arrived(torrent: HeldTorrent, piece: number): void {
    if (torrent.contents === undefined) return
    const whole = torrent.contents.progress.add(piece)
    torrent.waits.arrived(piece)
    for (const file of whole)
      if (torrent.wanted.has(file) && !torrent.kept.has(file)) this.#assembly.ask(torrent, file)
  }

  /** These pieces are not there after all, and come from the swarm again. */
  async refetch(torrent: HeldTorrent, damaged: readonly number[]): Promise<void> {
    if (damaged.length === 0) return
    for (const piece of damaged) torrent.lose(piece)
    this.#fresh.delete(torrent)
    await this.write(torrent)
    const fields = { torrent: torrent.id, pieces: damaged.length }
    this.#parts.log.warn('torrent damaged: pieces are got again', fields)
    torrent.interrupt(AGAIN)
  }

  /** Writes the record, now. */
  async write(torrent: HeldTorrent): Promise<void> {
    await this.#parts.registry.put(torrent.written(this.#engine.status(torrent.id)))
  }

  /** Writes it soon. */
  writeSoon(torrent: HeldTorrent): void {
    this.#records.ask(torrent.id, torrent)
  }

  /** Writes what was to be written soon. */
  settleRecords(): Promise<void> {
    return this.#records.settle()
  }

  async #live(torrent: HeldTorrent): Promise<void> {
    const { signal } = torrent.ending
    const { retryMs, retryMaxMs } = this.#parts.options
    const ended = new Promise<undefined>((resolve) => {
      signal.addEventListener('abort', () => resolve(undefined), { once: true })
    })
    for (let failures = 0; !signal.aborted;) {
      torrent.beginTurn()
      const reason = await this.#turn(torrent, ended)
      torrent.endTurn(this.#engine.status(torrent.id))
      await this.#engine.remove(torrent.id).catch(() => undefined)
      if (signal.aborted) return
      if (reason === AGAIN) {
        failures = 0
        continue
      }
      if (!isPassing(reason)) return this.#fail(torrent, reason)
      this.#wait(torrent, reason)
      const ms = Math.min(retryMaxMs, retryMs * 2 ** failures++)
      await sleep(ms, undefined, { signal }).catch(() => undefined)
    }
  }

  /** Resolves to why it is over. */
  async #turn(torrent: HeldTorrent, ended: Promise<undefined>): Promise<unknown> {
    try {
      // What could not be written is written now, or the store is still away.
      if (torrent.storage !== undefined) await this.#parts.disk.flushAll(torrent.storage)
      await this.#open(torrent)
      torrent.problem = undefined
    } catch (error) {
      return error
    }
    return Promise.race([torrent.interrupted, ended])
  }

  #wait(torrent: HeldTorrent, reason: unknown): void {
    const problem = wordsOf(reason)
    const fields = { torrent: torrent.id, problem, error: reason }
    if (torrent.problem !== problem) this.#parts.log.warn('torrent waits', fields)
    torrent.problem = problem
  }

  #fail(torrent: HeldTorrent, reason: unknown): void {
    torrent.hasFailed = true
    torrent.problem = wordsOf(reason)
    torrent.waits.fail(reason)
    this.keys.remove(torrent)
    this.#parts.log.warn('torrent failed', { torrent: torrent.id, error: reason })
  }

  async #open(torrent: HeldTorrent): Promise<void> {
    const { record } = torrent
    if (torrent.storage === undefined) {
      const metainfo = torrent.contents?.metainfo ?? (await this.#stored(torrent))
      if (metainfo !== undefined) await this.#register(torrent, metainfo)
    }
    for (const file of torrent.unkept()) this.#assembly.ask(torrent, file)
    if (torrent.contents === undefined || !torrent.isWhole || record.seeds)
      await this.#addToEngine(torrent)
    this.#settle(torrent)
  }

  /** Undefined: of a magnet link whose info is not known. */
  async #stored({ record }: HeldTorrent): Promise<Metainfo | undefined> {
    const stored = await this.#parts.registry.metainfo(record.id)
    if (stored !== undefined) return readMetainfo(stored)
    if (record.magnet !== undefined) return undefined
    throw new TorrentError('its .torrent file is gone from the registry')
  }

  async #addToEngine(torrent: HeldTorrent): Promise<void> {
    const { id, seeds, peers } = torrent.record
    const wanted = torrent.contents && [...torrent.wanted]
    const source = this.#sourceOf(torrent)
    await this.#engine.add({ id, source, trackers: [], wanted, seeds })
    for (const peer of peers) {
      const { host, port } = peerOf(peer)!
      this.#engine.addPeer(id, host, port)
    }
    const urgent = [...torrent.demand.keys()]
    if (urgent.length > 0) this.#engine.prioritise(id, urgent)
  }

  #sourceOf(torrent: HeldTorrent): TorrentSource {
    const { contents, storage, record } = torrent
    if (contents === undefined) {
      const magnet = readMagnet(record.magnet!)
      const link = writeMagnet(magnet, this.#reachable(magnet.webSeeds))
      return { magnet: link, onInfo: (info) => this.#learnt(torrent, info) }
    }
    const resume = { have: contents.progress.have(), blocks: NO_BLOCKS }
    const registered = this.#takeFresh(torrent) ?? { storage: storage!, resume }
    return { metainfo: writeMetainfo(contents.metainfo), registered }
  }

  #reachable(urls: readonly string[]): readonly string[] {
    return urls.filter((url) => this.#parts.refusal(url) === undefined)
  }

  #takeFresh(torrent: HeldTorrent): Registered | undefined {
    const fresh = this.#fresh.get(torrent)
    this.#fresh.delete(torrent)
    return fresh
  }

  /** Peers have told the info of a magnet link. */
  async #learnt(torrent: HeldTorrent, info: Info): Promise<Registered> {
    const { api, registry } = this.#parts
    try {
      const { trackers, webSeeds } = readMagnet(torrent.record.magnet!)
      const metainfo: Metainfo = {
        info,
        pieceLayers: new Map(),
        trackers: trackers.map((tracker) => [tracker]),
        webSeeds: this.#reachable(webSeeds),
        comment: undefined,
        createdBy: undefined,
        createdAt: undefined,
      }
      torrent.record = { ...torrent.record, name: info.name }
      const call = await callFor(this.#parts, torrent.record.bucket)
      await checkTargets(api, this.keys, info, torrent.record, call)
      await this.#register(torrent, metainfo)
      await registry.putMetainfo(torrent.id, writeMetainfo(metainfo))
      await this.write(torrent)
      for (const file of torrent.unkept()) this.#assembly.ask(torrent, file)
      // The engine was told to want everything.
      if (torrent.record.files !== undefined) torrent.interrupt(AGAIN)
      const resume = { have: torrent.contents!.progress.have(), blocks: NO_BLOCKS }
      return this.#takeFresh(torrent) ?? { storage: torrent.storage!, resume }
    } catch (error) {
      torrent.interrupt(error)
      throw error
    }
  }

  /** Makes it known to the disk. Its files are found from now on. */
  async #register(torrent: HeldTorrent, metainfo: Metainfo): Promise<void> {
    const { info, pieceLayers } = metainfo
    const place = placeOfDisk(torrent.record)
    const registered = await this.#parts.disk.register({
      id: torrent.id,
      place,
      info,
      pieceLayers,
    })
    torrent.storage = registered.storage
    torrent.learn(metainfo, registered.resume.have)
    this.#fresh.set(torrent, registered)
    this.keys.add(torrent)
    if (torrent.contents!.progress.pieces === 0) await this.#adopt(torrent)
  }

  /** Bytes that are in the bucket already are not downloaded: of objects at the files' keys, and of other torrents. */
  async #adopt(torrent: HeldTorrent): Promise<void> {
    const { api, files } = this.#parts
    const { bucket } = torrent.record
    const { metainfo, keys, progress } = torrent.contents!
    const storage = torrent.storage!
    const call = await callFor(this.#parts, bucket)
    const take = (pieces: readonly number[]): void => {
      for (const piece of pieces) progress.add(piece)
      if (pieces.length > 0) this.#fresh.delete(torrent)
    }
    for (const file of torrent.wanted) {
      const { sizeBytes } = metainfo.info.files[file]!
      const place = { bucket, key: keys[file]! }
      if (sizeBytes === 0 || (await sizeOf(api, place, call)) !== sizeBytes) continue
      take(await files.adopt(storage, file, place))
    }
    if (!torrent.isWhole) take(await files.adoptFrom(storage, []))
  }

  /** All that is wanted is kept: it is done, and goes on to serve peers, or not. */
  #settle(torrent: HeldTorrent): void {
    this.writeSoon(torrent)
    if (!torrent.isKept || torrent.record.doneAt !== undefined) return
    torrent.record = { ...torrent.record, doneAt: this.#parts.clock.now() }
    const { id, name, seeds } = torrent.record
    this.#parts.log.info('torrent finished', { torrent: id, name })
    if (!seeds) torrent.interrupt(AGAIN)
  }
}

/**
 * What torrents keep beside objects stands in one folder of the bucket, whose name no file of a torrent has:
 * so it is in no listing of a prefix, and what one has another finds.
 */
export function placeOfDisk({ bucket }: TorrentRecord): DiskPlace {
  return { bucket, prefix: '' }
}

/** Whether it may be gone by itself: a store that is away or full. */
function isPassing(error: unknown): boolean {
  return (
    error instanceof DiskError ||
    error instanceof StoreUnavailable ||
    error instanceof StoreFull ||
    (error instanceof S3Error && error.status >= 500)
  )
}

function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
