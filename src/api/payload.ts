import type { Body } from '../lib/stream.ts'
import type { ChecksumAlgorithm } from './checksum.ts'

/** What a reader wants computed on the way: MD5 in hex (ETags), the S3 checksums in base64. */
export type DigestName = 'md5' | ChecksumAlgorithm

/** The bytes, whole where they were few; or on their way. */
export type Taken = Uint8Array | Body

/**
 * The body of a request on its way in. It is taken once.
 *
 * Whatever the client claims of it (length, x-amz-content-sha256, Content-MD5, x-amz-checksum-*,
 * chunk signatures, trailers) is verified before its end is reached: `take` with all bytes in hand,
 * or the last step of the Body, rejects with the `S3Error` that S3 gives (BadDigest,
 * XAmzContentSHA256Mismatch, SignatureDoesNotMatch, IncompleteBody, EntityTooLarge, ...). Bytes taken
 * without an error are the bytes that the client meant.
 */
export interface Payload {
  /** Bytes after decoding, where the client said so beforehand. */
  readonly size: number | undefined
  /** The checksum that the client sends with it; `value` (base64) is absent while it is to come in a trailer. */
  readonly claimed: { readonly algorithm: ChecksumAlgorithm; readonly value?: string } | undefined
  /**
   * Starts reading. A body of at most `inlineMax` bytes comes whole; a longer one streams.
   * `digests` names what `digest` will be asked for, beside what is verified anyway.
   */
  take(inlineMax: number, digests: readonly DigestName[]): Promise<Taken>
  /** After the bytes have been read to their end: the digest asked for (md5: hex; checksums: base64). */
  digest(name: DigestName): string
}
