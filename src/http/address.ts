/**
 * Where a request points: bucket and key out of the request target as it came, decoded exactly once.
 *
 * Nothing is normalised. `.` and `..` and empty segments belong to the key, for S3's keys are names
 * and no paths; only the slash after the bucket is none of the key's. Escapes must give well-formed
 * UTF-8, so that two targets with the same decoded key are the same object and no others are.
 */
import { S3Error } from '../api/error.ts'
import { KEY_BYTES_MAX } from '../api/limits.ts'

export interface Address {
  /** Absent: the service itself. Its syntax is not judged here, but it is never empty. */
  readonly bucket: string | undefined
  /** Absent: the bucket. Never empty, at most 1024 bytes of UTF-8. */
  readonly key: string | undefined
  /** Of the target, still encoded: what was signed. */
  readonly path: string
  /** Of the target, still encoded, without the question mark; empty where there is none. */
  readonly query: string
  /** The bucket stands in the host's name, and not in the path. */
  readonly isHosted?: true
}

/**
 * Reads a request target (`/bucket/key?query`, or the absolute form of it).
 *
 * @param host the Host header
 * @param domains names under which buckets are hosts (`bucket.s3.example.com`), in lower case
 * @throws S3Error InvalidURI, InvalidBucketName (an empty one), KeyTooLongError
 */
export function locate(
  target: string,
  host: string | undefined,
  domains: readonly string[],
): Address {
  const relative = target.startsWith('/') ? target : relativeOf(target, host)
  const mark = relative.indexOf('?')
  const path = mark === -1 ? relative : relative.slice(0, mark)
  const query = mark === -1 ? '' : relative.slice(mark + 1)
  const hosted =
    domains.length === 0 || host === undefined ? undefined : hostedBucket(host, domains)
  if (hosted !== undefined)
    return { bucket: hosted, key: keyOf(path.slice(1)), path, query, isHosted: true }
  if (path === '/') return { bucket: undefined, key: undefined, path, query }
  const slash = path.indexOf('/', 1)
  const bucket = decodeSegment(slash === -1 ? path.slice(1) : path.slice(1, slash))
  if (bucket === '') throw new S3Error('InvalidBucketName', { fields: { BucketName: '' } })
  return { bucket, key: slash === -1 ? undefined : keyOf(path.slice(slash + 1)), path, query }
}

/** Origin form of `http://host/path`; the host must be the one of the header, or two readers would differ. */
function relativeOf(target: string, host: string | undefined): string {
  const scheme = /^https?:\/\//i.exec(target)?.[0]
  if (scheme === undefined) throw invalidUri(target)
  const end = target.slice(scheme.length).search(/[/?]/)
  const authority =
    end === -1 ? target.slice(scheme.length) : target.slice(scheme.length).slice(0, end)
  if (authority.toLowerCase() !== host?.toLowerCase()) throw invalidUri(target)
  const rest = target.slice(scheme.length + authority.length)
  return rest.startsWith('/') ? rest : `/${rest}`
}

/** `b` of `b.s3.example.com:9000` where `s3.example.com` is a domain; the longest domain counts. */
function hostedBucket(host: string, domains: readonly string[]): string | undefined {
  const colon = host.lastIndexOf(':')
  const named = colon === -1 || host.endsWith(']') ? host : host.slice(0, colon)
  const name = (named.endsWith('.') ? named.slice(0, -1) : named).toLowerCase()
  if (isAddress(name)) return undefined
  let bucket: string | undefined
  for (const domain of domains) {
    if (name === domain) return undefined
    if (!name.endsWith(`.${domain}`)) continue
    const label = name.slice(0, -domain.length - 1)
    if (bucket === undefined || label.length < bucket.length) bucket = label
  }
  return bucket === '' ? undefined : bucket
}

function isAddress(name: string): boolean {
  return name.startsWith('[') || /^[\d.]+$/.test(name)
}

function keyOf(encoded: string): string | undefined {
  if (encoded === '') return undefined
  const key = decodeSegment(encoded)
  // A character takes three bytes at most (four in two).
  if (key.length * 3 > KEY_BYTES_MAX) {
    const size = Buffer.byteLength(key)
    if (size > KEY_BYTES_MAX)
      throw new S3Error('KeyTooLongError', {
        fields: { Size: String(size), MaxSizeAllowed: String(KEY_BYTES_MAX) },
      })
  }
  return key
}

function decodeSegment(encoded: string): string {
  return decodeEscapes(encoded) ?? fail(encoded)
}

function fail(encoded: string): never {
  throw invalidUri(encoded)
}

function invalidUri(uri: string): S3Error {
  return new S3Error('InvalidURI', { fields: { URI: uri } })
}

/**
 * Percent-escapes to text, once. Raw bytes beyond ASCII (Node hands them over as latin1) count as
 * bytes. Undefined where an escape is cut short or the bytes are no UTF-8.
 */
export function decodeEscapes(text: string): string | undefined {
  // oxlint-disable-next-line no-control-regex -- ASCII is what is looked for
  const plain = /^[\0-\x7f]*$/.test(text)
  if (plain && !text.includes('%')) return text
  try {
    if (plain) return decodeURIComponent(text)
    // Raw bytes as escapes, so that one decoder judges all of them.
    const escaped = text.replace(/[\x80-\xff]/g, (c) => `%${c.charCodeAt(0).toString(16)}`)
    return /[^\0-\x7f]/.test(escaped) ? undefined : decodeURIComponent(escaped)
  } catch {
    return undefined
  }
}
