/**
 * The heart of Signature Version 4, common to both schemes: from what a request says to the
 * signature that it should bear, and the comparison of the two.
 */
import { S3Error } from '../api/error.ts'
import { canonicalPath } from './canonical.ts'
import { canonicalRequest, type Evidence, stringToSign } from './evidence.ts'
import { explain, type Surroundings } from './explain.ts'
import { sameSignature } from './signing-key.ts'

/**
 * Returns where the signature is right. Throws InvalidAccessKeyId where nobody has the access key
 * (after as much work as for a wrong signature), SignatureDoesNotMatch otherwise.
 */
export function verify(evidence: Evidence, around: Surroundings): void {
  const { scope } = evidence
  const path = canonicalPath(evidence.path)
  const request = canonicalRequest(evidence, path)
  const right = signs(evidence, request)
  if (scope.user === undefined) {
    throw new S3Error('InvalidAccessKeyId', { fields: { AWSAccessKeyId: scope.accessKeyId } })
  }
  if (right || signsOtherwise(evidence, path, request)) return
  if (!signsPublic(evidence, path, around)) throw mismatch(evidence, request, around)
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

/** As the client sees us, where a proxy that configuration tells of replaces the host or takes off a path. */
function signsPublic(
  evidence: Evidence,
  path: string,
  { publicHost, publicPath }: Surroundings,
): boolean {
  if (publicHost === undefined) return false
  const whole = publicPath + path
  if (publicPath !== '' && signs(evidence, canonicalRequest(evidence, whole))) return true
  const at = evidence.headers.labels.indexOf('\nhost:')
  if (at === -1) return false
  const other = { ...evidence, values: evidence.values.with(at, publicHost) }
  return signs(other, canonicalRequest(other, whole))
}

function signsBytes(evidence: Evidence, request: string): boolean {
  const bytes = Buffer.from(request, 'latin1')
  return bytes.some((byte) => byte >= 0x80) && signs(evidence, bytes)
}

/** Tells all that the client needs to find its mistake; nothing in it is a secret. */
function mismatch(evidence: Evidence, request: string, around: Surroundings): S3Error {
  const { scope, stamp, signature } = evidence
  const { text: hint, isProven } = explain(evidence, around)
  const text = stringToSign(stamp, scope.text, request)
  return new S3Error('SignatureDoesNotMatch', {
    hint,
    fields: {
      AWSAccessKeyId: scope.accessKeyId,
      StringToSign: text,
      SignatureProvided: signature,
      StringToSignBytes: spacedHex(text),
      CanonicalRequest: request,
      CanonicalRequestBytes: spacedHex(request),
      // Who signed something else with the right secret may know what; a stranger learns nothing.
      ...(isProven && { Hint: hint }),
    },
  })
}

function spacedHex(text: string): string {
  return Buffer.from(text)
    .toString('hex')
    .replace(/..(?!$)/g, '$& ')
}
