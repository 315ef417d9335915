/**
 * Small settings of a bucket, kept and given back: transfer acceleration, who pays, attribute-based
 * access control, access logging. Acceleration and payment change nothing here: there is one way to this
 * store, and nobody is billed.
 */
import type { AbacStatus, AccelerateConfiguration, LoggingEnabled } from '@aws-sdk/client-s3'
import { S3Error } from '../api/error.ts'
import type { S3Api } from '../api/operations.ts'
import type { Context } from './context.ts'
import { openBucket } from './open-bucket.ts'
import { getDocument, putDocument } from './stored-config.ts'

type Payer = { readonly Payer: 'BucketOwner' | 'Requester' }

export function bucketSettings(ctx: Context): S3Api {
  return {
    GetBucketAccelerateConfiguration: async (input) =>
      (await getDocument<AccelerateConfiguration>(ctx, input, 'accelerate')) ?? {},
    PutBucketAccelerateConfiguration: async (input) => {
      const { Status } = input.AccelerateConfiguration ?? {}
      if (Status === undefined) throw new S3Error('MalformedXML')
      if (input.Bucket?.includes('.') === true) {
        throw new S3Error('InvalidRequest', {
          message:
            'S3 Transfer Acceleration is not supported for buckets with periods (.) in their names',
        })
      }
      await putDocument(ctx, input, 'accelerate', { Status })
      return {}
    },
    GetBucketRequestPayment: async (input) =>
      (await getDocument<Payer>(ctx, input, 'request-payment')) ?? { Payer: 'BucketOwner' },
    PutBucketRequestPayment: async (input) => {
      const { Payer } = input.RequestPaymentConfiguration ?? {}
      if (Payer === undefined) throw new S3Error('MalformedXML')
      await putDocument(ctx, input, 'request-payment', { Payer })
      return {}
    },
    GetBucketAbac: async (input) => ({
      AbacStatus: (await getDocument<AbacStatus>(ctx, input, 'abac')) ?? { Status: 'Disabled' },
    }),
    PutBucketAbac: async (input) => {
      const { Status } = input.AbacStatus ?? {}
      if (Status === undefined) throw new S3Error('MalformedXML')
      await putDocument(ctx, input, 'abac', { Status })
      return {}
    },
    GetBucketLogging: async (input) => {
      const logging = await getDocument<LoggingEnabled>(ctx, input, 'logging')
      return logging === undefined ? {} : { LoggingEnabled: logging }
    },
    PutBucketLogging: async (input) => {
      const logging = input.BucketLoggingStatus?.LoggingEnabled
      if (logging !== undefined) await checkTarget(ctx, input, logging)
      await putDocument(ctx, input, 'logging', logging ?? null)
      return {}
    },
  }
}

/** Logs go to a bucket of the same owner. */
async function checkTarget(
  ctx: Context,
  input: Parameters<typeof openBucket>[1],
  logging: LoggingEnabled,
): Promise<void> {
  const { TargetBucket: target, TargetPrefix: prefix } = logging
  if (target === undefined || prefix === undefined) throw new S3Error('MalformedXML')
  if (logging.TargetGrants !== undefined) {
    throw new S3Error('NotImplemented', {
      message: 'Grants for logs are not implemented: give them by a policy of the target bucket.',
    })
  }
  const { owner } = await openBucket(ctx, input)
  const there = await openBucket(ctx, { Bucket: target }).catch((error: unknown) => {
    if (error instanceof S3Error && error.code === 'NoSuchBucket') return undefined
    throw error
  })
  if (there?.owner[0] !== owner[0]) {
    throw new S3Error('InvalidTargetBucketForLogging', { fields: { TargetBucket: target } })
  }
}
