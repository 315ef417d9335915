/** GetObjectAcl and PutObjectAcl: the list is part of the version's row; nothing else of the version changes. */
import type { Handler } from '../api/operations.ts'
import { requestedAcl, shownAcl } from './acl.ts'
import type { Context } from './context.ts'
import { checkExpectedOwner, objectAddress } from './object-input.ts'
import { markerError, noSuchObject, readVersion } from './object-read.ts'
import { lookRow, type VersionRow } from './rows.ts'
import { transact } from './transact.ts'
import { checkVersionId, findInChain, type Mutable, versionOwner } from './version.ts'

export function getObjectAcl(ctx: Context): Handler<'GetObjectAcl'> {
  return async (input) => {
    const address = objectAddress(input)
    const { value: bucket } = await ctx.buckets.read(address.bucket)
    checkExpectedOwner(input.ExpectedBucketOwner, bucket)
    const { value: version } = await readVersion(ctx, address, input.VersionId, lookRow)
    return shownAcl(version.acl, versionOwner(version, bucket))
  }
}

export function putObjectAcl(ctx: Context): Handler<'PutObjectAcl'> {
  return async (input) => {
    const { bucket, key } = objectAddress(input)
    const versionId = input.VersionId
    if (versionId !== undefined) checkVersionId(versionId)
    await transact(ctx.metadata, bucket, async (tx) => {
      const bucketRow = await ctx.buckets.inBucket(tx, bucket)
      checkExpectedOwner(input.ExpectedBucketOwner, bucketRow)
      const found = await findInChain(tx, key, await tx.get('object', key), versionId)
      if (found === undefined) {
        // Of a bucket that is gone nothing can be told from the row at hand, which may be a second old.
        await ctx.buckets.readFresh(bucket)
        throw noSuchObject(key, versionId)
      }
      const { value, sort, bytes } = found.row
      if (value.d === 1) throw markerError(value, key, versionId)
      const acl = requestedAcl(input, versionOwner(value, bucketRow), bucketRow.owner)
      const { acl: _before, ...rest } = value
      const updated: Mutable<VersionRow> = rest
      if (acl !== undefined) updated.acl = acl
      tx.put(found.table, sort, updated, bytes)
    })
    return {}
  }
}
