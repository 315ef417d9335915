/** Changing what a version says of itself (ACL, tags, lock) and nothing else of it. */
import { announce } from './announce.ts'
import type { Call } from '../api/operations.ts'
import type { Context } from './context.ts'
import { checkExpectedOwner, objectAddress } from './object-input.ts'
import { markerError, noSuchObject } from './object-read.ts'
import type { BucketRow, VersionRow } from './rows.ts'
import { transact, type Tx } from './transact.ts'
import { checkVersionId, findInChain } from './version.ts'

/** The members of an input that say which version is meant; without an id, the newest. */
export interface VersionInput {
  readonly Bucket: string | undefined
  readonly Key: string | undefined
  readonly VersionId?: string | undefined
  readonly ExpectedBucketOwner?: string | undefined
}

export interface ChangedVersion {
  readonly bucket: BucketRow
  readonly version: VersionRow
}

/**
 * Commits what `change` makes of the version, which may refuse by throwing; `told` is what listeners
 * hear of it. Rejects with NoSuchBucket,
 * NoSuchKey, NoSuchVersion, and as a read would where a delete marker stands.
 */
export async function changeVersion(
  ctx: Context,
  input: VersionInput,
  change: (version: VersionRow, bucket: BucketRow, tx: Tx) => VersionRow | Promise<VersionRow>,
  told?: { readonly event: string; readonly call: Call },
): Promise<ChangedVersion> {
  const { bucket: name, key } = objectAddress(input)
  const versionId = input.VersionId
  if (versionId !== undefined) checkVersionId(versionId)
  return transact(ctx.metadata, name, async (tx) => {
    const bucket = await ctx.buckets.inBucket(tx, name)
    checkExpectedOwner(input.ExpectedBucketOwner, bucket)
    const found = await findInChain(tx, key, await tx.get('object', key), versionId)
    if (found === undefined) {
      // Of a bucket that is gone nothing can be told from the row at hand, which may be a second old.
      await ctx.buckets.readFresh(name)
      throw noSuchObject(key, versionId)
    }
    const { value, sort, bytes } = found.row
    if (value.d === 1) throw markerError(value, key, versionId)
    const version = await change(value, bucket, tx)
    tx.put(found.table, sort, version, bytes)
    if (told !== undefined) await announce(ctx, tx, bucket, { ...told, bucket: name, key, version })
    return { bucket, version }
  })
}
