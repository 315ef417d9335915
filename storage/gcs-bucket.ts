/**
 * The bucket of Google Cloud Storage that a storage lives in, and the one road to it: the JSON API, by
 * Google's own library for credentials. Calls are tried again; all of ours may be repeated.
 */
import type { Readable } from 'node:stream'
import { type AuthClient, PassThroughClient } from 'google-auth-library'
import { clientOfFile, defaultClient } from './gcs-credentials.ts'
import { answerOf } from './gcs-errors.ts'
import { agentFor, IDLE_TIMEOUT_MS } from './remote-agent.ts'
import { isPassing } from './remote-errors.ts'
import { BlobKeys } from './remote-keys.ts'
import { type Retries, retried } from './remote-retry.ts'
import type { BlobId } from './store.ts'

export interface GcsOptions {
  readonly bucket: string
  /** Before the id in each name, so that several storages share a bucket: `gateway-1/`. */
  readonly prefix?: string | undefined
  /** Absolute path: of a service account's key, or of what another kind of login wrote. */
  readonly credentialsFile?: string | undefined
  /** `http://host:port` of an emulator, which is not signed in to unless a credentials file is given. */
  readonly endpoint?: string | undefined
  /** Tries of one call, waits with jitter between them. */
  readonly maxAttempts?: number | undefined
  /** A connection on which nothing moves for so long is given up; a minute where absent. */
  readonly idleTimeoutMs?: number | undefined
}

const GOOGLE = 'https://storage.googleapis.com'
const ATTEMPTS = 4

export interface GcsRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE'
  /** Absolute. */
  readonly url: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Uint8Array
  /** Beside 2xx. */
  readonly accepted?: number
  readonly signal?: AbortSignal | undefined
}

export interface GcsAnswer<Data> {
  readonly status: number
  readonly headers: Headers
  readonly data: Data
}

export class GcsBucket extends BlobKeys implements Disposable {
  readonly name: string
  readonly idleTimeoutMs: number
  /** For messages: where the bucket is. */
  readonly place: string
  readonly #endpoint: string
  readonly #client: AuthClient
  readonly #agent: ReturnType<typeof agentFor>
  readonly #retries: Retries

  private constructor(options: GcsOptions, client: AuthClient) {
    super(options.prefix)
    this.name = options.bucket
    this.idleTimeoutMs = options.idleTimeoutMs ?? IDLE_TIMEOUT_MS
    this.place = options.endpoint ?? 'Google Cloud Storage'
    this.#endpoint = (options.endpoint ?? GOOGLE).replace(/\/+$/, '')
    this.#client = client
    this.#agent = agentFor(this.#endpoint, this.idleTimeoutMs)
    this.#retries = {
      attempts: options.maxAttempts ?? ATTEMPTS,
      isTransient: (error) => isPassing(answerOf(error), error),
    }
  }

  /** Rejects with Google's own words where there is nobody to sign in as. */
  static async signedIn(options: GcsOptions): Promise<GcsBucket> {
    const { credentialsFile, endpoint } = options
    if (credentialsFile !== undefined) return new GcsBucket(options, clientOfFile(credentialsFile))
    const client = endpoint === undefined ? await defaultClient() : new PassThroughClient()
    return new GcsBucket(options, client)
  }

  /** Of the bucket, with what comes behind it: `/o?prefix=p`. */
  url(rest: string): string {
    return `${this.#endpoint}/storage/v1/b/${encodeURIComponent(this.name)}${rest}`
  }

  objectUrl(id: BlobId): string {
    return this.url(`/o/${encodeURIComponent(this.keyOf(id))}`)
  }

  uploadUrl(id: BlobId, type: 'media' | 'resumable'): string {
    const query = `uploadType=${type}&name=${encodeURIComponent(this.keyOf(id))}`
    return `${this.#endpoint}/upload/storage/v1/b/${encodeURIComponent(this.name)}/o?${query}`
  }

  /** An address that the service gave: an emulator may know itself by another host. */
  given(url: string): string {
    const { pathname, search } = new URL(url)
    return this.#endpoint === GOOGLE ? url : this.#endpoint + pathname + search
  }

  /** The answer as JSON. */
  async call<Data>(request: GcsRequest): Promise<GcsAnswer<Data>> {
    return retried(this.#retries, () => this.#send<Data>(request, 'json'), request.signal)
  }

  /** The answer as it comes. */
  async download(request: GcsRequest): Promise<GcsAnswer<Readable>> {
    return retried(this.#retries, () => this.#send<Readable>(request, 'stream'), request.signal)
  }

  [Symbol.dispose](): void {
    this.#agent.destroy()
  }

  async #send<Data>(request: GcsRequest, type: 'json' | 'stream'): Promise<GcsAnswer<Data>> {
    const { method, url, headers, body, accepted, signal } = request
    const {
      status,
      headers: answered,
      data,
    } = await this.#client.request<Data>({
      method,
      url,
      responseType: type,
      validateStatus: (code) => (code >= 200 && code < 300) || code === accepted,
      agent: this.#agent,
      errorRedactor: forget,
      ...(headers === undefined ? {} : { headers: { ...headers } }),
      ...(body === undefined ? {} : { data: body }),
      ...(signal === undefined ? {} : { signal }),
    })
    return { status, headers: answered, data }
  }
}

interface Failed {
  config?: { headers?: Headers; data?: unknown; body?: unknown }
  response?: Failed
}

/**
 * An error keeps neither the token nor the body: it may be logged, and be held for long. (The library's
 * own way looks at each byte of the body, which takes a second.)
 */
function forget<Error extends object>(error: Error): Error {
  for (const config of [(error as Failed).config, (error as Failed).response?.config]) {
    config?.headers?.delete('authorization')
    if (config !== undefined) config.data = config.body = undefined
  }
  return error
}
