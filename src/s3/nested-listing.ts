/**
 * A page of a listing whose rows hold several entries each: the versions of a key, the uploads of a
 * key. Entries and common prefixes are counted alike; a page may end between two entries of one row.
 */
import type { MetadataStore, Table } from '../../metadata/store.ts'
import { KEY_BYTES_MAX } from '../api/limits.ts'
import { compareUtf8, utf8Length } from '../lib/utf8.ts'
import { type Entry, groupOf, list, type ListQuery } from './listing.ts'

export interface NestedListing<E> {
  readonly entries: readonly E[]
  readonly commonPrefixes: readonly string[]
  /** The last that was returned, where more remain: an entry of the row `key`, or a common prefix. */
  readonly next?: { readonly key: string; readonly entry?: E }
}

/** Where the entries are, and how a row is taken apart. */
export interface Nest<V, E> {
  readonly partition: string
  readonly table: Table
  readonly keep: (value: V) => boolean
  /** The first `limit` entries of a row, those behind the one that `after` names (none: all). */
  readonly open: (
    row: Entry<V>,
    after: string | undefined,
    limit: number,
  ) => readonly E[] | Promise<readonly E[]>
}

/** Lists. `within`: the last page ended at that entry of the row `query.after`; go on with the one behind it. */
export async function listNested<V, E>(
  store: MetadataStore,
  nest: Nest<V, E>,
  query: ListQuery,
  within: string | undefined,
): Promise<NestedListing<E>> {
  const { partition, table, keep, open } = nest
  const { max } = query
  const entries: E[] = []
  const commonPrefixes: string[] = []
  let next: NestedListing<E>['next']
  /** False: not all of the row's entries had room. */
  const add = async (row: Entry<V>, after: string | undefined): Promise<boolean> => {
    const room = max - entries.length - commonPrefixes.length
    const found = await open(row, after, room + 1)
    for (const entry of found.slice(0, room)) {
      entries.push(entry)
      next = { key: row.sort, entry }
    }
    return found.length <= room
  }
  const truncated = (): NestedListing<E> => ({ entries, commonPrefixes, next: next! })
  if (max === 0) return { entries, commonPrefixes }
  if (within !== undefined) {
    const row = await resumedRow(store, nest, query)
    if (row !== undefined && !(await add(row, within))) return truncated()
  }
  // One more than there is room for would tell that more remain; so does one where there is none.
  const room = max - entries.length
  const page = await list<V>(store, partition, table, { ...query, max: Math.max(room, 1) }, keep)
  for (const item of inOrder(page.rows, page.commonPrefixes)) {
    if (entries.length + commonPrefixes.length === max) return truncated()
    if (typeof item === 'string') {
      commonPrefixes.push(item)
      next = { key: item }
    } else if (!(await add(item, undefined))) return truncated()
  }
  return page.next === undefined ? { entries, commonPrefixes } : truncated()
}

/** The row that the last page ended in, unless it is not listed (any more). */
async function resumedRow<V, E>(
  store: MetadataStore,
  { partition, table, keep }: Nest<V, E>,
  { prefix, delimiter, after }: ListQuery,
): Promise<Entry<V> | undefined> {
  if (!after.startsWith(prefix) || groupOf(after, prefix, delimiter) !== undefined) return undefined
  if (utf8Length(after) > KEY_BYTES_MAX) return undefined
  const row = (await store.get(partition, table, after)) as Entry<V> | undefined
  return row !== undefined && keep(row.value) ? row : undefined
}

/** Rows and common prefixes as one list in the order of their keys. */
function inOrder<V>(
  rows: readonly Entry<V>[],
  groups: readonly string[],
): readonly (Entry<V> | string)[] {
  if (groups.length === 0) return rows
  const keyOf = (item: Entry<V> | string): string => (typeof item === 'string' ? item : item.sort)
  return [...rows, ...groups].sort((a, b) => compareUtf8(keyOf(a), keyOf(b)))
}
