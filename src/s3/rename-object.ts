/**
 * RenameObject: one commit, and no byte moves, for content does not depend on its key.
 *
 * The newest version moves with all that it says of itself, its time too. Where the bucket keeps versions a
 * delete marker takes its place, and older versions stay under the old key.
 */
import { S3Error } from '../api/error.ts'
import type { Handler, Input } from '../api/operations.ts'
import { announce } from './announce.ts'
import { checkRenameTarget, checkSource, checkWrite } from './condition.ts'
import type { Context } from './context.ts'
import { demand } from './demand.ts'
import { checkKey, objectAddress } from './object-input.ts'
import { transact } from './transact.ts'
import { pushVersion, takeHead } from './version.ts'

export function renameObject(ctx: Context): Handler<'RenameObject'> {
  return async (input, call) => {
    const { bucket, key } = objectAddress(input)
    const from = sourceKey(input, bucket)
    checkKey(from)
    if (from === key) throw invalid('The object already has this key')
    await demand(call, 's3:GetObject', { bucket, key: from })
    await demand(call, 's3:DeleteObject', { bucket, key: from })
    await transact(ctx.metadata, bucket, async (tx) => {
      const bucketRow = await ctx.buckets.inBucket(tx, bucket)
      const source = await tx.get('object', from)
      if (source === undefined || source.value.d === 1) {
        await ctx.buckets.readFresh(bucket)
        throw new S3Error('NoSuchKey', { fields: { Key: from } })
      }
      checkSource('x-amz-rename-source-', sourceConditions(input), source.value)
      const head = await tx.get('object', key)
      const { DestinationIfMatch: IfMatch, DestinationIfNoneMatch: IfNoneMatch } = input
      checkWrite({ IfMatch, IfNoneMatch }, key, head?.value)
      checkRenameTarget(input, head?.value)
      const { q: _q, v: _v, nq: _nq, older: _older, rp: _rp, ro: _ro, ...draft } = source.value
      await takeHead(ctx, tx, bucketRow, from, source)
      const version = await pushVersion(ctx, tx, bucketRow, key, head, draft, source.bytes)
      const removed = { event: 's3:ObjectRemoved:Delete', bucket, key: from, call }
      await announce(ctx, tx, bucketRow, removed)
      const created = { event: 's3:ObjectCreated:Copy', bucket, key, version, call }
      await announce(ctx, tx, bucketRow, created)
    })
    return {}
  }
}

/** `/bucket/key`, or the key alone; percent-encoded. */
function sourceKey({ RenameSource: header = '' }: Input<'RenameObject'>, bucket: string): string {
  let source: string
  try {
    source = decodeURIComponent(Buffer.from(header, 'latin1').toString())
  } catch {
    throw invalid('Invalid rename source encoding')
  }
  if (!source.startsWith('/')) return source
  const prefix = `/${bucket}/`
  if (!source.startsWith(prefix)) throw invalid('The source must be in the same bucket')
  return source.slice(prefix.length)
}

function sourceConditions(input: Input<'RenameObject'>): Parameters<typeof checkSource>[1] {
  return {
    IfMatch: input.SourceIfMatch,
    IfNoneMatch: input.SourceIfNoneMatch,
    IfModifiedSince: input.SourceIfModifiedSince,
    IfUnmodifiedSince: input.SourceIfUnmodifiedSince,
  }
}

function invalid(message: string): S3Error {
  return new S3Error('InvalidRequest', { message })
}
