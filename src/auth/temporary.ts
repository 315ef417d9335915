/**
 * Temporary credentials. The session token itself says whose they are, until when, and what limits them;
 * it is sealed (HMAC-SHA256) with the secret of the access key that they were made with. So nothing has
 * to be kept, any gateway with the same users takes them, and they end with that access key.
 */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import { S3Error } from '../api/error.ts'
import { parsePolicy } from './policy-parse.ts'
import { inSession } from './user.ts'
import type { Owner } from './users.ts'

export interface TemporaryCredentials {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken: string
  readonly expiresMs: number
}

export interface SessionSettings {
  readonly name: string
  readonly issuedMs: number
  readonly expiresMs: number
  /** A policy that limits the session; undefined: none. */
  readonly policy: string | undefined
}

/** What a token says; names are short because it goes with every request. */
interface Claims {
  readonly k: string
  readonly p: string
  readonly n: string
  readonly i: number
  readonly e: number
  readonly s?: string
}

const TOKEN_LENGTH_MAX = 16 * 1024
const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'

/** Credentials with the rights of `owner`, whose access key is `parent`. */
export function issue(
  parent: string,
  owner: Owner,
  { name, issuedMs, expiresMs, policy }: SessionSettings,
): TemporaryCredentials {
  const letters = [...randomBytes(16)].map((byte) => LETTERS[byte % LETTERS.length])
  const accessKeyId = `ASIA${letters.join('')}`
  const claims: Claims = {
    k: accessKeyId,
    p: parent,
    n: name,
    i: issuedMs,
    e: expiresMs,
    ...(policy !== undefined && { s: policy }),
  }
  const text = Buffer.from(JSON.stringify(claims)).toString('base64url')
  const sessionToken = `${text}.${seal(owner, 'token', text).toString('base64url')}`
  return { accessKeyId, secretAccessKey: secretOf(owner, text), sessionToken, expiresMs }
}

/** What a token stands for, if the seal is right. */
export interface OpenedSession {
  readonly accessKeyId: string
  readonly owner: Owner
  readonly expiresMs: number
}

/** @throws S3Error InvalidToken where the token is none of ours, or its access key is no more */
export function openToken(
  token: string,
  ownerOf: (accessKeyId: string) => Owner | undefined,
): OpenedSession {
  const [text = '', mark = '', ...rest] = token.split('.')
  if (token.length > TOKEN_LENGTH_MAX || rest.length > 0) throw new S3Error('InvalidToken')
  const claims = claimsOf(text)
  const owner = claims && ownerOf(claims.p)
  const sent = Buffer.from(mark, 'base64url')
  // The seal of a key that nobody has: a stranger learns nothing of who is known here.
  const expected = seal(owner ?? NOBODY, 'token', text)
  const isOurs = sent.length === expected.length && timingSafeEqual(sent, expected)
  if (claims === undefined || owner === undefined || !isOurs) throw new S3Error('InvalidToken')
  const policies = claims.s === undefined ? [] : [parsePolicy(claims.s, { bucket: undefined })]
  const session = { name: claims.n, issuedMs: claims.i, policies }
  return {
    accessKeyId: claims.k,
    owner: { secretAccessKey: secretOf(owner, text), user: inSession(owner.user, session) },
    expiresMs: claims.e,
  }
}

const NOBODY: Pick<Owner, 'secretAccessKey'> = { secretAccessKey: randomBytes(30).toString('hex') }

function seal(owner: Pick<Owner, 'secretAccessKey'>, use: string, text: string): Buffer {
  const key = createHmac('sha256', owner.secretAccessKey).update(`sluice session ${use}`).digest()
  return createHmac('sha256', key).update(text).digest()
}

function secretOf(owner: Owner, text: string): string {
  return seal(owner, 'secret', text).toString('base64')
}

/** Only to find the key by: nothing of it is believed before the seal is. */
function claimsOf(text: string): Claims | undefined {
  try {
    const claims = JSON.parse(Buffer.from(text, 'base64url').toString()) as Partial<Claims> | null
    const { k, p, n, i, e, s } = claims ?? {}
    const isWhole =
      typeof k === 'string' &&
      typeof p === 'string' &&
      typeof n === 'string' &&
      typeof i === 'number' &&
      typeof e === 'number' &&
      (s === undefined || typeof s === 'string')
    return isWhole ? (claims as Claims) : undefined
  } catch {
    return undefined
  }
}
