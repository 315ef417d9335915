/** GetObjectLockConfiguration and PutObjectLockConfiguration: object lock of a bucket, once on never off, and its default retention. */
import type { DefaultRetention, ObjectLockConfiguration } from '@aws-sdk/client-s3'
import { S3Error } from '../api/error.ts'
import type { Handler } from '../api/operations.ts'
import { changeBucket } from './change-bucket.ts'
import type { Context } from './context.ts'
import { openBucket } from './open-bucket.ts'
import type { BucketLock } from './rows.ts'

/** S3's bounds of a default retention: 100 years. */
const DAYS_MAX = 36_500
const YEARS_MAX = 100

export function getObjectLockConfiguration(ctx: Context): Handler<'GetObjectLockConfiguration'> {
  return async (input) => {
    const { lock } = await openBucket(ctx, input)
    if (lock === undefined) {
      throw new S3Error('ObjectLockConfigurationNotFoundError', {
        fields: { BucketName: input.Bucket ?? '' },
      })
    }
    const configuration: ObjectLockConfiguration = { ObjectLockEnabled: 'Enabled' }
    if (lock.mode !== undefined) {
      const retention: DefaultRetention = { Mode: lock.mode }
      if (lock.days !== undefined) retention.Days = lock.days
      if (lock.years !== undefined) retention.Years = lock.years
      configuration.Rule = { DefaultRetention: retention }
    }
    return { ObjectLockConfiguration: configuration }
  }
}

export function putObjectLockConfiguration(ctx: Context): Handler<'PutObjectLockConfiguration'> {
  return async (input) => {
    const asked = input.ObjectLockConfiguration
    if (asked?.ObjectLockEnabled !== 'Enabled') throw new S3Error('MalformedXML')
    if (asked.Rule !== undefined && asked.Rule.DefaultRetention === undefined) {
      throw new S3Error('MalformedXML')
    }
    const lock = lockOfDocument(asked.Rule?.DefaultRetention)
    await changeBucket(ctx, input, (bucket) => {
      if (bucket.versioning !== 'Enabled') {
        throw new S3Error('InvalidBucketState', {
          message:
            "Versioning must be 'Enabled' on the bucket to apply a Object Lock configuration",
        })
      }
      return { ...bucket, lock }
    })
    return {}
  }
}

function lockOfDocument(retention: DefaultRetention | undefined): BucketLock {
  if (retention === undefined) return {}
  const { Mode: mode, Days: days, Years: years } = retention
  if (retention.DefaultEventHold !== undefined) {
    throw new S3Error('NotImplemented', { message: 'Event holds are not implemented here.' })
  }
  if (mode === undefined || (days === undefined) === (years === undefined)) {
    throw new S3Error('MalformedXML')
  }
  const [period, max] = days === undefined ? [years!, YEARS_MAX] : [days, DAYS_MAX]
  if (period < 1) {
    throw new S3Error('InvalidRetentionPeriod', {
      message: 'Default retention period must be a positive integer value.',
    })
  }
  if (period > max) {
    throw new S3Error('InvalidRetentionPeriod', {
      message: `Default retention period must be at most ${YEARS_MAX} years.`,
    })
  }
  return days === undefined ? { mode, years: period } : { mode, days: period }
}
