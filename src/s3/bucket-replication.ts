/**
 * GetBucketReplication and DeleteBucketReplication, of buckets that are never replicated: clients that look
 * at all of a bucket's configuration ask. PutBucketReplication has no handler, so nobody is promised copies.
 */
import { S3Error } from '../api/error.ts'
import type { S3Api } from '../api/operations.ts'
import type { Context } from './context.ts'
import { openBucket } from './open-bucket.ts'

export function noReplication(ctx: Context): S3Api {
  return {
    GetBucketReplication: async (input) => {
      await openBucket(ctx, input)
      throw new S3Error('ReplicationConfigurationNotFoundError', {
        fields: { BucketName: input.Bucket ?? '' },
      })
    },
    DeleteBucketReplication: async (input) => {
      await openBucket(ctx, input)
      return {}
    },
  }
}
