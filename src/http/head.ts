/**
 * The head of a request: everything but the body, read once and as it came.
 *
 * One object serves the authenticator (what was signed), the router and the parser. It holds no
 * socket: a test makes one from a method, a target and headers.
 */
import { S3Error } from '../api/error.ts'
import type { SignedRequest } from '../auth/authenticator.ts'
import { decodeEscapes, locate, type Address } from './address.ts'

/** Lower-case spellings already made; header names come from few programs. */
const LOWER = new Map<string, string>()
/** Entries; a client that invents names is lower-cased at its own cost. */
const LOWER_MAX = 1000

function lowerCase(name: string): string {
  const known = LOWER.get(name)
  if (known !== undefined) return known
  const lower = name.toLowerCase()
  if (LOWER.size < LOWER_MAX && name.length <= 64) LOWER.set(name, lower)
  return lower
}

export class RequestHead implements SignedRequest {
  readonly method: string
  /** Decoded; absent: the service. */
  readonly bucket: string | undefined
  /** Decoded; absent: the bucket. */
  readonly key: string | undefined
  readonly path: string
  readonly query: string
  readonly rawHeaders: readonly string[]
  readonly hostedBucket: string | undefined
  /** Names of the headers in lower case; the value of `names[i]` is `rawHeaders[2 * i + 1]`. */
  readonly names: readonly string[]
  #params: ReadonlyMap<string, string> | undefined
  #hoisted: ReadonlyMap<string, string> | undefined

  constructor(
    method: string,
    { bucket, key, path, query, isHosted }: Address,
    rawHeaders: readonly string[],
    names: readonly string[],
  ) {
    this.method = method
    this.bucket = bucket
    this.key = key
    this.path = path
    this.query = query
    this.rawHeaders = rawHeaders
    this.hostedBucket = isHosted ? bucket : undefined
    this.names = names
  }

  /** The first value of a header; the name in lower case. */
  header(name: string): string | undefined {
    const index = this.names.indexOf(name)
    return index === -1 ? undefined : this.rawHeaders[2 * index + 1]
  }

  /** What of a header counts for the operation's input: the first value that is not empty, or what stands for it in a presigned URL. */
  effective(name: string): string | undefined {
    let isThere = false
    for (let index = 0; index < this.names.length; index++) {
      if (this.names[index] !== name) continue
      isThere = true
      const value = this.rawHeaders[2 * index + 1]!
      if (value !== '') return value
    }
    return isThere ? undefined : this.hoisted.get(name) || undefined
  }

  /** A header, or the parameter of a presigned URL that stands for it; the name in lower case. */
  field(name: string): string | undefined {
    return this.header(name) ?? this.hoisted.get(name)
  }

  /**
   * The `x-amz-*` parameters of a presigned URL that stand for headers, names in lower case.
   * @throws S3Error InvalidArgument for what no header can hold
   */
  get hoisted(): ReadonlyMap<string, string> {
    if (this.query === '') return NONE
    this.#hoisted ??= readHoisted(this.params)
    return this.#hoisted
  }

  /** The first value of a query parameter, decoded; '' where it has none. */
  param(name: string): string | undefined {
    return this.query === '' ? undefined : this.params.get(name)
  }

  /** All query parameters, decoded, in the order of their first coming. */
  get params(): ReadonlyMap<string, string> {
    this.#params ??= readQuery(this.query)
    return this.#params
  }
}

const NONE: ReadonlyMap<string, string> = new Map()
/** A checksum's value (and what tells of it): computed by SDKs over no body when they presign, and ignored by S3. */
const OF_CHECKSUM = /^x-amz-(?:checksum-(?!mode$|algorithm$|type$)|sdk-checksum-algorithm$)/
/** A header's name (RFC 9110, token), in lower case. */
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/
// oxlint-disable-next-line no-control-regex -- control characters are what is looked for
const UNPRINTABLE = /[\0-\x08\x0a-\x1f\x7f]/

/**
 * Headers that SDKs move into the query when they presign (`x-amz-acl`, `x-amz-meta-*`,
 * `x-amz-copy-source`; Go writes `X-Amz-Acl`). They are signed there, and S3 takes them for headers.
 * Values have the form of headers: bytes as latin1 text.
 */
function readHoisted(params: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
  if (!params.has('X-Amz-Signature') && !params.has('Signature')) return NONE
  const hoisted = new Map<string, string>()
  for (const [written, text] of params) {
    const name = written.toLowerCase()
    if (!name.startsWith('x-amz-') || OF_CHECKSUM.test(name) || hoisted.has(name)) continue
    if (!TOKEN.test(name) || UNPRINTABLE.test(text))
      throw new S3Error('InvalidArgument', {
        message: 'Header value cannot be represented using ISO-8859-1.',
        fields: { ArgumentName: written, ArgumentValue: text },
      })
    hoisted.set(name, Buffer.from(text).toString('latin1'))
  }
  return hoisted
}

/**
 * Decodes a query string: `+` is a space, as S3 reads it. Of duplicates the first counts.
 * @throws S3Error InvalidURI where an escape gives no UTF-8
 */
function readQuery(query: string): ReadonlyMap<string, string> {
  const params = new Map<string, string>()
  for (const pair of query.split('&')) {
    if (pair === '') continue
    const equals = pair.indexOf('=')
    const name = decodeParam(equals === -1 ? pair : pair.slice(0, equals))
    if (!params.has(name))
      params.set(name, equals === -1 ? '' : decodeParam(pair.slice(equals + 1)))
  }
  return params
}

function decodeParam(text: string): string {
  const decoded = decodeEscapes(text.includes('+') ? text.replaceAll('+', ' ') : text)
  if (decoded === undefined) throw new S3Error('InvalidURI', { fields: { URI: text } })
  return decoded
}

/**
 * @param target as on the request line (Node's `incoming.url`, which nobody has normalised)
 * @param rawHeaders Node's rawHeaders: [name, value, name, value, ...]
 * @param domains names under which buckets are hosts, in lower case
 * @throws S3Error InvalidURI, InvalidBucketName, KeyTooLongError, InvalidRequest (two Host headers)
 */
export function readHead(
  method: string,
  target: string,
  rawHeaders: readonly string[],
  domains: readonly string[],
): RequestHead {
  const names: string[] = []
  for (let i = 0; i < rawHeaders.length; i += 2) names.push(lowerCase(rawHeaders[i]!))
  const host = names.indexOf('host')
  if (host !== names.lastIndexOf('host'))
    throw new S3Error('InvalidRequest', { message: 'The request has more than one Host header.' })
  const address = locate(target, host === -1 ? undefined : rawHeaders[2 * host + 1], domains)
  return new RequestHead(method, address, rawHeaders, names)
}
