/** DeleteObjects: up to 1000 deletions, each a commit and an answer of its own, many at once. */
import type { DeletedObject, _Error } from '@aws-sdk/client-s3'
import { S3Error, type S3ErrorCode } from '../api/error.ts'
import { DELETE_OBJECTS_MAX } from '../api/limits.ts'
import type { Call, Handler, Input } from '../api/operations.ts'
import { StoreFull, StoreUnavailable } from '../lib/store-error.ts'
import type { Context } from './context.ts'
import { deleteOne } from './delete-object.ts'
import { demand } from './demand.ts'
import { bypassAsked } from './lock.ts'
import { type Address, checkExpectedOwner, checkKey } from './object-input.ts'

type Item = NonNullable<NonNullable<Input<'DeleteObjects'>['Delete']>['Objects']>[number]

/** Deletions under way at once; a store that commits in groups then takes few of them. */
const AT_ONCE = 32

export function deleteObjects(ctx: Context): Handler<'DeleteObjects'> {
  return async (input, call) => {
    const items = input.Delete?.Objects ?? []
    if (items.length === 0 || items.length > DELETE_OBJECTS_MAX) throw new S3Error('MalformedXML')
    const bucket = input.Bucket ?? ''
    const { value } = await ctx.buckets.read(bucket)
    checkExpectedOwner(input.ExpectedBucketOwner, value)
    const bypasses = (address: Address): Promise<boolean> =>
      bypassAsked(input.BypassGovernanceRetention, call, value, address)
    const results = await Promise.all(startAll(ctx, call, bucket, items, bypasses))
    const quiet = input.Delete?.Quiet === true
    const Deleted = quiet ? [] : results.flatMap((result) => result.deleted ?? [])
    const Errors = results.flatMap((result) => result.error ?? [])
    return { Deleted, Errors }
  }
}

/** Whether governance is bypassed for that key; rejects for who may not. */
type Bypasses = (address: Address) => Promise<boolean>

interface Result {
  readonly deleted?: DeletedObject
  readonly error?: _Error
}

/** As many chains of deletions as may run at once; results stand in the order of the items. */
function startAll(
  ctx: Context,
  call: Call,
  bucket: string,
  items: readonly Item[],
  bypasses: Bypasses,
): readonly Promise<Result>[] {
  const lanes: Promise<unknown>[] = Array.from({ length: AT_ONCE }, () => Promise.resolve())
  return items.map((item, index) => {
    const lane = index % AT_ONCE
    const result = lanes[lane]!.then(() => deleteItem(ctx, call, bucket, item, bypasses))
    lanes[lane] = result
    return result
  })
}

async function deleteItem(
  ctx: Context,
  call: Call,
  bucket: string,
  item: Item,
  bypasses: Bypasses,
): Promise<Result> {
  const { Key: key, VersionId: versionId } = item
  if (key === undefined) throw new S3Error('MalformedXML')
  const named = versionId === undefined ? { Key: key } : { Key: key, VersionId: versionId }
  try {
    checkKey(key)
    const conditions = {
      IfMatch: item.ETag,
      IfMatchLastModifiedTime: item.LastModifiedTime,
      IfMatchSize: item.Size,
    }
    const address = { bucket, key }
    if (versionId === undefined) await demand(call, 's3:DeleteObject', address)
    else await demand(call, 's3:DeleteObjectVersion', { ...address, versionId })
    const bypass = await bypasses(address)
    const done = await deleteOne(ctx, call, address, versionId, conditions, bypass)
    const deleted: DeletedObject = named
    if (done.deleteMarker === true) {
      deleted.DeleteMarker = true
      deleted.DeleteMarkerVersionId = done.versionId
    }
    return { deleted }
  } catch (error) {
    const known = asKeyError(error)
    return { error: { ...named, Code: known.code, Message: known.message } }
  }
}

/** What can befall one key and leave the others be. Anything else is the whole request's. */
function asKeyError(error: unknown): S3Error {
  if (error instanceof S3Error && error.code !== 'NoSuchBucket') return error
  const code: S3ErrorCode | undefined =
    error instanceof StoreUnavailable
      ? 'SlowDown'
      : error instanceof StoreFull
        ? 'InsufficientStorage'
        : undefined
  if (code === undefined) throw error
  return new S3Error(code)
}
