/**
 * Signature Version 4 step by step as AWS describes it, for tests: slow, plain, and willing to sign
 * what no client should, so that a refusal is never owed to a wrong signature alone. Paths and
 * queries are given in canonical form.
 */
import { createHash, createHmac } from 'node:crypto'
import type { SignedRequest } from './authenticator.ts'
import { type AuthenticatorOptions, createAuthenticator } from './open.ts'
import type { Authenticator } from './authenticator.ts'
import { type Credential, Users } from './users.ts'

export const ALICE: Credential = {
  accessKeyId: 'AKIDEXAMPLE',
  secretAccessKey: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY',
  userId: 'alice-id',
  displayName: 'alice',
}
export const BOB: Credential = {
  accessKeyId: 'BOBKEY',
  secretAccessKey: 'bobs secret',
  userId: 'bob-id',
  displayName: 'bob',
}

export const NOW: number = Date.UTC(2026, 10, 20, 14, 0, 54)
export const STAMP = '20261120T140054Z'
export const SKEW_MAX_MS = 900_000

/** An authenticator for Alice and Bob, whose clock stands at NOW. */
export function authenticator(options: Partial<AuthenticatorOptions> = {}): Authenticator {
  return createAuthenticator({
    users: new Users([ALICE, BOB]),
    region: undefined,
    clock: { now: () => NOW },
    skewMaxMs: SKEW_MAX_MS,
    ...options,
  })
}

export function request(
  method: string,
  target: string,
  headers: readonly (readonly [string, string])[],
): SignedRequest {
  const cut = target.indexOf('?')
  const first = (name: string): string | undefined =>
    headers.find(([sent]) => sent.toLowerCase() === name)?.[1]
  return {
    method,
    path: cut < 0 ? target : target.slice(0, cut),
    query: cut < 0 ? '' : target.slice(cut + 1),
    rawHeaders: headers.flat(),
    header: first,
  }
}

export interface Recipe {
  method: string
  path: string
  /** Canonical, without what presigning adds. */
  query: string
  /** Name, canonical value. */
  headers: readonly (readonly [string, string])[]
  /** Names that are signed; all in the headers where absent. */
  signed?: readonly string[]
  payloadHash: string
  stamp: string
  date: string
  region: string
  service: string
  terminal: string
  accessKeyId: string
  secretAccessKey: string
  /** The last of the query parameters of a presigned URL; '' for header authentication. */
  expires: string
}

const PLAIN: Recipe = {
  method: 'PUT',
  path: '/bucket/key',
  query: '',
  headers: [['host', '127.0.0.1:9000']],
  payloadHash: 'UNSIGNED-PAYLOAD',
  stamp: STAMP,
  date: STAMP.slice(0, 8),
  region: 'us-east-1',
  service: 's3',
  terminal: 'aws4_request',
  accessKeyId: ALICE.accessKeyId,
  secretAccessKey: ALICE.secretAccessKey,
  expires: '3600',
}

const hmac = (key: string | Buffer, text: string): Buffer =>
  createHmac('sha256', key).update(text).digest()

function scopeOf({ date, region, service, terminal }: Recipe): string {
  return [date, region, service, terminal].join('/')
}

function signatureOf(recipe: Recipe, query: string, signed: readonly string[]): string {
  const lines = signed.map((name) => {
    const values = recipe.headers.filter(([sent]) => sent.toLowerCase() === name)
    return `${name}:${values.map(([, value]) => value).join(',')}\n`
  })
  const canonical = [
    recipe.method,
    recipe.path,
    query,
    lines.join(''),
    signed.join(';'),
    recipe.payloadHash,
  ].join('\n')
  const text = [
    'AWS4-HMAC-SHA256',
    recipe.stamp,
    scopeOf(recipe),
    createHash('sha256').update(canonical).digest('hex'),
  ].join('\n')
  let key = hmac(`AWS4${recipe.secretAccessKey}`, recipe.date)
  key = hmac(hmac(key, recipe.region), recipe.service)
  return hmac(hmac(key, recipe.terminal), text).toString('hex')
}

function signedNames({ headers, signed }: Recipe): readonly string[] {
  return signed ?? [...new Set(headers.map(([name]) => name.toLowerCase()))].sort()
}

/** A request signed by its header; `x-amz-date` and `x-amz-content-sha256` are added unless given. */
export function byHeader(changes: Partial<Recipe> = {}): SignedRequest {
  const recipe = { ...PLAIN, ...changes }
  const headers = [...recipe.headers]
  const given = new Set(headers.map(([name]) => name.toLowerCase()))
  if (!given.has('x-amz-date') && !given.has('date')) headers.push(['x-amz-date', recipe.stamp])
  if (!given.has('x-amz-content-sha256')) headers.push(['x-amz-content-sha256', recipe.payloadHash])
  return seal({ ...recipe, headers })
}

/** A request signed by its header with the headers as they are. */
export function seal(recipe: Recipe): SignedRequest {
  const names = signedNames(recipe)
  const signature = signatureOf(recipe, recipe.query, names)
  const authorization = `AWS4-HMAC-SHA256 Credential=${recipe.accessKeyId}/${scopeOf(recipe)}, SignedHeaders=${names.join(';')}, Signature=${signature}`
  return request(recipe.method, target(recipe, recipe.query), [
    ...recipe.headers,
    ['authorization', authorization],
  ])
}

/** A plain recipe with changes, for `seal`. */
export function recipe(changes: Partial<Recipe>): Recipe {
  return { ...PLAIN, ...changes }
}

/** A presigned request. */
export function byQuery(changes: Partial<Recipe> = {}): SignedRequest {
  const recipe = { ...PLAIN, ...changes }
  const names = signedNames(recipe)
  const parameters = [
    ...recipe.query.split('&').filter((pair) => pair !== ''),
    'X-Amz-Algorithm=AWS4-HMAC-SHA256',
    `X-Amz-Credential=${encodeURIComponent(`${recipe.accessKeyId}/${scopeOf(recipe)}`)}`,
    `X-Amz-Date=${recipe.stamp}`,
    `X-Amz-Expires=${recipe.expires}`,
    `X-Amz-SignedHeaders=${encodeURIComponent(names.join(';'))}`,
  ]
  const signature = signatureOf(recipe, parameters.toSorted().join('&'), names)
  const query = [...parameters, `X-Amz-Signature=${signature}`].join('&')
  return request(recipe.method, target(recipe, query), recipe.headers)
}

function target({ path }: Recipe, query: string): string {
  return query === '' ? path : `${path}?${query}`
}

/** The request with other headers beside or instead of its own; `undefined` takes one away. */
export function withHeaders(
  from: SignedRequest,
  changes: Readonly<Record<string, string | undefined>>,
): SignedRequest {
  const headers: (readonly [string, string])[] = []
  for (let at = 0; at < from.rawHeaders.length; at += 2) {
    const name = from.rawHeaders[at] ?? ''
    if (!(name.toLowerCase() in changes)) headers.push([name, from.rawHeaders[at + 1] ?? ''])
  }
  for (const [name, value] of Object.entries(changes)) {
    if (value !== undefined) headers.push([name, value])
  }
  return request(from.method, target(recipe({ path: from.path }), from.query), headers)
}

/** The code, message and fields of the refusal; fails where there is none. */
export function refusal(run: () => unknown): {
  code: string
  status: number
  message: string
  fields: Record<string, string>
} {
  try {
    run()
  } catch (error) {
    const { code, status, message, fields } = error as ReturnType<typeof refusal>
    return { code, status, message, fields }
  }
  throw new Error('the request was not refused')
}
