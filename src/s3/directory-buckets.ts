/**
 * What S3 has for directory buckets alone, answered by a store of general-purpose buckets: there are none
 * of that kind, and a bucket of ours needs no session.
 */
import { S3Error } from '../api/error.ts'
import type { S3Api } from '../api/operations.ts'
import type { Context } from './context.ts'
import { openBucket } from './open-bucket.ts'
import { decodeToken } from './token.ts'

export function directoryBuckets(ctx: Context): S3Api {
  return {
    ListDirectoryBuckets: async ({ ContinuationToken: token }) => {
      if (token) decodeToken('buckets', token)
      return { Buckets: [] }
    },
    CreateSession: async (input) => {
      await openBucket(ctx, { Bucket: input.Bucket })
      throw new S3Error('InvalidRequest', {
        message:
          'Sessions are for directory buckets. Requests to this bucket are signed with the credentials themselves.',
        fields: { BucketName: input.Bucket ?? '' },
      })
    },
  }
}
