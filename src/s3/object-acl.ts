/** GetObjectAcl and PutObjectAcl: the list is part of the version's row; nothing else of the version changes. */
import type { Handler } from '../api/operations.ts'
import { requestedAcl, shownAcl } from './acl.ts'
import { changeVersion } from './change-version.ts'
import type { Context } from './context.ts'
import { checkExpectedOwner, objectAddress } from './object-input.ts'
import { readVersion } from './object-read.ts'
import { lookRow } from './rows.ts'
import { versionOwner } from './version.ts'

export function getObjectAcl(ctx: Context): Handler<'GetObjectAcl'> {
  return async (input) => {
    const address = objectAddress(input)
    const { value: bucket } = await ctx.buckets.read(address.bucket)
    checkExpectedOwner(input.ExpectedBucketOwner, bucket)
    const { value: version } = await readVersion(ctx, address, input.VersionId, lookRow)
    return shownAcl(version.acl, versionOwner(version, bucket))
  }
}

export function putObjectAcl(ctx: Context): Handler<'PutObjectAcl'> {
  return async (input) => {
    await changeVersion(ctx, input, (version, bucket) => {
      const acl = requestedAcl(input, versionOwner(version, bucket), bucket.owner)
      const { acl: _before, ...rest } = version
      return acl === undefined ? rest : { ...rest, acl }
    })
    return {}
  }
}
