/**
 * Blobs shared by copies: how a copy comes to hold bytes that somebody else may throw away.
 *
 * A blob begins with one holder, whose extents bear no ref. A shared blob has a share row
 * `blob.ref` for each holder, and each holder's extents bear its ref. A copy takes three steps, each
 * a commit of its own:
 *
 * 1. Add share rows: for the copy's new ref and, where the source's extents bear none yet, for a new
 *    ref of the source too.
 * 2. Write the source's new refs into its row, expecting it unchanged; where it had refs, read again
 *    that it is unchanged. If it is not: take the share rows of step 1 back and begin again.
 * 3. Commit the destination.
 *
 * A remover (overwrite, delete) commits the extents it saw into a garbage row. Later the sweep takes
 * each extent of it: without a ref, it deletes the blob; with one, it removes that share row, and
 * deletes the blob if no share row of it is left.
 *
 * Why no blob is lost that a row names:
 * - (I) An extent without ref has no other holder: before a second one commits (3), the first has
 *   been given a ref (2). So deleting the blob of an extent without ref takes it from nobody; share
 *   rows seen beside it belong to copies whose step 2 must fail, for the source is gone.
 * - (II) A committed extent with ref has had its share row since before its commit, and until the
 *   sweep takes the garbage row that its remover left. So "no share row is left" means no holder.
 * - A remover that commits before step 2 makes it fail. One that commits after it leaves garbage
 *   with a ref; the copy's share row, written in step 1, was there before that garbage was: the
 *   sweep's count sees it, whenever it counts.
 * - Taking back the share rows of a copy that failed in step 2 must not delete the blob: the source
 *   may have changed for another reason and still hold it without ref. So they are merely removed.
 *   A copy that fails in step 3 leaves garbage with its ref: then all holders bear refs, and (II) holds.
 * - Where the store does not say what became of step 2 or 3, everything stays; the sweep drops share
 *   rows older than an hour that no row names. A copy is therefore given up when its step 3 comes
 *   later than `BORROWED_MAX_MS` after step 1.
 * What a crash leaves is a share row too many, never one too few.
 */
import type { Row, Write } from '../../metadata/store.ts'
import type { ByteRange } from '../../storage/store.ts'
import { extentsBetween, placedParts, readPage } from './content.ts'
import type { Context } from './context.ts'
import {
  changedPart,
  type Content,
  type Extent,
  readRow,
  type ShareRow,
  shareSort,
  shares,
  type StoredPart,
  type VersionRow,
} from './rows.ts'
import { Contended, OutcomeUnknown, transact } from './transact.ts'
import type { Mutable } from './version.ts'

/** A version whose bytes are to be copied, as it was read. */
export interface Source {
  readonly bucket: string
  readonly table: 'object' | 'version'
  readonly row: Row<VersionRow>
}

/** Bytes that the copy may name in its row, once, soon; or give back. */
export interface Borrowed {
  /** The bytes asked for, in order, under the copy's own ref; absent where `parts` stand. */
  readonly extents?: readonly Extent[]
  /** Of a whole object that was uploaded in parts. */
  readonly parts?: readonly StoredPart[]
  /** When step 1 began, epoch ms. */
  readonly at: number
}

/** A destination must be committed this soon after its borrowing began; far below the hour after which the sweep drops an unnamed share. */
export const BORROWED_MAX_MS: number = 10 * 60 * 1000
const SHARE_ROWS_PER_COMMIT = 50
const COMMITS_AT_ONCE = 16

/**
 * Steps 1 and 2, for bytes `range` of the source, or all of it (its parts then stay parts).
 * Undefined: the source has changed since it was read; read it again and decide anew.
 * The source must not be inlined, nor empty.
 */
export async function borrow(
  ctx: Context,
  source: Source,
  range?: ByteRange,
): Promise<Borrowed | undefined> {
  const content = source.row.value.c
  if (content === undefined) throw new TypeError('inlined content is copied, not borrowed')
  const at = ctx.clock.now()
  const ref = ctx.ids.next()
  const taken = await take(ctx, source.bucket, content, range)
  const extents = taken.extents ?? taken.parts.flatMap((part) => part[3])
  const all = new Set(extents.map((extent) => extent[0]))
  const bare = new Set(extents.filter((extent) => extent[3] === undefined).map(([blob]) => blob))
  const sourceRef = ctx.ids.next()
  await writeShares(ctx, all, ref, { t: at })
  await writeShares(ctx, bare, sourceRef, { t: at })
  const held =
    bare.size > 0 ? await giveRefs(ctx, source, bare, sourceRef) : await isUnchanged(ctx, source)
  if (held) {
    return taken.extents === undefined
      ? { at, parts: taken.parts.map((part) => partWithRef(part, all, ref)) }
      : { at, extents: taken.extents.map((extent) => withRef(extent, ref)) }
  }
  await takeBack(ctx, source.bucket, all, bare, ref, sourceRef)
  return undefined
}

/** For the body of step 3: refuses to name shares that the sweep may hold for abandoned. */
export function checkStillBorrowed(ctx: Context, borrowed: Borrowed): void {
  if (ctx.clock.now() - borrowed.at > BORROWED_MAX_MS) {
    throw new Contended('the copy took too long')
  }
}

/** After `error` kept step 3 from committing: the copy's refs go to the sweep, by way of `bucket`. Never rejects. */
export async function giveBack(
  ctx: Context,
  bucket: string,
  borrowed: Borrowed,
  error: unknown,
): Promise<void> {
  if (error instanceof OutcomeUnknown) return
  const extents = borrowed.extents ?? (borrowed.parts ?? []).flatMap((part) => part[3])
  await leaveShares(ctx, bucket, extents)
}

type TakenBytes =
  | { readonly extents: readonly Extent[] }
  | { readonly extents?: never; readonly parts: readonly StoredPart[] }

async function take(
  ctx: Context,
  bucket: string,
  content: Content,
  range: ByteRange | undefined,
): Promise<TakenBytes> {
  if (range !== undefined) return { extents: await extentsBetween(ctx, bucket, content, range) }
  if (content.x !== undefined) return { extents: content.x }
  const parts: StoredPart[] = []
  for await (const { part } of placedParts(ctx, bucket, content)) parts.push(part)
  return { parts }
}

/** Writes (null: removes) the share rows of one ref, one partition of shares a commit, some at once. */
async function writeShares(
  ctx: Context,
  blobs: Iterable<string>,
  ref: string,
  value: ShareRow | null,
): Promise<void> {
  const commits: { partition: string; writes: Write[] }[] = []
  const open = new Map<string, Write[]>()
  for (const blob of blobs) {
    const partition = shares(blob)
    let writes = open.get(partition)
    if (writes === undefined || writes.length === SHARE_ROWS_PER_COMMIT) {
      writes = []
      open.set(partition, writes)
      commits.push({ partition, writes })
    }
    writes.push({ table: 'share', sort: shareSort(blob, ref), value })
  }
  for (let index = 0; index < commits.length; index += COMMITS_AT_ONCE) {
    const group = commits.slice(index, index + COMMITS_AT_ONCE)
    await Promise.all(group.map((commit) => ctx.metadata.commit({ ...commit, expects: [] })))
  }
}

/** Step 2 where the source bears no refs yet. Its page rows only ever change together with its own row, so expecting that one suffices. */
async function giveRefs(
  ctx: Context,
  source: Source,
  bare: ReadonlySet<string>,
  ref: string,
): Promise<boolean> {
  const { table, row, bucket } = source
  return transact(ctx.metadata, bucket, async (tx) => {
    const now = await tx.get(table, row.sort)
    if (now?.rev !== row.rev) return false
    const content = now.value.c!
    const updated: Mutable<VersionRow> = { ...now.value }
    if (content.x !== undefined) {
      updated.c = { ...content, x: content.x.map((e) => (isBare(e, bare) ? withRef(e, ref) : e)) }
    } else if (content.p !== undefined) {
      updated.c = { ...content, p: content.p.map((part) => partWithRef(part, bare, ref, true)) }
    }
    for (const [sort] of content.g ?? []) {
      const parts = await readPage(ctx, bucket, sort)
      if (!parts.some((part) => part[3].some((e) => isBare(e, bare)))) continue
      tx.put('page', sort, { p: parts.map((part) => partWithRef(part, bare, ref, true)) })
    }
    tx.put(table, row.sort, updated, now.bytes)
    return true
  })
}

async function isUnchanged(ctx: Context, { bucket, table, row }: Source): Promise<boolean> {
  return (await readRow(ctx.metadata, bucket, table, row.sort))?.rev === row.rev
}

/** After step 2 was refused. Blobs that had refs before may now be without holders but us: the sweep will look. */
async function takeBack(
  ctx: Context,
  bucket: string,
  all: ReadonlySet<string>,
  bare: ReadonlySet<string>,
  ref: string,
  sourceRef: string,
): Promise<void> {
  await writeShares(ctx, bare, sourceRef, null)
  await writeShares(ctx, bare, ref, null)
  const shared = [...all].filter((blob) => !bare.has(blob))
  await leaveShares(
    ctx,
    bucket,
    shared.map((blob): Extent => [blob, 0, 0, ref]),
  )
}

async function leaveShares(
  ctx: Context,
  bucket: string,
  extents: readonly Extent[],
): Promise<void> {
  if (extents.length === 0) return
  try {
    await transact(ctx.metadata, bucket, async (tx) => {
      await ctx.buckets.inBucket(tx, bucket)
      tx.put('garbage', ctx.ids.next(), { x: extents })
    })
  } catch {
    // The share rows stay, unnamed, until the sweep looks for such.
  }
}

function isBare(extent: Extent, bare: ReadonlySet<string>): boolean {
  return extent[3] === undefined && bare.has(extent[0])
}

function withRef(extent: Extent, ref: string): Extent {
  return [extent[0], extent[1], extent[2], ref]
}

/** The part with `ref` in its extents of `blobs`: in all of them, or only in those that bear none. */
function partWithRef(
  part: StoredPart,
  blobs: ReadonlySet<string>,
  ref: string,
  bareOnly = false,
): StoredPart {
  const extents = part[3].map((extent) => {
    const changes = bareOnly ? isBare(extent, blobs) : blobs.has(extent[0])
    return changes ? withRef(extent, ref) : extent
  })
  return changedPart(part, { extents })
}
