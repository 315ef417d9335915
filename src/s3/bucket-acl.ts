/** GetBucketAcl and PutBucketAcl: the list is part of the bucket's row. */
import type { Handler } from '../api/operations.ts'
import { requestedAcl, shownAcl } from './acl.ts'
import type { Context } from './context.ts'
import { checkExpectedOwner } from './object-input.ts'
import type { BucketRow } from './rows.ts'
import { transact } from './transact.ts'
import type { Mutable } from './version.ts'

export function getBucketAcl(ctx: Context): Handler<'GetBucketAcl'> {
  return async (input) => {
    const { value } = await ctx.buckets.readFresh(input.Bucket ?? '')
    checkExpectedOwner(input.ExpectedBucketOwner, value)
    return shownAcl(value.acl, value.owner)
  }
}

export function putBucketAcl(ctx: Context): Handler<'PutBucketAcl'> {
  return async (input) => {
    const name = input.Bucket ?? ''
    await transact(ctx.metadata, name, async (tx) => {
      const bucket = await ctx.buckets.toChange(tx, name)
      checkExpectedOwner(input.ExpectedBucketOwner, bucket)
      const acl = requestedAcl(input, bucket.owner, bucket.owner)
      const { acl: _before, ...rest } = bucket
      const updated: Mutable<BucketRow> = rest
      if (acl !== undefined) updated.acl = acl
      tx.put('bucket', '', updated)
    })
    ctx.buckets.forget(name)
    return {}
  }
}
