/** HeadBucket, GetBucketLocation: what a bucket's row says. */
import type { GetBucketLocationOutput } from '@aws-sdk/client-s3'
import type { Handler } from '../api/operations.ts'
import type { Context } from './context.ts'
import { openBucketNow } from './open-bucket.ts'

/** The region that S3 calls by no name. */
const NAMELESS_REGION = 'us-east-1'

export function headBucket(ctx: Context): Handler<'HeadBucket'> {
  return async (input) => {
    const { region } = await openBucketNow(ctx, input)
    return { BucketRegion: region }
  }
}

export function getBucketLocation(ctx: Context): Handler<'GetBucketLocation'> {
  return async (input) => {
    const { region } = await openBucketNow(ctx, input)
    if (region === NAMELESS_REGION) return {}
    // The model lists the regions of today; ours may be any text.
    const LocationConstraint = region as NonNullable<GetBucketLocationOutput['LocationConstraint']>
    return { LocationConstraint }
  }
}
