/** ListMultipartUploads: the uploads under way, by key, those of one key in the order of their beginning. */
import type { MultipartUpload } from '@aws-sdk/client-s3'
import { S3Error } from '../api/error.ts'
import type { Handler } from '../api/operations.ts'
import { isUlid } from '../lib/ulid.ts'
import type { Context } from './context.ts'
import { type Entry, pageMax } from './listing.ts'
import { listNested, type Nest } from './nested-listing.ts'
import { checkStands, openBucket } from './open-bucket.ts'
import type { Upload, UploadsRow } from './rows.ts'
import { encoderFor, type Encode } from './url-encoding.ts'

interface KeyedUpload {
  readonly key: string
  readonly id: string
  readonly upload: Upload
}

export function listMultipartUploads(ctx: Context): Handler<'ListMultipartUploads'> {
  return async (input) => {
    const { Prefix: prefix = '', Delimiter: delimiter = '', EncodingType: encodingType } = input
    const encode = encoderFor(encodingType)
    const max = pageMax(input.MaxUploads, 'max-uploads')
    const { KeyMarker: keyMarker = '' } = input
    // Without a key the marker of an upload says nothing.
    const idMarker = keyMarker === '' ? '' : (input.UploadIdMarker ?? '')
    if (idMarker !== '' && !isUlid(idMarker))
      throw new S3Error('InvalidArgument', {
        message: 'Invalid uploadId marker',
        fields: { ArgumentName: 'upload-id-marker', ArgumentValue: idMarker },
      })
    await openBucket(ctx, input)
    const bucket = input.Bucket ?? ''
    const query = { prefix, delimiter, after: keyMarker, max }
    const nest: Nest<UploadsRow, KeyedUpload> = {
      partition: bucket,
      table: 'upload',
      keep: (row) => Object.keys(row.u).length > 0,
      open: (row, after = '', limit) => uploadsOf(row, after).slice(0, limit),
    }
    const { entries, commonPrefixes, next } = await listNested(
      ctx.metadata,
      nest,
      query,
      idMarker === '' ? undefined : idMarker,
    )
    await checkStands(ctx, bucket, entries, commonPrefixes)
    return {
      Bucket: bucket,
      KeyMarker: encode(keyMarker),
      UploadIdMarker: idMarker,
      Prefix: encode(prefix),
      ...(delimiter !== '' && { Delimiter: encode(delimiter) }),
      ...(encodingType !== undefined && { EncodingType: encodingType }),
      MaxUploads: max,
      IsTruncated: next !== undefined,
      ...(next !== undefined && { NextKeyMarker: encode(next.key) }),
      ...(next?.entry !== undefined && { NextUploadIdMarker: next.entry.id }),
      Uploads: entries.map((entry) => uploadEntry(entry, encode)),
      CommonPrefixes: commonPrefixes.map((group) => ({ Prefix: encode(group) })),
    }
  }
}

/** The uploads of a key, those behind `after`: ids ascend with time. */
function uploadsOf({ sort: key, value }: Entry<UploadsRow>, after: string): readonly KeyedUpload[] {
  return Object.entries(value.u)
    .filter(([id]) => id > after)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([id, upload]) => ({ key, id, upload }))
}

function uploadEntry({ key, id, upload }: KeyedUpload, encode: Encode): MultipartUpload {
  const by = { ID: upload.by[0], DisplayName: upload.by[1] }
  const owner = upload.o ?? upload.by
  const entry: MultipartUpload = {
    Key: encode(key),
    UploadId: id,
    Initiated: new Date(upload.t),
    StorageClass: upload.sc ?? 'STANDARD',
    Owner: { ID: owner[0], DisplayName: owner[1] },
    Initiator: by,
  }
  if (upload.k !== undefined) {
    entry.ChecksumAlgorithm = upload.k[0]
    entry.ChecksumType = upload.k[1]
  }
  return entry
}
