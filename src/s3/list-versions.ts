/**
 * ListObjectVersions: all versions and delete markers of all keys, the newest of a key first.
 *
 * A key's older versions are read only where its head says that there are some, so that listing an
 * unversioned bucket costs what ListObjects costs. A page may end between two versions of a key.
 */
import type { DeleteMarkerEntry, ObjectVersion } from '@aws-sdk/client-s3'
import type { MetadataStore } from '../../metadata/store.ts'
import { S3Error } from '../api/error.ts'
import type { Handler } from '../api/operations.ts'
import type { Context } from './context.ts'
import { pageMax, type Entry } from './listing.ts'
import { listNested, type Nest } from './nested-listing.ts'
import { openBucket } from './open-bucket.ts'
import { type BucketRow, scanRows, type VersionRow, versionSort } from './rows.ts'
import { encoderFor, type Encode } from './url-encoding.ts'
import { chainRange, checkVersionId, publicId, shownOwner } from './version.ts'

export function listObjectVersions(ctx: Context): Handler<'ListObjectVersions'> {
  return async (input) => {
    const { Prefix: prefix = '', Delimiter: delimiter = '', EncodingType: encodingType } = input
    const encode = encoderFor(encodingType)
    const max = pageMax(input.MaxKeys, 'max-keys')
    const { KeyMarker: keyMarker = '', VersionIdMarker: versionMarker = '' } = input
    if (versionMarker !== '' && keyMarker === '')
      throw new S3Error('InvalidArgument', {
        message: 'A version-id marker cannot be specified without a key marker.',
        fields: { ArgumentName: 'version-id-marker', ArgumentValue: versionMarker },
      })
    if (versionMarker !== '') checkVersionId(versionMarker)
    const bucket = input.Bucket ?? ''
    const opened = await openBucket(ctx, input)
    const query = { prefix, delimiter, after: keyMarker, max }
    const nest: Nest<VersionRow, Version> = {
      partition: bucket,
      table: 'object',
      keep: () => true,
      open: (head, after = '', limit) => versionsOf(ctx.metadata, bucket, head, after, limit),
    }
    const { entries, commonPrefixes, next } = await listNested(
      ctx.metadata,
      nest,
      query,
      versionMarker === '' ? undefined : versionMarker,
    )
    const isMarker = ({ row }: Version): boolean => row.d !== undefined
    return {
      Name: bucket,
      Prefix: encode(prefix),
      ...(delimiter !== '' && { Delimiter: encode(delimiter) }),
      ...(encodingType !== undefined && { EncodingType: encodingType }),
      KeyMarker: encode(keyMarker),
      VersionIdMarker: versionMarker,
      MaxKeys: max,
      IsTruncated: next !== undefined,
      ...(next !== undefined && { NextKeyMarker: encode(next.key) }),
      ...(next?.entry !== undefined && { NextVersionIdMarker: publicId(next.entry.row) }),
      Versions: entries.filter((v) => !isMarker(v)).map((v) => versionEntry(v, opened, encode)),
      DeleteMarkers: entries.filter(isMarker).map((v) => markerEntry(v, opened, encode)),
      CommonPrefixes: commonPrefixes.map((group) => ({ Prefix: encode(group) })),
    }
  }
}

interface Version {
  readonly key: string
  readonly row: VersionRow
  readonly isLatest: boolean
}

/**
 * Versions of a key, newest first, at most `limit`: all, or those older than the one with the public
 * id `after`. A version that has gone is no obstacle, since ids descend; where a null version has
 * gone, its place is lost and the key is told anew.
 */
async function versionsOf(
  store: MetadataStore,
  bucket: string,
  { sort: key, value: head }: Entry<VersionRow>,
  after: string,
  limit: number,
): Promise<readonly Version[]> {
  const nullQ = head.v === 'null' ? head.q : (head.nq ?? '')
  const afterQ = after === 'null' ? nullQ : after
  const versions: Version[] = []
  if (head.q > afterQ) versions.push({ key, row: head, isLatest: true })
  if (head.older === undefined || versions.length === limit) return versions
  const { from, to } = chainRange(key)
  const rows = await scanRows(store, bucket, 'version', {
    from: afterQ === '' ? from : `${versionSort(key, afterQ)}\0`,
    to,
    limit: limit - versions.length,
  })
  for (const { value } of rows) versions.push({ key, row: value, isLatest: false })
  return versions
}

function versionEntry(
  { key, row, isLatest }: Version,
  bucket: BucketRow,
  encode: Encode,
): ObjectVersion {
  const entry: ObjectVersion = {
    Key: encode(key),
    VersionId: publicId(row),
    IsLatest: isLatest,
    LastModified: new Date(row.t),
    ETag: `"${row.e}"`,
    Size: row.s,
    StorageClass: (row.sc ?? 'STANDARD') as NonNullable<ObjectVersion['StorageClass']>,
    Owner: shownOwner(row, bucket),
  }
  if (row.k !== undefined) {
    entry.ChecksumAlgorithm = [row.k[0]]
    entry.ChecksumType = row.k[2]
  }
  return entry
}

function markerEntry(
  { key, row, isLatest }: Version,
  bucket: BucketRow,
  encode: Encode,
): DeleteMarkerEntry {
  return {
    Key: encode(key),
    VersionId: publicId(row),
    IsLatest: isLatest,
    LastModified: new Date(row.t),
    Owner: shownOwner(row, bucket),
  }
}
