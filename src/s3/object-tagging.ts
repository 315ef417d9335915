/** GetObjectTagging, PutObjectTagging, DeleteObjectTagging: tags are part of the version's row; nothing else of it changes. */
import type { Handler } from '../api/operations.ts'
import { changeVersion, type ChangedVersion, type VersionInput } from './change-version.ts'
import type { Context } from './context.ts'
import { checkExpectedOwner, objectAddress } from './object-input.ts'
import { readVersion } from './object-read.ts'
import { planReplication } from './replicate.ts'
import { lookRow, type StoredTag, type VersionRow } from './rows.ts'
import { shownTags, storedTags } from './tags.ts'
import { type Mutable, shownId } from './version.ts'

export function getObjectTagging(ctx: Context): Handler<'GetObjectTagging'> {
  return async (input) => {
    const address = objectAddress(input)
    const { value: version } = await readVersion(ctx, address, input.VersionId, lookRow)
    const { value: bucket } = await ctx.buckets.read(address.bucket)
    checkExpectedOwner(input.ExpectedBucketOwner, bucket)
    return { TagSet: shownTags(version.tg), ...idOf({ bucket, version }) }
  }
}

export function putObjectTagging(ctx: Context): Handler<'PutObjectTagging'> {
  return async (input, call) => {
    const tags = storedTags(ctx, input.Tagging?.TagSet, 'object')
    return idOf(await setTags(ctx, input, tags, { event: 's3:ObjectTagging:Put', call }))
  }
}

export function deleteObjectTagging(ctx: Context): Handler<'DeleteObjectTagging'> {
  return async (input, call) =>
    idOf(await setTags(ctx, input, [], { event: 's3:ObjectTagging:Delete', call }))
}

function setTags(
  ctx: Context,
  input: VersionInput,
  tags: readonly StoredTag[],
  told: Parameters<typeof changeVersion>[3],
): Promise<ChangedVersion> {
  return changeVersion(
    ctx,
    input,
    async ({ tg: _before, ...rest }, bucket, tx) => {
      const changed: Mutable<VersionRow> = tags.length === 0 ? rest : { ...rest, tg: tags }
      // What has been copied elsewhere has its tags there too.
      if (changed.ro !== undefined) await planReplication(ctx, tx, bucket, input.Key ?? '', changed)
      return changed
    },
    told,
  )
}

function idOf({ bucket, version }: ChangedVersion): { VersionId?: string } {
  const versionId = shownId(bucket, version)
  return versionId === undefined ? {} : { VersionId: versionId }
}
