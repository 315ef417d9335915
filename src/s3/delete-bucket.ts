/** DeleteBucket: of a bucket with neither objects nor versions; its unfinished uploads go with it. */
import { S3Error } from '../api/error.ts'
import type { Handler } from '../api/operations.ts'
import { noSuchBucket } from './bucket.ts'
import { finishDeletion, holding } from './bucket-deletion.ts'
import type { Context } from './context.ts'
import { checkExpectedOwner } from './object-input.ts'
import { leaveTrace } from './root.ts'
import { readRow } from './rows.ts'
import { transact } from './transact.ts'

export function deleteBucket(ctx: Context): Handler<'DeleteBucket'> {
  return async (input) => {
    const name = input.Bucket ?? ''
    const row = await readRow(ctx.metadata, name, 'bucket', '')
    if (row === undefined) throw noSuchBucket(name)
    checkExpectedOwner(input.ExpectedBucketOwner, row.value)
    // Looked at before it is marked: to try and delete a full bucket must not disturb who uses it.
    await checkEmpty(ctx, name)
    const created = row.value.t
    await leaveTrace(ctx, name)
    await mark(ctx, name, created)
    if ((await finishDeletion(ctx, name, created)) === 'kept') await refuse(ctx, name)
    return {}
  }
}

/** Marks the bucket created at that time as being deleted, unless it is so already, or gone. */
async function mark(ctx: Context, name: string, created: number): Promise<void> {
  await transact(ctx.metadata, name, async (tx) => {
    const row = await tx.get('bucket', '')
    if (row?.value.t !== created || row.value.deleting !== undefined) return
    tx.put('bucket', '', { ...row.value, deleting: ctx.clock.now() })
  })
  ctx.buckets.forget(name)
}

async function checkEmpty(ctx: Context, name: string): Promise<void> {
  const found = await holding(ctx, name)
  if (found !== 'nothing') throw notEmpty(name, found === 'versions')
}

/** It was not empty a moment ago. */
async function refuse(ctx: Context, name: string): Promise<never> {
  await checkEmpty(ctx, name)
  throw notEmpty(name, false)
}

function notEmpty(name: string, versions: boolean): S3Error {
  const message =
    'The bucket you tried to delete is not empty. You must delete all versions in the bucket.'
  return new S3Error('BucketNotEmpty', {
    ...(versions && { message }),
    fields: { BucketName: name },
  })
}
