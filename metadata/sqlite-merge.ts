/**
 * Scans while the overlay cannot go into SQLite, as where the disk is full: both are read, and the
 * overlay's rows count. Slower than SQLite alone, and needs no room.
 */
import { compareUtf8 } from '../src/lib/utf8.ts'
import { foldedScan, type PlainScan } from './fold.ts'
import type { Overlay } from './sqlite-overlay.ts'
import type { SqliteRow, SqliteRows } from './sqlite-rows.ts'
import type { Json, Range, Row } from './store.ts'

export async function mergedScan(
  rows: SqliteRows,
  overlay: Overlay,
  partition: string,
  table: number,
  range: Range,
): Promise<readonly Row[]> {
  const plain: PlainScan = async (part) => {
    const fresh = overlay.durableIn(partition, table, part)
    const merged: SqliteRow[] = []
    // As many more as may be hidden by what is fresh.
    const limit = part.limit + fresh.size
    for (const row of rows.scan(partition, table, { ...part, limit }))
      if (!fresh.has(row.sort)) merged.push(row)
    for (const [sort, { rev, json }] of fresh)
      if (rev !== 0) merged.push({ sort, rev, value: JSON.parse(json) as Json })
    return merged.toSorted((a, b) => compareUtf8(a.sort, b.sort)).slice(0, part.limit)
  }
  if (range.fold) return foldedScan(plain, range, range.fold)
  return plain(range)
}
