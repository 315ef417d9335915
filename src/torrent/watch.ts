/**
 * A place in a bucket that is watched: `x.torrent` (a .torrent file) and `x.magnet` (a magnet link as text)
 * that are put there are downloaded into the folder `x/` beside them. What became of each is written to
 * `x.torrent.status.json`: added, done, removed, or error with the reason. An object that is put again
 * with other content is added again; one whose status is there is not.
 *
 * Folders below the place are not looked into, so that what is downloaded never starts a download.
 */
import { S3Error } from '../api/error.ts'
import type { S3Api } from '../api/operations.ts'
import { payloadOf } from '../api/payload-of.ts'
import { TorrentError } from './metainfo.ts'
import type { TorrentSession } from './session.ts'
import { callFor, type SessionParts } from './session-parts.ts'
import { readWhole } from './whole-object.ts'

export interface WatchedPlace {
  readonly bucket: string
  /** '' or ending with a slash. */
  readonly prefix: string
}

export interface WatchOptions {
  readonly place: WatchedPlace
  /** The place is looked through so often; what is put through this gateway is seen at once. */
  readonly intervalMs: number
}

/** What is written beside an object that was seen. */
export interface WatchStatus {
  readonly state: 'added' | 'done' | 'removed' | 'error'
  /** Of the object that it is about. */
  readonly etag: string
  readonly id: string | undefined
  readonly name: string | undefined
  readonly bucket: string
  /** Where the files go. */
  readonly prefix: string
  readonly error: string | undefined
  readonly at: string
}

interface Source {
  readonly key: string
  readonly etag: string
}

type Parts = Pick<SessionParts, 'api' | 'ownerOf' | 'clock' | 'log'>

const SOURCE = /\.(torrent|magnet)$/
const STATUS = '.status.json'
const STATUS_BYTES_MAX = 64 * 1024
const MAGNET_BYTES_MAX = 64 * 1024
/** Objects of one round; those behind them wait until some are taken away. */
const SOURCES_MAX = 10_000

export class TorrentWatch {
  readonly #parts: Parts
  readonly #session: TorrentSession
  readonly #options: WatchOptions
  /** What was written last, by the key of the source. */
  readonly #known = new Map<string, WatchStatus>()
  #timer: NodeJS.Timeout | undefined
  #running: Promise<void> | undefined
  #isAsked = false
  #isStopped = false

  constructor(parts: Parts, session: TorrentSession, options: WatchOptions) {
    this.#parts = parts
    this.#session = session
    this.#options = options
  }

  start(): void {
    this.#timer = setInterval(() => this.nudge(), this.#options.intervalMs).unref()
    this.nudge()
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    clearInterval(this.#timer)
    await this.#running
  }

  /** Whether an object of this key would be seen. */
  isWatched(bucket: string | undefined, key: string | undefined): boolean {
    const { place } = this.#options
    if (bucket !== place.bucket || key === undefined || !key.startsWith(place.prefix)) return false
    return SOURCE.test(key) && !key.includes('/', place.prefix.length)
  }

  /** There may be something new. */
  nudge(): void {
    this.#isAsked = true
    this.#running ??= this.#rounds().finally(() => {
      this.#running = undefined
    })
  }

  async #rounds(): Promise<void> {
    while (this.#isAsked && !this.#isStopped) {
      this.#isAsked = false
      try {
        await this.look()
      } catch (error) {
        const { bucket, prefix } = this.#options.place
        this.#parts.log.warn('the watched place cannot be looked through', {
          bucket,
          prefix,
          error,
        })
      }
    }
  }

  /** One round: what is new is added, what is done is told. */
  async look(): Promise<void> {
    for await (const { source, hasStatus } of this.#sources()) {
      if (this.#isStopped) return
      let status = this.#known.get(source.key)
      if (status === undefined && hasStatus) status = await this.#readStatus(source.key)
      const next = status?.etag === source.etag ? this.#follow(status) : await this.#add(source)
      if (next === undefined) continue
      if (next !== status) await this.#writeStatus(source.key, next)
      this.#known.set(source.key, next)
    }
  }

  async *#sources(): AsyncGenerator<{ readonly source: Source; readonly hasStatus: boolean }> {
    const { bucket, prefix } = this.#options.place
    const call = await callFor(this.#parts, bucket)
    const sources: Source[] = []
    const statuses = new Set<string>()
    let token: string | undefined
    do {
      const page = await this.#parts.api.ListObjectsV2!(
        {
          Bucket: bucket,
          Prefix: prefix,
          Delimiter: '/',
          ...(token !== undefined && { ContinuationToken: token }),
        },
        call,
      )
      for (const { Key: key = '', ETag: etag = '' } of page.Contents ?? []) {
        if (SOURCE.test(key)) sources.push({ key, etag })
        else if (key.endsWith(STATUS)) statuses.add(key)
      }
      token = page.NextContinuationToken
    } while (token !== undefined && sources.length < SOURCES_MAX)
    const present = new Set(sources.map(({ key }) => key))
    for (const key of this.#known.keys()) if (!present.has(key)) this.#known.delete(key)
    for (const source of sources) yield { source, hasStatus: statuses.has(source.key + STATUS) }
  }

  /** Undefined: it has to be tried again. */
  async #add(source: Source): Promise<WatchStatus | undefined> {
    const { bucket } = this.#options.place
    const prefix = source.key.replace(SOURCE, '/')
    try {
      const torrent = await this.#torrentOf(source.key)
      const { status } = await this.#session.add({
        torrent,
        bucket,
        prefix,
        files: undefined,
        peers: [],
        seeds: undefined,
        overwrite: false,
      })
      return this.#status('added', source.etag, { id: status.id, name: status.name, prefix })
    } catch (error) {
      const isLasting =
        error instanceof TorrentError || (error instanceof S3Error && error.status < 500)
      if (!isLasting) throw error
      this.#parts.log.warn('what was put is no torrent', { bucket, key: source.key, error })
      return this.#status('error', source.etag, { prefix, error: error.message })
    }
  }

  async #torrentOf(key: string): Promise<string> {
    const { bucket } = this.#options.place
    if (!key.endsWith('.magnet')) return `s3://${bucket}/${key}`
    const call = await callFor(this.#parts, bucket)
    const text = await readWhole(this.#parts.api, { bucket, key }, call, MAGNET_BYTES_MAX)
    const link = text.toString().trim()
    if (!/^magnet:/i.test(link)) throw new TorrentError('this is no magnet link')
    return link
  }

  /** What has become of a torrent since. */
  #follow(status: WatchStatus): WatchStatus {
    if (status.state !== 'added' || status.id === undefined) return status
    const torrent = this.#session.list().find(({ id }) => id === status.id)
    const about = { id: status.id, name: torrent?.name ?? status.name, prefix: status.prefix }
    if (torrent === undefined) return this.#status('removed', status.etag, about)
    if (torrent.doneAt !== undefined) return this.#status('done', status.etag, about)
    if (torrent.state !== 'error') return status
    return this.#status('error', status.etag, { ...about, error: torrent.problem })
  }

  #status(
    state: WatchStatus['state'],
    etag: string,
    about: {
      readonly id?: string
      readonly name?: string | undefined
      readonly prefix: string
      readonly error?: string | undefined
    },
  ): WatchStatus {
    const { id, name, prefix, error } = about
    const { bucket } = this.#options.place
    const at = new Date(this.#parts.clock.now()).toISOString()
    return { state, etag, id, name, bucket, prefix, error, at }
  }

  async #readStatus(key: string): Promise<WatchStatus | undefined> {
    const { bucket } = this.#options.place
    const call = await callFor(this.#parts, bucket)
    try {
      const place = { bucket, key: key + STATUS }
      const text = await readWhole(this.#parts.api, place, call, STATUS_BYTES_MAX)
      const status = JSON.parse(text.toString()) as Partial<WatchStatus>
      // Somebody else's object is no status of ours.
      return typeof status.etag === 'string' ? (status as WatchStatus) : undefined
    } catch (error) {
      const isGone = error instanceof S3Error && error.status < 500
      if (isGone || error instanceof SyntaxError) return undefined
      throw error
    }
  }

  async #writeStatus(key: string, status: WatchStatus): Promise<void> {
    const { bucket } = this.#options.place
    const text = `${JSON.stringify(status, undefined, 2)}\n`
    const input = {
      Bucket: bucket,
      Key: key + STATUS,
      Body: payloadOf(Buffer.from(text)),
      ContentType: 'application/json',
    }
    await this.#parts.api.PutObject!(input, await callFor(this.#parts, bucket))
  }
}

/** The operations that make objects: the watch hears of those in its place. */
export function withWatch(
  api: S3Api,
  watch: TorrentWatch,
): Pick<Required<S3Api>, 'PutObject' | 'CompleteMultipartUpload' | 'CopyObject'> {
  const {
    PutObject: put,
    CompleteMultipartUpload: complete,
    CopyObject: copy,
  } = api as Required<S3Api>
  /** The answer is the caller's, also where it is an error. */
  const seen = <T>(
    { Bucket, Key }: { readonly Bucket?: string | undefined; readonly Key?: string | undefined },
    answer: Promise<T>,
  ): Promise<T> => {
    if (watch.isWatched(Bucket, Key))
      answer.then(
        () => watch.nudge(),
        () => undefined,
      )
    return answer
  }
  return {
    PutObject: (input, call) => seen(input, put(input, call)),
    CompleteMultipartUpload: (input, call) => seen(input, complete(input, call)),
    CopyObject: (input, call) => seen(input, copy(input, call)),
  }
}
