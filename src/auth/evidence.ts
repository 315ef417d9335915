/** What a request of Signature Version 4 shows, and the texts that are signed of it. */
import { hash } from 'node:crypto'
import type { Scope } from './credentials.ts'
import type { HeaderList } from './signed-headers.ts'

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
