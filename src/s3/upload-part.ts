/** UploadPart: the bytes first, durable, then the one commit that puts the part in its place. */
import type { ChecksumAlgorithm } from '../api/checksum.ts'
import { S3Error } from '../api/error.ts'
import type { Handler, Output } from '../api/operations.ts'
import type { DigestName, Payload } from '../api/payload.ts'
import { digestOf } from '../lib/digest.ts'
import { addPartChecksum, DEFAULT_ALGORITHM, digestsFor } from './checksum.ts'
import { checkPutSize, discardWritten, inlineMax, writeContent } from './content.ts'
import type { Context } from './context.ts'
import { customerKey } from './customer-key.ts'
import { sealingOfParts, showEncryption } from './encryption.ts'
import { objectAddress, refuseUnsupported } from './object-input.ts'
import { openBucket } from './open-bucket.ts'
import { checkPartNumber, putPart } from './part-row.ts'
import { opaqueEtag } from './put-object.ts'
import type { PartRow, Upload } from './rows.ts'
import { readUpload } from './upload-row.ts'
import type { Mutable } from './version.ts'

const EMPTY = new Uint8Array(0)

export function uploadPart(ctx: Context): Handler<'UploadPart'> {
  const md5 = ctx.options.etag === 'md5'
  return async (input, call) => {
    const { bucket, key } = objectAddress(input)
    refuseUnsupported(input)
    const partNumber = checkPartNumber(input.PartNumber)
    const payload = input.Body
    checkPutSize(ctx, payload?.size)
    // Before the body is read: nobody should send gigabytes to an upload that is not there.
    await openBucket(ctx, input)
    const uploadId = input.UploadId ?? ''
    const upload = await readUpload(ctx, bucket, key, uploadId)
    const { algorithm, sent } = algorithmsOf(upload, payload)
    const sealing = sealingOfParts(ctx, upload.sse, customerKey(input))
    const common = digestsFor(algorithm, md5)
    const digests = sent === undefined ? common : [...common, sent]

    const taken =
      payload === undefined ? EMPTY : await payload.take(inlineMax(ctx, sealing), digests)
    const written = await writeContent(ctx, taken, call, payload?.size, sealing)
    try {
      const digest = (name: DigestName): string =>
        payload === undefined ? digestOf(name, EMPTY) : payload.digest(name)
      const part: Mutable<PartRow> = {
        t: ctx.clock.now(),
        s: written.size,
        e: md5 ? digest('md5') : opaqueEtag(ctx),
        k: [algorithm, digest(algorithm), 'FULL_OBJECT'],
      }
      if (sent !== undefined) part.sent = [sent, digest(sent)]
      if (written.extents !== undefined) part.x = written.extents
      if (sealing !== undefined) {
        part.key = sealing.stored.key
        part.e = sealing.etag(part.e)
      }
      await putPart(ctx, { bucket, key, uploadId, partNumber }, part, written.bytes)
      const output: Output<'UploadPart'> = { ETag: `"${part.e}"` }
      const [shown, value] = part.sent ?? part.k!
      if (upload.k !== undefined || sent !== undefined || payload?.claimed !== undefined)
        addPartChecksum(output, shown, value)
      showEncryption(output, upload.sse, input.SSECustomerKeyMD5)
      return output
    } catch (error) {
      await discardWritten(ctx, written, error)
      throw error
    }
  }
}

interface Algorithms {
  /** Of which the object's checksum will be made. */
  readonly algorithm: ChecksumAlgorithm
  /** What the client sent besides, for an upload that names no algorithm. */
  readonly sent?: ChecksumAlgorithm
}

/** InvalidRequest for a part whose checksum is not of its upload's algorithm. */
function algorithmsOf(upload: Upload, payload: Payload | undefined): Algorithms {
  const claimed = payload?.claimed?.algorithm
  const algorithm = upload.k?.[0] ?? DEFAULT_ALGORITHM
  if (claimed === undefined || claimed === algorithm) return { algorithm }
  if (upload.k === undefined) return { algorithm, sent: claimed }
  throw checksumTypeMismatch(algorithm, claimed)
}

/** In S3's words, which say type where they mean algorithm. */
export function checksumTypeMismatch(
  expected: ChecksumAlgorithm,
  actual: ChecksumAlgorithm,
): S3Error {
  return new S3Error('InvalidRequest', {
    message: `Checksum Type mismatch occurred, expected checksum Type: ${expected.toLowerCase()}, actual checksum Type: ${actual.toLowerCase()}`,
  })
}
