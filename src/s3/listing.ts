/**
 * One page of a listing: what ListObjects, ListObjectsV2, ListObjectVersions, ListMultipartUploads
 * and ListBuckets have in common.
 *
 * Keys come in the order of their UTF-8 bytes. Keys that share what stands before the first
 * delimiter behind the prefix are one common prefix, which counts as one entry, costs about one seek
 * however many keys it hides, and is reported once even where pages end and resume in its midst.
 */
import type { MetadataStore, Range, Row, Table } from '../../metadata/store.ts'
import { S3Error } from '../api/error.ts'
import { LIST_PAGE_MAX } from '../api/limits.ts'
import { afterPrefix, compareUtf8 } from '../lib/utf8.ts'

export interface ListQuery {
  readonly prefix: string
  /** Any text; empty: nothing is grouped. */
  readonly delimiter: string
  /** Only what sorts above this key, and above the common prefix that it lies in; empty: from the start. */
  readonly after: string
  /** Most rows and common prefixes together, 0 to 1000. */
  readonly max: number
}

/** A row with its value as its table promises it. */
export type Entry<V> = Omit<Row, 'value'> & { readonly value: V }

export interface Listing<V> {
  readonly rows: readonly Entry<V>[]
  readonly commonPrefixes: readonly string[]
  /** The last key or common prefix returned, where more remain: the next query's `after`. */
  readonly next?: string
}

/** Rows read at first to see whether a group whose first row does not count has one that does. */
const PEEK = 8

/**
 * Lists one table of a partition, where every value is a `V`; rows that `keep` refuses are as if they
 * were not there.
 */
export async function list<V>(
  store: MetadataStore,
  partition: string,
  table: Table,
  query: ListQuery,
  keep: (value: V) => boolean,
): Promise<Listing<V>> {
  const { prefix, delimiter, max } = query
  const isKept = (row: Row): boolean => keep(row.value as unknown as V)
  const rows: Entry<V>[] = []
  const commonPrefixes: string[] = []
  const to = afterPrefix(prefix)
  let from = max === 0 ? undefined : startOf(query)
  let last = ''
  let limit = max + 1
  while (from !== undefined) {
    if (to !== undefined && compareUtf8(from, to) >= 0) break
    const page: readonly Row[] = await store.scan(partition, table, {
      from,
      ...(to !== undefined && { to }),
      limit,
      ...(delimiter !== '' && { fold: { delimiter, from: prefix.length } }),
    })
    for (const row of page) {
      const entry = row as unknown as Entry<V>
      const group = groupOf(row.sort, prefix, delimiter)
      if (!isKept(row)) {
        if (
          group === undefined ||
          !(await hasKept(store, partition, table, row.sort, group, isKept))
        )
          continue
      }
      if (rows.length + commonPrefixes.length === max) return { rows, commonPrefixes, next: last }
      if (group === undefined) rows.push(entry)
      else commonPrefixes.push(group)
      last = group ?? row.sort
    }
    if (page.length < limit) break
    // Only refused rows bring us here. They come in crowds: read on in large steps.
    limit = LIST_PAGE_MAX + 1
    from = behind(page.at(-1)!.sort, prefix, delimiter)
  }
  return { rows, commonPrefixes }
}

/** Entries in a page that asks for `requested`; InvalidArgument, with the parameter's name, for what S3 refuses. */
export function pageMax(requested: number | undefined, argument: string): number {
  if (requested === undefined) return LIST_PAGE_MAX
  if (!Number.isInteger(requested) || requested < 0 || requested > 0x7fff_ffff)
    throw new S3Error('InvalidArgument', {
      message: `Argument ${argument} must be an integer between 0 and 2147483647`,
      fields: { ArgumentName: argument, ArgumentValue: String(requested) },
    })
  return Math.min(requested, LIST_PAGE_MAX)
}

/** What `key` (which begins with the prefix) is folded into: its text up to and including the first delimiter behind the prefix. */
export function groupOf(key: string, prefix: string, delimiter: string): string | undefined {
  if (delimiter === '') return undefined
  const at = key.indexOf(delimiter, prefix.length)
  return at < 0 ? undefined : key.slice(0, at + delimiter.length)
}

/** Whether the group has a row above `first` that is kept. */
async function hasKept(
  store: MetadataStore,
  partition: string,
  table: Table,
  first: string,
  group: string,
  keep: (row: Row) => boolean,
): Promise<boolean> {
  const to = afterPrefix(group)
  let from = `${first}\0`
  for (let limit = PEEK; ; limit = LIST_PAGE_MAX + 1) {
    const range: Range = { from, ...(to !== undefined && { to }), limit }
    const page: readonly Row[] = await store.scan(partition, table, range)
    if (page.some(keep)) return true
    if (page.length < limit) return false
    from = `${page.at(-1)!.sort}\0`
  }
}

/** The first sort key that a page may return; undefined: none is left. */
function startOf({ prefix, delimiter, after }: ListQuery): string | undefined {
  if (after === '') return prefix
  const from = behind(after, prefix, delimiter)
  return from === undefined || compareUtf8(from, prefix) >= 0 ? from : prefix
}

/** Where the listing goes on behind `key`, or behind the group that it lies in. */
function behind(key: string, prefix: string, delimiter: string): string | undefined {
  const group = key.startsWith(prefix) ? groupOf(key, prefix, delimiter) : undefined
  return group === undefined ? `${key}\0` : afterPrefix(group)
}
