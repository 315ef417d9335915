/**
 * Who may sign, and the keys they sign with. A credential scope that has verified once is kept with
 * its signing key; scopes that merely claim are not, so that strangers cannot crowd out the others.
 */
import { randomBytes } from 'node:crypto'
import { S3Error } from '../api/error.ts'
import { BoundedMap } from '../lib/bounded-map.ts'
import type { Wording } from './refusal.ts'
import { deriveSigningKey, type SigningKey } from './signing-key.ts'
import { type OpenedSession, openToken } from './temporary.ts'
import type { User } from './user.ts'
import type { Owner, Users } from './users.ts'

/** `<access key>/<date>/<region>/s3/aws4_request`, taken apart and resolved. */
export interface Scope {
  /** The whole, as the request bears it. */
  readonly credential: string
  readonly accessKeyId: string
  /** `YYYYMMDD` */
  readonly date: string
  /** The whole without the access key, as it is signed. */
  readonly text: string
  /** Undefined: nobody here has this access key. */
  readonly user: User | undefined
  readonly service: Service
  /** The session token that the key came with; undefined: the key lasts. */
  readonly token: string | undefined
  /** Epoch milliseconds; Infinity where the key lasts. */
  readonly expiresMs: number
  /** Of an unknown access key: a key that nobody has, so that refusing it costs as much. */
  readonly key: SigningKey
}

/** What may be signed for: S3, and STS for temporary credentials. */
export type Service = 's3' | 'sts'

/** Scopes kept: one for each access key, day and region in use. */
export const SCOPES_MAX = 4096

export class Keyring {
  readonly #users: Users
  #generation: number
  #scopes = new BoundedMap<Scope>(SCOPES_MAX)
  readonly #region: string | undefined
  readonly #nobody: string = randomBytes(30).toString('base64')

  /** `region`: the only one accepted; undefined accepts any. */
  constructor(users: Users, region: string | undefined) {
    this.#users = users
    this.#region = region
    this.#generation = users.generation
  }

  /** Whose access key it is; undefined: nobody's here. */
  owner(accessKeyId: string): Owner | undefined {
    return this.#users.owner(accessKeyId)
  }

  /** Throws, in the scheme's words, where the credential is malformed or meant for somewhere else. */
  resolve(
    credential: string,
    wording: Wording,
    token: string | undefined,
    service: Service = 's3',
  ): Scope {
    if (this.#generation !== this.#users.generation) {
      this.#scopes = new BoundedMap(SCOPES_MAX)
      this.#generation = this.#users.generation
    }
    const kept = this.#scopes.get(credential)
    if (kept !== undefined && kept.token === token && kept.service === service) return kept
    return this.#open(credential, wording, token, service)
  }

  /** To be called once a signature of this scope has verified. */
  keep(scope: Scope): void {
    if (this.#scopes.get(scope.credential) === undefined) this.#scopes.set(scope.credential, scope)
  }

  #open(credential: string, wording: Wording, token: string | undefined, service: Service): Scope {
    const [accessKeyId, date, region, named, terminal, ...rest] = credential.split('/')
    if (
      !accessKeyId ||
      date === undefined ||
      region === undefined ||
      rest.length > 0 ||
      !terminal
    ) {
      throw wording.credential(
        'the Credential is mal-formed; expecting "<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request".',
      )
    }
    if (!/^\d{8}$/.test(date)) {
      throw wording.credential(
        `incorrect date format "${date}". This date in the credential must be in the format "yyyyMMdd".`,
      )
    }
    if (this.#region !== undefined && region !== this.#region) {
      throw wording.credential(`the region '${region}' is wrong; expecting '${this.#region}'`, {
        Region: this.#region,
      })
    }
    if (named !== service) {
      throw wording.credential(
        `incorrect service "${named}". This endpoint belongs to "${service}".`,
      )
    }
    if (terminal !== 'aws4_request') {
      throw wording.credential(
        `incorrect terminal "${terminal}". This endpoint uses "aws4_request".`,
      )
    }
    const session = token === undefined ? undefined : this.#openSession(accessKeyId, token)
    const owner = session?.owner ?? this.#users.owner(accessKeyId)
    return {
      credential,
      accessKeyId,
      date,
      text: credential.substring(accessKeyId.length + 1),
      user: owner?.user,
      service,
      token,
      expiresMs: session?.expiresMs ?? Infinity,
      key: deriveSigningKey(owner?.secretAccessKey ?? this.#nobody, date, region, service),
    }
  }

  #openSession(accessKeyId: string, token: string): OpenedSession {
    const session = openToken(token, (parent) => this.#users.owner(parent))
    // A token is good for the key that it was made with, and for no lasting one.
    if (session.accessKeyId !== accessKeyId) throw new S3Error('InvalidToken')
    return session
  }
}
