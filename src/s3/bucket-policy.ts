/** A bucket's policy: kept as the text that it came as, judged by `ctx.policies` before it is kept. */
import { S3Error } from '../api/error.ts'
import type { Handler } from '../api/operations.ts'
import { isPublicAcl } from './acl.ts'
import { readConfig, writeConfig } from './bucket-config.ts'
import type { Context } from './context.ts'
import { checkExpectedOwner } from './object-input.ts'
import { type BucketInput, openBucket } from './open-bucket.ts'

export function putBucketPolicy(ctx: Context): Handler<'PutBucketPolicy'> {
  return async (input) => {
    const name = input.Bucket ?? ''
    const text = input.Policy ?? ''
    const traits = ctx.policies.check(text, name)
    await writeConfig(ctx, name, 'policy', text, (bucket) => {
      checkExpectedOwner(input.ExpectedBucketOwner, bucket)
      if (traits.isPublic && bucket.block?.policy !== undefined) throw new S3Error('AccessDenied')
      return traits.opensToWriters ? { ...bucket, shared: 1 } : bucket
    })
    return {}
  }
}

export function getBucketPolicy(ctx: Context): Handler<'GetBucketPolicy'> {
  return async (input) => {
    const text = await policyText(ctx, input)
    if (text === undefined) throw noPolicy(input)
    return { Policy: text }
  }
}

export function deleteBucketPolicy(ctx: Context): Handler<'DeleteBucketPolicy'> {
  return async (input) => {
    await writeConfig(ctx, input.Bucket ?? '', 'policy', null, (bucket) => {
      checkExpectedOwner(input.ExpectedBucketOwner, bucket)
    })
    return {}
  }
}

/** Without a policy AWS has no status to tell; suites and older stores then tell whether the access control list is public. */
export function getBucketPolicyStatus(ctx: Context): Handler<'GetBucketPolicyStatus'> {
  return async (input) => {
    const text = await policyText(ctx, input)
    if (text === undefined && ctx.options.compat === 'aws-2026') throw noPolicy(input)
    const { acl } = await openBucket(ctx, input)
    const isPublic =
      (text !== undefined && ctx.policies.check(text, input.Bucket ?? '').isPublic) ||
      (ctx.options.compat === 'legacy' && isPublicAcl(acl))
    return { PolicyStatus: { IsPublic: isPublic } }
  }
}

async function policyText(ctx: Context, input: BucketInput): Promise<string | undefined> {
  await openBucket(ctx, input)
  const document = await readConfig(ctx, input.Bucket ?? '', 'policy')
  return typeof document === 'string' ? document : undefined
}

function noPolicy(input: BucketInput): S3Error {
  return new S3Error('NoSuchBucketPolicy', { fields: { BucketName: input.Bucket ?? '' } })
}
