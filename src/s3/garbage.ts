/**
 * Garbage rows, taken away for good: the blobs that only they still name, then the rows themselves.
 *
 * Every step can be repeated: a crash, or another process at the same rows, leaves the same state
 * behind. What may be deleted at all is decided in share.ts.
 */
import { setImmediate as turn } from 'node:timers/promises'
import type { Row, Table } from '../../metadata/store.ts'
import { ulidFloor } from '../lib/ulid.ts'
import type { Context } from './context.ts'
import {
  allPartsOf,
  type Extent,
  type GarbageRow,
  readRow,
  scanRows,
  shareSort,
  shares,
} from './rows.ts'

/** Garbage rows taken up at once: their blobs are deleted together. */
const ROWS_PER_STEP = 100
const PARTS_PER_STEP = 500
const DELETES_PER_COMMIT = 50
const BLOBS_PER_DELETE = 1000

export interface Swept {
  /** Garbage rows done with. */
  rows: number
  /** Blobs deleted. */
  blobs: number
}

/** Deals with all garbage of a partition that was left before `before` (epoch ms), unless `signal` says stop. */
export async function sweepGarbage(
  ctx: Context,
  partition: string,
  before: number,
  signal: AbortSignal,
): Promise<Swept> {
  const swept: Swept = { rows: 0, blobs: 0 }
  const to = ulidFloor(before)
  for (let from = ''; !signal.aborted;) {
    const rows = await scanRows(ctx.metadata, partition, 'garbage', {
      from,
      to,
      limit: ROWS_PER_STEP,
    })
    await sweepRows(ctx, partition, rows, swept)
    if (rows.length < ROWS_PER_STEP) break
    from = `${rows.at(-1)!.sort}\0`
    await turn()
  }
  return swept
}

/** Deals with some garbage rows, but for those of which somebody is still reading. */
async function sweepRows(
  ctx: Context,
  partition: string,
  rows: readonly Row<GarbageRow>[],
  swept: Swept,
): Promise<void> {
  const extents: Extent[] = []
  const pages: string[] = []
  const done: string[] = []
  for (const row of rows) {
    const ofRow = [
      ...(row.value.x ?? []),
      ...(await extentsOfPages(ctx, partition, row.value.pages ?? [])),
    ]
    if (ctx.reading.holdsAny(ofRow)) continue
    if (row.value.upload !== undefined) swept.blobs += await sweepParts(ctx, partition, row)
    for (const extent of ofRow) extents.push(extent)
    for (const page of row.value.pages ?? []) pages.push(page)
    done.push(row.sort)
  }
  swept.blobs += await giveUp(ctx, extents)
  await removeRows(ctx, partition, 'page', pages)
  await removeRows(ctx, partition, 'garbage', done)
  swept.rows += done.length
}

/** The part rows of an ended upload (or the annotations of a version that is gone), and those of its blobs that no object has taken over. */
async function sweepParts(ctx: Context, partition: string, row: Row<GarbageRow>): Promise<number> {
  const { upload, unused } = row.value
  if (upload === undefined) return 0
  const range = { ...allPartsOf(upload), limit: PARTS_PER_STEP }
  const gone = unused === undefined ? undefined : new Set(unused)
  let blobs = 0
  for (;;) {
    const parts = await scanRows(ctx.metadata, partition, 'part', range)
    const extents = parts.flatMap((part) => {
      const number = Number(part.sort.slice(upload.length + 1))
      return gone === undefined || gone.has(number) ? (part.value.x ?? []) : []
    })
    blobs += await giveUp(ctx, extents)
    await removeRows(
      ctx,
      partition,
      'part',
      parts.map((part) => part.sort),
    )
    if (parts.length < PARTS_PER_STEP) return blobs
    await turn()
  }
}

async function extentsOfPages(
  ctx: Context,
  partition: string,
  sorts: readonly string[],
): Promise<readonly Extent[]> {
  const extents: Extent[] = []
  for (const sort of sorts) {
    // Missing: an earlier round got so far.
    const page = await readRow(ctx.metadata, partition, 'page', sort)
    for (const part of page?.value.p ?? []) extents.push(...part[3])
  }
  return extents
}

async function removeRows(
  ctx: Context,
  partition: string,
  table: Table,
  sorts: readonly string[],
): Promise<void> {
  for (let index = 0; index < sorts.length; index += DELETES_PER_COMMIT) {
    const writes = sorts
      .slice(index, index + DELETES_PER_COMMIT)
      .map((sort) => ({ table, sort, value: null }))
    await ctx.metadata.commit({ partition, expects: [], writes })
  }
}

/** Gives up extents whose holder is gone: their shares, and the blobs that nobody holds any more. Gives the number of blobs deleted. */
async function giveUp(ctx: Context, extents: readonly Extent[]): Promise<number> {
  const free = new Set<string>()
  const shared = new Set<string>()
  const held = new Map<string, string>()
  for (const [blob, , , ref] of extents) {
    if (ref === undefined) free.add(blob)
    else held.set(shareSort(blob, ref), blob)
  }
  for (const [sort, blob] of held) {
    await removeRows(ctx, shares(blob), 'share', [sort])
    shared.add(blob)
  }
  for (const blob of shared) if (!(await isShared(ctx, blob))) free.add(blob)
  await deleteBlobs(ctx, [...free])
  return free.size
}

/** Whether the blob has share rows. */
export async function isShared(ctx: Context, blob: string): Promise<boolean> {
  const range = { from: shareSort(blob, ''), to: `${blob}/`, limit: 1 }
  return (await ctx.metadata.scan(shares(blob), 'share', range)).length > 0
}

/** Deletes any number of blobs. */
export async function deleteBlobs(ctx: Context, blobs: readonly string[]): Promise<void> {
  for (let index = 0; index < blobs.length; index += BLOBS_PER_DELETE) {
    await ctx.storage.delete(blobs.slice(index, index + BLOBS_PER_DELETE))
  }
}
