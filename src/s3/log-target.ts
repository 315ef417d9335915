/**
 * Whether the access log of one bucket may go into another: S3's service for logs is nobody's user, so
 * the target says so, by its policy (for the principal `logging.s3.amazonaws.com`) or by its access
 * control list (WRITE for the group LogDelivery). Asked when logging is set, and at each delivery.
 */
import type { LoggingEnabled } from '@aws-sdk/client-s3'
import { S3Error } from '../api/error.ts'
import { LOG_DELIVERY } from './acl.ts'
import { readConfig } from './bucket-config.ts'
import { readEncryptionDefault } from './bucket-encryption.ts'
import type { Context } from './context.ts'
import { openBucket } from './open-bucket.ts'
import type { BucketRow } from './rows.ts'

const SERVICE = 'logging.s3.amazonaws.com'

/** Whether the target lets the log of `source` (which belongs to `owner`) come under that prefix. */
export async function takesLogs(
  ctx: Context,
  target: string,
  prefix: string,
  source: { readonly bucket: string; readonly owner: string },
): Promise<boolean> {
  const { value: row } = await ctx.buckets.read(target)
  if (row.owner[0] !== source.owner && ctx.options.compat === 'aws-2026') return false
  if (row.ownership !== 'BucketOwnerEnforced' && listTakesLogs(row)) return true
  const text = await readConfig(ctx, target, 'policy')
  return (
    typeof text === 'string' &&
    ctx.policies.lets(text, {
      service: SERVICE,
      action: 's3:PutObject',
      bucket: target,
      key: prefix,
      sourceBucket: source.bucket,
      sourceOwner: source.owner,
    })
  )
}

function listTakesLogs({ acl }: BucketRow): boolean {
  return (
    acl?.grants.some(
      ([permission, , who]) =>
        who === LOG_DELIVERY && (permission === 'WRITE' || permission === 'FULL_CONTROL'),
    ) === true
  )
}

/**
 * Refuses a target that S3 would not deliver to. Before `compat: aws-2026` in the words of Ceph, which
 * wants the target to keep no log of its own, and to be under no encryption of its own.
 */
export async function checkLogTarget(
  ctx: Context,
  source: string,
  { owner }: BucketRow,
  { TargetBucket: target = '', TargetPrefix: prefix = '' }: LoggingEnabled,
): Promise<void> {
  const isStrict = ctx.options.compat === 'aws-2026'
  const there = await openBucket(ctx, { Bucket: target }).catch((error: unknown) => {
    if (error instanceof S3Error && error.code === 'NoSuchBucket') return undefined
    throw error
  })
  if (there === undefined) {
    const fields = { TargetBucket: target }
    throw isStrict
      ? new S3Error('InvalidTargetBucketForLogging', { fields })
      : new S3Error('NoSuchKey', {
          message: 'The target bucket for logging does not exist',
          fields,
        })
  }
  const fault =
    (isStrict ? await strictFault(ctx, target) : legacyFault(source, target, there)) ??
    (await requesterPays(ctx, target))
  if (fault !== undefined) {
    throw new S3Error('InvalidArgument', {
      message: fault,
      fields: { ArgumentName: 'TargetBucket', ArgumentValue: target },
    })
  }
  if (await takesLogs(ctx, target, prefix, { bucket: source, owner: owner[0] })) return
  if (!isStrict) throw new S3Error('AccessDenied')
  throw new S3Error('InvalidTargetBucketForLogging', {
    message:
      'You must give the log-delivery group WRITE and READ_ACP permissions to the target bucket',
    fields: { TargetBucket: target },
  })
}

/** AWS delivers to buckets under SSE-S3, and to no others that are encrypted. */
async function strictFault(ctx: Context, target: string): Promise<string | undefined> {
  const { algorithm } = await readEncryptionDefault(ctx, target)
  const isKms = algorithm !== undefined && algorithm !== 'AES256'
  return isKms ? 'The target bucket is encrypted with SSE-KMS.' : undefined
}

async function requesterPays(ctx: Context, target: string): Promise<string | undefined> {
  const document = await readConfig(ctx, target, 'request-payment')
  const isRequester = (document as { readonly Payer?: string } | undefined)?.Payer === 'Requester'
  return isRequester ? 'The target bucket has Requester Pays.' : undefined
}

function legacyFault(source: string, target: string, there: BucketRow): string | undefined {
  if (source === target) return 'A bucket cannot be its own log bucket.'
  if (there.config?.['logging'] !== undefined) return 'The target bucket keeps a log itself.'
  if (there.config?.['encryption'] !== undefined) return 'The target bucket is encrypted.'
  return undefined
}
