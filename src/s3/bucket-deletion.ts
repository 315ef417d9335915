/**
 * How a bucket goes: never while something is in it, never leaving an object behind.
 *
 * 1. It leaves a trace (root.ts), and its row is marked `deleting`. Every write into a bucket expects the row unchanged, so that what
 *    was under way now fails, and what comes later finds no bucket. (With leases of buckets, it
 *    waits for what was under way: bucket-lease.ts.)
 * 2. What is found now stays so: with an object or version in it the mark is taken back; else its
 *    uploads become garbage, its configuration goes, its entry becomes a trace (root.ts), and its row goes.
 *
 * Each step is a commit that expects what it saw, and whoever meets the mark (another deletion, a
 * creation, the sweep after a crash) finishes the work: nobody waits for anybody.
 */
import type { Rev, Row } from '../../metadata/store.ts'
import type { Context } from './context.ts'
import { leave } from './root.ts'
import { type BucketRow, readRow, writeRow } from './rows.ts'
import { endAllUploads } from './end-upload.ts'

/** `gone`: the bucket is not there any more. `kept`: it stands, for it is not empty. */
export type Fate = 'gone' | 'kept'

/** What keeps a bucket from being deleted. */
export type Holding = 'nothing' | 'objects' | 'versions'

export async function holding({ metadata }: Context, name: string): Promise<Holding> {
  const first = { from: '', limit: 1 }
  const [version] = await metadata.scan(name, 'version', first)
  if (version !== undefined) return 'versions'
  const [head] = await metadata.scan(name, 'object', first)
  if (head === undefined) return 'nothing'
  return 'd' in (head.value as object) ? 'versions' : 'objects'
}

/** Brings a deletion that was begun to its end. `created` tells the bucket from a later one of the same name. */
export async function finishDeletion(ctx: Context, name: string, created: number): Promise<Fate> {
  let settled: Rev = 0
  for (;;) {
    const row = await readRow(ctx.metadata, name, 'bucket', '')
    if (row === undefined || row.value.t !== created) return 'gone'
    if (row.value.deleting === undefined) return 'kept'
    if (settled !== row.rev) await ctx.buckets.settle()
    settled = row.rev
    if ((await holding(ctx, name)) !== 'nothing') {
      if (await restore(ctx, name, row)) return 'kept'
    } else if (
      (await endAllUploads(ctx, name, row.rev)) &&
      (await dropConfigs(ctx, name, row.rev)) &&
      (await leave(ctx, name, row)) &&
      (await remove(ctx, name, row))
    ) {
      return 'gone'
    }
  }
}

/** Rows removed in one commit. */
const STEP = 40

/** Takes the documents away, so that no later bucket of that name finds them. False: the bucket's row has changed. */
async function dropConfigs(ctx: Context, name: string, bucketRev: Rev): Promise<boolean> {
  for (;;) {
    const rows = await ctx.metadata.scan(name, 'config', { from: '', limit: STEP })
    if (rows.length === 0) return true
    const done = await ctx.metadata.commit({
      partition: name,
      expects: [{ table: 'bucket', sort: '', rev: bucketRev }],
      writes: rows.map(({ sort }) => ({ table: 'config', sort, value: null })),
    })
    if (!done) return false
  }
}

function restore(ctx: Context, name: string, row: Row<BucketRow>): Promise<boolean> {
  const { deleting: _deleting, ...value } = row.value
  return replace(ctx, name, row, value)
}

function remove(ctx: Context, name: string, row: Row<BucketRow>): Promise<boolean> {
  return replace(ctx, name, row, null)
}

/** Writes the bucket's row (null: takes it away) where it is still the one that was read. */
async function replace(
  ctx: Context,
  name: string,
  row: Row<BucketRow>,
  value: BucketRow | null,
): Promise<boolean> {
  const done = await ctx.metadata.commit({
    partition: name,
    expects: [{ table: 'bucket', sort: '', rev: row.rev }],
    writes: [writeRow('bucket', '', value)],
  })
  ctx.buckets.forget(name)
  return done
}
