/** GetBucketAcl and PutBucketAcl: the list is part of the bucket's row. */
import type { Handler } from '../api/operations.ts'
import { opensToWriters, requestedAcl, resolveAcl, shownAcl } from './acl.ts'
import { changeBucket } from './change-bucket.ts'
import type { Context } from './context.ts'
import { checkExpectedOwner } from './object-input.ts'
import { checkListsCount } from './ownership.ts'
import { checkPublicAcl } from './public-access.ts'
import type { BucketRow, StoredAcl } from './rows.ts'

export function getBucketAcl(ctx: Context): Handler<'GetBucketAcl'> {
  return async (input) => {
    const { value } = await ctx.buckets.readFresh(input.Bucket ?? '')
    checkExpectedOwner(input.ExpectedBucketOwner, value)
    return shownAcl(ctx, value.acl, value.owner)
  }
}

export function putBucketAcl(ctx: Context): Handler<'PutBucketAcl'> {
  return async (input) => {
    await changeBucket(ctx, input, (bucket) => {
      checkListsCount(bucket)
      const acl = resolveAcl(ctx.people, requestedAcl(input, bucket.owner, bucket.owner))
      return withAcl(bucket, acl)
    })
    return {}
  }
}

/** The bucket with that list (undefined: the default). Throws AccessDenied where it wants none so public. */
export function withAcl(bucket: BucketRow, acl: StoredAcl | undefined): BucketRow {
  checkPublicAcl(bucket, acl)
  const { acl: _before, ...rest } = bucket
  if (acl === undefined) return rest
  return opensToWriters(acl) ? { ...rest, acl, shared: 1 } : { ...rest, acl }
}
