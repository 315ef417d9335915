/**
 * Small settings of a bucket, kept and given back: transfer acceleration, who pays, attribute-based
 * access control, access logging. Acceleration and payment change nothing here: there is one way to this
 * store, and nobody is billed.
 */
import type { AbacStatus, AccelerateConfiguration, LoggingEnabled } from '@aws-sdk/client-s3'
import { S3Error } from '../api/error.ts'
import type { S3Api } from '../api/operations.ts'
import type { Context } from './context.ts'
import { checkLogTarget } from './log-target.ts'
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
      const asked = input.BucketLoggingStatus?.LoggingEnabled
      const bucket = await openBucket(ctx, input)
      const logging = asked && storedLogging(ctx, asked)
      if (logging !== undefined) await checkLogTarget(ctx, input.Bucket ?? '', bucket, logging)
      await putDocument(ctx, input, 'logging', logging ?? null)
      return {}
    },
  }
}

/** As it is kept and shown. Before `compat: aws-2026` the format of keys is always said, as Ceph says it. */
function storedLogging({ options }: Context, logging: LoggingEnabled): LoggingEnabled {
  const { TargetBucket, TargetPrefix, TargetGrants, TargetObjectKeyFormat } = logging
  if (TargetBucket === undefined || TargetPrefix === undefined) throw new S3Error('MalformedXML')
  if (options.compat === 'legacy')
    return {
      TargetBucket,
      TargetPrefix,
      TargetObjectKeyFormat: TargetObjectKeyFormat ?? { SimplePrefix: {} },
    }
  if (TargetGrants !== undefined) {
    throw new S3Error('NotImplemented', {
      message: 'Grants for logs are not implemented: give them by a policy of the target bucket.',
    })
  }
  return logging
}
