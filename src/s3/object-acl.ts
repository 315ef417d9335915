/** GetObjectAcl and PutObjectAcl: the list is part of the version's row; nothing else of the version changes. */
import type { Handler } from '../api/operations.ts'
import { requestedAcl, resolveAcl, shownAcl } from './acl.ts'
import { changeVersion } from './change-version.ts'
import type { Context } from './context.ts'
import { checkExpectedOwner, objectAddress } from './object-input.ts'
import { readVersion } from './object-read.ts'
import { checkListsCount } from './ownership.ts'
import { checkPublicAcl } from './public-access.ts'
import { lookRow } from './rows.ts'
import { versionOwner } from './version.ts'

export function getObjectAcl(ctx: Context): Handler<'GetObjectAcl'> {
  return async (input) => {
    const address = objectAddress(input)
    const { value: bucket } = await ctx.buckets.read(address.bucket)
    checkExpectedOwner(input.ExpectedBucketOwner, bucket)
    const { value: version } = await readVersion(ctx, address, input.VersionId, lookRow)
    const acl = bucket.ownership === 'BucketOwnerEnforced' ? undefined : version.acl
    return shownAcl(ctx, acl, versionOwner(version, bucket))
  }
}

export function putObjectAcl(ctx: Context): Handler<'PutObjectAcl'> {
  return async (input, call) => {
    const told = { event: 's3:ObjectAcl:Put', call }
    await changeVersion(
      ctx,
      input,
      (version, bucket) => {
        checkListsCount(bucket)
        const owner = versionOwner(version, bucket)
        const acl = resolveAcl(ctx.people, requestedAcl(input, owner, bucket.owner))
        checkPublicAcl(bucket, acl)
        const { acl: _before, ...rest } = version
        return acl === undefined ? rest : { ...rest, acl }
      },
      told,
    )
    return {}
  }
}
