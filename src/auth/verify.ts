/**
 * The heart of Signature Version 4, common to both schemes: from what a request says to the
 * signature that it should bear, and the comparison of the two.
 */
import { hash } from 'node:crypto'
import { S3Error } from '../api/error.ts'
import { canonicalPath } from './canonical.ts'
import type { Scope } from './credentials.ts'
import type { HeaderList } from './signed-headers.ts'
import { sameSignature } from './signing-key.ts'

/** All that a signature covers, and the signature. */
export interface Evidence {
  readonly method: string
  /** As on the wire. */
  readonly path: string
  /** Canonical. */
  readonly query: string
  readonly headers: HeaderList
  /** Canonical value of each header of the list. */
  readonly values: readonly (string | undefined)[]
  /** The last line of the canonical request. */
  readonly payloadHash: string
  /** `YYYYMMDD'T'HHMMSS'Z'` */
  readonly stamp: string
  readonly scope: Scope
  /** As sent. */
  readonly signature: string
}

/**
 * Returns where the signature is right. Throws InvalidAccessKeyId where nobody has the access key
 * (after as much work as for a wrong signature), SignatureDoesNotMatch otherwise.
 */
export function verify(evidence: Evidence): void {
  const { scope } = evidence
  const path = canonicalPath(evidence.path)
  const request = canonicalRequest(evidence, path)
  const right = signs(evidence, request)
  if (scope.user === undefined) {
    throw new S3Error('InvalidAccessKeyId', { fields: { AWSAccessKeyId: scope.accessKeyId } })
  }
  if (!right && !signsOtherwise(evidence, path, request)) throw mismatch(evidence, request)
}

export function canonicalRequest(
  {
    method,
    query,
    headers,
    values,
    payloadHash,
  }: Omit<Evidence, 'path' | 'stamp' | 'scope' | 'signature'>,
  path: string,
): string {
  let text = `${method}\n${path}\n${query}`
  const { labels } = headers
  for (let at = 0; at < labels.length; at++) text += labels[at]! + (values[at] ?? '')
  return `${text}\n\n${headers.text}\n${payloadHash}`
}

/** `request`: the canonical request; as a text it is hashed in UTF-8, as bytes as it is. */
export function stringToSign(stamp: string, scopeText: string, request: string | Buffer): string {
  return `AWS4-HMAC-SHA256\n${stamp}\n${scopeText}\n${hash('sha256', request, 'hex')}`
}

function signs({ stamp, scope, signature }: Evidence, request: string | Buffer): boolean {
  return sameSignature(scope.key.sign(stringToSign(stamp, scope.text, request)), signature)
}

/**
 * Honest clients disagree in two points, and each reading signs the very bytes that came: a header
 * beyond ASCII is signed as the bytes on the wire (Go, curl) or as the UTF-8 of the latin1 text that
 * went there (botocore); and some sign an oddly encoded path as they send it (botocore, curl).
 */
function signsOtherwise(evidence: Evidence, path: string, request: string): boolean {
  if (signsBytes(evidence, request)) return true
  if (evidence.path === path) return false
  const asSent = canonicalRequest(evidence, evidence.path)
  return signs(evidence, asSent) || signsBytes(evidence, asSent)
}

function signsBytes(evidence: Evidence, request: string): boolean {
  const bytes = Buffer.from(request, 'latin1')
  return bytes.some((byte) => byte >= 0x80) && signs(evidence, bytes)
}

/** Tells all that the client needs to find its mistake; nothing in it is a secret. */
function mismatch({ scope, stamp, signature }: Evidence, request: string): S3Error {
  const text = stringToSign(stamp, scope.text, request)
  return new S3Error('SignatureDoesNotMatch', {
    fields: {
      AWSAccessKeyId: scope.accessKeyId,
      StringToSign: text,
      SignatureProvided: signature,
      StringToSignBytes: spacedHex(text),
      CanonicalRequest: request,
      CanonicalRequestBytes: spacedHex(request),
    },
  })
}

function spacedHex(text: string): string {
  return Buffer.from(text)
    .toString('hex')
    .replace(/..(?!$)/g, '$& ')
}
