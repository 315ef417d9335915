/**
 * CreateBucket: three commits, each of which a crash may follow.
 *
 * A trace (root.ts) says that there may be a bucket of that name; the row, expected to be absent,
 * decides whose it is, and from then on the bucket stands; the entry shows it in ListBuckets. A
 * repeated CreateBucket, or the sweep, makes up for an entry that was not written.
 */
import type { Row } from '../../metadata/store.ts'
import { S3Error } from '../api/error.ts'
import type { Handler, Input } from '../api/operations.ts'
import { aclFromHeaders, opensToWriters, resolveAcl } from './acl.ts'
import { withAcl } from './bucket-acl.ts'
import { finishDeletion } from './bucket-deletion.ts'
import { checkBucketName } from './bucket-name.ts'
import type { Context } from './context.ts'
import { ALL_BLOCKED, checkPublicAcl } from './public-access.ts'
import { enter, leaveTrace } from './root.ts'
import { type BucketRow, readRow, type StoredTag, writeRow } from './rows.ts'
import { storedTags } from './tags.ts'
import { transact } from './transact.ts'

/** The region whose endpoint takes no location constraint, and answers a repeated CreateBucket with success. */
const FIRST_REGION = 'us-east-1'
const ALIASES: Readonly<Record<string, string>> = { EU: 'eu-west-1' }
const REGION = /^[a-z]{2,}(-[a-z]+)+-\d+$/

export function createBucket(ctx: Context): Handler<'CreateBucket'> {
  return async (input, { requester }) => {
    const name = input.Bucket ?? ''
    if (requester === undefined) throw new S3Error('AccessDenied')
    checkBucketName(name)
    const region = placeOf(ctx, input.CreateBucketConfiguration?.LocationConstraint)
    const tags = storedTags(ctx, input.CreateBucketConfiguration?.Tags ?? [], 'new bucket')
    const owner = [requester.id, requester.displayName] as const
    const isLegacy = ctx.options.compat === 'legacy'
    const ownership =
      input.ObjectOwnership ?? (isLegacy ? undefined : ('BucketOwnerEnforced' as const))
    const acl = resolveAcl(ctx.people, aclFromHeaders(input, owner, owner))
    if (acl !== undefined && ownership === 'BucketOwnerEnforced')
      throw new S3Error('InvalidBucketAclWithObjectOwnership')
    const row: BucketRow = {
      t: ctx.clock.now(),
      owner,
      region,
      ...(acl !== undefined && { acl }),
      ...(opensToWriters(acl) && { shared: 1 }),
      ...(ownership !== undefined && { ownership }),
      ...(!isLegacy && { block: ALL_BLOCKED }),
      ...(input.ObjectLockEnabledForBucket === true && { versioning: 'Enabled', lock: {} }),
    }
    checkPublicAcl(row, acl)
    for (;;) {
      const standing = await readRow(ctx.metadata, name, 'bucket', '')
      if (standing?.value.deleting !== undefined) {
        await finishDeletion(ctx, name, standing.value.t)
      } else if (standing !== undefined) {
        return again(ctx, name, standing, row)
      } else if (await put(ctx, name, row, tags)) {
        return answer(name)
      }
    }
  }
}

/** Puts the bucket where none is; false where another was first. */
async function put(
  ctx: Context,
  name: string,
  row: BucketRow,
  tags: readonly StoredTag[],
): Promise<boolean> {
  await leaveTrace(ctx, name)
  const isFirst = await ctx.metadata.commit({
    partition: name,
    expects: [{ table: 'bucket', sort: '', rev: 0 }],
    writes:
      tags.length === 0
        ? [writeRow('bucket', '', row)]
        : [
            writeRow('bucket', '', { ...row, config: { tagging: ctx.ids.next() } }),
            writeRow('config', 'tagging', { t: row.t, document: tags }),
          ],
  })
  ctx.buckets.forget(name)
  if (isFirst) await enter(ctx, name)
  return isFirst
}

/**
 * The bucket stands already. For its owner S3's first region answers as it did before, and gives it the ACL
 * asked for now; before `compat: aws-2026` another ACL is another bucket.
 */
async function again(
  ctx: Context,
  name: string,
  standing: Row<BucketRow>,
  asked: BucketRow,
): Promise<ReturnType<typeof answer>> {
  if (standing.value.owner[0] !== asked.owner[0])
    throw new S3Error('BucketAlreadyExists', { fields: { BucketName: name } })
  await enter(ctx, name)
  if (ctx.options.compat === 'legacy' && !sameGrants(standing.value.acl, asked.acl))
    throw new S3Error('BucketAlreadyExists', { fields: { BucketName: name } })
  if (ctx.options.region !== FIRST_REGION)
    throw new S3Error('BucketAlreadyOwnedByYou', { fields: { BucketName: name } })
  await setAcl(ctx, name, asked.acl)
  return answer(name)
}

function sameGrants(a: BucketRow['acl'], b: BucketRow['acl']): boolean {
  return JSON.stringify(a?.grants) === JSON.stringify(b?.grants)
}

async function setAcl(ctx: Context, name: string, acl: BucketRow['acl']): Promise<void> {
  await transact(ctx.metadata, name, async (tx) => {
    const bucket = await ctx.buckets.toChange(tx, name)
    if (bucket.acl === undefined && acl === undefined) return
    if (bucket.ownership === 'BucketOwnerEnforced')
      throw new S3Error('InvalidBucketAclWithObjectOwnership')
    tx.put('bucket', '', withAcl(bucket, acl))
  })
  ctx.buckets.forget(name)
}

function answer(name: string): { Location: string } {
  return { Location: `/${name}` }
}

/**
 * The region that the bucket says it is in. Our own is accepted by its name or an alias, and no
 * constraint at all: S3 wants one outside of its first region, but whoever leaves it out means the place
 * that they are talking to. Before `compat: aws-2026` a bucket may call its place by any region's name.
 */
function placeOf(
  { options: { region, compat } }: Context,
  constraint: NonNullable<Input<'CreateBucket'>['CreateBucketConfiguration']>['LocationConstraint'],
): string {
  if (constraint === undefined) return region
  const named: string = constraint
  if (named === '' || named === region || ALIASES[named] === region) return region
  const isRegion = REGION.test(named) || Object.hasOwn(ALIASES, named)
  if (compat === 'legacy' && isRegion) return named
  if (region === FIRST_REGION && !isRegion)
    throw new S3Error('InvalidLocationConstraint', { fields: { LocationConstraint: named } })
  throw new S3Error('IllegalLocationConstraintException', {
    message: `The ${named} location constraint is incompatible for the region specific endpoint this request was sent to.`,
  })
}
