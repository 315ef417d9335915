/** The source of CopyObject and UploadPartCopy: which object it is, and whether it may be copied now. */
import { S3Error } from '../api/error.ts'
import type { Call } from '../api/operations.ts'
import type { Row } from '../../metadata/store.ts'
import { checkCopySource, type CopySourceConditions } from './condition.ts'
import type { Context } from './context.ts'
import { demand } from './demand.ts'
import { type Address, checkExpectedOwner, checkKey } from './object-input.ts'
import { findObject } from './object-read.ts'
import { checkReadable } from './restore-object.ts'
import type { BucketRow, VersionRow } from './rows.ts'
import type { Source } from './share.ts'

export interface CopySource extends Address {
  readonly versionId?: string
}

const VERSION = '?versionId='

/**
 * Reads an `x-amz-copy-source`: `bucket/key` with or without a leading slash, percent-encoded (the
 * slash between them too, with some clients), and perhaps `?versionId=`. Rejects with InvalidArgument
 * what names no bucket and key.
 */
export function parseCopySource(header: string): CopySource {
  const at = header.lastIndexOf(VERSION)
  const path = at === -1 ? header : header.slice(0, at)
  const versionId = at === -1 ? undefined : decode(header.slice(at + VERSION.length))
  // A slash as it is separates bucket and key; only where there is none may an encoded one do so.
  const raw = path.replace(path.includes('/') ? /^\// : /^%2f/i, '')
  const slash = raw.indexOf('/')
  const text = decode(raw)
  const split = slash === -1 ? text.indexOf('/') : decode(raw.slice(0, slash)).length
  const bucket = split === -1 ? '' : text.slice(0, split)
  const key = split === -1 ? '' : text.slice(split + 1)
  if (bucket === '') throw invalid('Invalid copy source bucket name', header)
  if (key === '') throw invalid('Invalid copy source object key', header)
  checkKey(key)
  return versionId === undefined ? { bucket, key } : { bucket, key, versionId }
}

/** Header text is latin1; bytes that were not percent-encoded are UTF-8. */
function decode(text: string): string {
  try {
    const bytes = Buffer.from(text, 'latin1')
    const isLatin1 = bytes.toString('latin1') === text
    return decodeURIComponent(isLatin1 ? bytes.toString() : text)
  } catch {
    throw invalid('Invalid copy source encoding', text)
  }
}

function invalid(message: string, value: string): S3Error {
  return new S3Error('InvalidArgument', {
    message,
    fields: { ArgumentName: 'x-amz-copy-source', ArgumentValue: value },
  })
}

/** The source as it stands now, with its bucket. */
export interface FoundSource extends Source {
  readonly row: Row<VersionRow>
  readonly bucketRow: BucketRow
}

/**
 * Finds the source and checks the request's conditions on it. Rejects like GetObject, with AccessDenied
 * for who may not read it, with
 * InvalidRequest for a delete marker named by its id, and with PreconditionFailed.
 */
export async function findCopySource(
  ctx: Context,
  source: CopySource,
  input: CopySourceConditions & { readonly ExpectedSourceBucketOwner?: string | undefined },
  call: Call,
): Promise<FoundSource> {
  const { value: bucketRow } = await ctx.buckets.read(source.bucket)
  const action = source.versionId === undefined ? 's3:GetObject' : 's3:GetObjectVersion'
  await demand(call, action, source)
  checkExpectedOwner(input.ExpectedSourceBucketOwner, bucketRow)
  const { table, row } = await findObject(ctx, source, source.versionId).catch(
    (error: unknown): never => {
      if (!(error instanceof S3Error) || error.code !== 'MethodNotAllowed') throw error
      throw new S3Error('InvalidRequest', {
        message:
          'The source of a copy request may not specifically refer to a delete marker by version id.',
      })
    },
  )
  checkCopySource(input, row.value)
  checkReadable(ctx, row.value)
  return { bucket: source.bucket, table, row, bucketRow }
}
