/**
 * The root partition: which buckets there are, and which partitions besides hold remains of one.
 *
 * `bucket[name]` is a bucket's entry, for ListBuckets. `garbage[name]` is a trace: in the partition of
 * that name something stands, or may stand, of which no entry tells: a bucket on its way in or out,
 * or what a deleted bucket left to the sweep. A trace is there before its partition has a first row
 * and stays until an entry takes its place or the partition is found empty; so nothing is ever lost
 * from sight, although a bucket's row and its entry are two commits.
 */
import type { Expect, MetadataStore, Row, Write } from '../../metadata/store.ts'
import type { Context } from './context.ts'
import { type BucketEntry, type BucketRow, readRow, ROOT } from './rows.ts'

/** When the trace was left, epoch ms. */
type Trace = { readonly t: number }

export async function readEntry(
  store: MetadataStore,
  name: string,
): Promise<Row<BucketEntry> | undefined> {
  return (await store.get(ROOT, 'bucket', name)) as Row<BucketEntry> | undefined
}

export async function readTrace(
  store: MetadataStore,
  name: string,
): Promise<Row<Trace> | undefined> {
  return (await store.get(ROOT, 'garbage', name)) as Row<Trace> | undefined
}

/** Makes sure that the partition will be looked at, whatever happens to it from now on. */
export async function leaveTrace(ctx: Context, name: string): Promise<void> {
  await ctx.metadata.commit({ partition: ROOT, expects: [], writes: [traceOf(ctx, name)] })
}

/**
 * Sees to it that a standing bucket has its entry, and no trace. Safe at any time and from any number
 * of places: nothing is done where the bucket is gone or going.
 *
 * Trace and entry are read before the bucket's row, and a deletion writes both before it takes the
 * row away: so no entry outlives its bucket.
 */
export async function enter(ctx: Context, name: string): Promise<void> {
  const { metadata } = ctx
  for (;;) {
    const trace = await readTrace(metadata, name)
    const entry = await readEntry(metadata, name)
    const row = await readRow(metadata, name, 'bucket', '')
    if (row === undefined || row.value.deleting !== undefined) return
    const writes: Write[] = []
    if (entry === undefined) writes.push({ table: 'bucket', sort: name, value: entryOf(row.value) })
    if (trace !== undefined) writes.push({ table: 'garbage', sort: name, value: null })
    const expects = [expectAt('bucket', name, entry), expectAt('garbage', name, trace)]
    if (writes.length === 0 || (await metadata.commit({ partition: ROOT, expects, writes }))) return
  }
}

/**
 * Exchanges the entry of a bucket that is being deleted for a trace. False: `row` is no longer what
 * stands, or another one was at it; look again.
 */
export async function leave(ctx: Context, name: string, row: Row<BucketRow>): Promise<boolean> {
  const { metadata } = ctx
  const entry = await readEntry(metadata, name)
  // An entry read before the row cannot be that of a later bucket of the same name.
  if ((await readRow(metadata, name, 'bucket', ''))?.rev !== row.rev) return false
  const writes: Write[] = [traceOf(ctx, name)]
  if (entry !== undefined) writes.push({ table: 'bucket', sort: name, value: null })
  return metadata.commit({
    partition: ROOT,
    expects: [expectAt('bucket', name, entry)],
    writes,
  })
}

/** Forgets a partition in which nothing is left; false where the trace has changed since. */
export function dropTrace(ctx: Context, trace: Row<Trace>): Promise<boolean> {
  return ctx.metadata.commit({
    partition: ROOT,
    expects: [expectAt('garbage', trace.sort, trace)],
    writes: [{ table: 'garbage', sort: trace.sort, value: null }],
  })
}

const STEP = 1000

/** All partitions that may hold rows of a bucket: those with a trace, then those with an entry. One may come twice. */
export async function* bucketPartitions(store: MetadataStore): AsyncGenerator<string> {
  yield* tracedPartitions(store)
  yield* enteredPartitions(store)
}

/** Those with a trace: whatever needs healing is among them. */
export function tracedPartitions(store: MetadataStore): AsyncGenerator<string> {
  return names(store, 'garbage')
}

/** Those with an entry: the buckets that stand. */
export function enteredPartitions(store: MetadataStore): AsyncGenerator<string> {
  return names(store, 'bucket')
}

async function* names(store: MetadataStore, table: 'bucket' | 'garbage'): AsyncGenerator<string> {
  for (let from = ''; ;) {
    const rows = await store.scan(ROOT, table, { from, limit: STEP })
    for (const row of rows) yield row.sort
    if (rows.length < STEP) return
    from = `${rows.at(-1)!.sort}\0`
  }
}

function entryOf(row: BucketRow): BucketEntry {
  return { t: row.t, owner: row.owner[0] }
}

function traceOf(ctx: Context, name: string): Write {
  return { table: 'garbage', sort: name, value: { t: ctx.clock.now() } }
}

function expectAt(
  table: 'bucket' | 'garbage',
  sort: string,
  row: Row<unknown> | undefined,
): Expect {
  return { table, sort, rev: row?.rev ?? 0 }
}
