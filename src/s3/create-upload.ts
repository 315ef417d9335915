/** CreateMultipartUpload: keeps what the object is to be, until Complete makes it so. */
import type { ChecksumAlgorithm, ChecksumType } from '../api/checksum.ts'
import { S3Error } from '../api/error.ts'
import { UPLOADS_PER_KEY_MAX } from '../api/limits.ts'
import type { Call, Handler, Input, Output } from '../api/operations.ts'
import { algorithmNamed, uploadChecksumType } from './checksum.ts'
import type { Context } from './context.ts'
import { demand } from './demand.ts'
import { showAbortion } from './expiration.ts'
import { sealingWith, showEncryption } from './encryption.ts'
import { wantedEncryption } from './encryption-request.ts'
import { storedHeaders, storedMetadata } from './headers.ts'
import { askedLock } from './lock.ts'
import {
  checkExpectedOwner,
  objectAddress,
  refuseUnsupported,
  storedClass,
} from './object-input.ts'
import { possess } from './ownership.ts'
import type { BucketRow, Upload } from './rows.ts'
import { demandReplica, saysReplica } from './replica-request.ts'
import { tagsFromHeader } from './tags.ts'
import { transact } from './transact.ts'
import { putUploads, withUpload } from './upload-row.ts'
import type { Mutable } from './version.ts'

export function createMultipartUpload(ctx: Context): Handler<'CreateMultipartUpload'> {
  return async (input, call) => {
    const { bucket, key } = objectAddress(input)
    refuseUnsupported(input)
    const checksum = checksumAsked(input)
    const headers = storedHeaders(input)
    const metadata = storedMetadata(input.Metadata)
    const sc = storedClass(input.StorageClass)
    const tags = tagsFromHeader(ctx, input.Tagging)
    if (tags !== undefined) await demand(call, 's3:PutObjectTagging', { bucket, key })
    const isReplica = saysReplica(input)
    if (isReplica) await demandReplica(call, 's3:ReplicateObject', { bucket, key })
    const { value: before } = await ctx.buckets.read(bucket)
    const lock = await askedLock(input, call, before, { bucket, key }, ctx.clock.now())
    const wanted = await wantedEncryption(ctx, input, before)
    const sse = wanted === undefined ? undefined : sealingWith(ctx, wanted).stored
    const uploadId = ctx.ids.next()
    await transact(ctx.metadata, bucket, async (tx) => {
      const bucketRow = await ctx.buckets.inBucket(tx, bucket)
      checkExpectedOwner(input.ExpectedBucketOwner, bucketRow)
      const { owner, acl } = possess(ctx, call, bucketRow, input)
      const by = initiatorOf(call, bucketRow)
      const row = (await tx.get('upload', key))?.value
      if (row !== undefined && Object.keys(row.u).length >= UPLOADS_PER_KEY_MAX)
        throw new S3Error('InvalidRequest', {
          message: `There are ${UPLOADS_PER_KEY_MAX} uploads of this key under way: complete or abort some of them`,
        })
      const upload: Mutable<Upload> = { t: ctx.clock.now(), by }
      if (owner[0] !== by[0]) upload.o = owner
      if (headers !== undefined) upload.h = headers
      if (metadata !== undefined) upload.m = metadata
      if (sc !== undefined) upload.sc = sc
      if (acl !== undefined) upload.acl = acl
      if (tags !== undefined) upload.tg = tags
      if (checksum !== undefined) upload.k = checksum
      if (lock !== undefined) Object.assign(upload, lock)
      if (sse !== undefined) upload.sse = sse
      if (isReplica) upload.rp = 'REPLICA'
      putUploads(ctx, tx, key, withUpload(row, uploadId, upload))
    })
    const output: Output<'CreateMultipartUpload'> = { Bucket: bucket, Key: key, UploadId: uploadId }
    await showAbortion(ctx, output, before, bucket, key, ctx.clock.now())
    if (checksum !== undefined) {
      output.ChecksumAlgorithm = checksum[0]
      output.ChecksumType = checksum[1]
    }
    showEncryption(output, sse, wanted?.customer?.md5)
    return output
  }
}

function initiatorOf({ requester }: Call, bucket: BucketRow): Upload['by'] {
  return requester === undefined ? bucket.owner : [requester.id, requester.displayName]
}

/** Algorithm and type that the upload is to have; undefined where the client names none. */
function checksumAsked(
  input: Input<'CreateMultipartUpload'>,
): readonly [ChecksumAlgorithm, ChecksumType] | undefined {
  const algorithm = algorithmNamed(input.ChecksumAlgorithm)
  if (algorithm !== undefined) return [algorithm, uploadChecksumType(algorithm, input.ChecksumType)]
  if (input.ChecksumType === undefined) return undefined
  throw new S3Error('InvalidRequest', {
    message:
      'The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.',
  })
}
