/** The public access block of a bucket: four flags in its row. What they forbid stands where it would happen. */
import { S3Error } from '../api/error.ts'
import type { PublicAccessBlock } from '../api/facts.ts'
import type { Handler, Input } from '../api/operations.ts'
import { isPublicAcl } from './acl.ts'
import { changeBucket } from './change-bucket.ts'
import type { Context } from './context.ts'
import { openBucket } from './open-bucket.ts'
import type { BucketRow, StoredAcl } from './rows.ts'

/** What a bucket of today's AWS has from its first moment. */
export const ALL_BLOCKED: PublicAccessBlock = { acls: 1, ignoreAcls: 1, policy: 1, restrict: 1 }

export function getPublicAccessBlock(ctx: Context): Handler<'GetPublicAccessBlock'> {
  return async (input) => {
    const { block } = await openBucket(ctx, input)
    if (block === undefined)
      throw new S3Error('NoSuchPublicAccessBlockConfiguration', {
        fields: { BucketName: input.Bucket ?? '' },
      })
    return {
      PublicAccessBlockConfiguration: {
        BlockPublicAcls: block.acls !== undefined,
        IgnorePublicAcls: block.ignoreAcls !== undefined,
        BlockPublicPolicy: block.policy !== undefined,
        RestrictPublicBuckets: block.restrict !== undefined,
      },
    }
  }
}

export function putPublicAccessBlock(ctx: Context): Handler<'PutPublicAccessBlock'> {
  return async (input) => {
    const block = blockOf(input.PublicAccessBlockConfiguration)
    await changeBucket(ctx, input, (bucket) => ({ ...bucket, block }))
    return {}
  }
}

export function deletePublicAccessBlock(ctx: Context): Handler<'DeletePublicAccessBlock'> {
  return async (input) => {
    await changeBucket(ctx, input, ({ block: _before, ...bucket }) => bucket)
    return {}
  }
}

function blockOf(
  asked: Input<'PutPublicAccessBlock'>['PublicAccessBlockConfiguration'],
): PublicAccessBlock {
  if (asked === undefined) throw new S3Error('MalformedXML')
  return {
    ...(asked.BlockPublicAcls === true && { acls: 1 }),
    ...(asked.IgnorePublicAcls === true && { ignoreAcls: 1 }),
    ...(asked.BlockPublicPolicy === true && { policy: 1 }),
    ...(asked.RestrictPublicBuckets === true && { restrict: 1 }),
  }
}

/** Rejects with AccessDenied a list that lets the public in, where the bucket wants none. */
export function checkPublicAcl(bucket: BucketRow, acl: StoredAcl | undefined): void {
  if (bucket.block?.acls !== undefined && isPublicAcl(acl)) throw new S3Error('AccessDenied')
}
