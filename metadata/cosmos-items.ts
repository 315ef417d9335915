/**
 * Rows as items of one container: `p` is the partition, `k` the table and sort key in ordered letters, `r`
 * the rev, `v` the value as JSON text, `b` the bytes beside it in Base64. An item's `id` is a hash of its
 * `k`: Cosmos takes no slash in one, and no more than 1023 bytes.
 *
 * An item whose `x` is set has its `v` and `b` in another one, `content[x.n]` of the item `x.id`
 * (cosmos-staging.ts tells when).
 */
import { hash } from 'node:crypto'
import type { JSONObject } from '@azure/cosmos'
import { StoreFull } from '../src/lib/store-error.ts'
import { decodeOrdered, encodeOrdered } from './ordered-text.ts'
import type { Json, Range, Row, Table, Write } from './store.ts'

/** What a row holds: the value as text, the bytes in Base64. */
export type Content = readonly [v: string, b: string | null]

/** Where a row's content stands, if it is not in the row. */
export interface Pointer {
  readonly id: string
  readonly n: number
}

export interface RowItem {
  readonly k: string
  readonly r: string
  readonly v: string | null
  readonly b?: string | null
  readonly x?: Pointer | null
}

/** An item, and a request, has at most 2 MB; some is left for what stands around. */
export const REQUEST_BYTES_MAX = 1_900_000

/** Never empty, and no bucket's name is like it. */
export function partitionKey(partition: string): string {
  return `/${partition}`
}

export function keyOf(table: Table, sort: string): string {
  return `${table}!${encodeOrdered(sort)}`
}

export function idOf(key: string): string {
  return hash('sha256', key, 'base64url')
}

/** First key of the range, and that behind it. */
export function boundsOf(table: Table, { from, to }: Pick<Range, 'from' | 'to'>): [string, string] {
  // '"' follows '!'.
  return [keyOf(table, from), to === undefined ? `${table}"` : keyOf(table, to)]
}

/** Rejects with `StoreFull` what Cosmos has no room for in one item. */
export function contentOf({ value, bytes }: Write): Content {
  const content = [JSON.stringify(value), bytes ? base64(bytes) : null] as const
  if (mayExceed(content) && sizeOf(content) > REQUEST_BYTES_MAX)
    throw new StoreFull(`A row of ${sizeOf(content)} bytes: Cosmos DB takes 2 MB in one item`)
  return content
}

function base64({ buffer, byteOffset, length }: Uint8Array): string {
  return Buffer.from(buffer, byteOffset, length).toString('base64')
}

/** Bytes that one UTF-16 unit of a JSON text can become, as JSON again in UTF-8. */
const UNIT_BYTES_MAX = 3

/** What stands around the content of a row. */
export const ROW_BYTES = 4096

/** A bound that costs nothing. */
export function mostOf([v, b]: Content): number {
  return v.length * UNIT_BYTES_MAX + (b?.length ?? 0) + ROW_BYTES
}

function mayExceed(content: Content): boolean {
  return mostOf(content) > REQUEST_BYTES_MAX
}

/** In a request. */
export function sizeOf([v, b]: Content): number {
  return Buffer.byteLength(JSON.stringify(v)) + (b?.length ?? 0) + ROW_BYTES
}

/** The whole item, as it is made. */
export function itemOf(
  partition: string,
  key: string,
  rev: string,
  content: Content | Pointer,
): JSONObject {
  return { id: idOf(key), p: partitionKey(partition), k: key, r: rev, ...fieldsOf(content) }
}

/** Of `v`, `b` and `x`; each is named, so that what was there before goes. */
export function fieldsOf(
  content: Content | Pointer,
): Record<'v' | 'b' | 'x', JSONObject | string | null> {
  if ('id' in content) return { v: null, b: null, x: { id: content.id, n: content.n } }
  return { v: content[0], b: content[1], x: null }
}

export function rowOf({ k, r }: RowItem, [v, b]: Content): Row {
  const row = {
    sort: decodeOrdered(k.slice(k.indexOf('!') + 1)),
    rev: r,
    value: JSON.parse(v) as Json,
  }
  return b === null ? row : { ...row, bytes: Buffer.from(b, 'base64') }
}
