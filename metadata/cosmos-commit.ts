/**
 * A commit as a transactional batch: its operations are carried out in their order, and all or none.
 *
 * What is expected of a row stands in the operation itself, as a condition on its `r`. A row that is only
 * expected is touched, for a batch is isolated by snapshots alone: without a write in it, a commit
 * that removes the row at the same time would not be noticed. A touch leaves the rev as it is. That a
 * row is absent is shown by making it and removing it again.
 */
import type { OperationInput } from '@azure/cosmos'
import type { CommitShape } from './commit-shape.ts'
import {
  type Content,
  contentOf,
  fieldsOf,
  idOf,
  itemOf,
  keyOf,
  partitionKey,
  type Pointer,
} from './cosmos-items.ts'
import type { Rev } from './store.ts'

/** In one batch; the steps of a commit (`store.ts`) are as many operations at most. */
export const OPERATIONS_MAX = 100

export interface Put {
  readonly key: string
  readonly rev: Rev | undefined
  readonly content: Content
}

export interface Plan {
  readonly partition: string
  /** Of all rows that it writes. */
  readonly rev: string
  readonly puts: readonly Put[]
  /** Removals and rows that are only expected. */
  readonly others: readonly OperationInput[]
  readonly isRepeatable: boolean
}

/** None where it expects what cannot be. */
export function planOf(partition: string, shape: CommitShape, rev: string): Plan | undefined {
  const puts: Put[] = []
  const others: OperationInput[] = []
  for (const asked of [
    ...shape.writes.map(({ rev }) => rev),
    ...shape.checks.map(({ rev }) => rev),
  ])
    if (typeof asked === 'string' && !REV.test(asked)) return undefined
  for (const { write, rev: asked } of shape.writes) {
    const key = keyOf(write.table, write.sort)
    if (write.value === null) others.push(...removal(partition, key, asked))
    else puts.push({ key, rev: asked, content: contentOf(write) })
  }
  for (const { table, sort, rev: asked } of shape.checks)
    others.push(...check(partition, keyOf(table, sort), asked, rev))
  return { partition, rev, puts, others, isRepeatable: shape.isRepeatable }
}

/** As the engine makes them; others are nobody's, and stay out of a condition's text. */
const REV = /^[\w-]+$/

/** `content`: that of the row, or where it stands. */
export function putOperation(
  partition: string,
  rev: string,
  { key, rev: asked }: Put,
  content: Content | Pointer,
): OperationInput {
  const resourceBody = itemOf(partition, key, rev, content)
  if (asked === undefined) return { operationType: 'Upsert', resourceBody }
  if (asked === 0) return { operationType: 'Create', resourceBody }
  return patch(idOf(key), { r: rev, ...fieldsOf(content) }, asked)
}

/** Sets those fields of an item, where its rev is the expected one. */
export function patch(id: string, fields: object, rev?: Rev): OperationInput {
  const operations = Object.entries(fields).map(([name, value]: [string, unknown]) => ({
    op: 'set' as const,
    path: `/${name}`,
    value,
  }))
  const condition = rev === undefined ? {} : { condition: `FROM c WHERE c.r = "${rev}"` }
  return { operationType: 'Patch', id, resourceBody: { operations, ...condition } }
}

export function deletion(id: string): OperationInput {
  return { operationType: 'Delete', id }
}

/** Of nothing: to be removed in the same batch. */
function blank(partition: string, id: string) {
  return { id, p: partitionKey(partition) }
}

function removal(partition: string, key: string, asked: Rev | undefined): OperationInput[] {
  const id = idOf(key)
  if (asked === 0) return check(partition, key, 0, '')
  // What is not there cannot be removed, and that is no error here.
  if (asked === undefined)
    return [{ operationType: 'Upsert', resourceBody: blank(partition, id) }, deletion(id)]
  return [patch(id, { x: null }, asked), deletion(id)]
}

function check(partition: string, key: string, asked: Rev, touch: string): OperationInput[] {
  const id = idOf(key)
  if (asked === 0)
    return [{ operationType: 'Create', resourceBody: blank(partition, id) }, deletion(id)]
  return [patch(id, { touch }, asked)]
}
