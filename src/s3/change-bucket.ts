/** Changing a bucket's own row, for the settings that stand in it. */
import type { Context } from './context.ts'
import { checkExpectedOwner } from './object-input.ts'
import type { BucketInput } from './open-bucket.ts'
import type { BucketRow } from './rows.ts'
import { transact } from './transact.ts'

/**
 * Commits what `change` makes of the row, which may refuse by throwing. When this resolves, no write
 * goes by what stood before. Rejects with NoSuchBucket, and with AccessDenied where the bucket is
 * another's than the client thinks.
 */
export async function changeBucket(
  ctx: Context,
  input: BucketInput,
  change: (bucket: BucketRow) => BucketRow,
): Promise<void> {
  const name = input.Bucket ?? ''
  await transact(ctx.metadata, name, async (tx) => {
    const bucket = await ctx.buckets.toChange(tx, name)
    checkExpectedOwner(input.ExpectedBucketOwner, bucket)
    tx.put('bucket', '', change(bucket))
  })
  ctx.buckets.forget(name)
  await ctx.buckets.settle()
}
