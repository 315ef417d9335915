/** The replication of a bucket: which of its objects are copied to which other S3; replication.ts carries it out. */
import type { ReplicationConfiguration } from '@aws-sdk/client-s3'
import { S3Error } from '../api/error.ts'
import type { S3Api } from '../api/operations.ts'
import type { Context } from './context.ts'
import { openBucket } from './open-bucket.ts'
import { checkReplication, targetOf } from './replication-rules.ts'
import { getDocument, putDocument } from './stored-config.ts'

export function bucketReplication(ctx: Context): S3Api {
  return {
    PutBucketReplication: async (input, call) => {
      const configuration = input.ReplicationConfiguration
      checkReplication(configuration)
      await openBucket(ctx, input)
      await checkTargets(ctx, configuration!, call.signal)
      await putDocument(ctx, input, 'replication', configuration!, ({ versioning }) => {
        if (versioning === 'Enabled') return
        throw new S3Error('InvalidRequest', {
          message:
            "Versioning must be 'Enabled' on the bucket to apply a replication configuration",
        })
      })
      return {}
    },
    GetBucketReplication: async (input) => {
      const document = await getDocument<ReplicationConfiguration>(ctx, input, 'replication')
      if (document === undefined) {
        throw new S3Error('ReplicationConfigurationNotFoundError', {
          fields: { BucketName: input.Bucket ?? '' },
        })
      }
      return { ReplicationConfiguration: document }
    },
    DeleteBucketReplication: async (input) => {
      await putDocument(ctx, input, 'replication', null)
      return {}
    },
  }
}

/** Destinations are those that the gateway's own configuration names, and keep versions. */
async function checkTargets(
  ctx: Context,
  { Rules: rules = [] }: ReplicationConfiguration,
  signal: AbortSignal,
): Promise<void> {
  for (const target of new Set(rules.map(targetOf))) {
    if (!ctx.replicas.has(target)) {
      throw new S3Error('InvalidRequest', {
        message: `Destination bucket must exist: ${target} is not among this gateway's replication.targets.`,
      })
    }
    const isVersioned = await ctx.replicas.isVersioned(target, signal).catch((error: unknown) => {
      throw new S3Error('InvalidRequest', {
        message: `The destination bucket ${target} cannot be reached.`,
        cause: error,
      })
    })
    if (!isVersioned) {
      throw new S3Error('InvalidRequest', {
        message: 'Destination bucket must have versioning enabled.',
      })
    }
  }
}
