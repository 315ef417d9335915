/**
 * A commit as a request: one conditional write where one row is all that it touches, else a
 * transaction, in which every row stands once. A transaction costs twice as much, takes longer, and
 * conflicts with others that touch the same rows at that moment.
 */
import type { TransactWriteItem } from '@aws-sdk/client-dynamodb'
import { type Item, itemOf, keyOf, sizeOf } from './dynamodb-items.ts'
import { COMMIT_BYTES_MAX, type Commit, type Expect, type Rev, type Write } from './store.ts'

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
  const { partition, writes } = commit
  const expects = distinct(commit.expects)
  const asked = writes.map((write) => expects?.find((expect) => isSame(expect, write)))
  const requests = writes.map((write, i): Put | Removal => ({
    ...conditionOf(table, asked[i]),
    ...(write.value === null
      ? { Key: keyOf(partition, write.table, write.sort) }
      : { Item: itemOf(partition, write, rev) }),
  }))
  const others = (expects ?? []).filter((expect) => !asked.includes(expect))
  const checks = others.map((expect) => ({
    ...conditionOf(table, expect),
    Key: keyOf(partition, expect.table, expect.sort),
  }))
  if (expects === undefined || expects.some(({ rev }) => typeof rev === 'number' && rev !== 0))
    return { kind: 'impossible' }
  if (requests.length === 0 && checks.length === 0) return { kind: 'nothing' }
  const [first] = requests
  if (requests.length === 1 && checks.length === 0 && first !== undefined) {
    const isRepeatable = typeof asked[0]?.rev === 'string'
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

/** Each row's expectation once; none where two of one row contradict each other. */
function distinct(expects: readonly Expect[]): readonly Expect[] | undefined {
  const found: Expect[] = []
  for (const expect of expects) {
    const same = found.find((other) => isSame(other, expect))
    if (same === undefined) found.push(expect)
    else if (same.rev !== expect.rev) return undefined
  }
  return found
}

function isSame(one: Expect, other: Expect | Write): boolean {
  return one.sort === other.sort && one.table === other.table
}

function conditionOf(table: string, expect: Expect | undefined): Condition {
  if (expect === undefined) return { TableName: table }
  if (expect.rev === 0) return { TableName: table, ConditionExpression: 'attribute_not_exists(p)' }
  return {
    TableName: table,
    ConditionExpression: 'r = :r',
    ExpressionAttributeValues: { ':r': { S: String(expect.rev) } },
  }
}

function checkSize(requests: readonly (Put | Removal)[]): void {
  let size = 0
  for (const request of requests) if ('Item' in request) size += sizeOf(request.Item)
  if (size > COMMIT_BYTES_MAX) throw new RangeError(`A commit of ${size} bytes`)
}
