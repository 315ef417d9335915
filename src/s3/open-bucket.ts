/** What every operation on a bucket begins with: the bucket stands, and is whose the client thinks it is. */
import type { Context } from './context.ts'
import { checkExpectedOwner } from './object-input.ts'
import type { BucketRow } from './rows.ts'

/** The members of an input that say which bucket is meant. */
export interface BucketInput {
  readonly Bucket: string | undefined
  readonly ExpectedBucketOwner?: string | undefined
}

/** The bucket's row, at most a second old. Rejects with NoSuchBucket, and with AccessDenied where it is another's. */
export async function openBucket(ctx: Context, input: BucketInput): Promise<BucketRow> {
  const { value } = await ctx.buckets.read(input.Bucket ?? '')
  checkExpectedOwner(input.ExpectedBucketOwner, value)
  return value
}

/** The same as it is now, for who is asked about the bucket itself, or for one of its documents: another gateway may just have changed it. */
export async function openBucketNow(ctx: Context, input: BucketInput): Promise<BucketRow> {
  const { value } = await ctx.buckets.readFresh(input.Bucket ?? '')
  checkExpectedOwner(input.ExpectedBucketOwner, value)
  return value
}

/** For a listing that found nothing: another gateway may have deleted the bucket since its row was read. Rejects with NoSuchBucket. */
export async function checkStands(
  ctx: Context,
  bucket: string,
  found: readonly unknown[],
  commonPrefixes: readonly string[],
): Promise<void> {
  if (found.length === 0 && commonPrefixes.length === 0) await ctx.buckets.readFresh(bucket)
}
