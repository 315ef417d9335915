/** PutBucketVersioning and GetBucketVersioning: a flag of the bucket's row, which every write relies on. */
import { S3Error } from '../api/error.ts'
import type { Handler } from '../api/operations.ts'
import { changeBucket } from './change-bucket.ts'
import type { Context } from './context.ts'
import { openBucketNow } from './open-bucket.ts'

export function getBucketVersioning(ctx: Context): Handler<'GetBucketVersioning'> {
  return async (input) => {
    const { versioning } = await openBucketNow(ctx, input)
    return versioning === undefined ? {} : { Status: versioning }
  }
}

export function putBucketVersioning(ctx: Context): Handler<'PutBucketVersioning'> {
  return async (input) => {
    const { Status: versioning, MFADelete: mfaDelete } = input.VersioningConfiguration ?? {}
    // To accept it would be to promise that deletions are refused which are not.
    if (mfaDelete === 'Enabled') {
      throw new S3Error('NotImplemented', {
        message: 'MFA delete is not offered here: leave MfaDelete out, or say Disabled.',
        fields: { Header: 'x-amz-mfa' },
      })
    }
    if (versioning === undefined) throw new S3Error('IllegalVersioningConfigurationException')
    await changeBucket(ctx, input, (bucket) => {
      if (bucket.lock !== undefined && versioning !== 'Enabled') {
        throw new S3Error('InvalidBucketState', {
          message:
            'An Object Lock configuration is present on this bucket, so the versioning state cannot be changed.',
        })
      }
      return { ...bucket, versioning }
    })
    return {}
  }
}
