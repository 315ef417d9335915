/**
 * Rows as items of one table: `p` and `s` are their position (dynamodb-keys.ts), `r` the rev, `v` the
 * value as JSON text, `b` the bytes beside it.
 */
import type { AttributeValue } from '@aws-sdk/client-dynamodb'
import { StoreFull } from '../src/lib/store-error.ts'
import { utf8Length } from '../src/lib/utf8.ts'
import { decodeSort, encodeSort, partitionKey } from './dynamodb-keys.ts'
import type { Json, Rev, Row, Table, Write } from './store.ts'

export type Item = Record<string, AttributeValue>

/** What a scan reads; the bytes stay where they are. */
export const SHOWN = 's, r, v'
/** Most bytes of an item, with the names of its attributes. */
const ITEM_BYTES_MAX: number = 400 * 1024

export function keyOf(partition: string, table: Table, sort: string): Item {
  return { p: { S: partitionKey(partition, table) }, s: { B: encodeSort(sort) } }
}

/** The item of a write that is no removal. Rejects with `StoreFull` what DynamoDB has no room for in one item. */
export function itemOf(partition: string, write: Write, rev: Rev): Item {
  const { table, sort, value, bytes } = write
  const item = keyOf(partition, table, sort)
  item['r'] = { S: String(rev) }
  item['v'] = { S: JSON.stringify(value) }
  if (bytes !== undefined) item['b'] = { B: bytes }
  const size = sizeOf(item)
  if (size > ITEM_BYTES_MAX)
    throw new StoreFull(`A row of ${size} bytes: DynamoDB takes ${ITEM_BYTES_MAX} in one item`)
  return item
}

export function rowOf(item: Item): Row {
  const { s, r, v, b } = item
  if (s?.B === undefined || r?.S === undefined || v?.S === undefined)
    throw new Error('An item of the table is not a row of ours')
  const row = { sort: decodeSort(s.B), rev: r.S, value: JSON.parse(v.S) as Json }
  return b?.B === undefined ? row : { ...row, bytes: b.B }
}

/** As DynamoDB counts: names and values, texts in UTF-8. */
export function sizeOf(item: Item): number {
  let size = 0
  for (const [name, { S, B }] of Object.entries(item))
    size += name.length + (B?.length ?? 0) + (S === undefined ? 0 : utf8Length(S))
  return size
}
