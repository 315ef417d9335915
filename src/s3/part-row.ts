/** Parts of uploads: their numbers, and the one commit that puts a part in its place. */
import { S3Error } from '../api/error.ts'
import { PART_NUMBER_MAX } from '../api/limits.ts'
import type { Context } from './context.ts'
import { type PartRow, partSort } from './rows.ts'
import { transact } from './transact.ts'
import { noSuchUpload, putUploads, uploadIn, withUpload } from './upload-row.ts'

/** Which part of which upload. */
export interface PartAddress {
  readonly bucket: string
  readonly key: string
  readonly uploadId: string
  readonly partNumber: number
}

/** The number, where it is one that a part may have; else InvalidArgument. */
export function checkPartNumber(partNumber: number | undefined): number {
  if (
    partNumber !== undefined &&
    Number.isInteger(partNumber) &&
    partNumber >= 1 &&
    partNumber <= PART_NUMBER_MAX
  ) {
    return partNumber
  }
  throw new S3Error('InvalidArgument', {
    message: `Part number must be an integer between 1 and ${PART_NUMBER_MAX}, inclusive`,
    fields: { ArgumentName: 'partNumber', ArgumentValue: String(partNumber) },
  })
}

/**
 * Puts a part in its place, and what stood there into the garbage. Rejects with NoSuchUpload where
 * the upload has ended meanwhile. `check` may refuse at the last moment, by throwing.
 */
export async function putPart(
  ctx: Context,
  { bucket, key, uploadId, partNumber }: PartAddress,
  part: PartRow,
  bytes?: Uint8Array,
  check?: () => void,
): Promise<void> {
  await transact(ctx.metadata, bucket, async (tx) => {
    check?.()
    const row = (await tx.get('upload', key))?.value
    const upload = uploadIn(row, uploadId)
    if (upload === undefined) throw noSuchUpload(uploadId)
    const sort = partSort(uploadId, partNumber)
    const before = (await tx.get('part', sort))?.value
    if (before?.x !== undefined) tx.put('garbage', ctx.ids.next(), { x: before.x })
    tx.put('part', sort, part, bytes)
    if (upload.sealed === undefined) return
    const { sealed: _sealed, ...unsealed } = upload
    putUploads(ctx, tx, key, withUpload(row, uploadId, unsealed))
  })
}
