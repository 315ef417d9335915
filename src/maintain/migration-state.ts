/**
 * How far a migration has come: rows of the destination's root partition, written behind what they tell
 * of, so that one which was cut off goes on where it stopped. The first is there before anything
 * else is, and stays as the record of a finished migration. Never migrated or exported themselves.
 *
 * | table  | sort                       | value            |
 * |--------|----------------------------|------------------|
 * | `page` | `migration`                | `Migration`      |
 * | `page` | `migration/` + partition   | `PartitionState` |
 */
import type { Json, MetadataStore, Table } from '../../metadata/store.ts'
import { ROOT } from '../s3/rows.ts'

export type Migration = {
  /** Which source it is, in words that two runs share. */
  readonly from: string
  /** Epoch ms. */
  readonly begun: number
  readonly finished?: number
  /** All blobs up to this id are at the destination, and verified. */
  readonly blobsTo: string
  readonly blobs: number
  readonly bytes: number
  /** Counted when finished. */
  readonly rows?: number
}

export type PartitionState = {
  /** The next row to copy is at or behind this sort key of this table; all before it are copied. */
  readonly table: Table
  readonly from: string
  readonly rows: number
  readonly isDone: boolean
}

const TABLE: Table = 'page'
const SORT = 'migration'
const DELETES_PER_COMMIT = 50

/** The migration into this store that is under way, or was the last to finish. */
export async function readMigration(metadata: MetadataStore): Promise<Migration | undefined> {
  return (await metadata.get(ROOT, TABLE, SORT))?.value as Migration | undefined
}

export async function writeMigration(metadata: MetadataStore, state: Migration): Promise<void> {
  await write(metadata, SORT, state)
}

export async function readPartitionState(
  metadata: MetadataStore,
  partition: string,
): Promise<PartitionState | undefined> {
  const row = await metadata.get(ROOT, TABLE, `${SORT}/${partition}`)
  return row?.value as PartitionState | undefined
}

export async function writePartitionState(
  metadata: MetadataStore,
  partition: string,
  state: PartitionState,
): Promise<void> {
  await write(metadata, `${SORT}/${partition}`, state)
}

/** Forgets the partitions: the migration is finished. */
export async function dropPartitionStates(metadata: MetadataStore): Promise<void> {
  for (;;) {
    const range = { from: `${SORT}/`, to: `${SORT}0`, limit: DELETES_PER_COMMIT }
    const rows = await metadata.scan(ROOT, TABLE, range)
    if (rows.length === 0) return
    const writes = rows.map(({ sort }) => ({ table: TABLE, sort, value: null }))
    await metadata.commit({ partition: ROOT, expects: [], writes })
  }
}

async function write(metadata: MetadataStore, sort: string, value: Json): Promise<void> {
  await metadata.commit({ partition: ROOT, expects: [], writes: [{ table: TABLE, sort, value }] })
}
