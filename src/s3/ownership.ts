/**
 * Object ownership (S3, "Controlling ownership of objects"): whose an object is that others put into a
 * bucket, and whether access control lists say anything at all.
 */
import { S3Error } from '../api/error.ts'
import type { Ownership } from '../api/facts.ts'
import type { Call, Handler, Input } from '../api/operations.ts'
import { type AclInput, aclFromHeaders, namesAcl, resolveAcl } from './acl.ts'
import { changeBucket } from './change-bucket.ts'
import type { Context } from './context.ts'
import { ownerOf } from './object-input.ts'
import { openBucket } from './open-bucket.ts'
import { checkPublicAcl } from './public-access.ts'
import type { BucketRow, StoredAcl } from './rows.ts'

type Who = readonly [id: string, displayName: string]

const OWNERSHIPS: ReadonlySet<string> = new Set([
  'BucketOwnerEnforced',
  'BucketOwnerPreferred',
  'ObjectWriter',
])

export function getBucketOwnershipControls(ctx: Context): Handler<'GetBucketOwnershipControls'> {
  return async (input) => {
    const { ownership } = await openBucket(ctx, input)
    if (ownership === undefined)
      throw new S3Error('OwnershipControlsNotFoundError', {
        fields: { BucketName: input.Bucket ?? '' },
      })
    return { OwnershipControls: { Rules: [{ ObjectOwnership: ownership }] } }
  }
}

export function putBucketOwnershipControls(ctx: Context): Handler<'PutBucketOwnershipControls'> {
  return async (input) => {
    const ownership = askedOwnership(input.OwnershipControls)
    await changeBucket(ctx, input, (bucket) => {
      if (ownership === 'BucketOwnerEnforced' && bucket.acl !== undefined)
        throw new S3Error('InvalidBucketAclWithObjectOwnership')
      return { ...bucket, ownership }
    })
    return {}
  }
}

export function deleteBucketOwnershipControls(
  ctx: Context,
): Handler<'DeleteBucketOwnershipControls'> {
  return async (input) => {
    await changeBucket(ctx, input, ({ ownership: _before, ...bucket }) => bucket)
    return {}
  }
}

function askedOwnership(
  controls: Input<'PutBucketOwnershipControls'>['OwnershipControls'],
): Ownership {
  const rules = controls?.Rules ?? []
  const asked = rules[0]?.ObjectOwnership
  if (rules.length !== 1 || asked === undefined || !OWNERSHIPS.has(asked))
    throw new S3Error('MalformedXML')
  return asked
}

/** Rejects with AccessControlListNotSupported where the bucket knows no lists. */
export function checkListsCount(bucket: BucketRow): void {
  if (bucket.ownership === 'BucketOwnerEnforced') throw new S3Error('AccessControlListNotSupported')
}

/** Whose an object is, and its access control list. */
export interface Possession {
  readonly owner: Who
  /** Undefined: its owner alone. */
  readonly acl: StoredAcl | undefined
}

const TO_BUCKET_OWNER = 'bucket-owner-full-control'

/**
 * Whose the object will be that this call writes, and what list it gets. Rejects lists that are malformed,
 * that name nobody, or that the bucket does not want.
 */
export function possess(ctx: Context, call: Call, bucket: BucketRow, said: AclInput): Possession {
  const input = ctx.options.compat === 'legacy' ? said : { ...said, GrantWrite: undefined }
  const isNamed = namesAcl(input)
  if (bucket.ownership === 'BucketOwnerEnforced') {
    if (isNamed && !givesToOwner(input, bucket)) checkListsCount(bucket)
    return { owner: bucket.owner, acl: undefined }
  }
  const owner = ownerOf(call, bucket)
  if (!isNamed) return { owner, acl: undefined }
  if (bucket.ownership === 'BucketOwnerPreferred' && input.ACL === TO_BUCKET_OWNER)
    return { owner: bucket.owner, acl: undefined }
  const acl = resolveAcl(ctx.people, aclFromHeaders(input, owner, bucket.owner))
  checkPublicAcl(bucket, acl)
  return { owner, acl }
}

/** The one list that means nothing where lists mean nothing. */
function givesToOwner(input: AclInput, bucket: BucketRow): boolean {
  if (input.ACL !== undefined) return input.ACL === TO_BUCKET_OWNER
  const { GrantFullControl, ...others } = input
  const names = [`id=${bucket.owner[0]}`, `id="${bucket.owner[0]}"`]
  return (
    GrantFullControl !== undefined &&
    names.includes(GrantFullControl.trim()) &&
    !namesAcl({
      GrantRead: others.GrantRead,
      GrantReadACP: others.GrantReadACP,
      GrantWrite: others.GrantWrite,
      GrantWriteACP: others.GrantWriteACP,
    })
  )
}
