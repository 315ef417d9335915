/** PutBucketEncryption, GetBucketEncryption, DeleteBucketEncryption: what is done with objects whose uploads say nothing. */
import type { ServerSideEncryptionRule } from '@aws-sdk/client-s3'
import type { Json } from '../../metadata/store.ts'
import { S3Error } from '../api/error.ts'
import type { Handler } from '../api/operations.ts'
import { readConfig, writeConfig } from './bucket-config.ts'
import type { Context } from './context.ts'
import { checkExpectedOwner } from './object-input.ts'
import { openBucket } from './open-bucket.ts'

interface EncryptionDocument {
  readonly Rules: readonly ServerSideEncryptionRule[]
}

/** A bucket's default, as uploads need it. */
export interface EncryptionDefault {
  readonly algorithm?: 'AES256' | 'aws:kms'
  readonly keyId?: string
  readonly bucketKey?: boolean
  /** Uploads with keys of their clients' are refused. */
  readonly blocksCustomerKeys: boolean
}

export function putBucketEncryption(ctx: Context): Handler<'PutBucketEncryption'> {
  return async (input) => {
    const rules = input.ServerSideEncryptionConfiguration?.Rules
    if (rules === undefined || rules.length !== 1) throw new S3Error('MalformedXML')
    checkRule(rules[0]!)
    const document: EncryptionDocument = { Rules: rules }
    const json = document as unknown as Json
    await writeConfig(ctx, input.Bucket ?? '', 'encryption', json, (bucket) =>
      checkExpectedOwner(input.ExpectedBucketOwner, bucket),
    )
    return {}
  }
}

function checkRule({
  ApplyServerSideEncryptionByDefault: apply,
  BlockedEncryptionTypes: blocked,
}: ServerSideEncryptionRule): void {
  if (apply === undefined && blocked === undefined) throw new S3Error('MalformedXML')
  const types = blocked?.EncryptionType ?? []
  if (types.some((type) => type !== 'SSE-C' && type !== 'NONE') || types.length > 1)
    throw new S3Error('MalformedXML')
  if (apply === undefined) return
  const { SSEAlgorithm: algorithm, KMSMasterKeyID: keyId } = apply
  if (algorithm === 'aws:kms:dsse')
    throw new S3Error('NotImplemented', {
      message: `The encryption method ${algorithm} is not implemented here.`,
    })
  if (algorithm !== 'AES256' && algorithm !== 'aws:kms') throw new S3Error('MalformedXML')
  if (keyId !== undefined && algorithm !== 'aws:kms')
    throw new S3Error('InvalidArgument', {
      message:
        'a KMSMasterKeyID is not applicable if the default sse algorithm is not aws:kms or aws:kms:dsse',
      fields: { ArgumentName: 'ApplyServerSideEncryptionByDefault', ArgumentValue: algorithm },
    })
}

export function getBucketEncryption(ctx: Context): Handler<'GetBucketEncryption'> {
  return async (input) => {
    const bucket = input.Bucket ?? ''
    await openBucket(ctx, input)
    const document = await readDocument(ctx, bucket)
    if (document !== undefined)
      return { ServerSideEncryptionConfiguration: { Rules: [...document.Rules] } }
    if (ctx.options.compat === 'legacy')
      throw new S3Error('ServerSideEncryptionConfigurationNotFoundError', {
        fields: { BucketName: bucket },
      })
    return { ServerSideEncryptionConfiguration: { Rules: [RULE_OF_TODAY] } }
  }
}

/** What AWS gives a bucket that nobody has configured. */
const RULE_OF_TODAY: ServerSideEncryptionRule = {
  ApplyServerSideEncryptionByDefault: { SSEAlgorithm: 'AES256' },
  BucketKeyEnabled: false,
  BlockedEncryptionTypes: { EncryptionType: ['SSE-C'] },
}

export function deleteBucketEncryption(ctx: Context): Handler<'DeleteBucketEncryption'> {
  return async (input) => {
    await writeConfig(ctx, input.Bucket ?? '', 'encryption', null, (bucket) =>
      checkExpectedOwner(input.ExpectedBucketOwner, bucket),
    )
    return {}
  }
}

async function readDocument(ctx: Context, bucket: string): Promise<EncryptionDocument | undefined> {
  const document = await readConfig(ctx, bucket, 'encryption')
  return document as EncryptionDocument | undefined
}

/** What uploads to the bucket are held to. */
export async function readEncryptionDefault(
  ctx: Context,
  bucket: string,
): Promise<EncryptionDefault> {
  const rule = (await readDocument(ctx, bucket))?.Rules[0]
  const { ApplyServerSideEncryptionByDefault: apply, ...rest } =
    rule ?? (ctx.options.compat === 'legacy' ? {} : RULE_OF_TODAY)
  const algorithm = apply?.SSEAlgorithm ?? (ctx.options.compat === 'legacy' ? undefined : 'AES256')
  return {
    ...(algorithm !== undefined && { algorithm: algorithm as 'AES256' | 'aws:kms' }),
    ...(apply?.KMSMasterKeyID !== undefined && { keyId: apply.KMSMasterKeyID }),
    ...(rest.BucketKeyEnabled !== undefined && { bucketKey: rest.BucketKeyEnabled }),
    blocksCustomerKeys: rest.BlockedEncryptionTypes?.EncryptionType?.includes('SSE-C') === true,
  }
}
