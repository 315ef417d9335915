/**
 * Rows of all partitions in this process's memory, in order: what engines in memory keep their rows in.
 *
 * Knows nothing of commits. Rows are handed out as they are kept, so that reading copies nothing.
 */
import { SortedMap } from '../src/lib/sorted-map.ts'
import { compareUtf8 } from '../src/lib/utf8.ts'
import { behind } from './fold.ts'
import { onlyPosition } from './only-position.ts'
import type { Fold, Range, Row, Table } from './store.ts'

/** Its bytes, if any, are its own. */
export type KeptRow = Row & { readonly rev: number }
type Rows = SortedMap<KeptRow>

/** A row and where it stands. */
export interface PlacedRow {
  readonly partition: string
  readonly table: Table
  readonly row: KeptRow
}

/** Rows that a walk takes at a time. */
const WALK_ROWS = 64

export class RowMap {
  readonly #partitions = new Map<string, Map<Table, Rows>>()

  get(partition: string, table: Table, sort: string): KeptRow | undefined {
    return this.#partitions.get(partition)?.get(table)?.get(sort)
  }

  /** As `MetadataStore.scan`: without the rows' bytes. */
  scan(partition: string, table: Table, range: Range): KeptRow[] {
    const rows = this.#partitions.get(partition)?.get(table)
    if (rows === undefined) return []
    const { from, to, limit, fold } = range
    const only = onlyPosition(range)
    if (only !== undefined) return withoutBytes(rows.get(only))
    const found = fold ? folded(rows, range, fold) : rows.slice(from, to, limit)
    for (let i = 0; i < found.length; i++) {
      const { sort, rev, value, bytes } = found[i]!
      if (bytes !== undefined) found[i] = { sort, rev, value }
    }
    return found
  }

  set(partition: string, table: Table, row: KeptRow): void {
    let tables = this.#partitions.get(partition)
    if (!tables) this.#partitions.set(partition, (tables = new Map()))
    let rows = tables.get(table)
    if (!rows) tables.set(table, (rows = new SortedMap()))
    rows.set(row.sort, row)
  }

  /** Tables and partitions that have become empty go too: partitions come and go with buckets. */
  remove(partition: string, table: Table, sort: string): void {
    const tables = this.#partitions.get(partition)
    const rows = tables?.get(table)
    if (!tables || !rows?.delete(sort) || rows.size > 0) return
    tables.delete(table)
    if (tables.size === 0) this.#partitions.delete(partition)
  }

  /**
   * Every row, a few at a time, while rows may change: one that stands unchanged all the while comes
   * exactly once; one that changes meanwhile comes as it was or is, or not at all.
   */
  *walk(): Generator<PlacedRow, void, undefined> {
    for (const partition of Array.from(this.#partitions.keys())) {
      const tables = this.#partitions.get(partition)?.keys() ?? []
      for (const table of Array.from(tables)) yield* this.#walkTable(partition, table)
    }
  }

  clear(): void {
    this.#partitions.clear()
  }

  *#walkTable(partition: string, table: Table): Generator<PlacedRow, void, undefined> {
    for (let from = ''; ;) {
      const rows = this.#partitions.get(partition)?.get(table)?.slice(from, undefined, WALK_ROWS)
      if (rows === undefined) return
      for (const row of rows) yield { partition, table, row }
      if (rows.length < WALK_ROWS) return
      from = `${rows.at(-1)!.sort}\0`
    }
  }
}

function withoutBytes(row: KeptRow | undefined): KeptRow[] {
  if (row === undefined) return []
  const { sort, rev, value, bytes } = row
  return [bytes === undefined ? row : { sort, rev, value }]
}

function folded(rows: Rows, { from, to, limit }: Range, fold: Fold): KeptRow[] {
  const found: KeptRow[] = []
  let next: string | undefined = from
  while (next !== undefined && found.length < limit) {
    const row = rows.ceiling(next)
    if (row === undefined || (to !== undefined && compareUtf8(row.sort, to) >= 0)) break
    found.push(row)
    next = behind(row.sort, fold)
  }
  return found
}
