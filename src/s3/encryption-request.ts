/**
 * Which encryption a request asks for, in its headers or by its bucket's default (PutBucketEncryption):
 * all that S3 says of members that do not fit together.
 */
import { S3Error } from '../api/error.ts'
import { readEncryptionDefault } from './bucket-encryption.ts'
import type { Context } from './context.ts'
import { customerKey, type CustomerKeyInput } from './customer-key.ts'
import { kmsId, type Wanted } from './encryption.ts'
import type { BucketRow } from './rows.ts'

/** The members of an input that ask for encryption. */
export interface EncryptionInput extends CustomerKeyInput {
  readonly Bucket: string | undefined
  readonly ServerSideEncryption?: string | undefined
  readonly SSEKMSKeyId?: string | undefined
  readonly SSEKMSEncryptionContext?: string | undefined
  readonly BucketKeyEnabled?: boolean | undefined
}

/** What new content is to be encrypted by; undefined: not at all. A promise where the bucket has a default. */
export function wantedEncryption(
  ctx: Context,
  input: EncryptionInput,
  bucket: BucketRow,
): Wanted | undefined | Promise<Wanted | undefined> {
  const hasDefault = bucket.config?.['encryption'] !== undefined
  if (!hasDefault && ctx.options.compat === 'legacy') return asked(ctx, input)
  return withDefault(ctx, input)
}

async function withDefault(ctx: Context, input: EncryptionInput): Promise<Wanted | undefined> {
  const { blocksCustomerKeys, ...byDefault } = await readEncryptionDefault(ctx, input.Bucket ?? '')
  // Who asks for SSE-KMS without a key gets the bucket's.
  const filled = {
    ...input,
    SSEKMSKeyId: input.SSEKMSKeyId ?? byDefault.keyId,
    BucketKeyEnabled: input.BucketKeyEnabled ?? byDefault.bucketKey,
  }
  const own = asked(ctx, input.ServerSideEncryption === 'aws:kms' ? filled : input)
  if (own?.by === 'c' && blocksCustomerKeys)
    throw new S3Error('AccessDenied', {
      message: 'The bucket blocks Server Side Encryption with Customer provided keys.',
    })
  if (own !== undefined || byDefault.algorithm === undefined) return own
  return byDefault.algorithm === 'AES256' ? ownKey(ctx) : kms(ctx, filled)
}

function asked(ctx: Context, input: EncryptionInput): Wanted | undefined {
  const customer = customerKey(input)
  const method = input.ServerSideEncryption
  if (customer !== undefined) {
    if (method !== undefined)
      throw invalid(
        'x-amz-server-side-encryption',
        method,
        'Server Side Encryption with Customer provided key is incompatible with the encryption method specified',
      )
    return { by: 'c', customer }
  }
  if (method === 'aws:kms') return kms(ctx, input)
  if (input.SSEKMSKeyId !== undefined)
    throw invalid(
      'x-amz-server-side-encryption-aws-kms-key-id',
      input.SSEKMSKeyId,
      'Server Side Encryption with AWS KMS managed key requires HTTP header x-amz-server-side-encryption : aws:kms',
    )
  if (method === undefined) return undefined
  if (method === 'AES256') return ownKey(ctx)
  throw new S3Error('NotImplemented', {
    message: `The encryption method ${method} is not implemented here.`,
  })
}

function ownKey(ctx: Context): Wanted {
  return { by: 's3', id: ctx.keyring.own.id }
}

function kms(ctx: Context, input: EncryptionInput): Wanted {
  const cx = contextOf(input.SSEKMSEncryptionContext)
  return {
    by: 'kms',
    id: kmsId(ctx, input.SSEKMSKeyId),
    ...(cx !== undefined && { cx }),
    ...(input.BucketKeyEnabled === true && { bk: 1 }),
  }
}

const CONTEXT = 'x-amz-server-side-encryption-context'

/** Base64 of a JSON object of texts; told in one way, whatever the order of its names. */
function contextOf(header: string | undefined): string | undefined {
  if (header === undefined) return undefined
  let value: unknown
  try {
    value = JSON.parse(
      new TextDecoder('utf-8', { fatal: true }).decode(Buffer.from(header, 'base64')),
    )
  } catch {
    value = undefined
  }
  const entries = typeof value === 'object' && value !== null ? Object.entries(value) : undefined
  if (Array.isArray(value) || entries?.some(([, text]) => typeof text !== 'string') !== false)
    throw invalid(
      CONTEXT,
      header,
      `The header ${CONTEXT} shall be Base64-encoded UTF-8 string holding JSON which represents a string-string map`,
    )
  return JSON.stringify(entries.sort(([a], [b]) => (a < b ? -1 : 1)))
}

function invalid(name: string, value: string, message: string): S3Error {
  return new S3Error('InvalidArgument', {
    message,
    fields: { ArgumentName: name, ArgumentValue: value },
  })
}
