/** Rights that an operation needs beyond its own, because of what a header, a body or a row names. */
import type { Resource } from '../api/access.ts'
import { S3Error } from '../api/error.ts'
import type { Call } from '../api/operations.ts'

/** Rejects with AccessDenied where the requester may not do this (IAM's name of it, `s3:PutObjectTagging`). */
export async function demand(call: Call, action: string, resource: Resource): Promise<void> {
  if (!(await call.access.may(action, resource))) throw new S3Error('AccessDenied')
}
