/**
 * The versions of a key: a chain, newest first, of which the head stands in `object` and the others
 * in `version`.
 *
 * Every change of a chain expects its head unchanged, so two changes of one key never mix. What a
 * change displaces for good goes into a `garbage` row of the same commit. Promises about heads:
 * `older` is 1 exactly while there are noncurrent versions; `nq` is the `q` of the noncurrent
 * version whose public id is 'null', and absent where there is none. No version goes for good while
 * it is locked (lock.ts).
 */
import type { Row } from '../../metadata/store.ts'
import { S3Error } from '../api/error.ts'
import { planReplication } from './replicate.ts'
import { isUlid, versionBefore } from '../lib/ulid.ts'
import type { Context } from './context.ts'
import { checkUnlocked } from './lock.ts'
import {
  type BucketRow,
  type Content,
  chainOf,
  readRow,
  type VersionRow,
  versionSort,
} from './rows.ts'
import type { Tx } from './transact.ts'

export type Mutable<T> = { -readonly [K in keyof T]: T[K] }

/** A version before it has its place in a chain. */
export type VersionDraft = Omit<VersionRow, 'q' | 'v' | 'nq' | 'older'>

/** Id and display name of who owns a version. */
export function versionOwner(
  version: VersionRow,
  bucket: BucketRow,
): readonly [id: string, displayName: string] {
  return bucket.ownership === 'BucketOwnerEnforced' ? bucket.owner : (version.o ?? bucket.owner)
}

/** The same as listings show it. */
export function shownOwner(
  version: VersionRow,
  bucket: BucketRow,
): { ID: string; DisplayName: string } {
  const [ID, DisplayName] = versionOwner(version, bucket)
  return { ID, DisplayName }
}

/** Notes whose the version will be: nothing for the bucket's owner, whose versions are most of them (a third of a small row). */
export function own(
  draft: Mutable<VersionDraft>,
  owner: readonly [id: string, displayName: string],
  bucket: BucketRow,
): void {
  if (owner[0] !== bucket.owner[0]) draft.o = owner
}

/** Where a version stands. */
export interface Found {
  readonly table: 'object' | 'version'
  readonly row: Row<VersionRow>
}

/** The id that clients know a version by. */
export function publicId(version: VersionRow): string {
  return version.v ?? version.q
}

/** What `x-amz-version-id` says of a version; undefined in a bucket that never had versioning, where clients expect none. */
export function shownId(bucket: BucketRow, version: VersionRow): string | undefined {
  return bucket.versioning === undefined && version.v !== undefined ? undefined : publicId(version)
}

/** What the answer to a write says of the version that it made: S3 names it only while versioning is Enabled. */
export function writtenId(bucket: BucketRow, version: VersionRow): string | undefined {
  return bucket.versioning === 'Enabled' ? publicId(version) : undefined
}

/** Refuses what cannot be a version id. */
export function checkVersionId(versionId: string): void {
  if (versionId === 'null' || isUlid(versionId)) return
  throw new S3Error('InvalidArgument', {
    message:
      versionId === '' ? 'Version id cannot be the empty string' : 'Invalid version id specified',
    fields: { ArgumentName: 'versionId', ArgumentValue: versionId },
  })
}

/** Reads the version of that public id (none: the head), without a transaction. */
export async function findVersion(
  ctx: Context,
  bucket: string,
  key: string,
  versionId?: string,
): Promise<Found | undefined> {
  let head = await readRow(ctx.metadata, bucket, 'object', key)
  for (;;) {
    if (head === undefined) return undefined
    const sort = sortInChain(key, head, versionId)
    if (sort === key) return { table: 'object', row: head }
    if (sort === undefined) return undefined
    const row = await readRow(ctx.metadata, bucket, 'version', sort)
    if (row !== undefined)
      return publicId(row.value) === versionId ? { table: 'version', row } : undefined
    // Between the two reads it may have moved: the head was deleted, and it is the head now.
    const now: Row<VersionRow> | undefined = await readRow(ctx.metadata, bucket, 'object', key)
    if (now?.rev === head.rev) return undefined
    head = now
  }
}

/** The same inside a transaction, which then expects what it saw. */
export async function findInChain(
  tx: Tx,
  key: string,
  head: Row<VersionRow> | undefined,
  versionId?: string,
): Promise<Found | undefined> {
  if (head === undefined) return undefined
  const sort = sortInChain(key, head, versionId)
  if (sort === key) return { table: 'object', row: head }
  if (sort === undefined) return undefined
  const row = await tx.get('version', sort)
  return row !== undefined && publicId(row.value) === versionId
    ? { table: 'version', row }
    : undefined
}

/** The key itself: the head is meant. Undefined: no such version. */
function sortInChain(
  key: string,
  head: Row<VersionRow>,
  versionId: string | undefined,
): string | undefined {
  if (versionId === undefined || versionId === publicId(head.value)) return key
  if (head.value.older === undefined) return undefined
  const q = versionId === 'null' ? head.value.nq : versionId
  return q === undefined ? undefined : versionSort(key, q)
}

/**
 * Makes `draft` the newest version of `key`, as the bucket's versioning says: it joins the chain
 * (Enabled), or replaces the null version (Suspended, unversioned).
 *
 * `head` is what this transaction read at `object[key]`. Where `keeping` is the `q` of the version
 * that is replaced, its content is not thrown away: the draft goes on using it. Throws AccessDenied
 * where the version that would be replaced is locked.
 */
export async function pushVersion(
  ctx: Context,
  tx: Tx,
  bucket: BucketRow,
  key: string,
  head: Row<VersionRow> | undefined,
  draft: VersionDraft,
  bytes?: Uint8Array,
  keeping?: string,
): Promise<VersionRow> {
  let q = ctx.ids.nextVersion()
  if (head !== undefined && q >= head.value.q) q = versionBefore(head.value.q, q)
  const version: Mutable<VersionRow> = { q, ...draft }
  if (bucket.versioning !== 'Enabled') version.v = 'null'
  const planned = planReplication(ctx, tx, bucket, key, version)
  if (planned !== undefined) await planned
  if (head !== undefined) {
    const old = head.value
    if (version.v === 'null' && old.v === 'null') {
      discardVersion(ctx, tx, old, keeping)
      if (old.older !== undefined) version.older = 1
    } else {
      tx.put('version', versionSort(key, old.q), noncurrent(old), head.bytes)
      version.older = 1
      const nullQ = old.v === 'null' ? old.q : old.nq
      if (nullQ !== undefined && version.v === 'null') {
        await dropNoncurrent(ctx, tx, key, nullQ, keeping)
      } else if (nullQ !== undefined) version.nq = nullQ
    }
  }
  tx.put('object', key, version, bytes)
  return version
}

async function dropNoncurrent(
  ctx: Context,
  tx: Tx,
  key: string,
  q: string,
  keeping: string | undefined,
): Promise<void> {
  const row = await tx.get('version', versionSort(key, q))
  if (row === undefined) return
  discardVersion(ctx, tx, row.value, keeping)
  tx.delete('version', row.sort)
}

/** A version is replaced. */
function discardVersion(
  ctx: Context,
  tx: Tx,
  version: VersionRow,
  keeping: string | undefined,
): void {
  checkUnlocked(version, ctx.clock.now(), false)
  if (version.q !== keeping) discardHeld(ctx, tx, version)
}

/**
 * Takes the head away for good, with its content: DeleteObject in a bucket that never had versioning,
 * or of the newest version by its id. `bypass`: although it is under governance.
 */
export async function removeHead(
  ctx: Context,
  tx: Tx,
  key: string,
  head: Row<VersionRow>,
  bypass: boolean = false,
): Promise<void> {
  checkUnlocked(head.value, ctx.clock.now(), bypass)
  discardHeld(ctx, tx, head.value)
  if (head.value.older === undefined) {
    tx.delete('object', key)
    return
  }
  const [next, afterNext] = await tx.scan('version', { ...chainRange(key), limit: 2 })
  if (next === undefined) {
    tx.delete('object', key)
    return
  }
  const whole = await tx.get('version', next.sort)
  const promoted: Mutable<VersionRow> = { ...next.value }
  if (afterNext !== undefined) promoted.older = 1
  if (head.value.nq !== undefined && head.value.nq !== promoted.q) promoted.nq = head.value.nq
  tx.delete('version', next.sort)
  tx.put('object', key, promoted, whole?.bytes)
}

/**
 * Takes the head out of its chain while its content lives on elsewhere (RenameObject): a delete marker
 * stands in its place, or nothing where the bucket never had versioning.
 */
export async function takeHead(
  ctx: Context,
  tx: Tx,
  bucket: BucketRow,
  key: string,
  head: Row<VersionRow>,
): Promise<void> {
  checkUnlocked(head.value, ctx.clock.now(), false)
  if (bucket.versioning === undefined) {
    tx.delete('object', key)
    return
  }
  const fresh = ctx.ids.nextVersion()
  const q = fresh >= head.value.q ? versionBefore(head.value.q, fresh) : fresh
  const marker: Mutable<VersionRow> = { q, d: 1, t: ctx.clock.now(), s: 0, e: '' }
  const { older, nq } = head.value
  if (older !== undefined) marker.older = older
  if (bucket.versioning === 'Enabled') {
    if (nq !== undefined) marker.nq = nq
  } else {
    marker.v = 'null'
    if (nq !== undefined) await dropNullBehind(ctx, tx, key, nq, marker)
  }
  const planned = planReplication(ctx, tx, bucket, key, marker)
  if (planned !== undefined) await planned
  tx.put('object', key, marker)
}

/** A new null version takes the place of a noncurrent one; whether others are left, `marker` is told. */
async function dropNullBehind(
  ctx: Context,
  tx: Tx,
  key: string,
  nullQ: string,
  marker: Mutable<VersionRow>,
): Promise<void> {
  await dropNoncurrent(ctx, tx, key, nullQ, undefined)
  const left = await tx.scan('version', { ...chainRange(key), limit: 2 })
  if (!left.some((row) => row.value.q !== nullQ)) delete marker.older
}

/** Takes one version away for good: the head, or a noncurrent one (`head` must still be told about it). `bypass`: although it is under governance. */
export async function removeVersion(
  ctx: Context,
  tx: Tx,
  key: string,
  head: Row<VersionRow>,
  found: Found,
  bypass: boolean = false,
): Promise<void> {
  if (found.table === 'object') {
    await removeHead(ctx, tx, key, head, bypass)
    return
  }
  const gone = found.row.value
  checkUnlocked(gone, ctx.clock.now(), bypass)
  discardHeld(ctx, tx, gone)
  tx.delete('version', found.row.sort)
  // Two rows tell whether another one remains; the commit expects it to, so `older` cannot go stale.
  const left = (await tx.scan('version', { ...chainRange(key), limit: 2 })).filter(
    (row) => row.sort !== found.row.sort,
  )
  const nullGone = head.value.nq === gone.q
  if (left.length > 0 && !nullGone) return
  const { older: _older, nq, ...rest } = head.value
  const updated: Mutable<VersionRow> = rest
  if (left.length > 0) updated.older = 1
  if (nq !== undefined && !nullGone) updated.nq = nq
  tx.put('object', key, updated, head.bytes)
}

/** All noncurrent versions of a key, newest first. */
export function chainRange(key: string): { readonly from: string; readonly to: string } {
  const from = chainOf(key)
  return { from, to: `${from.slice(0, -1)}/` }
}

function noncurrent(head: VersionRow): VersionRow {
  if (head.older === undefined && head.nq === undefined) return head
  const { older: _older, nq: _nq, ...rest } = head
  return rest
}

/** All that only this version holds. */
function discardHeld(ctx: Context, tx: Tx, { c, an }: VersionRow): void {
  discardContent(ctx, tx, c)
  if (an !== undefined) discardAnnotations(ctx, tx, an[0])
}

/** Leaves a set of annotations to the sweep, in this commit. */
export function discardAnnotations(ctx: Context, tx: Tx, set: string): void {
  tx.put('garbage', ctx.ids.next(), { upload: set })
}

/** Leaves the blobs of content that no row will name any more to the sweep, in this commit. */
export function discardContent(ctx: Context, tx: Tx, content: Content | undefined): void {
  if (content === undefined) return
  if (content.g !== undefined) {
    tx.put('garbage', ctx.ids.next(), { pages: content.g.map((page) => page[0]) })
    return
  }
  const extents = content.x ?? content.p?.flatMap((part) => part[3]) ?? []
  if (extents.length > 0) tx.put('garbage', ctx.ids.next(), { x: extents })
}
