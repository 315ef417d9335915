/**
 * The Authorization header of Signature Version 4 (AWS: "Authenticating requests: using the
 * Authorization header"):
 * `AWS4-HMAC-SHA256 Credential=<key>/<date>/<region>/s3/aws4_request, SignedHeaders=…, Signature=…`
 */
import { S3Error } from '../api/error.ts'
import type { Identity, SignedRequest } from './authenticator.ts'
import { canonicalQuery } from './canonical.ts'
import { bodyScheme } from './payload-hash.ts'
import {
  authorizationInvalid,
  dateMissing,
  ecdsaUnsupported,
  HEADER_WORDING,
  headerMalformed,
  headersNotSigned,
  mechanismUnsupported,
  timeTooSkewed,
} from './refusal.ts'
import type { RequestTime } from './request-time.ts'
import type { Trust } from './trust.ts'
import { verify } from './verify.ts'

const ALGORITHM = 'AWS4-HMAC-SHA256'

/** Who signed the request by its Authorization header; throws `S3Error` where it is not good. */
export function authenticateByHeader(
  request: SignedRequest,
  authorization: string,
  trust: Trust,
): Identity {
  const { credential, signedHeaders, signature } = parseAuthorization(authorization)
  const headers = trust.headerList(signedHeaders)
  if (headers === undefined) throw headerMalformed('the SignedHeaders component is malformed.')
  const token = request.header('x-amz-security-token') || undefined
  const scope = trust.resolve(credential, HEADER_WORDING, token)

  const { values, unsigned, authorizations } = headers.read(request.rawHeaders, '')
  if (authorizations > 1) throw onlyOneAuthorization(authorization)
  if (unsigned.length > 0) throw headersNotSigned(unsigned)
  const payloadHash = values[headers.payloadHash]
  if (payloadHash === undefined) throw payloadHashMissing()
  const time = freshTime(values[headers.date] ?? request.header('date'), trust)
  if (!time.stamp.startsWith(scope.date)) throw HEADER_WORDING.date(scope.date, time.stamp)

  const body = bodyScheme(payloadHash, { scope, stamp: time.stamp, signature })
  verify(
    {
      method: request.method,
      path: request.path,
      query: canonicalQuery(request.query),
      headers,
      values,
      payloadHash,
      stamp: time.stamp,
      scope,
      signature,
    },
    trust.around(request),
  )
  return trust.identity(scope, headers, body, 'REST-HEADER', time.ms)
}

/** The time that the client says it is, if that is near enough to ours. */
export function freshTime(text: string | undefined, trust: Trust): RequestTime {
  const time = text === undefined ? undefined : trust.time(text)
  if (text === undefined || time === undefined) throw dateMissing()
  const now = trust.clock.now()
  if (Math.abs(now - time.ms) > trust.skewMaxMs) throw timeTooSkewed(text, now, trust.skewMaxMs)
  return time
}

function onlyOneAuthorization(authorization: string): S3Error {
  return authorizationInvalid('Only one Authorization header is allowed', authorization)
}

function payloadHashMissing(): S3Error {
  return new S3Error('InvalidRequest', {
    message: 'Missing required header for this request: x-amz-content-sha256',
  })
}

export interface Components {
  readonly credential: string
  readonly signedHeaders: string
  readonly signature: string
}

/** Components come in any order, divided by a comma with or without blanks. */
export function parseAuthorization(text: string): Components {
  if (!text.startsWith(ALGORITHM) || text.charCodeAt(ALGORITHM.length) !== 0x20) {
    throw foreign(text)
  }
  let credential: string | undefined
  let signedHeaders: string | undefined
  let signature: string | undefined
  for (let at = ALGORITHM.length; at < text.length;) {
    while (text.charCodeAt(at) === 0x20) at++
    let end = text.indexOf(',', at)
    if (end < 0) end = text.length
    let stop = end
    while (stop > at && text.charCodeAt(stop - 1) === 0x20) stop--
    if (credential === undefined && text.startsWith('Credential=', at)) {
      credential = text.substring(at + 11, stop)
    } else if (signedHeaders === undefined && text.startsWith('SignedHeaders=', at)) {
      signedHeaders = text.substring(at + 14, stop)
    } else if (signature === undefined && text.startsWith('Signature=', at)) {
      signature = text.substring(at + 10, stop)
    } else if (stop > at) {
      throw headerMalformed(
        `the authorization component "${text.substring(at, stop)}" is malformed.`,
      )
    }
    at = end + 1
  }
  if (!credential) throw headerMalformed('missing Credential.')
  if (!signedHeaders) throw headerMalformed('missing SignedHeaders.')
  if (!signature) throw headerMalformed('missing Signature.')
  return { credential, signedHeaders, signature }
}

/** What to say to an Authorization header of another scheme. */
function foreign(text: string): S3Error {
  if (text === ALGORITHM) {
    return headerMalformed(
      'the authorization header requires three components: Credential, SignedHeaders, and Signature.',
    )
  }
  if (text.startsWith('AWS4-ECDSA-P256-SHA256')) return ecdsaUnsupported()
  if (text.startsWith('AWS ')) {
    if (/^AWS [^:\s]+:[^:\s]+$/.test(text)) return mechanismUnsupported()
    return authorizationInvalid(
      'AWS authorization header is invalid.  Expected AwsAccessKeyId:signature',
      text,
    )
  }
  return authorizationInvalid('Unsupported Authorization Type', text)
}
