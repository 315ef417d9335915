/**
 * A session of torrents over one disk and one engine: adds, resumes, removes them, and makes an object of
 * each file as soon as it is whole.
 *
 * What it promises: a torrent that was added is there again after any end of the process, with every
 * verified piece; nothing is written outside the bucket and prefix that were chosen; a store that fails
 * makes torrents wait, with a problem that says why, and they go on by themselves when it is back; what is
 * wrong with a torrent itself ends it with an error that says so.
 */
import { S3Error } from '../api/error.ts'
import type { S3Api } from '../api/operations.ts'
import type { EngineEvents, TorrentEngine } from './engine.ts'
import { checkedPrefix, type Choice, chosenFiles, keysOf } from './file-names.ts'
import type { ObjectPlace } from './file-store.ts'
import {
  AGAIN,
  type FileStatus,
  type HeldFile,
  HeldTorrent,
  type TorrentStatus,
} from './held-torrent.ts'
import { peerOf } from './magnet.ts'
import { type Metainfo, TorrentError } from './metainfo.ts'
import { readMetainfo } from './read-metainfo.ts'
import type { TorrentRecord } from './registry.ts'
import { callFor, type SessionParts } from './session-parts.ts'
import { type AddRequest, hexOf, readInput, type TorrentInput } from './torrent-input.ts'
import { placeOfDisk, TorrentLives } from './torrent-lives.ts'
import { checkTargets } from './torrent-targets.ts'
import { writeMetainfo } from './write-metainfo.ts'

/** Torrents in one session, at most. */
const TORRENTS_MAX = 10_000
const NO_PIECES = new Uint8Array(0)

export class TorrentSession implements AsyncDisposable {
  readonly #parts: SessionParts
  readonly #torrents = new Map<string, HeldTorrent>()
  readonly #ending = new AbortController()
  #engine: TorrentEngine | undefined
  #lives: TorrentLives | undefined
  #ticker: NodeJS.Timeout | undefined
  /** What the engine tells this session. */
  readonly events: EngineEvents = {
    onPiece: (id, piece) => {
      const torrent = this.#torrents.get(id)
      if (torrent !== undefined) this.#lives?.arrived(torrent, piece)
    },
    // Its pieces have been told one by one.
    onDone: () => undefined,
    onError: (id, error) => this.#torrents.get(id)?.interrupt(error),
  }

  constructor(parts: SessionParts) {
    this.#parts = parts
  }

  /** Goes on with all torrents of the registry. The engine is the session's from now on, also to close. */
  async start(engine: TorrentEngine): Promise<void> {
    const { registry, log } = this.#parts
    const lives = new TorrentLives(this.#parts, engine)
    this.#engine = engine
    this.#lives = lives
    const onBad = (key: string, error: unknown): void =>
      log.warn('the record of a torrent cannot be read', { key, error })
    for await (const record of registry.records(onBad)) {
      const torrent = new HeldTorrent(record)
      this.#torrents.set(record.id, torrent)
      if (record.removing === undefined) lives.begin(torrent)
      else
        this.#finishRemoval(torrent).catch((error: unknown) =>
          log.warn('a torrent could not be removed', { torrent: record.id, error }),
        )
    }
    this.#ticker = setInterval(() => this.#tick(), this.#parts.options.lookMs).unref()
  }

  /** Aborted when the session closes: nobody is kept waiting any more. */
  get ending(): AbortSignal {
    return this.#ending.signal
  }

  list(): readonly TorrentStatus[] {
    return [...this.#torrents.values()]
      .filter(({ record }) => record.removing === undefined)
      .map((torrent) => this.#status(torrent))
  }

  /** Rejects with NoSuchEntity, as all that name a torrent. */
  status(id: string): TorrentStatus & { readonly fileList: readonly FileStatus[] } {
    const torrent = this.#existing(id)
    return { ...this.#status(torrent), fileList: torrent.files() }
  }

  /** The torrent's file that the object of this key is, or is to become; undefined: none of a torrent. */
  find(bucket: string, key: string): HeldFile | undefined {
    return this.#lives?.keys.find(bucket, key)
  }

  /**
   * Adds a torrent; once this resolves it is there after any end of the process. One that is there already,
   * for the same place, is told again. Rejects with TorrentError for what cannot be added, and with S3Error.
   */
  async add(
    request: AddRequest,
  ): Promise<{ readonly isNew: boolean; readonly status: TorrentStatus }> {
    const { api, registry, log, fetchUrl } = this.#parts
    const { bucket } = request
    const prefix = checkedPrefix(request.prefix)
    const call = await callFor(this.#parts, bucket, this.ending)
    const input = await readInput(request, api, fetchUrl, call)
    const record = this.#recordOf(request, prefix, input)
    if (this.#known(input) === undefined && input.metainfo !== undefined)
      await checkTargets(api, this.#living.keys, input.metainfo.info, record, call)
    // Nothing comes between this look and the entry.
    const known = this.#known(input)
    if (known !== undefined) return { isNew: false, status: this.#again(known, bucket, prefix) }
    if (this.#torrents.size >= TORRENTS_MAX)
      throw new TorrentError(`there are ${TORRENTS_MAX} torrents already: remove some`)
    const torrent = new HeldTorrent(record)
    const metainfo = input.metainfo && this.#reachable(input.metainfo)
    if (metainfo !== undefined) torrent.learn(metainfo, NO_PIECES)
    this.#torrents.set(record.id, torrent)
    try {
      if (metainfo !== undefined) await registry.putMetainfo(record.id, writeMetainfo(metainfo))
      await registry.put(record)
    } catch (error) {
      this.#torrents.delete(record.id)
      throw error
    }
    log.info('torrent added', { torrent: record.id, name: record.name, bucket, prefix })
    this.#living.begin(torrent)
    return { isNew: true, status: this.#status(torrent) }
  }

  /** Other files are wanted from now on; undefined: all. Rejects with TorrentError for a choice that names none. */
  async setWanted(id: string, files: Choice | undefined): Promise<TorrentStatus> {
    const torrent = this.#existing(id)
    const lives = this.#living
    const info = torrent.contents?.metainfo.info
    if (info !== undefined) {
      chosenFiles(info, files)
      const call = await callFor(this.#parts, torrent.record.bucket, this.ending)
      await checkTargets(this.#parts.api, lives.keys, info, { ...torrent.written(), files }, call)
      lives.keys.remove(torrent)
    }
    torrent.record = { ...torrent.record, files, doneAt: undefined }
    if (info !== undefined) {
      torrent.choose()
      lives.keys.add(torrent)
    }
    await lives.write(torrent)
    torrent.interrupt(AGAIN)
    // One that had failed may be good now.
    lives.begin(torrent)
    return this.#status(torrent)
  }

  /** Removes a torrent and what is not an object yet; with `data` also the objects that it has made. */
  async remove(id: string, data: boolean): Promise<void> {
    const begun = this.#torrents.get(id)
    // One that was cut off by a store that failed may be asked for again.
    if (begun?.record.removing !== undefined) return this.#finishRemoval(begun)
    const torrent = this.#existing(id)
    const removing = data ? 'data' : 'keep'
    await this.#parts.registry.put({ ...torrent.written(), removing })
    torrent.record = { ...torrent.record, removing }
    this.#parts.log.info('torrent removed', { torrent: id, data })
    await this.#finishRemoval(torrent)
  }

  /** Compares what is stored of a torrent with its hashes, and gets from the swarm what is damaged. */
  async scrub(id: string): Promise<{ readonly pieces: number; readonly damaged: number }> {
    const torrent = this.#existing(id)
    const { contents, storage } = torrent
    if (contents === undefined || storage === undefined)
      throw new TorrentError('there is nothing yet that could be compared')
    const { pieces } = contents.progress
    const damaged = await this.#parts.files.scrub(storage, undefined, this.#signalOf(torrent))
    await this.#living.refetch(torrent, damaged)
    return { pieces, damaged: damaged.length }
  }

  /** The bytes of these pieces may be damaged: those that are come from the swarm again. */
  async repair(torrent: HeldTorrent, pieces: readonly number[]): Promise<void> {
    if (torrent.storage === undefined) return
    const signal = this.#signalOf(torrent)
    const damaged = await this.#parts.files.scrub(torrent.storage, pieces, signal)
    await this.#living.refetch(torrent, damaged)
  }

  /** The disk has found that a piece is not there any more. */
  lose(id: string, piece: number): void {
    const torrent = this.#torrents.get(id)
    if (torrent?.contents?.progress.has(piece) !== true) return
    this.#living.refetch(torrent, [piece]).catch((error: unknown) => torrent.interrupt(error))
  }

  /** These pieces before all others. */
  prioritise(torrent: HeldTorrent, pieces: readonly number[]): void {
    if (this.#isAtWork(torrent)) this.#engine!.prioritise(torrent.id, pieces)
  }

  /** In no hurry any more. */
  relax(torrent: HeldTorrent, pieces: readonly number[]): void {
    if (this.#isAtWork(torrent)) this.#engine!.relax(torrent.id, pieces)
  }

  /** Goes up whenever bytes of the torrent come. */
  progressOf(torrent: HeldTorrent): number {
    const { downloadedBytes = 0 } = this.#engine?.status(torrent.id) ?? {}
    return downloadedBytes + (torrent.contents?.progress.pieces ?? 0)
  }

  /** Everything that is written is kept; torrents are there again at the next start. */
  async [Symbol.asyncDispose](): Promise<void> {
    const reason = new Error('the gateway ends')
    this.#ending.abort(reason)
    clearInterval(this.#ticker)
    const all = [...this.#torrents.values()]
    if (this.#lives !== undefined) {
      for (const torrent of all) this.#lives.writeSoon(torrent)
      await Promise.allSettled(all.map((torrent) => this.#lives!.end(torrent, reason)))
      await this.#lives.settleRecords()
    }
    await this.#engine?.[Symbol.asyncDispose]()
  }

  #isAtWork(torrent: HeldTorrent): boolean {
    return this.#engine?.status(torrent.id) !== undefined
  }

  get #living(): TorrentLives {
    if (this.#lives === undefined)
      throw new S3Error('SlowDown', { message: 'Torrents are still starting.' })
    return this.#lives
  }

  #known({ hashes }: Pick<TorrentInput, 'hashes'>): HeldTorrent | undefined {
    const { v1, v2 } = hashes
    for (const torrent of this.#torrents.values()) {
      const info = torrent.contents?.metainfo.info
      const own = info && hexOf(info.hashes)
      const ids = [torrent.id, own?.v1, own?.v2]
      if ((v1 !== undefined && ids.includes(v1)) || (v2 !== undefined && ids.includes(v2)))
        return torrent
    }
    return undefined
  }

  #again(torrent: HeldTorrent, bucket: string, prefix: string): TorrentStatus {
    const { record } = torrent
    if (record.bucket !== bucket || record.prefix !== prefix)
      throw new TorrentError(
        `the torrent is there already, and goes to ${record.bucket}/${record.prefix}: remove it first (${record.id})`,
      )
    return this.#status(torrent)
  }

  #recordOf(request: AddRequest, prefix: string, input: TorrentInput): TorrentRecord {
    const { magnet, link } = input
    const bad = request.peers.find((peer) => peerOf(peer) === undefined)
    if (bad !== undefined) throw new TorrentError(`a peer is host:port, not ${bad.slice(0, 100)}`)
    return {
      version: 1,
      id: input.id,
      name: input.name,
      bucket: request.bucket,
      prefix,
      magnet: link,
      files: request.files ?? magnet?.files,
      overwrite: request.overwrite,
      peers: [...new Set([...request.peers, ...(magnet?.peers ?? [])])],
      seeds: request.seeds ?? this.#parts.options.seeds,
      addedAt: this.#parts.clock.now(),
      doneAt: undefined,
      kept: {},
      downloadedBytes: 0,
      uploadedBytes: 0,
      removing: undefined,
    }
  }

  /** Without web seeds that lead into private networks. */
  #reachable(metainfo: Metainfo): Metainfo {
    const webSeeds = metainfo.webSeeds.filter((url) => this.#parts.refusal(url) === undefined)
    return { ...metainfo, webSeeds }
  }

  async #finishRemoval(torrent: HeldTorrent): Promise<void> {
    const { disk, registry, api } = this.#parts
    const lives = this.#living
    const { record } = torrent
    lives.keys.remove(torrent)
    await lives.end(torrent, new TorrentError('the torrent was removed'))
    if (record.removing === 'data') {
      const keys = await this.#keysOf(torrent)
      const call = await callFor(this.#parts, record.bucket)
      for (const [file, etag] of torrent.kept) {
        const key = keys[file]
        if (key !== undefined)
          await deleteUnchanged(api, { bucket: record.bucket, key }, etag, call)
      }
    }
    await disk.erase({ id: record.id, place: placeOfDisk(record) })
    await lives.settleRecords()
    await registry.delete(record.id)
    this.#torrents.delete(record.id)
  }

  async #keysOf({ contents, record }: HeldTorrent): Promise<readonly (string | undefined)[]> {
    if (contents !== undefined) return contents.keys
    const stored = await this.#parts.registry.metainfo(record.id)
    return stored === undefined ? [] : keysOf(readMetainfo(stored).info, record.prefix)
  }

  #existing(id: string): HeldTorrent {
    const torrent = this.#torrents.get(id)
    if (torrent === undefined || torrent.record.removing !== undefined)
      throw new S3Error('NoSuchEntity', { message: 'There is no such torrent.' })
    return torrent
  }

  #status(torrent: HeldTorrent): TorrentStatus {
    return torrent.status(this.#engine?.status(torrent.id))
  }

  #signalOf(torrent: HeldTorrent): AbortSignal {
    return AbortSignal.any([torrent.ending.signal, this.ending])
  }

  #tick(): void {
    const { seedRatio } = this.#parts.options
    if (seedRatio === 0) return
    for (const torrent of this.#torrents.values()) {
      const { uploadedBytes, sizeBytes, state } = this.#status(torrent)
      if (state !== 'seeding' || uploadedBytes < seedRatio * sizeBytes) continue
      torrent.record = { ...torrent.record, seeds: false }
      this.#lives?.writeSoon(torrent)
      torrent.interrupt(AGAIN)
    }
  }
}

/** An object that somebody has replaced since stays. */
async function deleteUnchanged(
  api: S3Api,
  { bucket: Bucket, key: Key }: ObjectPlace,
  etag: string,
  call: Parameters<NonNullable<S3Api['DeleteObject']>>[1],
): Promise<void> {
  try {
    await api.DeleteObject!({ Bucket, Key, IfMatch: etag }, call)
  } catch (error) {
    if (!(error instanceof S3Error) || error.status >= 500) throw error
  }
}
