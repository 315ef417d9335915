/**
 * Continuation tokens: where a listing goes on, as text that clients pass back unread.
 *
 * A token is base64url of one version byte, four check bytes, and the marker in UTF-8. The check
 * covers the kind of listing too, so that a token of another listing is refused like any garbage.
 * It tells mistakes, not malice: a marker gives access to nothing that the request has not.
 */
import { crc32 } from 'node:zlib'
import { S3Error } from '../api/error.ts'

const VERSION = 1
const HEAD_BYTES = 5

export type TokenKind = 'objects' | 'buckets' | 'configs' | 'annotations'

export function encodeToken(kind: TokenKind, marker: string): string {
  const text = Buffer.from(marker)
  const token = Buffer.allocUnsafe(HEAD_BYTES + text.length)
  token[0] = VERSION
  token.writeUInt32BE(check(kind, text), 1)
  token.set(text, HEAD_BYTES)
  return token.toString('base64url')
}

/** The marker within; InvalidArgument for whatever `encodeToken` has not made. */
export function decodeToken(kind: TokenKind, token: string): string {
  const bytes = Buffer.from(token, 'base64url')
  const text = bytes.subarray(HEAD_BYTES)
  const isOurs =
    bytes.length > HEAD_BYTES &&
    bytes[0] === VERSION &&
    bytes.readUInt32BE(1) === check(kind, text) &&
    bytes.toString('base64url') === token
  if (!isOurs)
    throw new S3Error('InvalidArgument', {
      message: 'The continuation token provided is incorrect',
      fields: { ArgumentName: 'continuation-token' },
    })
  return text.toString()
}

function check(kind: TokenKind, text: Uint8Array): number {
  return crc32(text, crc32(kind))
}
