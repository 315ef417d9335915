/**
 * ListObjectVersions: all versions and delete markers of all keys, the newest of a key first.
 *
 * A key's older versions are read only where its head says that there are some, so that listing an
 * unversioned bucket costs what ListObjects costs. A page may end between two versions of a key.
 *
 * A version that is there all the time is in the listing: where a head was deleted after it was read,
 * the version behind it may have taken its place unseen, so heads with older versions are looked at
 * again when the page is done, and a page of which one has gone is made anew. Where it is known that no
 * version was removed meanwhile, that is spared.
 */
import type { DeleteMarkerEntry, ObjectVersion } from '@aws-sdk/client-s3'
import type { MetadataStore } from '../../metadata/store.ts'
import { S3Error } from '../api/error.ts'
import { LIST_PAGE_MAX } from '../api/limits.ts'
import type { Handler } from '../api/operations.ts'
import { compareUtf8 } from '../lib/utf8.ts'
import type { Context } from './context.ts'
import { pageMax, type Entry, type ListQuery } from './listing.ts'
import { listNested, type Nest, type NestedListing } from './nested-listing.ts'
import { checkStands, openBucket } from './open-bucket.ts'
import { type BucketRow, scanRows, type VersionRow } from './rows.ts'
import { restoreStatusOf } from './restore-object.ts'
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
    const within = versionMarker === '' ? undefined : versionMarker
    const { entries, commonPrefixes, next } = await listStill(ctx, bucket, query, within)
    await checkStands(ctx, bucket, entries, commonPrefixes)
    const restores = input.OptionalObjectAttributes?.includes('RestoreStatus') === true
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
      Versions: entries
        .filter((v) => !isMarker(v))
        .map((v) => {
          const entry = versionEntry(v, opened, encode)
          if (restores) entry.RestoreStatus = restoreStatusOf(ctx, v.row)
          return entry
        }),
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

/** Pages made anew before we give what we have. */
const ATTEMPTS_MAX = 4

async function listStill(
  { metadata: store, versionRemovals }: Context,
  partition: string,
  query: ListQuery,
  within: string | undefined,
): Promise<NestedListing<Version>> {
  for (let attempt = 1; ; attempt++) {
    const heads: Head[] = []
    const before = versionRemovals()
    const nest: Nest<VersionRow, Version> = {
      partition,
      table: 'object',
      keep: () => true,
      open: (head, after = '', limit) => {
        if (head.value.older !== undefined) heads.push({ key: head.sort, q: head.value.q })
        return versionsOf(store, partition, head, after, limit)
      },
    }
    const page = await listNested(store, nest, query, within)
    // Where nothing has been removed since, nothing has gone.
    if (before !== undefined && versionRemovals() === before) return page
    const isDense = page.commonPrefixes.length === 0
    if (attempt === ATTEMPTS_MAX || !(await haveGone(store, partition, heads, isDense))) return page
  }
}

/** A head with older versions, as it was read. */
interface Head {
  readonly key: string
  readonly q: string
}

/**
 * Whether one of these heads has been deleted, so that an older version stands in its place. `isDense`:
 * between them stand only keys of the page, and not whatever its common prefixes hide.
 */
async function haveGone(
  store: MetadataStore,
  partition: string,
  heads: readonly Head[],
  isDense: boolean,
): Promise<boolean> {
  let index = 0
  while (index < heads.length) {
    // Of neighbours one scan tells of many; what stands between them costs its share.
    const limit = isDense ? Math.min(heads.length - index, LIST_PAGE_MAX) : 1
    const from = heads[index]!.key
    const now = await scanRows(store, partition, 'object', { from, limit })
    const last = now.at(-1)?.sort
    for (const { sort, value } of now) {
      const head = heads[index]
      if (head?.key === sort && value.q > head.q) return true
      if (head?.key === sort) index++
    }
    if (last === undefined || heads[index] === undefined) return false
    // A key that is not there any more has no versions left to miss.
    while (heads[index] !== undefined && compareUtf8(heads[index]!.key, last) <= 0) index++
  }
  return false
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
    // What a write has displaced since the head was read is the head that we have already.
    from: `${from}${afterQ > head.q ? afterQ : head.q}\0`,
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
