/** Walking over whole tables, and what stands beside a row that a scan leaves out. */
import { setImmediate as turn } from 'node:timers/promises'
import type { MetadataStore, Row, Table } from '../../metadata/store.ts'
import { type PartRow, type RowOf, scanRows, type VersionRow } from '../s3/rows.ts'

const ROWS_PER_SCAN = 500

/** All that a partition may have, in the order in which they are walked. */
export const TABLES: readonly Table[] = [
  'bucket',
  'object',
  'version',
  'page',
  'upload',
  'part',
  'garbage',
  'share',
  'config',
  'event',
]

/** All rows of a table from a sort key on, without their bytes, with a breath for the loop at each step. Rejects once `signal` is aborted. */
export async function* allRows<T extends Table>(
  metadata: MetadataStore,
  partition: string,
  table: T,
  signal: AbortSignal,
  range: { readonly from: string; readonly to?: string } = { from: '' },
): AsyncGenerator<Row<RowOf[T]>, void, undefined> {
  for (let { from } = range; ;) {
    signal.throwIfAborted()
    const rows = await scanRows(metadata, partition, table, {
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

/** Whether a row has its content in `Row.bytes`, by what its value says. Only `get` reads them. */
export function isInlined(table: Table, value: unknown): boolean {
  if (table === 'object' || table === 'version') {
    const { c, d, s } = value as Partial<VersionRow>
    return c === undefined && d === undefined && s !== 0
  }
  if (table === 'part') {
    const { x, s } = value as Partial<PartRow>
    return x === undefined && s !== 0
  }
  return false
}
