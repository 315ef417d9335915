/**
 * The client's side of Signature Version 4, by header: for `sluice doctor` and whoever tries the
 * server. The body is signed by its hash, or not at all.
 */
import { canonicalPath, canonicalQuery } from './canonical.ts'
import { canonicalRequest, stringToSign } from './evidence.ts'
import type { Credential } from './users.ts'
import { UNSIGNED_PAYLOAD } from './payload-hash.ts'
import { stampOf } from './request-time.ts'
import { canonicalValue, parseHeaderList } from './signed-headers.ts'
import { deriveSigningKey } from './signing-key.ts'

export interface RequestToSign {
  readonly method: string
  /** As it will be on the wire, percent-encoded. */
  readonly path: string
  /** As it will be on the wire, without the question mark. */
  readonly query: string
  /** Names in lower case; `host` (with its port) among them. All are signed. */
  readonly headers: Readonly<Record<string, string>>
  /** SHA-256 of the body in hex, or another value of x-amz-content-sha256; absent: UNSIGNED-PAYLOAD. */
  readonly payloadHash?: string
}

export interface Signer {
  readonly credential: Pick<Credential, 'accessKeyId' | 'secretAccessKey'>
  readonly region: string
  /** Epoch milliseconds. */
  readonly now: number
}

/** The headers to send: those given, and x-amz-date, x-amz-content-sha256 and authorization. */
export function signRequest(request: RequestToSign, signer: Signer): Record<string, string> {
  const { method, query, payloadHash = UNSIGNED_PAYLOAD } = request
  const stamp = stampOf(signer.now)
  const sent: Record<string, string> = {
    ...request.headers,
    'x-amz-content-sha256': payloadHash,
    'x-amz-date': stamp,
  }
  const names = Object.keys(sent).sort()
  const headers = parseHeaderList(names.join(';'))
  if (headers === undefined || !names.includes('host'))
    throw new Error('a request is signed with its host')

  const values = names.map((name) => canonicalValue(sent[name] ?? ''))
  const canonical = canonicalRequest(
    { method, query: canonicalQuery(query), headers, values, payloadHash },
    canonicalPath(request.path),
  )
  const { accessKeyId, secretAccessKey } = signer.credential
  const date = stamp.slice(0, 8)
  const scope = `${date}/${signer.region}/s3/aws4_request`
  const key = deriveSigningKey(secretAccessKey, date, signer.region)
  const signature = key.sign(stringToSign(stamp, scope, canonical))
  sent['authorization'] =
    `AWS4-HMAC-SHA256 Credential=${accessKeyId}/${scope}, SignedHeaders=${headers.text}, Signature=${signature}`
  return sent
}
