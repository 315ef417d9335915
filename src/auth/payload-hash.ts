/** What `x-amz-content-sha256` says of the body, and so how the body is to be read. */
import { S3Error } from '../api/error.ts'
import type { BodyScheme } from './authenticator.ts'
import { SigV4ChunkSigner, type ChunkSeed } from './sigv4-chunks.ts'

export const UNSIGNED_PAYLOAD = 'UNSIGNED-PAYLOAD'
const UNSIGNED_TRAILER = 'STREAMING-UNSIGNED-PAYLOAD-TRAILER'
const SIGNED_CHUNKS = 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD'
const SIGNED_TRAILER = 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER'
const ECDSA = 'STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD'

const UNSIGNED: BodyScheme = { kind: 'unsigned' }
const UNSIGNED_CHUNKED: BodyScheme = { kind: 'chunked', trailer: true }

/**
 * `seed`: the request's own signature, with which a chain of chunk signatures begins. Throws
 * InvalidArgument for a value that is none, NotImplemented for the ECDSA schemes.
 */
export function bodyScheme(value: string, seed: ChunkSeed): BodyScheme {
  if (value === SIGNED_CHUNKS || value === SIGNED_TRAILER) {
    const trailer = value === SIGNED_TRAILER
    return { kind: 'chunked', signer: new SigV4ChunkSigner(seed), trailer }
  }
  return unsignedBodyScheme(value)
}

/**
 * How the body of an anonymous request is to be read, by its `x-amz-content-sha256` (plain where it
 * has none). Chunks that claim signatures have nobody to have signed them: AccessDenied.
 */
export function anonymousBodyScheme(value: string | undefined): BodyScheme {
  if (value === undefined) return UNSIGNED
  if (value === SIGNED_CHUNKS || value === SIGNED_TRAILER) throw new S3Error('AccessDenied')
  return unsignedBodyScheme(value)
}

function unsignedBodyScheme(value: string): BodyScheme {
  if (isSha256(value)) return { kind: 'sha256', hex: value.toLowerCase() }
  if (value === UNSIGNED_PAYLOAD) return UNSIGNED
  if (value === UNSIGNED_TRAILER) return UNSIGNED_CHUNKED
  if (value === ECDSA || value === `${ECDSA}-TRAILER`) throw new S3Error('NotImplemented')
  throw new S3Error('InvalidArgument', {
    message: `x-amz-content-sha256 must be ${UNSIGNED_PAYLOAD}, ${UNSIGNED_TRAILER}, ${SIGNED_CHUNKS}, ${SIGNED_TRAILER} or a valid sha256 value.`,
    fields: { ArgumentName: 'x-amz-content-sha256', ArgumentValue: value },
  })
}

function isSha256(value: string): boolean {
  if (value.length !== 64) return false
  for (let at = 0; at < 64; at++) {
    const code = value.charCodeAt(at)
    const isDigit =
      (code >= 0x30 && code <= 0x39) || ((code | 0x20) >= 0x61 && (code | 0x20) <= 0x66)
    if (!isDigit) return false
  }
  return true
}
