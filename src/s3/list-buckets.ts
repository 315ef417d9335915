/** ListBuckets: the requester's own buckets, by name, in pages where pages are asked for. */
import type { Bucket } from '@aws-sdk/client-s3'
import { S3Error } from '../api/error.ts'
import { LIST_PAGE_MAX } from '../api/limits.ts'
import type { Handler, Output } from '../api/operations.ts'
import type { Context } from './context.ts'
import { type Entry, list } from './listing.ts'
import { type BucketEntry, ROOT } from './rows.ts'
import { decodeToken, encodeToken } from './token.ts'

/** Buckets in one answer. */
const BUCKETS_MAX = 10_000
const REGION = /^[a-z]{2,}(-[a-z0-9]+)+$/

export function listBuckets(ctx: Context): Handler<'ListBuckets'> {
  return async (input, { requester }) => {
    if (requester === undefined) return nobodys(ctx)
    const {
      MaxBuckets: max,
      ContinuationToken: token,
      Prefix: prefix,
      BucketRegion: region,
    } = input
    checkMax(max)
    checkRegion(region)
    const after = token ? decodeToken('buckets', token) : ''
    const isElsewhere = region !== undefined && region !== ctx.options.region
    const page = isElsewhere
      ? { entries: [] }
      : await ownBuckets(ctx, requester.id, prefix ?? '', after, max ?? BUCKETS_MAX)
    // S3 tells regions only to who shows, by any parameter, that it knows of them.
    const asked = [max, token, prefix, region].some((parameter) => parameter !== undefined)
    const shownRegion = asked ? ctx.options.region : undefined
    return {
      Owner: { ID: requester.id, DisplayName: requester.displayName },
      Buckets: page.entries.map((entry) => bucketOf(entry, shownRegion)),
      ...(prefix !== undefined && { Prefix: prefix }),
      ...(page.next !== undefined && { ContinuationToken: encodeToken('buckets', page.next) }),
    }
  }
}

/** Nobody has no buckets; AWS of today does not even say so. */
function nobodys({ options }: Context): Output<'ListBuckets'> {
  if (options.compat === 'legacy') return { Buckets: [] }
  throw new S3Error('AccessDenied')
}

interface BucketPage {
  readonly entries: readonly Entry<BucketEntry>[]
  readonly next?: string
}

async function ownBuckets(
  ctx: Context,
  owner: string,
  prefix: string,
  start: string,
  max: number,
): Promise<BucketPage> {
  const isOwn = (entry: BucketEntry): boolean => entry.owner === owner
  const entries: Entry<BucketEntry>[] = []
  for (let after = start; ;) {
    const query = {
      prefix,
      delimiter: '',
      after,
      max: Math.min(max - entries.length, LIST_PAGE_MAX),
    }
    const page = await list<BucketEntry>(ctx.metadata, ROOT, 'bucket', query, isOwn)
    for (const entry of page.rows) entries.push(entry)
    if (page.next === undefined) return { entries }
    if (entries.length >= max) return { entries, next: page.next }
    after = page.next
  }
}

function bucketOf({ sort, value }: Entry<BucketEntry>, region: string | undefined): Bucket {
  const bucket: Bucket = { Name: sort, CreationDate: new Date(value.t) }
  if (region !== undefined) bucket.BucketRegion = region
  return bucket
}

function checkMax(max: number | undefined): void {
  if (max === undefined || (Number.isInteger(max) && max >= 1 && max <= BUCKETS_MAX)) return
  throw new S3Error('InvalidArgument', {
    message: `Argument max-buckets must be an integer between 1 and ${BUCKETS_MAX}`,
    fields: { ArgumentName: 'max-buckets', ArgumentValue: String(max) },
  })
}

function checkRegion(region: string | undefined): void {
  if (region === undefined || REGION.test(region)) return
  throw new S3Error('InvalidArgument', {
    message: `Argument value ${region} is not a valid AWS Region`,
    fields: { ArgumentName: 'bucket-region', ArgumentValue: region },
  })
}
