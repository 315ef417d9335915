/**
 * DeleteObject: without a version id, the newest version goes (or a delete marker comes before it);
 * with one, that version goes for good. What is not there is deleted all the same.
 */
import type { Handler, Output } from '../api/operations.ts'
import { announce } from './announce.ts'
import { checkDelete, type DeleteConditions, isConditional } from './condition.ts'
import type { Context } from './context.ts'
import { bypassAsked } from './lock.ts'
import { type Address, checkExpectedOwner, objectAddress, ownerOf } from './object-input.ts'
import type { Call } from '../api/operations.ts'
import { demandReplica, saysReplica } from './replica-request.ts'
import { transact, type Tx } from './transact.ts'
import {
  checkVersionId,
  findInChain,
  publicId,
  type Mutable,
  own,
  pushVersion,
  removeHead,
  removeVersion,
  type VersionDraft,
} from './version.ts'

/** What a delete did: the version that it took away, or the marker that it put. */
export interface Deletion {
  /** A delete marker was put, or taken away. */
  readonly deleteMarker?: true
  /** Of the marker put, or of the version taken away. */
  readonly versionId?: string
}

export function deleteObject(ctx: Context): Handler<'DeleteObject'> {
  return async (input, call) => {
    const address = objectAddress(input)
    const { value: bucket } = await ctx.buckets.read(address.bucket)
    checkExpectedOwner(input.ExpectedBucketOwner, bucket)
    const bypass = await bypassAsked(input.BypassGovernanceRetention, call, bucket, address)
    const isReplica = saysReplica(input)
    if (isReplica) await demandReplica(call, 's3:ReplicateDelete', address)
    const done = await deleteOne(ctx, call, address, input.VersionId, input, bypass, isReplica)
    const output: Output<'DeleteObject'> = {}
    if (done.deleteMarker === true) output.DeleteMarker = true
    if (done.versionId !== undefined) output.VersionId = done.versionId
    return output
  }
}

/**
 * One deletion, one commit. `bypass`: of a version under governance too. `isReplica`:
 * another gateway's replication makes it, and it goes no further. Rejects with NoSuchBucket,
 * PreconditionFailed, AccessDenied for what is locked, and InvalidArgument for what is no version id.
 */
export async function deleteOne(
  ctx: Context,
  call: Call,
  address: Address,
  versionId: string | undefined,
  conditions: DeleteConditions,
  bypass: boolean,
  isReplica: boolean = false,
): Promise<Deletion> {
  if (versionId !== undefined) checkVersionId(versionId)
  return transact(ctx.metadata, address.bucket, (tx) =>
    versionId === undefined
      ? deleteNewest(ctx, tx, call, address, conditions, isReplica)
      : deleteVersion(ctx, tx, call, address, versionId, conditions, bypass),
  )
}

async function deleteNewest(
  ctx: Context,
  tx: Tx,
  call: Call,
  { bucket, key }: Address,
  conditions: DeleteConditions,
  isReplica: boolean,
): Promise<Deletion> {
  const bucketRow = await ctx.buckets.inBucket(tx, bucket)
  const isKept = bucketRow.versioning !== undefined
  const head = await (isKept ? tx.get('object', key) : tx.look('object', key))
  checkDelete(conditions, head?.value)
  if (!isKept) {
    if (head !== undefined) {
      await removeHead(ctx, tx, key, head)
      const event = 's3:ObjectRemoved:Delete'
      await announce(ctx, tx, bucketRow, { event, bucket, key, call })
    }
    return {}
  }
  // Nothing is there that the condition could be true of: nothing is done.
  if (head === undefined && isConditional(conditions)) return {}
  const draft: Mutable<VersionDraft> = { t: ctx.clock.now(), s: 0, e: '', d: 1 }
  own(draft, ownerOf(call, bucketRow), bucketRow)
  if (isReplica) draft.rp = 'REPLICA'
  const marker = await pushVersion(ctx, tx, bucketRow, key, head, draft)
  const event = 's3:ObjectRemoved:DeleteMarkerCreated'
  await announce(ctx, tx, bucketRow, { event, bucket, key, version: marker, call })
  return { deleteMarker: true, versionId: publicId(marker) }
}

async function deleteVersion(
  ctx: Context,
  tx: Tx,
  call: Call,
  { bucket, key }: Address,
  versionId: string,
  conditions: DeleteConditions,
  bypass: boolean,
): Promise<Deletion> {
  const bucketRow = await ctx.buckets.inBucket(tx, bucket)
  const head = await tx.get('object', key)
  const found = await findInChain(tx, key, head, versionId)
  checkDelete(conditions, found?.row.value)
  if (found !== undefined) {
    await removeVersion(ctx, tx, key, head!, found, bypass)
    const event = 's3:ObjectRemoved:Delete'
    await announce(ctx, tx, bucketRow, { event, bucket, key, version: found.row.value, call })
  }
  if (found?.row.value.d === 1) return { deleteMarker: true, versionId }
  return bucketRow.versioning === undefined ? {} : { versionId }
}
