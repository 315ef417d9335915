/**
 * A folded scan as one statement: SQLite itself seeks from group to group, which costs a fifth of
 * asking it for each.
 */
import { afterPrefix, compareUtf8, utf8Length } from '../src/lib/utf8.ts'
import type { Fold, Range } from './store.ts'

/**
 * Columns of rows that are given in order, as three texts, each what JSON has between the brackets of an
 * array; null where there is no row. SQLite keeps the order of a subquery for `group_concat`.
 */
export const PAGE: string = 'group_concat(json_quote(sort)), group_concat(rev), group_concat(value)'

/** Above every sort key: to SQLite, any BLOB stands behind all text. */
export const END: Uint8Array = Buffer.alloc(0)

/**
 * First rows of groups: from each, a seek right behind its group. It is done on bytes, for SQLite's
 * functions on text stop at NUL; `$at`: bytes before the fold's position, `$behind`: the least text
 * behind the delimiter and all that begins with it.
 */
const CUT = 'instr(substr(CAST(seek.sort AS BLOB), $at + 1), $delimiter)'
const BEHIND = `iif(${CUT} = 0, seek.sort || char(0),
  CAST(substr(CAST(seek.sort AS BLOB), 1, $at + ${CUT} - 1) AS TEXT) || $behind)`
export const SEEK: string = `
  WITH RECURSIVE seek(sort) AS (
    SELECT (SELECT sort FROM row
      WHERE partition = $partition AND tbl = $table AND sort >= $from AND sort < $to
      ORDER BY sort LIMIT 1)
    UNION ALL
    SELECT (SELECT row.sort FROM row
      WHERE partition = $partition AND tbl = $table AND row.sort >= ${BEHIND} AND row.sort < $to
      ORDER BY row.sort LIMIT 1)
    FROM seek WHERE seek.sort IS NOT NULL
    LIMIT $limit
  )
  SELECT ${PAGE} FROM (
    SELECT row.sort, row.rev, row.value FROM seek CROSS JOIN row
    ON row.partition = $partition AND row.tbl = $table AND row.sort = seek.sort
  )`

/**
 * Whether `SEEK` answers for the fold: all keys of the range have the same text before
 * the fold's position (which is then the same position in bytes), and a text follows the delimiter.
 */
export function groupsAreKnown({ from, to }: Range, fold: Fold): boolean {
  if (afterPrefix(fold.delimiter) === undefined) return false
  if (fold.from === 0) return true
  const prefix = from.slice(0, fold.from)
  if (prefix.length < fold.from || !prefix.isWellFormed()) return false
  const end = afterPrefix(prefix)
  return end === undefined || (to !== undefined && compareUtf8(to, end) <= 0)
}

/** What `SEEK` is run with; only where `groupsAreKnown`. */
export function seekBinding(
  partition: string,
  table: number,
  { from, to, limit }: Range,
  fold: Fold,
): Readonly<Record<string, unknown>> {
  return {
    partition,
    table,
    from,
    to: to ?? END,
    at: utf8Length(from.slice(0, fold.from)),
    delimiter: Buffer.from(fold.delimiter),
    behind: afterPrefix(fold.delimiter),
    limit,
  }
}
