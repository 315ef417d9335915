/** What a session of torrents is made of, and how it behaves. */
import { UNRESTRICTED } from '../api/access.ts'
import type { Call, Requester, S3Api } from '../api/operations.ts'
import type { Clock } from '../lib/ids.ts'
import type { DiskIoBackend } from './disk-io.ts'
import type { FileStore } from './file-store.ts'
import type { TorrentRegistry } from './registry.ts'
import type { FetchUrl } from './torrent-input.ts'

export interface SessionOptions {
  /** Whether torrents serve peers once they are whole, where nothing else was asked for. */
  readonly seeds: boolean
  /** Serving ends once so many times the size was sent; 0: never. */
  readonly seedRatio: number
  /** Ratios are looked at so often, in milliseconds. */
  readonly lookMs: number
  /** A torrent whose store fails is tried again after this, each time twice as late. */
  readonly retryMs: number
  readonly retryMaxMs: number
}

export const SESSION_DEFAULTS: SessionOptions = {
  seeds: true,
  seedRatio: 0,
  lookMs: 5000,
  retryMs: 1000,
  retryMaxMs: 60_000,
}

/** Told of what happens to torrents. */
export interface SessionLog {
  info(message: string, fields: Readonly<Record<string, unknown>>): void
  warn(message: string, fields: Readonly<Record<string, unknown>>): void
}

export interface SessionParts {
  readonly api: S3Api
  readonly disk: DiskIoBackend
  readonly files: FileStore
  readonly registry: TorrentRegistry
  /** The owner of a bucket: in whose name objects are written. Rejects with NoSuchBucket. */
  readonly ownerOf: (bucket: string) => Promise<Requester>
  readonly fetchUrl: FetchUrl
  /** Why an address that a torrent names (a web seed) may not be asked; undefined: it may. */
  readonly refusal: (url: string) => string | undefined
  readonly clock: Clock
  readonly log: SessionLog
  readonly options: SessionOptions
}

/** As the log knows requests of ours. */
const REQUEST_ID = 'TORRENT000000000'
const NEVER = new AbortController().signal

/** A call in the name of a bucket's owner, whose objects all files become. */
export async function callFor(
  { ownerOf }: Pick<SessionParts, 'ownerOf'>,
  bucket: string,
  signal: AbortSignal = NEVER,
): Promise<Call> {
  const requester = await ownerOf(bucket)
  return { requestId: REQUEST_ID, requester, access: UNRESTRICTED, signal }
}
