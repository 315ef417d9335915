/**
 * What is to be copied elsewhere is noted in the commit that makes it: a row of the outbox (`event`) for the
 * key and each destination, and PENDING in the version. `replication.ts` does the rest.
 *
 * There is one row for a key, however many of its versions wait: they have to arrive one after the other.
 */
import { hash } from 'node:crypto'
import type { ReplicationConfiguration } from '@aws-sdk/client-s3'
import { readConfig } from './bucket-config.ts'
import type { Context } from './context.ts'
import { replicationRules, rulesFor } from './replication-rules.ts'
import type { BucketRow, VersionRow } from './rows.ts'
import type { Tx } from './transact.ts'
import type { Mutable } from './version.ts'

/** Where rows of replication stand among those of the outbox; messages to listeners are called by the time. */
export const REPLICATION_ROWS = { from: 'r.', to: 'r/' } as const

/** The message of such a row. `n` counts what was added to it. */
export type Waiting = { readonly key: string; readonly n: number }

export function replicationSort(target: string, key: string): string {
  return `r.${hash('sha256', `${target} ${key}`, 'base64url').slice(0, 22)}`
}

/** Notes that the version, which is about to be written, is to be copied; undefined (at once) where the bucket is not. */
export function planReplication(
  ctx: Context,
  tx: Tx,
  bucket: BucketRow,
  key: string,
  version: Mutable<VersionRow>,
): Promise<void> | undefined {
  if (bucket.config?.['replication'] === undefined) return undefined
  if (version.rp === 'REPLICA' || bucket.versioning !== 'Enabled') return undefined
  return plan(ctx, tx, key, version)
}

async function plan(
  ctx: Context,
  tx: Tx,
  key: string,
  version: Mutable<VersionRow>,
): Promise<void> {
  const document = await readConfig(ctx, tx.partition, 'replication')
  if (document === undefined) return
  const rules = replicationRules(document as unknown as ReplicationConfiguration)
  const wanted = rulesFor(rules, key, version)
  if (wanted.length === 0) return
  version.rp = 'PENDING'
  const now = ctx.clock.now()
  for (const { target } of wanted) {
    const sort = replicationSort(target, key)
    const before = (await tx.get('event', sort))?.value
    const n = ((before?.event as Waiting | undefined)?.n ?? 0) + 1
    // Who is at the key already, or waits for its destination, goes on so.
    const due = before?.due ?? now
    const tries = before?.tries ?? 0
    tx.put('event', sort, { t: now, to: target, due, tries, event: { key, n } })
  }
  ctx.replication.nudge(tx.partition)
}
