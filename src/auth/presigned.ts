/**
 * Signature Version 4 in the query: presigned URLs (AWS: "Authenticating requests: using query
 * parameters"). Whoever holds one may send any body; all else of the request is as it was signed.
 */
import { S3Error } from '../api/error.ts'
import { PRESIGNED_SECONDS_MAX } from '../api/limits.ts'
import type { Identity, SignedRequest } from './authenticator.ts'
import { canonicalQuery, percentDecoded } from './canonical.ts'
import { bodyScheme, UNSIGNED_PAYLOAD } from './payload-hash.ts'
import {
  ecdsaUnsupported,
  headersNotSigned,
  mechanismUnsupported,
  QUERY_WORDING,
  queryIncomplete,
  queryMalformed,
} from './refusal.ts'
import { isoSeconds, parseStamp } from './request-time.ts'
import type { Trust } from './trust.ts'
import { verify } from './verify.ts'

/** Which scheme a query speaks, if any; 2 is Signature Version 2. */
export function queryScheme(query: string): 4 | 2 | undefined {
  if (
    hasParameter(query, 'X-Amz-Algorithm') ||
    hasParameter(query, 'X-Amz-Signature') ||
    hasParameter(query, 'X-Amz-Credential')
  ) {
    return 4
  }
  return hasParameter(query, 'Signature') || hasParameter(query, 'AWSAccessKeyId') ? 2 : undefined
}

/** The refusal of a Signature Version 2 query. */
export function refuseVersion2(query: string): S3Error {
  const whole = ['Signature', 'AWSAccessKeyId', 'Expires'].every((name) =>
    hasParameter(query, name),
  )
  if (whole) return mechanismUnsupported()
  return new S3Error('AccessDenied', {
    message:
      'Query-string authentication requires the Signature, Expires and AWSAccessKeyId parameters',
  })
}

function hasParameter(query: string, name: string): boolean {
  for (let at = query.indexOf(name); at >= 0; at = query.indexOf(name, at + name.length)) {
    const after = query.charAt(at + name.length)
    const begins = at === 0 || query.charAt(at - 1) === '&'
    if (begins && (after === '=' || after === '&' || after === '')) return true
  }
  return false
}

/** Who signed the URL; throws `S3Error` where it is not good, or no longer. */
export function authenticateByQuery(request: SignedRequest, trust: Trust): Identity {
  const said = readParameters(request.query)
  const headers = trust.headerList(said.signedHeaders)
  if (headers === undefined) throw queryIncomplete()
  const scope = trust.resolve(said.credential, QUERY_WORDING, said.token)
  if (!said.date.startsWith(scope.date)) throw QUERY_WORDING.date(scope.date, said.date)
  checkLife(said, trust)

  // S3 lets this one go unsigned: it frames or hashes a body which anybody may have sent.
  const { values, unsigned } = headers.read(request.rawHeaders, 'x-amz-content-sha256')
  if (unsigned.length > 0) throw headersNotSigned(unsigned)
  const signedHash = values[headers.payloadHash] ?? said.payloadHash ?? UNSIGNED_PAYLOAD
  const { signature, date: stamp } = said
  const framing =
    signedHash === UNSIGNED_PAYLOAD ? request.header('x-amz-content-sha256') : undefined
  const body = bodyScheme(framing ?? signedHash, { scope, stamp, signature })
  verify(
    {
      method: request.method,
      path: request.path,
      query: canonicalQuery(request.query, 'X-Amz-Signature'),
      headers,
      values,
      payloadHash: signedHash,
      stamp,
      scope,
      signature,
    },
    trust.around(request),
  )
  return trust.identity(scope, headers, body, 'REST-QUERY-STRING', parseStamp(stamp))
}

interface Parameters {
  readonly credential: string
  /** `YYYYMMDD'T'HHMMSS'Z'`; not yet checked. */
  readonly date: string
  readonly expires: string
  readonly signedHeaders: string
  readonly signature: string
  readonly payloadHash: string | undefined
  readonly token: string | undefined
}

const NAMES: ReadonlySet<string> = new Set([
  'x-amz-algorithm',
  'x-amz-credential',
  'x-amz-date',
  'x-amz-expires',
  'x-amz-signedheaders',
  'x-amz-signature',
  'x-amz-content-sha256',
  'x-amz-security-token',
])

/** A parameter that is there twice could be read in two ways: refused. */
function readParameters(query: string): Parameters {
  const found = new Map<string, string>()
  for (let at = 0; at < query.length;) {
    let end = query.indexOf('&', at)
    if (end < 0) end = query.length
    const equals = query.indexOf('=', at)
    if (equals > at && equals < end) {
      const name = percentDecoded(query.substring(at, equals)).toLowerCase()
      if (NAMES.has(name)) {
        if (found.has(name)) throw queryIncomplete()
        found.set(name, percentDecoded(query.substring(equals + 1, end)))
      }
    }
    at = end + 1
  }
  const algorithm = found.get('x-amz-algorithm')
  const credential = found.get('x-amz-credential')
  const date = found.get('x-amz-date')
  const expires = found.get('x-amz-expires')
  const signedHeaders = found.get('x-amz-signedheaders')
  const signature = found.get('x-amz-signature')
  if (!algorithm || !credential || !date || !expires || !signedHeaders || !signature) {
    throw queryIncomplete()
  }
  if (algorithm === 'AWS4-ECDSA-P256-SHA256') throw ecdsaUnsupported()
  if (algorithm !== 'AWS4-HMAC-SHA256') {
    throw queryMalformed('X-Amz-Algorithm only supports "AWS4-HMAC-SHA256"')
  }
  const payloadHash = found.get('x-amz-content-sha256')
  const token = found.get('x-amz-security-token') || undefined
  return { credential, date, expires, signedHeaders, signature, payloadHash, token }
}

/** Refuses a URL that is not valid yet, no longer, or for too long. */
function checkLife({ date, expires }: Parameters, { clock, skewMaxMs }: Trust): void {
  const begins = parseStamp(date)
  if (Number.isNaN(begins)) {
    throw queryMalformed("X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"")
  }
  if (!/^-?\d{1,12}$/.test(expires)) throw queryMalformed('X-Amz-Expires should be a number')
  const seconds = Number(expires)
  // S3 itself words these two as AuthorizationQueryParametersError, status 400; Ceph's compatibility
  // suite asks for 403, and no client tells the two apart.
  if (seconds < 0) {
    throw new S3Error('AccessDenied', { message: 'X-Amz-Expires must be non-negative' })
  }
  if (seconds > PRESIGNED_SECONDS_MAX) {
    throw new S3Error('AccessDenied', {
      message: `X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than ${PRESIGNED_SECONDS_MAX} seconds`,
    })
  }
  const now = clock.now()
  if (now < begins - skewMaxMs) {
    throw new S3Error('AccessDenied', { message: 'Request is not valid yet' })
  }
  const ends = begins + seconds * 1000
  if (seconds === 0 || now > ends) {
    throw new S3Error('AccessDenied', {
      message: 'Request has expired',
      fields: {
        'X-Amz-Expires': expires,
        Expires: isoSeconds(ends),
        ServerTime: isoSeconds(now),
      },
    })
  }
}
