/**
 * What GetObject, HeadObject and their kin share: finding the version, the range, the answer's members.
 *
 * One read of the head row tells everything in the common case; the bucket is only asked where there
 * is no object, to tell NoSuchBucket from NoSuchKey.
 */
import type { ReplicationStatus, StorageClass } from '@aws-sdk/client-s3'
import type { Row } from '../../metadata/store.ts'
import type { ByteRange } from '../../storage/store.ts'
import { contentRange, parseRange } from '../api/byte-range.ts'
import { S3Error } from '../api/error.ts'
import type { Call } from '../api/operations.ts'
import { addChecksum, type ChecksumMembers } from './checksum.ts'
import { findPart } from './content.ts'
import { type EncryptionOutput, showEncryption } from './encryption.ts'
import type { Context } from './context.ts'
import { type HeaderOutput, type HeaderOverrides, showHeaders } from './headers.ts'
import type { Address } from './object-input.ts'
import { type LockOutput, showLock } from './lock.ts'
import type { BucketRow, readRow, StoredChecksum, VersionRow } from './rows.ts'
import {
  checkVersionId,
  findVersion,
  type Found,
  type Mutable,
  publicId,
  shownId,
} from './version.ts'

/**
 * The object's row: the newest version, or the one of that id; with its bytes where `read` is
 * `readRow`, perhaps without where it is `lookRow`. Rejects with NoSuchBucket, NoSuchKey,
 * NoSuchVersion; for a delete marker with NoSuchKey (newest) or MethodNotAllowed (by its id).
 */
export async function readVersion(
  ctx: Context,
  { bucket, key }: Address,
  versionId: string | undefined,
  read: typeof readRow,
): Promise<Row<VersionRow>> {
  if (versionId !== undefined) return (await findObject(ctx, { bucket, key }, versionId)).row
  const row = await read(ctx.metadata, bucket, 'object', key)
  if (row === undefined) throw await missing(ctx, bucket, key, undefined)
  if (row.value.d === 1) throw markerError(row.value, key, undefined)
  return row
}

/** The same, with the table that the row stands in. */
export async function findObject(
  ctx: Context,
  { bucket, key }: Address,
  versionId: string | undefined,
): Promise<Found> {
  if (versionId !== undefined) checkVersionId(versionId)
  const found = await findVersion(ctx, bucket, key, versionId)
  if (found === undefined) throw await missing(ctx, bucket, key, versionId)
  if (found.row.value.d === 1) throw markerError(found.row.value, key, versionId)
  return found
}

async function missing(
  ctx: Context,
  bucket: string,
  key: string,
  versionId: string | undefined,
): Promise<S3Error> {
  await ctx.buckets.readFresh(bucket)
  // AWS says nothing of markers where none is; suites want to hear it.
  if (versionId === undefined && ctx.options.compat === 'legacy') {
    const headers = { 'x-amz-delete-marker': 'false' }
    return new S3Error('NoSuchKey', { fields: { Key: key }, headers })
  }
  return noSuchObject(key, versionId)
}

/** NoSuchKey, or NoSuchVersion where a version was asked for. */
export function noSuchObject(key: string, versionId: string | undefined): S3Error {
  return versionId === undefined
    ? new S3Error('NoSuchKey', { fields: { Key: key } })
    : new S3Error('NoSuchVersion', { fields: { Key: key, VersionId: versionId } })
}

/** What S3 says where a delete marker stands: that there is no key, or that a marker cannot be read. */
export function markerError(
  marker: VersionRow,
  key: string,
  versionId: string | undefined,
): S3Error {
  const headers = { 'x-amz-delete-marker': 'true', 'x-amz-version-id': publicId(marker) }
  if (versionId === undefined) return new S3Error('NoSuchKey', { fields: { Key: key }, headers })
  return new S3Error('MethodNotAllowed', {
    fields: { Method: 'GET', ResourceType: 'DeleteMarker' },
    headers: {
      ...headers,
      allow: 'DELETE',
      'last-modified': new Date(marker.t).toUTCString(),
    },
  })
}

/** Which bytes an answer carries, and what it says of them. */
export interface Plan extends ByteRange {
  /** Present: the answer is 206. */
  readonly contentRange?: string
  readonly partsCount?: number
  /** The checksum of exactly these bytes, where there is one. */
  readonly checksum?: StoredChecksum
}

export interface RangeInput {
  readonly Range?: string | undefined
  readonly PartNumber?: number | undefined
}

/** Which bytes the reader wants. Rejects with InvalidRequest (range and part number), InvalidRange, InvalidPartNumber. */
export function planRead(
  ctx: Context,
  bucket: string,
  version: VersionRow,
  { Range: range, PartNumber: partNumber }: RangeInput,
): Plan | Promise<Plan> {
  if (partNumber !== undefined) {
    if (range !== undefined) {
      throw new S3Error('InvalidRequest', {
        message: 'Cannot specify both Range header and partNumber query parameter',
      })
    }
    return planPart(ctx, bucket, version, partNumber)
  }
  const bytes = range === undefined ? undefined : parseRange(range, version.s)
  if (bytes === undefined) {
    return wholePlan(version)
  }
  return { ...bytes, contentRange: contentRange(bytes, version.s) }
}

async function planPart(
  ctx: Context,
  bucket: string,
  version: VersionRow,
  partNumber: number,
): Promise<Plan> {
  const count = version.c?.n
  if (count === undefined) {
    if (partNumber !== 1) throw noSuchPart(ctx, partNumber, 1)
    const whole = wholePlan(version)
    return version.s === 0 ? whole : { ...whole, contentRange: contentRange(whole, version.s) }
  }
  const placed = await findPart(ctx, bucket, version.c!, partNumber)
  if (placed === undefined) throw noSuchPart(ctx, partNumber, count)
  const { part, start, end } = placed
  const plan: Mutable<Plan> = { start, end, partsCount: count }
  if (version.k !== undefined && part[2] !== null) {
    plan.checksum = [version.k[0], part[2], version.k[2]]
  }
  if (start < end) plan.contentRange = contentRange(placed, version.s)
  return plan
}

function wholePlan(version: VersionRow): Plan {
  return version.k === undefined
    ? { start: 0, end: version.s }
    : { start: 0, end: version.s, checksum: version.k }
}

/** AWS answers 416; suites that know S3 from before expect InvalidPart, 400. */
function noSuchPart(ctx: Context, partNumber: number, count: number): S3Error {
  return new S3Error(ctx.options.compat === 'legacy' ? 'InvalidPart' : 'InvalidPartNumber', {
    fields: { ActualPartCount: String(count), PartNumberRequested: String(partNumber) },
  })
}

/** The members that GetObject and HeadObject answer alike. */
export interface ObjectMembers extends HeaderOutput, ChecksumMembers, EncryptionOutput {
  AcceptRanges?: string | undefined
  LastModified?: Date | undefined
  ContentLength?: number | undefined
  ContentRange?: string | undefined
  ETag?: string | undefined
  VersionId?: string | undefined
  PartsCount?: number | undefined
  StorageClass?: StorageClass | undefined
  ReplicationStatus?: ReplicationStatus | undefined
}

/** What only those are told who may ask for it by itself: tags and lock. */
export interface GuardedMembers extends LockOutput {
  TagCount?: number | undefined
}

/** Fills them in; undefined where there is nothing to wait for. */
export function showGuarded(
  output: GuardedMembers,
  version: VersionRow,
  call: Call,
  address: Address,
): Promise<void> | undefined {
  const { tg, r, lh } = version
  if (tg === undefined && r === undefined && lh === undefined) return undefined
  return show(output, version, call, address)
}

async function show(
  output: GuardedMembers,
  version: VersionRow,
  call: Call,
  address: Address,
): Promise<void> {
  await showLock(output, version, call, address)
  if (version.tg !== undefined && (await call.access.may('s3:GetObjectTagging', address))) {
    output.TagCount = version.tg.length
  }
}

/** Fills them in. */
export function showObject(
  output: ObjectMembers,
  bucket: BucketRow,
  version: VersionRow,
  plan: Plan,
  input: HeaderOverrides & {
    readonly ChecksumMode?: string | undefined
    readonly SSECustomerKeyMD5?: string | undefined
  },
): void {
  output.AcceptRanges = 'bytes'
  output.LastModified = new Date(version.t)
  output.ContentLength = plan.end - plan.start
  output.ETag = `"${version.e}"`
  if (plan.contentRange !== undefined) output.ContentRange = plan.contentRange
  if (plan.partsCount !== undefined) output.PartsCount = plan.partsCount
  if (input.ChecksumMode === 'ENABLED') addChecksum(output, plan.checksum)
  const versionId = shownId(bucket, version)
  if (versionId !== undefined) output.VersionId = versionId
  if (version.sc !== undefined) output.StorageClass = version.sc
  if (version.rp !== undefined) output.ReplicationStatus = version.rp
  if (version.sse !== undefined) showEncryption(output, version.sse, input.SSECustomerKeyMD5)
  showHeaders(output, version, input)
}
