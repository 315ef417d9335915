/**
 * A migration: everything of one pair of stores into another pair, so that a gateway on the second
 * serves what the first one served. Nobody else may be at the four stores. The source is only read.
 *
 * Blobs come first, rows behind them, the root's rows (which make buckets visible) last; how far it has
 * come stands in the destination (migration-state.ts). A destination that holds anything else is refused.
 */
import type { MetadataStore } from '../../metadata/store.ts'
import type { ObjectStorage } from '../../storage/store.ts'
import type { Clock } from '../lib/ids.ts'
import { allPartitions } from '../s3/partitions.ts'
import { isNote, ROOT } from '../s3/rows.ts'
import { TABLES } from './all-rows.ts'
import { copyBlobs } from './copy-blobs.ts'
import { comparePartition, copyPartition } from './copy-rows.ts'
import { halfDone } from './half-done.ts'
import { MaintenanceError } from './maintenance-error.ts'
import {
  dropPartitionStates,
  type Migration,
  readMigration,
  readPartitionState,
  writeMigration,
  writePartitionState,
} from './migration-state.ts'
import type { Progress } from './progress.ts'

export interface MigrateParts {
  readonly from: { readonly metadata: MetadataStore; readonly storage: ObjectStorage }
  /** A store that is the source's own stays where it is: then only the other is migrated. */
  readonly to: { readonly metadata: MetadataStore; readonly storage: ObjectStorage }
  /** Tells this source from any other, in the same words each time. */
  readonly source: string
  /** At the destination longer bodies stand in blobs. Of no account where the storage stays. */
  readonly inlineMaxBytes: number
  /** Reads back and compares blobs and rows. */
  readonly verifies: boolean
  readonly clock: Clock
  /** Ends it, so that it can be gone on with: `migrate` then rejects with the signal's reason. */
  readonly signal: AbortSignal
  readonly progress: Progress
}

export interface MigrateSummary {
  /** It had been finished before, and nothing was done. */
  readonly wasFinished: boolean
  /** An earlier attempt was gone on with. */
  readonly wasResumed: boolean
  /** Epoch ms. */
  readonly finished: number
  /** The source's blobs, their bytes, and rows, that are at the destination now. Blobs made of bodies in rows are not counted. */
  readonly blobs: number
  readonly bytes: number
  readonly rows: number
}

/** Rejects with `MaintenanceError` where the destination is not empty, or the source has changed between two attempts. */
export async function migrate(parts: MigrateParts): Promise<MigrateSummary> {
  const { from, to, source, clock } = parts
  const half = from.metadata === to.metadata ? undefined : await halfDone(from.metadata)
  if (half !== undefined) throw new MaintenanceError(`the source is not whole: ${half}`)
  const before = await earlierAttempt(parts)
  if (before === undefined) await checkEmpty(parts)
  if (before?.finished !== undefined) return summaryOf(before, true, true)
  const begun = { from: source, begun: clock.now(), blobsTo: '', blobs: 0, bytes: 0 }
  let state: Migration = before ?? begun
  if (before === undefined) await writeMigration(to.metadata, state)
  if (from.storage !== to.storage) state = await moveBlobs(parts, state)
  const rows = from.metadata === to.metadata ? 0 : await moveRows(parts, before !== undefined)
  state = { ...state, rows, finished: clock.now() }
  await writeMigration(to.metadata, state)
  await dropPartitionStates(to.metadata)
  return summaryOf(state, false, before !== undefined)
}

/** Rejects where it is another source's. */
async function earlierAttempt({ from, to, source }: MigrateParts): Promise<Migration | undefined> {
  const before = await readMigration(to.metadata)
  if (before === undefined || before.from === source) return before
  // Rows that stay where they are may have come there by a migration of their own.
  if (from.metadata === to.metadata && before.finished !== undefined) return undefined
  throw new MaintenanceError(
    `the destination holds a migration from elsewhere (${before.from}): choose an empty one`,
  )
}

function summaryOf(state: Migration, wasFinished: boolean, wasResumed: boolean): MigrateSummary {
  const { blobs, bytes, rows = 0, finished = 0 } = state
  return { wasFinished, wasResumed, finished, blobs, bytes, rows }
}

async function checkEmpty({ from, to }: MigrateParts): Promise<void> {
  if (from.metadata !== to.metadata) {
    for (const table of TABLES) {
      if (isNote(ROOT, table)) continue
      const [own] = await to.metadata.scan(ROOT, table, { from: '', limit: 1 })
      if (own !== undefined)
        throw new MaintenanceError(
          `the destination's metadata is not empty (it has ${own.sort}): choose an empty one`,
        )
    }
  }
  if (from.storage === to.storage) return
  for await (const { id } of to.storage.list('')) {
    throw new MaintenanceError(
      `the destination's storage is not empty (it has blob ${id}): choose an empty one`,
    )
  }
}

async function moveBlobs(parts: MigrateParts, begun: Migration): Promise<Migration> {
  const { from, to, verifies, signal, progress } = parts
  let state = begun
  await copyBlobs(
    {
      from: from.storage,
      to: to.storage,
      verifies,
      signal,
      progress,
      async tell(blobsTo, blobs, bytes) {
        state = {
          ...state,
          blobsTo,
          blobs: state.blobs + blobs,
          bytes: state.bytes + bytes,
        }
        await writeMigration(to.metadata, state)
      },
    },
    begun.blobsTo,
  )
  return state
}

async function moveRows(parts: MigrateParts, isAgain: boolean): Promise<number> {
  const { from, to, verifies, signal, progress } = parts
  const copy = {
    from: from.metadata,
    to: to.metadata,
    storage: to.storage,
    inlineMaxBytes: from.storage === to.storage ? Infinity : parts.inlineMaxBytes,
    verifies,
    isAgain,
    signal,
    progress,
    tell: (partition: string, state: Parameters<typeof writePartitionState>[2]) =>
      writePartitionState(to.metadata, partition, state),
  }
  let copied = 0
  progress.begin('copying rows')
  for await (const partition of rootLast(from.metadata)) {
    const begun = await readPartitionState(to.metadata, partition)
    copied += await copyPartition(copy, partition, begun)
  }
  progress.begin(verifies ? 'comparing rows' : 'counting rows', { items: copied })
  let compared = 0
  for await (const partition of rootLast(verifies ? from.metadata : to.metadata)) {
    const found = await comparePartition(
      verifies ? copy : { ...copy, from: to.metadata },
      partition,
    )
    if (typeof found === 'string') throw changed(`${found} of ${partition || 'the root'}`)
    compared += found
  }
  if (compared !== copied) throw changed(`${copied} rows were copied, and ${compared} are there`)
  return compared
}

function changed(what: string): MaintenanceError {
  return new MaintenanceError(
    `source and destination differ (${what}): the source was written to since the migration began. Empty the destination and begin again`,
  )
}

async function* rootLast(metadata: MetadataStore): AsyncGenerator<string, void, undefined> {
  for await (const partition of allPartitions(metadata)) if (partition !== ROOT) yield partition
  yield ROOT
}
