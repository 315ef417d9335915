/**
 * Folding (see `Fold` in store.ts) over plain scans, for engines that have no way of their own: what
 * a group hides is stepped over by a new scan behind it. Also what engines' own ways are tested
 * against.
 */
import { afterPrefix, compareUtf8 } from '../src/lib/utf8.ts'
import type { Fold, Range, Row } from './store.ts'

/** A scan without a fold, of one table of one partition. */
export type PlainScan = (range: {
  readonly from: string
  readonly to?: string
  readonly limit: number
}) => Promise<readonly Row[]>

/** Rows read at a time after a group; doubled while most of the rows that are read count. */
const BURST_MIN = 8

/** The group of a sort key: its text up to and including the delimiter; none where it has none. */
export function groupOf(sort: string, { delimiter, from }: Fold): string | undefined {
  const at = sort.indexOf(delimiter, from)
  return at < 0 ? undefined : sort.slice(0, at + delimiter.length)
}

/** Least text that is behind the row and all that its group hides; none where nothing can follow. */
export function behind(sort: string, fold: Fold): string | undefined {
  const group = groupOf(sort, fold)
  return group === undefined ? `${sort}\0` : afterPrefix(group)
}

/** The rows of `range`, folded; the scans that it makes have at most the range's limit. */
export async function foldedScan(scan: PlainScan, range: Range, fold: Fold): Promise<Row[]> {
  const { to, limit } = range
  const rows: Row[] = []
  let from: string | undefined = range.from
  let burst = BURST_MIN
  while (from !== undefined && rows.length < limit) {
    const wanted = Math.min(burst, limit - rows.length)
    const page: readonly Row[] = await scan({
      from,
      ...(to !== undefined && { to }),
      limit: wanted,
    })
    const before: number = rows.length
    from = take(page, rows, fold, from)
    if (page.length < wanted) break
    const isDense: boolean = (rows.length - before) * 2 >= page.length
    burst = isDense ? burst * 2 : BURST_MIN
  }
  return rows
}

/** Moves into `rows` what `page` has at or behind `from`, the first of each group; answers where to go on. */
function take(page: readonly Row[], rows: Row[], fold: Fold, from: string): string | undefined {
  let next: string | undefined = from
  for (const row of page) {
    if (compareUtf8(row.sort, next) < 0) continue
    rows.push(row)
    next = behind(row.sort, fold)
    if (next === undefined) return undefined
  }
  return next
}
