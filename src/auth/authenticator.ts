import type { Requester } from '../api/operations.ts'
import type { StsAnswer } from './sts.ts'
import type { User } from './user.ts'

/** The request as it was signed: nothing decoded, nothing reordered. */
export interface SignedRequest {
  readonly method: string
  /** As on the wire, still percent-encoded, without the query. */
  readonly path: string
  /** As on the wire, without the question mark; empty where there is none. */
  readonly query: string
  /** Names as sent, values as latin1 text, [name, value, name, value, ...], duplicates kept: Node's rawHeaders. */
  readonly rawHeaders: readonly string[]
  /** The bucket, where the host names it and the path does not. */
  readonly hostedBucket?: string | undefined
  /** The first value of a header; names in lower case. */
  header(name: string): string | undefined
}

/**
 * How the body of a signed request is to be read; `src/http/body.ts` reads it so.
 *
 * - `sha256`: the whole body has this hash (64 hex digits).
 * - `unsigned`: plain bytes that no signature covers.
 * - `chunked`: aws-chunked framing. `signer` (absent: unsigned chunks) tells each chunk's signature;
 *   `trailer` says that trailing headers follow the last chunk.
 */
export type BodyScheme =
  | { readonly kind: 'sha256'; readonly hex: string }
  | { readonly kind: 'unsigned' }
  | { readonly kind: 'chunked'; readonly signer?: ChunkSigner; readonly trailer: boolean }

/** Walks the chain of chunk signatures; calls come in the order of the chunks. */
export interface ChunkSigner {
  /** Signature (hex) that the next chunk must bear, given the SHA-256 (hex) of its data; '' data for the last. */
  chunk(sha256Hex: string): string
  /** Signature that x-amz-trailer-signature must bear, given the SHA-256 (hex) of the canonical trailers (`name:value\n` each). */
  trailer(sha256Hex: string): string
}

/** How a request was signed, in S3's words for conditions (`s3:authType`). */
export type AuthType = 'REST-HEADER' | 'REST-QUERY-STRING' | 'POST'

export interface Identity {
  readonly requester: Requester
  readonly user: User
  readonly accessKeyId: string
  readonly body: BodyScheme
  readonly authType: AuthType
  /** `AWS4-HMAC-SHA256`, or `AWS` of version 2. */
  readonly signatureVersion: string
  /** When it was signed, by the client's clock; epoch milliseconds. */
  readonly signedMs: number
}

/** An upload by form, as far as its signer and its policy go. */
export interface SignedForm {
  /** The bucket that the request is to. */
  readonly bucket: string
  /** Values of the fields before the file by their names in lower case, `${filename}` filled in. */
  readonly fields: ReadonlyMap<string, string>
}

/** What the signer of a form lets it do. */
export interface FormGrant {
  readonly identity: Identity
  /** Bytes of the file. */
  readonly bounds: { readonly min: number; readonly max: number }
}

/**
 * Tells who sent a request. Resolves to undefined where the request is anonymous (it speaks no
 * scheme that is known here); throws `S3Error` (SignatureDoesNotMatch, RequestTimeTooSkewed,
 * InvalidAccessKeyId, AccessDenied, AuthorizationHeaderMalformed, ...) where it speaks one and fails.
 * Synchronous: keys are at hand, and a microtask a request is worth saving.
 */
export interface Authenticator {
  authenticate(request: SignedRequest): Identity | undefined
  /**
   * The same for an upload by form, which its policy must admit (AccessDenied, InvalidPolicyDocument);
   * undefined where it bears neither policy nor signature.
   */
  authenticateForm(form: SignedForm): FormGrant | undefined
  /** A call of STS with its whole body: temporary credentials for who signed it. */
  answerSts(request: SignedRequest, body: Uint8Array): StsAnswer
}
