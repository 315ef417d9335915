/** GetBucketTagging, PutBucketTagging, DeleteBucketTagging: a document of the bucket's configuration. */
import { S3Error } from '../api/error.ts'
import type { Handler } from '../api/operations.ts'
import { readConfig, writeConfig } from './bucket-config.ts'
import type { Context } from './context.ts'
import { checkExpectedOwner } from './object-input.ts'
import { openBucket } from './open-bucket.ts'
import type { StoredTag } from './rows.ts'
import { shownTags, storedTags } from './tags.ts'

export function getBucketTagging(ctx: Context): Handler<'GetBucketTagging'> {
  return async (input) => {
    await openBucket(ctx, input)
    const tags = await bucketTags(ctx, input.Bucket ?? '')
    if (tags.length === 0) {
      throw new S3Error('NoSuchTagSet', { fields: { BucketName: input.Bucket ?? '' } })
    }
    return { TagSet: shownTags(tags) }
  }
}

export function putBucketTagging(ctx: Context): Handler<'PutBucketTagging'> {
  return async (input) => {
    const tags = storedTags(ctx, input.Tagging?.TagSet, 'bucket')
    const document = tags.length === 0 ? null : tags
    await writeConfig(ctx, input.Bucket ?? '', 'tagging', document, (bucket) =>
      checkExpectedOwner(input.ExpectedBucketOwner, bucket),
    )
    return {}
  }
}

export function deleteBucketTagging(ctx: Context): Handler<'DeleteBucketTagging'> {
  return async (input) => {
    await writeConfig(ctx, input.Bucket ?? '', 'tagging', null, (bucket) =>
      checkExpectedOwner(input.ExpectedBucketOwner, bucket),
    )
    return {}
  }
}

/** The tags of a bucket; none where it has none. Rejects with NoSuchBucket. */
export async function bucketTags(ctx: Context, bucket: string): Promise<readonly StoredTag[]> {
  return ((await readConfig(ctx, bucket, 'tagging')) ?? []) as readonly StoredTag[]
}
