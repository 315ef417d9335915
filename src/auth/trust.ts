/** What the schemes share while they authenticate: keys, time, and what they have verified before. */
import { S3Error } from '../api/error.ts'
import type { Clock } from '../lib/ids.ts'
import type { AuthType, BodyScheme, Identity, SignedRequest } from './authenticator.ts'
import { BoundedMap } from '../lib/bounded-map.ts'
import type { Keyring, Scope, Service } from './credentials.ts'
import type { Surroundings } from './explain.ts'
import type { Wording } from './refusal.ts'
import { parseRequestTime, type RequestTime } from './request-time.ts'
import { parseHeaderList, type HeaderList } from './signed-headers.ts'

/** Lists kept: each kind of client has a handful. */
export const HEADER_LISTS_MAX = 1024

export class Trust {
  readonly keyring: Keyring
  readonly clock: Clock
  /** How far a client's clock may be off, in milliseconds. */
  readonly skewMaxMs: number
  readonly #lists = new BoundedMap<HeaderList>(HEADER_LISTS_MAX)
  readonly #alone: Surroundings
  #lastTimeText = ''
  #lastTime: RequestTime | undefined

  /** How clients reach us, where a proxy stands before us. */
  readonly publicUrl: URL | undefined

  constructor(keyring: Keyring, clock: Clock, skewMaxMs: number, publicUrl?: string) {
    this.keyring = keyring
    this.clock = clock
    this.skewMaxMs = skewMaxMs
    this.publicUrl = publicUrl === undefined ? undefined : new URL(publicUrl)
    this.#alone = this.#surroundings(undefined)
  }

  /** What verification may have to know beside the request. */
  around(request: SignedRequest): Surroundings {
    const forwarded = request.header('x-forwarded-host')
    return forwarded === undefined ? this.#alone : this.#surroundings(forwarded)
  }

  #surroundings(forwardedHost: string | undefined): Surroundings {
    return {
      publicHost: this.publicUrl?.host,
      publicPath: this.publicUrl?.pathname.replace(/\/+$/, '') ?? '',
      forwardedHost,
    }
  }

  /** `parseRequestTime`; requests of one second bear the same text. */
  time(text: string): RequestTime | undefined {
    if (text !== this.#lastTimeText) {
      this.#lastTime = parseRequestTime(text)
      this.#lastTimeText = text
    }
    return this.#lastTime
  }

  /** The scope of a credential, with the session token that came beside it. Throws in the scheme's words, InvalidToken, ExpiredToken. */
  resolve(
    credential: string,
    wording: Wording,
    token: string | undefined,
    service: Service = 's3',
  ): Scope {
    const scope = this.keyring.resolve(credential, wording, token, service)
    if (scope.expiresMs <= this.clock.now()) throw new S3Error('ExpiredToken')
    return scope
  }

  /** Undefined where the text is no list of headers. */
  headerList(text: string): HeaderList | undefined {
    return this.#lists.get(text) ?? parseHeaderList(text)
  }

  /** Whom a verified scope stands for. What verified is kept, to be at hand for the next request. */
  identity(
    scope: Scope,
    headers: HeaderList,
    body: BodyScheme,
    authType: AuthType,
    signedMs: number,
  ): Identity {
    const { user, accessKeyId } = scope
    if (user === undefined) throw new Error('a scope without an owner has verified')
    this.keyring.keep(scope)
    if (this.#lists.get(headers.text) === undefined) this.#lists.set(headers.text, headers)
    return {
      requester: user.requester,
      user,
      accessKeyId,
      body,
      authType,
      signatureVersion: 'AWS4-HMAC-SHA256',
      signedMs,
    }
  }
}
