/** What a scrub finds: where, which kind of damage, and in words. */
import type { Table } from '../../metadata/store.ts'

/**
 * `row`: its members contradict each other, or rows contradict each other. `page`: a page that an
 * object names is not there. `share`: a holder of a shared blob has no share row, so that the sweep may
 * delete the blob under it. `held-twice`: two rows hold a blob and do not share it; when one goes,
 * the other loses its bytes. `blob-missing`, `blob-short`, `blob-unreadable`, `bytes`: content is lost or
 * changed. `orphan-blob`, `orphan-share`, `orphan-page`: nothing names it; room that is wasted.
 */
export type ProblemKind =
  | 'row'
  | 'page'
  | 'share'
  | 'held-twice'
  | 'blob-missing'
  | 'blob-short'
  | 'blob-unreadable'
  | 'bytes'
  | 'orphan-blob'
  | 'orphan-share'
  | 'orphan-page'

/** The row that a problem is about. */
export interface Place {
  readonly partition: string
  readonly table: Table
  readonly sort: string
}

export interface Problem {
  readonly kind: ProblemKind
  /** None for a blob that nothing names. */
  readonly place?: Place
  readonly blob?: string
  /** One line. */
  readonly detail: string
}

/** Told of each problem as it is found. */
export type Report = (problem: Problem) => void

/** What an operator calls the place: `bucket/key` for an object, the row for anything else. */
export function placeText({ partition, table, sort }: Place): string {
  if (table === 'object') return readable(`${partition}/${sort}`)
  const where = table === 'share' || partition === '' ? 'the store' : readable(partition)
  return sort === '' ? `${where}: the ${table} row` : `${where}: ${table} ${readable(sort)}`
}

/** Control characters escaped, so that a key cannot break the line. */
function readable(text: string): string {
  return JSON.stringify(text).slice(1, -1)
}

/** One line for people. */
export function problemText({ kind, place, blob, detail }: Problem): string {
  const where = place === undefined ? `blob ${blob ?? ''}` : placeText(place)
  return `${kind}: ${where}: ${detail}`
}

/** One object for programs. */
export function problemJson({ kind, place, blob, detail }: Problem): string {
  const where =
    place === undefined
      ? {}
      : {
          bucket: place.table === 'share' ? '' : place.partition,
          table: place.table,
          sort: place.sort,
        }
  return JSON.stringify({ problem: kind, ...where, ...(blob !== undefined && { blob }), detail })
}
