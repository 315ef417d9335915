/**
 * The addon in `addon/`, as it is called: an optional binary that hosts a session of libtorrent 2.0, whose
 * disk is JavaScript. `npm run build:libtorrent` makes it.
 */
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'

/** Where the binary is built and looked for. One serves every version of Node.js of its platform. */
export const BINARY: string = fileURLToPath(
  new URL(
    `../../../build/sluice-libtorrent-${process.platform}-${process.arch}.node`,
    import.meta.url,
  ),
)

/** There is no binary, or it does not load here; the message is one line, and says what to do. */
export class LibtorrentMissing extends Error {
  override readonly name: string = 'LibtorrentMissing'
}

/** `Job` of `addon/jobs.hpp`: int32 fields of one job. */
export const JOB_FIELDS = 9
/** Pairs of a job's id and its outcome (0, or 1: it failed) that are given at a time, at most. */
export const ANSWERS_MAX = 4096

/** Kinds of jobs, in the first field. */
export const OPEN = 0
export const CLOSE = 1
export const READ = 2
export const WRITE = 3
export const HASH = 4
export const HASH_BLOCK = 5
export const CLEAR = 6
export const FLUSH = 7
export const CHECK = 8

/** Flags of jobs, in the second. */
export const IS_VOLATILE = 1
export const WANTS_V1 = 2
export const FLUSHES = 4

/** What the session tells. */
export const ADDED = 0
export const METADATA = 1
export const PIECE = 2
export const HASH_FAILED = 3
export const FINISHED = 4
export const STOPPED = 5
export const REMOVED = 6
export const STATUS = 7
export const LISTENS = 8
export const CHECKED = 9
export const CLOSED = 10

export interface NativeOptions {
  readonly host: string
  readonly port: number
  readonly dht: boolean
  readonly local: boolean
  readonly portMapping: boolean
  /** Whether all peers are on this machine. */
  readonly isLoopback: boolean
  /** Bytes a second; 0: no bound. */
  readonly downloadRateMax: number
  readonly uploadRateMax: number
  readonly connectionsMax: number
  /** A folder for libtorrent's own disk, which benches compare with; empty: ours. */
  readonly ownDisk: string
}

export interface NativeOrder {
  /** Names the torrent from here on; never 0, never used again. */
  readonly key: number
  /** This, or a magnet link, and the other empty. */
  readonly metainfo: Uint8Array | undefined
  readonly magnet: string
  readonly trackers: readonly string[]
  /** A bit a piece; empty: nothing is there. */
  readonly have: Uint8Array | undefined
  /** Pieces of which blocks are there, and a bit a block for each. */
  readonly pieces: readonly number[]
  readonly blocks: readonly Uint8Array[]
  /** Pairs of start and end in the torrent's row of bytes; undefined: all of it. */
  readonly wanted: Float64Array | undefined
}

/** A session; nothing but the addon looks inside. */
export type NativeEngine = object & { readonly brand: unique symbol }

export interface Started {
  readonly engine: NativeEngine
  /** Filled by the addon before each `onJobs`. */
  readonly jobs: Int32Array
  /** Filled by us before each `answer`, and before `onJobs` returns. */
  readonly answers: Int32Array
}

export interface Native {
  /** Of libtorrent. */
  readonly version: string
  start(
    options: NativeOptions,
    /** So many jobs are in `jobs`; their bytes are gone when it returns. Answers how many answers stand. */
    onJobs: (count: number) => number,
    onEvent: (event: number, key: number, number: number, text: string | Buffer) => void,
    /** A slab that jobs may name from now on, by the order in which they were told. */
    onSlab: (memory: ArrayBuffer) => void,
  ): Started
  /** Undefined, or why the source is no good; `ADDED` follows. */
  add(engine: NativeEngine, order: NativeOrder): string | undefined
  remove(engine: NativeEngine, key: number): void
  pause(engine: NativeEngine, key: number): void
  resume(engine: NativeEngine, key: number): void
  connect(engine: NativeEngine, key: number, host: string, port: number): void
  want(engine: NativeEngine, key: number, ranges: Float64Array): void
  prioritise(engine: NativeEngine, key: number, piece: number, withinMs: number): void
  relax(engine: NativeEngine, key: number, piece: number): void
  /** `STATUS` follows for each torrent that has changed. */
  askStatus(engine: NativeEngine): void
  answer(engine: NativeEngine, count: number): void
  /** Goes with the next `answer`. */
  answerHash(
    engine: NativeEngine,
    id: number,
    v1: Uint8Array | undefined,
    leaves: Uint8Array | undefined,
  ): void
  setFull(engine: NativeEngine, isFull: boolean): void
  /** `CLOSED` follows, after which nothing may be called. */
  close(engine: NativeEngine): void
}

export function hasNative(): boolean {
  return existsSync(BINARY)
}

/** Throws LibtorrentMissing. */
export function loadNative(): Native {
  const how = 'apt-get install g++ pkg-config libtorrent-rasterbar-dev && npm run build:libtorrent'
  if (!hasNative())
    throw new LibtorrentMissing(`libtorrent's addon is not built; build it by: ${how}`)
  try {
    return createRequire(import.meta.url)(BINARY) as Native
  } catch (error) {
    throw new LibtorrentMissing(
      `libtorrent's addon does not load here (${(error as Error).message}); build it again by: ${how}`,
      { cause: error },
    )
  }
}
