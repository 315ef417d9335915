/** What S3 and its likes say when they refuse. */
import type { Answer, Dialect } from './remote-errors.ts'

/** Words of AWS, MinIO, Ceph and others for: there is no room. */
const FULL: ReadonlySet<string> = new Set([
  'XMinioStorageFull',
  'XMinioAdminBucketQuotaExceeded',
  'QuotaExceeded',
  'InsufficientStorage',
  'StorageFull',
])

/** `NotFound`: the answer to a HEAD, which has no body to say more. */
const MISSING: ReadonlySet<string> = new Set(['NoSuchKey', 'NotFound'])

const MENDABLE: ReadonlySet<string> = new Set([
  'NoSuchBucket',
  'ExpiredToken',
  'RequestTimeTooSkewed',
])

export function s3Dialect(place: string): Dialect {
  return { place, missing: MISSING, full: FULL, mendable: MENDABLE, answerOf }
}

/** As the SDK throws it. */
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
