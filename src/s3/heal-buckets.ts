/**
 * The sweep's share in buckets: finishes what a crash left half done, and tells where to sweep.
 */
import type { Table } from '../../metadata/store.ts'
import type { Context } from './context.ts'
import { finishDeletion } from './bucket-deletion.ts'
import { dropTrace, enter, enteredPartitions, readTrace, tracedPartitions } from './root.ts'
import { readRow } from './rows.ts'

/** A trace is younger than this while a creation may still be on its way. */
const CREATION_MAX_MS = 10 * 60 * 1000
const TABLES: readonly Table[] = [
  'bucket',
  'object',
  'version',
  'page',
  'upload',
  'part',
  'garbage',
  'config',
  'event',
]

/**
 * Goes over all buckets: finishes deletions, writes missing entries, and forgets partitions that
 * hold nothing any more. Yields the name of each partition that has to be swept; a name may come
 * twice.
 */
export async function* healBuckets(ctx: Context): AsyncGenerator<string, void, undefined> {
  for await (const name of tracedPartitions(ctx.metadata)) {
    const row = await readRow(ctx.metadata, name, 'bucket', '')
    if (row?.value.deleting !== undefined) await finishDeletion(ctx, name, row.value.t)
    else if (row !== undefined) await enter(ctx, name)
    const isLeft = row === undefined && (await forgetEmpty(ctx, name))
    if (!isLeft) yield name
  }
  yield* enteredPartitions(ctx.metadata)
}

/** Drops the trace of a partition without rows; false where there are some, or soon may be. */
async function forgetEmpty(ctx: Context, name: string): Promise<boolean> {
  const trace = await readTrace(ctx.metadata, name)
  if (trace === undefined || trace.value.t > ctx.clock.now() - CREATION_MAX_MS) return false
  for (const table of TABLES) {
    const [first] = await ctx.metadata.scan(name, table, { from: '', limit: 1 })
    if (first !== undefined) return false
  }
  return dropTrace(ctx, trace)
}
