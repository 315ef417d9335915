/**
 * Orphans: blobs that no row names, and share rows that no row names. A crash leaves them behind, or
 * a store that failed without saying how far it had come.
 *
 * How one is known for certain, although writes go on all the while:
 * - A candidate is more than an hour old (by its ULID, or its share row's time) when the search begins.
 *   A version that comes to be later can only name younger blobs, or shared ones (whose share rows are
 *   then younger than an hour, see BORROWED_MAX_MS), or those of parts.
 * - What moves between rows is looked for in the direction of its move: parts before pages before
 *   objects. The versions of one key are read as of one moment (the head still stands unchanged after
 *   its chain was read).
 * - A blob becomes visible at the end of a long upload, an instant before its row. So what is found
 *   unnamed is looked for once more after `settleMs`, longer than any commit takes; only what is
 *   unnamed both times is an orphan.
 * - A blob with a share row is left alone: first the share has to be found an orphan.
 *
 * Memory: at most `WINDOW` blobs and `WINDOW` shares at a time; each window costs a scan of all rows.
 */
import { setImmediate as turn } from 'node:timers/promises'
import type { Row, Table } from '../../metadata/store.ts'
import { ulidFloor } from '../lib/ulid.ts'
import type { Context } from './context.ts'
import { deleteBlobs, isShared } from './garbage.ts'
import { bucketPartitions } from './root.ts'
import {
  type Content,
  type Extent,
  readRow,
  type RowOf,
  scanRows,
  shareSort,
  shares,
  type VersionRow,
} from './rows.ts'
import { chainRange } from './version.ts'

/** Candidates held in memory at a time, of each kind. */
export const WINDOW = 100_000
const ROWS_PER_SCAN = 500
const BASE32 = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'
/** Times that a key may change while its versions are read, until the search is given up. */
const REREADS_MAX = 100

export interface Orphans {
  blobs: number
  shares: number
}

export interface OrphanSearch {
  /** Only what is older than this is looked at. */
  readonly ageMs: number
  /** Waits between the two looks; rejects to give the search up. */
  settle(): Promise<void>
  readonly window: number
}

/** Blobs, and shares by their sort keys. */
interface Candidates {
  readonly blobs: Set<string>
  readonly shares: Map<string, string>
}

/** Finds and deletes all orphans. */
export async function sweepOrphans(ctx: Context, search: OrphanSearch): Promise<Orphans> {
  const before = ctx.clock.now() - search.ageMs
  const found: Orphans = { blobs: 0, shares: 0 }
  const blobs = oldBlobs(ctx, before)
  const held = oldShares(ctx, before)
  for (;;) {
    const candidates: Candidates = {
      blobs: new Set(await some(blobs, search.window)),
      shares: new Map(await some(held, search.window)),
    }
    if (isNone(candidates)) return found
    await dropNamed(ctx, candidates)
    if (isNone(candidates)) continue
    await search.settle()
    await dropNamed(ctx, candidates)
    for (const [sort, blob] of candidates.shares) {
      const writes = [{ table: 'share' as const, sort, value: null }]
      await ctx.metadata.commit({ partition: shares(blob), expects: [], writes })
      found.shares++
    }
    const free: string[] = []
    for (const blob of candidates.blobs) if (!(await isShared(ctx, blob))) free.push(blob)
    await deleteBlobs(ctx, free)
    found.blobs += free.length
  }
}

function isNone(candidates: Candidates): boolean {
  return candidates.blobs.size === 0 && candidates.shares.size === 0
}

async function some<T>(from: AsyncIterator<T>, most: number): Promise<readonly T[]> {
  const taken: T[] = []
  while (taken.length < most) {
    const step = await from.next()
    if (step.done === true) break
    taken.push(step.value)
  }
  return taken
}

async function* oldBlobs(ctx: Context, before: number): AsyncGenerator<string, void, undefined> {
  const floor = ulidFloor(before)
  for await (const { id } of ctx.storage.list('')) {
    if (id >= floor) return
    yield id
  }
}

/** Sort key and blob of each old share row, in all the partitions that hold shares. */
async function* oldShares(
  ctx: Context,
  before: number,
): AsyncGenerator<readonly [sort: string, blob: string], void, undefined> {
  for (const high of BASE32) {
    for (const low of BASE32) {
      for await (const { sort, value } of allRows(ctx, shares(high + low), 'share')) {
        if (value.t < before) yield [sort, sort.slice(0, sort.indexOf('.'))]
      }
    }
  }
}

/** Takes away from the candidates all that some row names. */
async function dropNamed(ctx: Context, candidates: Candidates): Promise<void> {
  const name = (extents: Iterable<Extent>): void => {
    for (const [blob, , , ref] of extents) {
      candidates.blobs.delete(blob)
      if (ref !== undefined) candidates.shares.delete(shareSort(blob, ref))
    }
  }
  for await (const bucket of bucketPartitions(ctx.metadata)) {
    for await (const row of allRows(ctx, bucket, 'part')) name(row.value.x ?? [])
    for await (const row of allRows(ctx, bucket, 'page')) {
      for (const part of row.value.p) name(part[3])
    }
    for await (const row of allRows(ctx, bucket, 'object')) {
      name(extentsIn(row.value.c))
      if (row.value.older !== undefined) await nameChain(ctx, bucket, row, name)
    }
    for await (const row of allRows(ctx, bucket, 'garbage')) name(row.value.x ?? [])
  }
}

/** Names what all versions of a key hold at one moment. */
async function nameChain(
  ctx: Context,
  bucket: string,
  seen: Row<VersionRow>,
  name: (extents: Iterable<Extent>) => void,
): Promise<void> {
  const { sort: key } = seen
  let head: Row<VersionRow> | undefined = seen
  for (let reads = 0; reads < REREADS_MAX; reads++) {
    if (head === undefined) return
    name(extentsIn(head.value.c))
    for await (const row of allRows(ctx, bucket, 'version', chainRange(key))) {
      name(extentsIn(row.value.c))
    }
    const now: Row<VersionRow> | undefined = await readRow(ctx.metadata, bucket, 'object', key)
    if (now?.rev === head.rev) return
    head = now
  }
  throw new Error(`the versions of a key changed ${REREADS_MAX} times while they were read`)
}

/** What the row itself names; pages name theirs. */
function extentsIn(content: Content | undefined): readonly Extent[] {
  return content?.x ?? content?.p?.flatMap((part) => part[3]) ?? []
}

/** All rows of a table (or of a range of it), with a breath for the loop at each step. */
async function* allRows<T extends Table>(
  ctx: Context,
  partition: string,
  table: T,
  range: { readonly from: string; readonly to?: string } = { from: '' },
): AsyncGenerator<Row<RowOf[T]>, void, undefined> {
  for (let { from } = range; ;) {
    const rows = await scanRows(ctx.metadata, partition, table, {
      ...range,
      from,
      limit: ROWS_PER_SCAN,
    })
    yield* rows
    if (rows.length < ROWS_PER_SCAN) return
    from = `${rows.at(-1)!.sort}\0`
    await turn()
  }
}
