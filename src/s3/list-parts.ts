/** ListParts: what of an upload is there, by part number. */
import type { Part } from '@aws-sdk/client-s3'
import { S3Error } from '../api/error.ts'
import type { Handler, Output } from '../api/operations.ts'
import { addPartChecksum } from './checksum.ts'
import type { Context } from './context.ts'
import { pageMax } from './listing.ts'
import { showAbortion } from './expiration.ts'
import { objectAddress } from './object-input.ts'
import { openBucket } from './open-bucket.ts'
import { numberOfPart, type PartRow, partsOf, scanRows, type Upload } from './rows.ts'
import { readUpload } from './upload-row.ts'

export function listParts(ctx: Context): Handler<'ListParts'> {
  return async (input) => {
    const { bucket, key } = objectAddress(input)
    const max = pageMax(input.MaxParts, 'max-parts')
    const after = markerOf(input.PartNumberMarker)
    const bucketRow = await openBucket(ctx, input)
    const uploadId = input.UploadId ?? ''
    const upload = await readUpload(ctx, bucket, key, uploadId)
    const range = { ...partsOf(uploadId, after), limit: max + 1 }
    const rows = max === 0 ? [] : await scanRows(ctx.metadata, bucket, 'part', range)
    const shown = rows.slice(0, max)
    const last = shown.at(-1)
    const by = { ID: upload.by[0], DisplayName: upload.by[1] }
    const owner = upload.o ?? upload.by
    const output: Output<'ListParts'> = {
      Bucket: bucket,
      Key: key,
      UploadId: uploadId,
      PartNumberMarker: String(after),
      NextPartNumberMarker: String(last === undefined ? after : numberOfPart(last.sort)),
      MaxParts: max,
      IsTruncated: rows.length > max,
      Parts: shown.map((row) => partOf(numberOfPart(row.sort), row.value, upload)),
      Initiator: by,
      Owner: { ID: owner[0], DisplayName: owner[1] },
      StorageClass: upload.sc ?? 'STANDARD',
    }
    await showAbortion(ctx, output, bucketRow, bucket, key, upload.t)
    if (upload.k !== undefined) {
      output.ChecksumAlgorithm = upload.k[0]
      output.ChecksumType = upload.k[1]
    }
    return output
  }
}

function partOf(partNumber: number, row: PartRow, upload: Upload): Part {
  const part: Part = {
    PartNumber: partNumber,
    LastModified: new Date(row.t),
    ETag: `"${row.e}"`,
    Size: row.s,
  }
  const checksum = upload.k === undefined ? row.sent : row.k
  if (checksum !== undefined) addPartChecksum(part, checksum[0], checksum[1])
  return part
}

/** The model has the marker as text; a number above all parts is as good as the last of them. */
function markerOf(marker: string | undefined): number {
  const after = Number(marker ?? 0)
  if (Number.isInteger(after) && after >= 0 && after <= 0x7fff_ffff) return Math.min(after, 99_998)
  throw new S3Error('InvalidArgument', {
    message: 'Argument part-number-marker must be an integer between 0 and 2147483647',
    fields: { ArgumentName: 'part-number-marker', ArgumentValue: String(marker) },
  })
}
