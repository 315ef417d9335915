/** AbortMultipartUpload: the upload ends at once; its parts are left to the sweep. */
import type { Handler } from '../api/operations.ts'
import type { Context } from './context.ts'
import { endUpload } from './end-upload.ts'
import { objectAddress } from './object-input.ts'
import { openBucket } from './open-bucket.ts'
import { noSuchUpload } from './upload-row.ts'

export function abortMultipartUpload(ctx: Context): Handler<'AbortMultipartUpload'> {
  return async (input) => {
    const { bucket, key } = objectAddress(input)
    await openBucket(ctx, input)
    const uploadId = input.UploadId ?? ''
    if (!(await endUpload(ctx, bucket, key, uploadId))) throw noSuchUpload(uploadId)
    return {}
  }
}
