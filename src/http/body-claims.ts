/**
 * What a request's head claims of its body: length, Content-MD5, x-amz-content-sha256, checksums, and
 * the trailers that are to come. A claim that makes no sense is refused here, before a byte is read.
 */
import { CHECKSUM_ALGORITHMS, type ChecksumAlgorithm } from '../api/checksum.ts'
import { S3Error } from '../api/error.ts'
import type { BodyScheme, SignedRequest } from '../auth/authenticator.ts'

export interface Claims {
  /** Bytes after decoding, where the client tells. */
  readonly size: number | undefined
  /** Content-MD5, base64. */
  readonly md5: string | undefined
  /** x-amz-content-sha256 where it is a hash; base64. */
  readonly sha256: string | undefined
  /** `value` is absent while it is to come in the trailer. */
  readonly checksum: Checksum | undefined
  /** Trailers announced, in lower case. */
  readonly announced: readonly string[]
}

export interface Checksum {
  readonly algorithm: ChecksumAlgorithm
  readonly value?: string
}

/** What a checksum that can be none is answered with: AWS says InvalidRequest; suites that know S3 from before, BadDigest. */
export type MalformedChecksum = 'InvalidRequest' | 'BadDigest'

const CHECKSUM_PREFIX = 'x-amz-checksum-'

/** Bytes of each digest. */
const DIGEST_BYTES: Readonly<Record<ChecksumAlgorithm, number>> = {
  CRC32: 4,
  CRC32C: 4,
  CRC64NVME: 8,
  SHA1: 20,
  SHA256: 32,
  SHA512: 64,
  MD5: 16,
  XXHASH64: 8,
  XXHASH3: 8,
  XXHASH128: 16,
}

const ALGORITHM_OF_HEADER: ReadonlyMap<string, ChecksumAlgorithm> = new Map(
  CHECKSUM_ALGORITHMS.map((name) => [CHECKSUM_PREFIX + name.toLowerCase(), name]),
)

const NO_TRAILERS: readonly string[] = []

/**
 * Reads the claims. `length` is Content-Length. `ownChecksum` is false where `x-amz-checksum-*` speaks
 * of something else than this body (CompleteMultipartUpload's are the object's).
 * Throws InvalidDigest, InvalidRequest, InvalidArgument; `malformed` for a checksum that can be none.
 */
export function readClaims(
  request: SignedRequest,
  scheme: BodyScheme,
  length: number | undefined,
  ownChecksum: boolean,
  malformed: MalformedChecksum,
): Claims {
  const md5 = request.header('content-md5')
  if (md5 !== undefined && !isBase64Of(md5, 16)) throw new S3Error('InvalidDigest')
  const announced = scheme.kind === 'chunked' ? readTrailerNames(request) : NO_TRAILERS
  return {
    size: scheme.kind === 'chunked' ? decodedLength(request) : plainLength(request, length),
    md5,
    sha256:
      scheme.kind === 'sha256' ? Buffer.from(scheme.hex, 'hex').toString('base64') : undefined,
    checksum: ownChecksum ? readChecksum(request, announced, malformed) : undefined,
    announced,
  }
}

/** A checksum that came in a trailer; throws InvalidRequest where it cannot be one. */
export function checkTrailer(
  algorithm: ChecksumAlgorithm,
  value: string,
  malformed: MalformedChecksum,
): string {
  if (!isBase64Of(value, DIGEST_BYTES[algorithm])) throw invalidChecksum(algorithm, malformed)
  return value
}

export function headerOf(algorithm: ChecksumAlgorithm): string {
  return CHECKSUM_PREFIX + algorithm.toLowerCase()
}

/**
 * A decoded length that differs says that the body is framed after all. To take it for plain would
 * store the framing within the object, and nobody would know before it is read.
 */
function plainLength(request: SignedRequest, length: number | undefined): number | undefined {
  const decoded = decodedLength(request)
  if (decoded === undefined || decoded === length) return length
  throw new S3Error('InvalidRequest', {
    message:
      'x-amz-decoded-content-length differs from Content-Length, but x-amz-content-sha256 names no streaming payload.',
  })
}

function decodedLength(request: SignedRequest): number | undefined {
  const text = request.header('x-amz-decoded-content-length')
  if (text === undefined) return undefined
  if (!/^\d{1,15}$/.test(text)) {
    throw new S3Error('InvalidArgument', {
      message: 'The x-amz-decoded-content-length header is not a number of bytes.',
      fields: { ArgumentName: 'x-amz-decoded-content-length', ArgumentValue: text },
    })
  }
  return Number(text)
}

function readTrailerNames(request: SignedRequest): readonly string[] {
  const text = request.header('x-amz-trailer')
  if (text === undefined) return NO_TRAILERS
  const names = text.split(',').map((name) => name.trim().toLowerCase())
  if (names.some((name) => !ALGORITHM_OF_HEADER.has(name))) {
    throw new S3Error('InvalidRequest', {
      message: 'The value specified in the x-amz-trailer header is not supported',
    })
  }
  return names
}

function readChecksum(
  request: SignedRequest,
  announced: readonly string[],
  malformed: MalformedChecksum,
): Checksum | undefined {
  let found: Checksum | undefined
  const raw = request.rawHeaders
  // One pass over the names: asking for each of ten headers would cost more than the CRC.
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i]!
    if (name.length <= CHECKSUM_PREFIX.length || name.charCodeAt(14) !== DASH) continue
    const algorithm = ALGORITHM_OF_HEADER.get(name.toLowerCase())
    if (algorithm === undefined) continue
    const value = raw[i + 1]!
    if (found !== undefined) throw severalChecksums()
    if (!isBase64Of(value, DIGEST_BYTES[algorithm])) throw invalidChecksum(algorithm, malformed)
    found = { algorithm, value }
  }
  if (announced.length > 0) {
    if (found !== undefined || announced.length > 1) throw severalChecksums()
    found = { algorithm: ALGORITHM_OF_HEADER.get(announced[0]!)! }
  }
  checkDeclared(request.header('x-amz-sdk-checksum-algorithm'), found)
  return found
}

const DASH = 45

/** `x-amz-sdk-checksum-algorithm` only says again what the checksum's own header says. */
function checkDeclared(declared: string | undefined, found: Checksum | undefined): void {
  if (declared === undefined || declared === found?.algorithm) return
  const name = declared.toUpperCase()
  if (!(CHECKSUM_ALGORITHMS as readonly string[]).includes(name)) {
    throw new S3Error('InvalidRequest', {
      message: `Checksum algorithm provided is unsupported. Please try again with any of the valid types: [${CHECKSUM_ALGORITHMS.join(', ')}]`,
    })
  }
  if (found === undefined) {
    throw new S3Error('InvalidRequest', {
      message:
        'x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer headers were found.',
    })
  }
  if (name !== found.algorithm) {
    throw new S3Error('InvalidRequest', {
      message: 'Value for x-amz-sdk-checksum-algorithm header is invalid.',
    })
  }
}

function severalChecksums(): S3Error {
  return new S3Error('InvalidRequest', {
    message: 'Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.',
  })
}

function invalidChecksum(algorithm: ChecksumAlgorithm, malformed: MalformedChecksum): S3Error {
  return new S3Error(malformed, {
    message: `Value for ${headerOf(algorithm)} header is invalid.`,
  })
}

const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/

/** True where `text` is padded base64 of exactly so many bytes. */
function isBase64Of(text: string, bytes: number): boolean {
  if (text.length !== Math.ceil(bytes / 3) * 4 || !BASE64.test(text)) return false
  return (
    text.length - (text.indexOf('=') < 0 ? 0 : text.length - text.indexOf('=')) ===
    Math.ceil((bytes * 4) / 3)
  )
}
