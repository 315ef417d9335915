/**
 * ListObjects and ListObjectsV2: the keys whose newest version is an object, in pages.
 *
 * Both are one walk over the heads; they differ in how a page says where the next one begins.
 */
import type { _Object, CommonPrefix, EncodingType, ListObjectsRequest } from '@aws-sdk/client-s3'
import type { Handler } from '../api/operations.ts'
import type { Context } from './context.ts'
import { list, pageMax, type Entry, type Listing } from './listing.ts'
import { checkStands, openBucket } from './open-bucket.ts'
import { restoreStatusOf } from './restore-object.ts'
import type { BucketRow, VersionRow } from './rows.ts'
import { decodeToken, encodeToken } from './token.ts'
import { encoderFor, type Encode } from './url-encoding.ts'
import { shownOwner } from './version.ts'

export function listObjects(ctx: Context): Handler<'ListObjects'> {
  return async (input) => {
    const query = await openPage(ctx, input)
    const { encode, max } = query
    const after = input.Marker ?? ''
    const page = await heads(ctx, query, after)
    return {
      ...shown(ctx, query, page, true),
      Prefix: ctx.options.compat === 'legacy' ? echoed(query.prefix, encode) : encode(query.prefix),
      Marker: encode(after),
      MaxKeys: max,
      // Without a delimiter clients go on behind the last key; S3 leaves this out then.
      ...(page.next !== undefined && query.delimiter !== '' && { NextMarker: encode(page.next) }),
    }
  }
}

/**
 * The prefix as it came, where XML can carry it and who decodes it all the same reads the same: boto
 * decodes all that ListObjects shows but this.
 */
function echoed(prefix: string, encode: Encode): string {
  // oxlint-disable-next-line no-control-regex -- characters that no XML may hold
  return /[%+\0-\x08\v\f\x0e-\x1f\ufffe\uffff]/.test(prefix) ? encode(prefix) : prefix
}

export function listObjectsV2(ctx: Context): Handler<'ListObjectsV2'> {
  return async (input) => {
    const { ContinuationToken: token, StartAfter: startAfter } = input
    const query = await openPage(ctx, input)
    // An empty token is one that a client was not given yet.
    const after = token ? decodeToken('objects', token) : (startAfter ?? '')
    const page = await heads(ctx, query, after)
    return {
      ...shown(ctx, query, page, input.FetchOwner === true),
      MaxKeys: query.max,
      KeyCount: page.rows.length + page.commonPrefixes.length,
      ...(token !== undefined && { ContinuationToken: token }),
      ...(startAfter !== undefined && { StartAfter: query.encode(startAfter) }),
      ...(page.next !== undefined && {
        NextContinuationToken: encodeToken('objects', page.next),
      }),
    }
  }
}

interface PageQuery {
  readonly bucket: string
  readonly opened: BucketRow
  readonly prefix: string
  readonly delimiter: string
  readonly max: number
  readonly encode: Encode
  readonly encodingType: EncodingType | undefined
  /** What became of restores is to be told. */
  readonly restores: boolean
}

/** What both operations are asked alike. */
type PageInput = Pick<
  ListObjectsRequest,
  | 'Bucket'
  | 'Prefix'
  | 'Delimiter'
  | 'MaxKeys'
  | 'EncodingType'
  | 'ExpectedBucketOwner'
  | 'OptionalObjectAttributes'
>

/** Checks what is asked, and that the bucket stands. */
async function openPage(ctx: Context, input: PageInput): Promise<PageQuery> {
  const encode = encoderFor(input.EncodingType)
  const max = pageMax(input.MaxKeys, 'max-keys')
  const bucket = input.Bucket ?? ''
  const opened = await openBucket(ctx, input)
  const { Prefix: prefix = '', Delimiter: delimiter = '', EncodingType: encodingType } = input
  const restores = input.OptionalObjectAttributes?.includes('RestoreStatus') === true
  return { bucket, opened, prefix, delimiter, max, encode, encodingType, restores }
}

async function heads(ctx: Context, query: PageQuery, after: string): Promise<Listing<VersionRow>> {
  const range = { ...query, after }
  const page = await list<VersionRow>(ctx.metadata, query.bucket, 'object', range, isObject)
  await checkStands(ctx, query.bucket, page.rows, page.commonPrefixes)
  return page
}

const isObject = (head: VersionRow): boolean => head.d === undefined

/** The members that both outputs have. */
interface Shown {
  readonly Name: string
  readonly Prefix: string
  readonly Delimiter?: string
  readonly EncodingType?: EncodingType
  readonly IsTruncated: boolean
  readonly Contents: _Object[]
  readonly CommonPrefixes: CommonPrefix[]
}

function shown(ctx: Context, query: PageQuery, page: Listing<VersionRow>, owners: boolean): Shown {
  const { bucket, opened, prefix, delimiter, encode, encodingType } = query
  return {
    Name: bucket,
    Prefix: encode(prefix),
    ...(delimiter !== '' && { Delimiter: encode(delimiter) }),
    ...(encodingType !== undefined && { EncodingType: encodingType }),
    IsTruncated: page.next !== undefined,
    Contents: page.rows.map((row) => {
      const content = contentOf(row, encode, owners ? opened : undefined)
      if (query.restores) content.RestoreStatus = restoreStatusOf(ctx, row.value)
      return content
    }),
    CommonPrefixes: page.commonPrefixes.map((group) => ({ Prefix: encode(group) })),
  }
}

/** `bucket`: where owners are to be shown. */
function contentOf(
  { sort, value }: Entry<VersionRow>,
  encode: Encode,
  bucket: BucketRow | undefined,
): _Object {
  const content: _Object = {
    Key: encode(sort),
    LastModified: new Date(value.t),
    ETag: `"${value.e}"`,
    Size: value.s,
    StorageClass: value.sc ?? 'STANDARD',
  }
  if (value.k !== undefined) {
    content.ChecksumAlgorithm = [value.k[0]]
    content.ChecksumType = value.k[2]
  }
  if (bucket !== undefined) content.Owner = shownOwner(value, bucket)
  return content
}
