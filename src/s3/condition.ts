/**
 * Conditional requests: whether a read, the source of a copy, a write or a delete may go on.
 *
 * Reads follow RFC 9110 13.2.2, in S3's words: If-Match before If-Unmodified-Since, If-None-Match
 * before If-Modified-Since. Writes are checked inside their transaction against the head that the
 * commit expects, so of any number of `If-None-Match: *` exactly one wins. Times are compared in
 * whole seconds, since that is what HTTP dates carry.
 */
import { failedCondition, matches, type ReadConditions, seconds } from '../api/condition.ts'
import { S3Error } from '../api/error.ts'
import type { StoredHeaders, VersionRow } from './rows.ts'

export interface CopySourceConditions {
  readonly CopySourceIfMatch?: string | undefined
  readonly CopySourceIfNoneMatch?: string | undefined
  readonly CopySourceIfModifiedSince?: Date | undefined
  readonly CopySourceIfUnmodifiedSince?: Date | undefined
}

export interface WriteConditions {
  readonly IfMatch?: string | undefined
  readonly IfNoneMatch?: string | undefined
}

export interface DeleteConditions {
  readonly IfMatch?: string | undefined
  readonly IfMatchLastModifiedTime?: Date | undefined
  readonly IfMatchSize?: number | undefined
}

/** GetObject, HeadObject. Throws PreconditionFailed, or NotModified with the headers that a cache needs. */
export function checkRead(conditions: ReadConditions, version: VersionRow): void {
  const failed = failedCondition(conditions, version)
  if (failed === undefined) return
  if (failed === 'If-None-Match' || failed === 'If-Modified-Since') {
    throw new S3Error('NotModified', { headers: cacheHeaders(version) })
  }
  throw preconditionFailed(failed)
}

/** CopyObject, UploadPartCopy. */
export function checkCopySource(conditions: CopySourceConditions, version: VersionRow): void {
  const asked = {
    IfMatch: conditions.CopySourceIfMatch,
    IfNoneMatch: conditions.CopySourceIfNoneMatch,
    IfModifiedSince: conditions.CopySourceIfModifiedSince,
    IfUnmodifiedSince: conditions.CopySourceIfUnmodifiedSince,
  }
  checkSource('x-amz-copy-source-', asked, version)
}

/** The source of a copy or renaming: every failure is PreconditionFailed, under the header's name. */
export function checkSource(prefix: string, conditions: ReadConditions, version: VersionRow): void {
  const failed = failedCondition(conditions, version)
  if (failed !== undefined) throw preconditionFailed(prefix + failed)
}

export interface RenameConditions {
  readonly DestinationIfModifiedSince?: Date | undefined
  readonly DestinationIfUnmodifiedSince?: Date | undefined
}

/** What RenameObject asks of the times of an object that it would replace. */
export function checkRenameTarget(
  conditions: RenameConditions,
  head: VersionRow | undefined,
): void {
  if (head === undefined || head.d === 1) return
  const failed = failedCondition(
    {
      IfModifiedSince: conditions.DestinationIfModifiedSince,
      IfUnmodifiedSince: conditions.DestinationIfUnmodifiedSince,
    },
    head,
  )
  if (failed !== undefined) throw preconditionFailed(failed)
}

/**
 * PutObject, CompleteMultipartUpload, CopyObject (destination), inside the transaction. `head`: the
 * newest version now. Throws PreconditionFailed, or NoSuchKey for an If-Match where there is no object.
 */
export function checkWrite(
  conditions: WriteConditions,
  key: string,
  head: VersionRow | undefined,
): void {
  const { IfMatch, IfNoneMatch } = conditions
  if (IfMatch === undefined && IfNoneMatch === undefined) return
  const etag = head === undefined || head.d === 1 ? undefined : head.e
  if (IfNoneMatch !== undefined && etag !== undefined && matches(IfNoneMatch, etag)) {
    throw preconditionFailed('If-None-Match')
  }
  if (IfMatch === undefined) return
  if (etag === undefined) throw new S3Error('NoSuchKey', { fields: { Key: key } })
  if (!matches(IfMatch, etag)) throw preconditionFailed('If-Match')
}

/**
 * DeleteObject and each entry of DeleteObjects, inside the transaction. Deleting what is not there
 * succeeds whatever the condition, so that a delete can be repeated when its answer was lost.
 */
export function checkDelete(conditions: DeleteConditions, version: VersionRow | undefined): void {
  if (version === undefined) return
  const { IfMatch, IfMatchLastModifiedTime, IfMatchSize } = conditions
  if (IfMatch !== undefined && !matches(IfMatch, version.e)) throw preconditionFailed('If-Match')
  if (
    IfMatchLastModifiedTime !== undefined &&
    seconds(version.t) !== seconds(IfMatchLastModifiedTime.getTime())
  ) {
    throw preconditionFailed('x-amz-if-match-last-modified-time')
  }
  if (IfMatchSize !== undefined && version.s !== IfMatchSize) {
    throw preconditionFailed('x-amz-if-match-size')
  }
}

/** Whether a delete names any condition. */
export function isConditional(conditions: DeleteConditions): boolean {
  const { IfMatch, IfMatchLastModifiedTime, IfMatchSize } = conditions
  return IfMatch !== undefined || IfMatchLastModifiedTime !== undefined || IfMatchSize !== undefined
}

function preconditionFailed(condition: string): S3Error {
  return new S3Error('PreconditionFailed', { fields: { Condition: condition } })
}

/** What a 304 says again of the object (RFC 9110 15.4.5). */
function cacheHeaders(version: VersionRow): Record<string, string> {
  const headers: Record<string, string> = {
    etag: `"${version.e}"`,
    'last-modified': new Date(version.t).toUTCString(),
  }
  const kept: StoredHeaders = version.h ?? {}
  const cacheControl = kept['CacheControl']
  const expires = kept['ExpiresString']
  if (cacheControl !== undefined) headers['cache-control'] = cacheControl
  if (expires !== undefined) headers['expires'] = expires
  return headers
}
