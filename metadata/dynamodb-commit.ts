/**
 * A commit as a request: one conditional write where one row is all that it touches, else a
 * transaction, in which every row stands once. A transaction costs twice as much, takes longer, and
 * conflicts with others that touch the same rows at that moment.
 */
import type { TransactWriteItem } from '@aws-sdk/client-dynamodb'
import { shapeOf } from './commit-shape.ts'
import { type Item, itemOf, keyOf, sizeOf } from './dynamodb-items.ts'
import { COMMIT_BYTES_MAX, type Commit, type Rev } from './store.ts'

/** What a write or a check is made of, whichever request it goes into. */
export interface Condition {
  readonly TableName: string
  readonly ConditionExpression?: string
  readonly ExpressionAttributeValues?: Item
}
export type Put = Condition & { readonly Item: Item }
export type Removal = Condition & { readonly Key: Item }

export type Plan =
  /** Nothing is asked. */
  | { readonly kind: 'nothing' }
  /** It expects what cannot be. */
  | { readonly kind: 'impossible' }
  /** `isRepeatable`: done twice it is done once, for it expects a rev, which does not come again. */
  | { readonly kind: 'put'; readonly put: Put; readonly isRepeatable: boolean }
  | { readonly kind: 'removal'; readonly removal: Removal; readonly isRepeatable: boolean }
  | { readonly kind: 'transaction'; readonly items: TransactWriteItem[] }

/** `rev`: that of all rows that the commit writes. */
export function planOf(table: string, commit: Commit, rev: Rev): Plan {
  const { partition } = commit
  const shape = shapeOf(commit)
  if (shape === undefined) return { kind: 'impossible' }
  const requests = shape.writes.map(({ write, rev: asked }): Put | Removal => ({
    ...conditionOf(table, asked),
    ...(write.value === null
      ? { Key: keyOf(partition, write.table, write.sort) }
      : { Item: itemOf(partition, write, rev) }),
  }))
  const checks = shape.checks.map((expect) => ({
    ...conditionOf(table, expect.rev),
    Key: keyOf(partition, expect.table, expect.sort),
  }))
  if (requests.length === 0 && checks.length === 0) return { kind: 'nothing' }
  const [first] = requests
  if (requests.length === 1 && checks.length === 0 && first !== undefined) {
    const { isRepeatable } = shape
    return 'Item' in first
      ? { kind: 'put', put: first, isRepeatable }
      : { kind: 'removal', removal: first, isRepeatable }
  }
  checkSize(requests)
  const items = requests.map((request): TransactWriteItem =>
    'Item' in request ? { Put: request } : { Delete: request },
  )
  for (const check of checks)
    items.push({ ConditionCheck: { ...check, ConditionExpression: check.ConditionExpression! } })
  return { kind: 'transaction', items }
}

function conditionOf(table: string, rev: Rev | undefined): Condition {
  if (rev === undefined) return { TableName: table }
  if (rev === 0) return { TableName: table, ConditionExpression: 'attribute_not_exists(p)' }
  return {
    TableName: table,
    ConditionExpression: 'r = :r',
    ExpressionAttributeValues: { ':r': { S: String(rev) } },
  }
}

function checkSize(requests: readonly (Put | Removal)[]): void {
  let size = 0
  for (const request of requests) if ('Item' in request) size += sizeOf(request.Item)
  if (size > COMMIT_BYTES_MAX) throw new RangeError(`A commit of ${size} bytes`)
}
