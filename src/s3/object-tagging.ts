/** GetObjectTagging: no object bears tags yet, and clients ask before they copy one (aws-cli v2 does). */
import type { Handler } from '../api/operations.ts'
import type { Context } from './context.ts'
import { checkExpectedOwner, objectAddress } from './object-input.ts'
import { readVersion } from './object-read.ts'
import { lookRow } from './rows.ts'
import { shownId } from './version.ts'

export function getObjectTagging(ctx: Context): Handler<'GetObjectTagging'> {
  return async (input) => {
    const address = objectAddress(input)
    const { value: version } = await readVersion(ctx, address, input.VersionId, lookRow)
    const { value: bucket } = await ctx.buckets.read(address.bucket)
    checkExpectedOwner(input.ExpectedBucketOwner, bucket)
    const versionId = shownId(bucket, version)
    return { TagSet: [], ...(versionId !== undefined && { VersionId: versionId }) }
  }
}
