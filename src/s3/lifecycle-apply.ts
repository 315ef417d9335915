/**
 * Carrying out what the rules say of one key: each fate is one commit, which expects the version
 * unchanged since the rules looked at it. A version that is locked stays, and is looked at again in the
 * next round.
 */
import type { Row } from '../../metadata/store.ts'
import { S3Error } from '../api/error.ts'
import { announce } from './announce.ts'
import type { Context } from './context.ts'
import {
  type Fate,
  fateOfHead,
  fateOfNoncurrent,
  type Moment,
  type Rule,
} from './lifecycle-rules.ts'
import { scanRows, type VersionRow } from './rows.ts'
import { transact, type Tx } from './transact.ts'
import { chainRange, pushVersion, removeHead, removeVersion } from './version.ts'

const VERSIONS_PER_SCAN = 250

/** What was done. */
export interface Applied {
  expired: number
  removed: number
  moved: number
}

/** Deals with all versions of a key whose head was read. */
export async function applyTo(
  ctx: Context,
  bucket: string,
  rules: readonly Rule[],
  head: Row<VersionRow>,
  moment: Moment,
  applied: Applied,
): Promise<void> {
  const key = head.sort
  // The older ones first: a marker that hides nothing any more can then go in the next round.
  if (head.value.older !== undefined) {
    await applyToChain(ctx, bucket, rules, head, moment, applied)
  }
  const fate = fateOfHead(rules, key, head.value, moment)
  if (fate !== undefined) await carryOut(ctx, bucket, key, 'object', head, fate, applied)
}

async function applyToChain(
  ctx: Context,
  bucket: string,
  rules: readonly Rule[],
  head: Row<VersionRow>,
  moment: Moment,
  applied: Applied,
): Promise<void> {
  const key = head.sort
  const { from: first, to } = chainRange(key)
  let since = head.value.t
  let newer = 0
  for (let from = first; ;) {
    const rows = await scanRows(ctx.metadata, bucket, 'version', {
      from,
      to,
      limit: VERSIONS_PER_SCAN,
    })
    for (const row of rows) {
      const fate = fateOfNoncurrent(rules, key, row.value, since, newer, moment)
      if (fate !== undefined) await carryOut(ctx, bucket, key, 'version', row, fate, applied)
      since = row.value.t
      newer++
    }
    if (rows.length < VERSIONS_PER_SCAN) return
    from = `${rows.at(-1)!.sort}\0`
  }
}

async function carryOut(
  ctx: Context,
  bucket: string,
  key: string,
  table: 'object' | 'version',
  seen: Row<VersionRow>,
  fate: Fate,
  applied: Applied,
): Promise<void> {
  try {
    const done = await transact(ctx.metadata, bucket, async (tx) => {
      const row = await tx.get(table, seen.sort)
      if (row?.rev !== seen.rev) return false
      await change(ctx, tx, bucket, key, table, row, fate)
      return true
    })
    if (!done) return
  } catch (error) {
    const isKept = error instanceof S3Error && error.code === 'AccessDenied'
    if (isKept) return
    throw error
  }
  if (fate.do === 'expire') applied.expired++
  else if (fate.do === 'remove') applied.removed++
  else applied.moved++
}

async function change(
  ctx: Context,
  tx: Tx,
  bucket: string,
  key: string,
  table: 'object' | 'version',
  row: Row<VersionRow>,
  fate: Fate,
): Promise<void> {
  const bucketRow = await ctx.buckets.inBucket(tx, bucket)
  if (fate.do === 'move') {
    const version = { ...row.value, sc: fate.to }
    tx.put(table, row.sort, version, row.bytes)
    await announce(ctx, tx, bucketRow, { event: 's3:LifecycleTransition', bucket, key, version })
    return
  }
  let event = 's3:LifecycleExpiration:Delete'
  let version = row.value
  if (table === 'version') {
    const head = await tx.get('object', key)
    // A chain without its head is for scrub to tell of.
    if (head !== undefined) await removeVersion(ctx, tx, key, head, { table, row })
  } else if (fate.do === 'remove' || bucketRow.versioning === undefined) {
    await removeHead(ctx, tx, key, row)
  } else {
    const marker = { t: ctx.clock.now(), s: 0, e: '', d: 1 as const }
    // As on S3, what rules delete here is not deleted elsewhere.
    const { config: { replication: _, ...config } = {}, ...rest } = bucketRow
    version = await pushVersion(ctx, tx, { ...rest, config }, key, row, marker)
    event = 's3:LifecycleExpiration:DeleteMarkerCreated'
  }
  await announce(ctx, tx, bucketRow, { event, bucket, key, version })
}
