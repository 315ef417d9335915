/** What the upstream says, in the words of a storage. */
import { BlobDamaged, BlobMissing, StoreFull, StoreUnavailable } from '../src/lib/store-error.ts'
import type { Bucket } from './s3-bucket.ts'

/** An answer of the service, as the SDK throws it. */
export interface Answer {
  readonly code: string
  /** undefined: there was no answer. */
  readonly status: number | undefined
  readonly message: string
}

export function answerOf(error: unknown): Answer {
  const { name, message, $metadata, code } = error as {
    readonly name?: string
    readonly message?: string
    readonly code?: string
    readonly $metadata?: { readonly httpStatusCode?: number }
  }
  return {
    code: name === undefined || name === 'Error' ? (code ?? 'Error') : name,
    status: $metadata?.httpStatusCode,
    message: message ?? String(error),
  }
}

/** Words of AWS, MinIO, Ceph and others for: there is no room. */
const FULL: ReadonlySet<string> = new Set([
  'XMinioStorageFull',
  'XMinioAdminBucketQuotaExceeded',
  'QuotaExceeded',
  'InsufficientStorage',
  'StorageFull',
])

/** Refusals that are over once somebody has mended keys, policies or the bucket: no fault of ours. */
const MENDABLE: ReadonlySet<string> = new Set([
  'NoSuchBucket',
  'ExpiredToken',
  'RequestTimeTooSkewed',
])

/** True where nobody knows whether the call was carried out. */
export function isUncertain(error: unknown): boolean {
  const { status } = answerOf(error)
  return status === undefined || status >= 500
}

/** The error of a call as the storage's own: of a network, a service, or an aborted one. */
export function translated(
  bucket: Bucket,
  what: string,
  error: unknown,
  signal?: AbortSignal,
): unknown {
  if (signal?.aborted === true) return signal.reason
  if (error instanceof StoreUnavailable || error instanceof BlobMissing) return error
  const { code, status, message } = answerOf(error)
  const told = `${what}: ${code}: ${oneLine(message)} (bucket ${bucket.name}, ${bucket.place})`
  const cause = { cause: error }
  if (status === 507 || FULL.has(code)) return new StoreFull(told, cause)
  if (code === 'NoSuchKey' || (status === 404 && code === 'NotFound'))
    return new BlobMissing(`${what}: missing in the bucket ${bucket.name}`, cause)
  if (status === 416) return new BlobMissing(`${what}: ends before the range does`, cause)
  if (status === 412) return new BlobDamaged(`${what}: was replaced in the bucket`, cause)
  const isTransient = status === undefined ? isOfNetwork(error) : isLater(status)
  if (isTransient || MENDABLE.has(code)) return new StoreUnavailable(told, cause)
  return new Error(told, cause)
}

/** Timeouts, overload, outages, and 403: keys are renewed while a gateway runs. */
function isLater(status: number): boolean {
  return status >= 500 || status === 429 || status === 408 || status === 403 || status === 401
}

/** No answer: of the system (`ECONNRESET`), the SDK (`TimeoutError`), or nobody to sign as for now. */
function isOfNetwork(error: unknown): boolean {
  // A fault of the program has a code too.
  if (error instanceof TypeError || error instanceof RangeError) return false
  const { name, code } = error as { readonly name?: string; readonly code?: unknown }
  return typeof code === 'string' || name === 'TimeoutError' || name === 'CredentialsProviderError'
}

export function oneLine(text: string): string {
  return text.replaceAll(/\s+/g, ' ').trim()
}
