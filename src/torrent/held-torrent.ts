/**
 * One torrent of a session: what is known of it, how far it is, and who waits for it. It starts nothing
 * and writes nothing: session.ts does.
 */
import type { StorageIndex } from './disk-io.ts'
import type { EngineStatus } from './engine.ts'
import { chosenFiles, isObject, keysOf } from './file-names.ts'
import { FileProgress } from './file-progress.ts'
import type { Info, Metainfo } from './metainfo.ts'
import { PieceWaits } from './piece-waits.ts'
import type { TorrentRecord } from './registry.ts'

/**
 * `waiting`: it stands still for a reason that will pass, and goes on by itself. `error`: for one that
 * will not; it has to be removed, or added again.
 */
export type TorrentState =
  | 'metadata'
  | 'checking'
  | 'downloading'
  | 'seeding'
  | 'finished'
  | 'waiting'
  | 'error'

export interface FileStatus {
  readonly index: number
  readonly path: string
  readonly key: string
  readonly sizeBytes: number
  readonly haveBytes: number
  readonly isWanted: boolean
  /** It is an object. */
  readonly isDone: boolean
}

export interface TorrentStatus {
  readonly id: string
  readonly name: string
  readonly state: TorrentState
  /** Why it stands still; undefined where it does not. */
  readonly problem: string | undefined
  readonly bucket: string
  readonly prefix: string
  /** Of the files that are wanted. */
  readonly sizeBytes: number
  readonly haveBytes: number
  readonly pieces: number
  readonly pieceCount: number
  /** Files that are wanted, and those of them that are objects. */
  readonly files: number
  readonly filesDone: number
  readonly peers: number
  readonly seeds: number
  /** Bytes a second. */
  readonly downloadRate: number
  readonly uploadRate: number
  readonly downloadedBytes: number
  readonly uploadedBytes: number
  readonly hashFailures: number
  readonly addedAt: number
  readonly doneAt: number | undefined
}

/** A file as readers of its key see it before it is an object. */
export interface HeldFile {
  readonly torrent: HeldTorrent
  readonly index: number
  readonly key: string
  readonly sizeBytes: number
}

/** What is known once the info is. */
export interface Contents {
  readonly metainfo: Metainfo
  readonly progress: FileProgress
  /** By the index of the file. */
  readonly keys: readonly (string | undefined)[]
}

/** Ends a torrent's turn at the engine: it is to begin anew as it is now. */
export const AGAIN: unique symbol = Symbol('again')

export class HeldTorrent {
  record: TorrentRecord
  contents: Contents | undefined
  storage: StorageIndex | undefined
  /** Files that are wanted and become objects. */
  wanted: ReadonlySet<number> = new Set()
  problem: string | undefined
  hasFailed = false
  /** ETags of the objects that files have become. */
  readonly kept: Map<number, string>
  /** Files that have to be read from the swarm although there are objects: these are damaged. */
  readonly damaged: Set<number> = new Set()
  readonly waits: PieceWaits = new PieceWaits()
  /** Pieces that readers want before others, and how many do. */
  readonly demand: Map<number, number> = new Map()
  /** Aborted when the torrent is removed, or the session closes. */
  readonly ending: AbortController = new AbortController()
  #interrupted = Promise.withResolvers<unknown>()
  #sizeBytes = 0
  /** Of the files that are wanted, those that are no objects. */
  #unkept = Infinity

  constructor(record: TorrentRecord) {
    this.record = record
    this.kept = new Map(Object.entries(record.kept).map(([file, etag]) => [Number(file), etag]))
  }

  get id(): string {
    return this.record.id
  }

  /**
   * The info is known. Throws TorrentError for what cannot become objects.
   * @param have as in `Resume`
   */
  learn(metainfo: Metainfo, have: Uint8Array): void {
    const { info } = metainfo
    const keys = keysOf(info, this.record.prefix)
    this.contents = { metainfo, keys, progress: new FileProgress(info, have) }
    this.choose()
  }

  /** Files are wanted as the record says. Throws TorrentError for a choice that names none. */
  choose(): void {
    const { info } = this.contents!.metainfo
    this.wanted = wantedFiles(info, this.record)
    this.#sizeBytes = 0
    this.#unkept = 0
    for (const index of this.wanted) {
      this.#sizeBytes += info.files[index]!.sizeBytes
      if (!this.kept.has(index)) this.#unkept++
    }
  }

  /** Whether all that is wanted has become objects. */
  get isKept(): boolean {
    return this.#unkept === 0
  }

  /** A file has become an object. */
  keep(file: number, etag: string): void {
    if (this.wanted.has(file) && !this.kept.has(file)) this.#unkept--
    this.kept.set(file, etag)
    this.damaged.delete(file)
  }

  /** A piece that was there is damaged: the files in it are none any more. */
  lose(piece: number): void {
    for (const file of this.contents!.progress.remove(piece)) {
      if (!this.kept.delete(file)) continue
      this.damaged.add(file)
      if (this.wanted.has(file)) this.#unkept++
    }
    this.record = { ...this.record, doneAt: undefined }
  }

  /** Files that are whole and wanted, and no objects yet. */
  *unkept(): Generator<number> {
    for (const index of this.wanted)
      if (!this.kept.has(index) && this.contents!.progress.isWhole(index)) yield index
  }

  /** Every wanted piece is there. */
  get isWhole(): boolean {
    const progress = this.contents?.progress
    if (progress === undefined) return false
    for (const index of this.wanted) if (!progress.isWhole(index)) return false
    return true
  }

  /** Resolves to why the torrent's turn at the engine is over: an error, or `AGAIN`. */
  get interrupted(): Promise<unknown> {
    return this.#interrupted.promise
  }

  interrupt(reason: unknown): void {
    this.#interrupted.resolve(reason)
  }

  beginTurn(): void {
    this.#interrupted = Promise.withResolvers<unknown>()
  }

  /** What the engine has counted in the turn that ends is the torrent's. */
  endTurn(engine: EngineStatus | undefined): void {
    this.record = { ...this.record, ...this.#counted(engine) }
  }

  /** The record as it is to be written. */
  written(engine?: EngineStatus): TorrentRecord {
    return { ...this.record, ...this.#counted(engine), kept: Object.fromEntries(this.kept) }
  }

  #counted(
    engine: EngineStatus | undefined,
  ): Pick<TorrentRecord, 'downloadedBytes' | 'uploadedBytes'> {
    const { downloadedBytes, uploadedBytes } = this.record
    return {
      downloadedBytes: downloadedBytes + (engine?.downloadedBytes ?? 0),
      uploadedBytes: uploadedBytes + (engine?.uploadedBytes ?? 0),
    }
  }

  status(engine: EngineStatus | undefined): TorrentStatus {
    const { id, name, bucket, prefix, addedAt, doneAt } = this.record
    const { downloadedBytes, uploadedBytes } = this.#counted(engine)
    const progress = this.contents?.progress
    let haveBytes = 0
    let filesDone = 0
    for (const index of this.wanted) {
      haveBytes += progress?.bytesOf(index) ?? 0
      if (this.kept.has(index)) filesDone++
    }
    return {
      id,
      name,
      state: this.#state(engine),
      problem: this.problem ?? engine?.problem,
      bucket,
      prefix,
      sizeBytes: this.#sizeBytes,
      // What has become objects is there, whether or not the pieces are registered.
      haveBytes: this.isKept ? this.#sizeBytes : haveBytes,
      pieces: progress?.pieces ?? 0,
      pieceCount: this.contents?.metainfo.info.pieceCount ?? 0,
      files: this.wanted.size,
      filesDone,
      peers: engine?.peers ?? 0,
      seeds: engine?.seeds ?? 0,
      downloadRate: engine?.downloadRate ?? 0,
      uploadRate: engine?.uploadRate ?? 0,
      downloadedBytes,
      uploadedBytes,
      hashFailures: engine?.hashFailures ?? 0,
      addedAt,
      doneAt,
    }
  }

  #state(engine: EngineStatus | undefined): TorrentState {
    if (this.hasFailed) return 'error'
    if (this.problem !== undefined) return 'waiting'
    if (this.contents === undefined) return 'metadata'
    if (this.isKept) return engine === undefined ? 'finished' : 'seeding'
    return engine?.state === 'checking' ? 'checking' : 'downloading'
  }

  files(): readonly FileStatus[] {
    if (this.contents === undefined) return []
    const { metainfo, keys, progress } = this.contents
    return metainfo.info.files.flatMap((file, index) => {
      const key = keys[index]
      if (key === undefined) return []
      const isDone = this.kept.has(index)
      return {
        index,
        path: file.path.join('/'),
        key,
        sizeBytes: file.sizeBytes,
        haveBytes: isDone ? file.sizeBytes : progress.bytesOf(index),
        isWanted: this.wanted.has(index),
        isDone,
      }
    })
  }
}

/** The files of a torrent that a record wants and that become objects. Throws TorrentError where it names none. */
export function wantedFiles(
  info: Info,
  { files }: Pick<TorrentRecord, 'files'>,
): ReadonlySet<number> {
  const chosen = chosenFiles(info, files)
  if (chosen !== undefined) return new Set(chosen)
  return new Set(info.files.flatMap((file, index) => (isObject(file) ? [index] : [])))
}
