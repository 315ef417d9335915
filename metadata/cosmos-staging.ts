/**
 * Commits that are larger than a request may be (2 MB).
 *
 * Their largest contents go ahead into items of their own, which expire by themselves after a day. The
 * batch that commits writes rows that point there, and takes the expiry away: all or nothing, as
 * ever. Then each row gets its content, and those items go. A gateway that dies in between leaves rows
 * that point, which every reader follows, and at worst, once such rows are overwritten, items that
 * nobody needs any more.
 */
import type { OperationInput } from '@azure/cosmos'
import { OPERATIONS_MAX, type Plan, type Put, putOperation } from './cosmos-commit.ts'
import {
  type Content,
  mostOf,
  partitionKey,
  type Pointer,
  REQUEST_BYTES_MAX,
  sizeOf,
} from './cosmos-items.ts'

/** What is written ahead goes by itself after that, in seconds, where no commit keeps it. */
const EXPIRY_S = 86_400

export interface Staged {
  readonly put: Put
  readonly pointer: Pointer
}

export interface Staging {
  /** Items to be written ahead, by their ids. */
  readonly items: ReadonlyMap<string, readonly Content[]>
  readonly staged: readonly Staged[]
  /** The batch. */
  readonly operations: readonly OperationInput[]
}

/** The batch of a plan, and what has to go ahead of it. */
export function stagingOf({ partition, rev, puts, others }: Plan): Staging {
  const items = new Map<string, Content[]>()
  const staged: Staged[] = []
  const rows: OperationInput[] = []
  const late = new Set(tooMuch(puts))
  let id = ''
  let size = REQUEST_BYTES_MAX
  for (const put of puts) {
    if (!late.has(put)) {
      rows.push(putOperation(partition, rev, put, put.content))
      continue
    }
    const added = sizeOf(put.content)
    if (size + added > REQUEST_BYTES_MAX) {
      id = `staged.${rev}.${items.size}`
      items.set(id, [])
      size = 0
    }
    size += added
    const pointer = { id, n: items.get(id)!.push(put.content) - 1 }
    staged.push({ put, pointer })
    rows.push(putOperation(partition, rev, put, pointer))
  }
  const operations = [...rows, ...others, ...[...items.keys()].map(keep)]
  if (operations.length > OPERATIONS_MAX)
    throw new Error(`A commit within its bounds became ${operations.length} operations`)
  return { items, staged, operations }
}

/** The largest puts, without which the others fit into one request. */
function tooMuch(puts: readonly Put[]): Put[] {
  if (puts.reduce((sum, { content }) => sum + mostOf(content), 0) <= REQUEST_BYTES_MAX) return []
  const sized = puts.map((put) => ({ put, size: sizeOf(put.content) }))
  let left = sized.reduce((sum, { size }) => sum + size, 0)
  const late: Put[] = []
  for (const { put, size } of sized.sort((a, b) => b.size - a.size)) {
    if (left <= REQUEST_BYTES_MAX) break
    left -= size
    late.push(put)
  }
  return late
}

/** The item as it is written ahead. */
export function stagedItem(
  partition: string,
  id: string,
  content: readonly Content[],
): OperationInput {
  const resourceBody = {
    id,
    p: partitionKey(partition),
    ttl: EXPIRY_S,
    content: content.map(([v, b]) => [v, b]),
  }
  return { operationType: 'Upsert', resourceBody }
}

/** It does not expire any more. */
function keep(id: string): OperationInput {
  const operations = [{ op: 'set' as const, path: '/ttl', value: -1 }]
  return { operationType: 'Patch', id, resourceBody: { operations } }
}
