/** GetObjectAttributes: what an object is, without its bytes; its parts in pages. */
import type { GetObjectAttributesParts, ObjectPart } from '@aws-sdk/client-s3'
import { S3Error } from '../api/error.ts'
import { LIST_PAGE_MAX, PART_NUMBER_MAX } from '../api/limits.ts'
import type { Handler, Input, Output } from '../api/operations.ts'
import { addChecksum, addPartChecksum, type ChecksumMembers } from './checksum.ts'
import { partsBehind } from './content.ts'
import type { Context } from './context.ts'
import { customerKey } from './customer-key.ts'
import { openingOf } from './encryption.ts'
import { checkExpectedOwner, objectAddress, refuseUnsupported } from './object-input.ts'
import { readVersion } from './object-read.ts'
import { lookRow, type VersionRow } from './rows.ts'
import { shownId } from './version.ts'

export function getObjectAttributes(ctx: Context): Handler<'GetObjectAttributes'> {
  return async (input) => {
    const address = objectAddress(input)
    refuseUnsupported(input)
    const wanted = new Set(input.ObjectAttributes)
    if (wanted.size === 0) {
      throw new S3Error('InvalidArgument', {
        message: 'x-amz-object-attributes header is required',
        fields: { ArgumentName: 'x-amz-object-attributes', ArgumentValue: '' },
      })
    }
    const { value: version } = await readVersion(ctx, address, input.VersionId, lookRow)
    const { value: bucket } = await ctx.buckets.read(address.bucket)
    checkExpectedOwner(input.ExpectedBucketOwner, bucket)
    openingOf(ctx, version.sse, customerKey(input))
    const output: Output<'GetObjectAttributes'> = { LastModified: new Date(version.t) }
    const versionId = shownId(bucket, version)
    if (versionId !== undefined) output.VersionId = versionId
    // The only answer of S3 in which an ETag stands without its quotes.
    if (wanted.has('ETag')) output.ETag = version.e
    if (wanted.has('Checksum') && version.k !== undefined) {
      const checksum: ChecksumMembers = {}
      addChecksum(checksum, version.k)
      output.Checksum = checksum
    }
    if (wanted.has('ObjectParts') && version.c?.n !== undefined) {
      output.ObjectParts = await partsPage(ctx, address.bucket, version, input)
    }
    if (wanted.has('StorageClass')) output.StorageClass = version.sc ?? 'STANDARD'
    if (wanted.has('ObjectSize')) output.ObjectSize = version.s
    return output
  }
}

async function partsPage(
  ctx: Context,
  bucket: string,
  version: VersionRow,
  input: Input<'GetObjectAttributes'>,
): Promise<GetObjectAttributesParts> {
  const max = Math.min(input.MaxParts ?? LIST_PAGE_MAX, LIST_PAGE_MAX)
  const marker = markerOf(input.PartNumberMarker)
  const parts: ObjectPart[] = []
  let isTruncated = false
  for await (const [number, size, checksum] of partsBehind(ctx, bucket, version.c!, marker)) {
    if (parts.length === max) {
      isTruncated = true
      break
    }
    const part: ObjectPart = { PartNumber: number, Size: size }
    if (version.k !== undefined) addPartChecksum(part, version.k[0], checksum)
    parts.push(part)
  }
  return {
    TotalPartsCount: version.c!.n,
    PartNumberMarker: String(marker),
    NextPartNumberMarker: String(parts.at(-1)?.PartNumber ?? marker),
    MaxParts: max,
    IsTruncated: isTruncated,
    Parts: parts,
  }
}

function markerOf(text: string | undefined): number {
  const marker = Number(text ?? 0)
  if (Number.isInteger(marker) && marker >= 0 && marker <= PART_NUMBER_MAX) return marker
  throw new S3Error('InvalidArgument', {
    message: 'Part number must be an integer between 1 and 10000, inclusive',
    fields: { ArgumentName: 'x-amz-part-number-marker', ArgumentValue: text ?? '' },
  })
}
