/**
 * Google's own client for its storage, and the one road to the service: the package signs in and says
 * what is asked for, by its buckets and files; what it asks for, and the bodies that we send ourselves,
 * goes over our connections.
 *
 * The package's own transport knows no bound for a connection that stands still, no abort, and waits two
 * seconds at least before it tries again; its streams copy each body through five others. What is sent
 * here is given up by our bounds, and tried again by our rule: all our calls may be repeated.
 */
import { stringify } from 'node:querystring'
import type { Readable } from 'node:stream'
import { callbackify } from 'node:util'
import { Storage } from '@google-cloud/storage'
import { inTime } from '../src/lib/in-time.ts'
import { type Credentials, credentialsOf, unusable } from './gcs-credentials.ts'
import { answerOf } from './gcs-errors.ts'
import { agentFor, IDLE_TIMEOUT_MS } from './remote-agent.ts'
import { isPassing } from './remote-errors.ts'
import { type Retries, retried } from './remote-retry.ts'

export interface GcsOptions {
  readonly bucket: string
  /** Before the id in each name, so that several storages share a bucket: `gateway-1/`. */
  readonly prefix?: string | undefined
  /** Absolute path: of a service account's key, or of what another kind of login wrote. */
  readonly credentialsFile?: string | undefined
  /**
   * `http://host:port` of an emulator, which is not signed in to unless a credentials file is given; or
   * another address of Google's (below googleapis.com), which is.
   */
  readonly endpoint?: string | undefined
  /** Tries of one call, waits with jitter between them. */
  readonly maxAttempts?: number | undefined
  /** A connection on which nothing moves for so long is given up; a minute where absent. */
  readonly idleTimeoutMs?: number | undefined
}

export interface GcsRequest {
  readonly method: string
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

const ATTEMPTS = 4
const GOOGLE = 'googleapis.com'
/** The package would ask for the right to do everything in the project. */
const SCOPES = ['https://www.googleapis.com/auth/devstorage.read_write']

export class GcsClient extends Storage implements Disposable {
  readonly idleTimeoutMs: number
  /** Whether each address is one of the service's own, as it gives them. */
  readonly isGoogle: boolean
  readonly #agent: ReturnType<typeof agentFor>
  readonly #retries: Retries
  readonly #isAnonymous: boolean
  /** Signs in where it has to, and sends. */
  readonly #sender: Pick<Storage['authClient'], 'request'>

  private constructor(options: GcsOptions, credentials: Credentials | undefined) {
    const universe = universeOf(credentials)
    const apiEndpoint = (options.endpoint ?? `https://storage.${universe ?? GOOGLE}`).replace(
      /\/+$/,
      '',
    )
    super({
      apiEndpoint,
      retryOptions: { autoRetry: false },
      useAuthWithCustomEndpoint: credentials !== undefined,
      ...(universe === undefined ? {} : { universeDomain: universe }),
    })
    // STORAGE_EMULATOR_HOST would lead elsewhere.
    this.baseUrl = `${apiEndpoint}/storage/v1`
    // As an option they would be warned of, on the standard error: their kind has been checked.
    if (credentials !== undefined) this.authClient.jsonContent = credentials
    this.isGoogle = options.endpoint === undefined || isOfGoogle(apiEndpoint)
    this.#isAnonymous = credentials === undefined && !this.isGoogle
    this.#sender = this.#isAnonymous
      ? this.authClient.fromAPIKey('none').transporter
      : this.authClient
    this.idleTimeoutMs = options.idleTimeoutMs ?? IDLE_TIMEOUT_MS
    this.#agent = agentFor(apiEndpoint, this.idleTimeoutMs)
    this.#retries = {
      attempts: options.maxAttempts ?? ATTEMPTS,
      isTransient: (error) => isPassing(answerOf(error), error),
    }
    // Sessions of uploads are begun by the package itself; here is how.
    const transport = { agent: this.#agent, errorRedactor: forget }
    this.interceptors.push({ request: (asked) => Object.assign({ uri: '' }, asked, transport) })
  }

  /** Rejects with one line about the file, or with Google's own words where there is nobody to sign in as. */
  static async signedIn(options: GcsOptions): Promise<GcsClient> {
    const { credentialsFile: file } = options
    const client = new GcsClient(options, file === undefined ? undefined : credentialsOf(file))
    try {
      await client.#signIn()
      return client
    } catch (error) {
      client[Symbol.dispose]()
      throw file === undefined ? error : unusable(file, error)
    }
  }

  async #signIn(): Promise<void> {
    if (this.#isAnonymous) return
    const signer = await this.authClient.getClient()
    if ('scopes' in signer) Object.assign(signer, { scopes: SCOPES })
  }

  /** Whatever buckets and files of the package ask for. */
  override request(...[asked, callback]: Parameters<Storage['request']>): void {
    const { method = 'GET', uri, qs } = asked
    const query = stringify(qs)
    const url = `${this.baseUrl}/${uri}${query === '' ? '' : `?${query}`}`
    callbackify(async () => (await this.call({ method, url })).data)(callback)
  }

  /** The answer as JSON. */
  async call<Data>(request: GcsRequest): Promise<GcsAnswer<Data>> {
    return this.tried(() => this.#send<Data>(request, 'json'), request.signal)
  }

  /** The answer as it comes. */
  async download(request: GcsRequest): Promise<GcsAnswer<Readable>> {
    return this.tried(() => this.#send<Readable>(request, 'stream'), request.signal)
  }

  /** For what the package sends itself. */
  async tried<T>(call: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    return retried(this.#retries, call, signal)
  }

  [Symbol.dispose](): void {
    this.#agent.destroy()
  }

  async #send<Data>(request: GcsRequest, type: 'json' | 'stream'): Promise<GcsAnswer<Data>> {
    const { method, url, headers, body, accepted, signal } = request
    // Where a token has to be asked for, nobody but us looks at the clock.
    if (!this.#isAnonymous)
      await inTime(this.authClient.getRequestHeaders(url), this.idleTimeoutMs, 'signing in')
    const answer = await this.#sender.request<Data>({
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
    return { status: answer.status, headers: answer.headers, data: answer.data }
  }
}

function universeOf(credentials: Credentials | undefined): string | undefined {
  const universe = (credentials as { readonly universe_domain?: unknown } | undefined)
    ?.universe_domain
  return typeof universe === 'string' ? universe : undefined
}

function isOfGoogle(endpoint: string): boolean {
  const { hostname } = new URL(endpoint)
  return hostname === GOOGLE || hostname.endsWith(`.${GOOGLE}`)
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
