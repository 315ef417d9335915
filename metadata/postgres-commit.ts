/** From a commit to the statement that does it, and its parameters. */
import { bytesLiteral, escapeKey, isRev, numbersLiteral, textsLiteral } from './postgres-cells.ts'
import { CODES } from './table-codes.ts'
import { DELETED, HELD, INSERTED, PUT, REMOVED, SEVERAL, TAKEN, UPDATED } from './postgres-sql.ts'
import type { Commit, Expect, Rev, Write } from './store.ts'

export interface CommitPlan {
  /** Bits of `postgres-sql.ts`; 0: nothing is written. */
  readonly shape: number
  /** For the statement of that shape; where the shape is 0, for `askText`. */
  readonly parameters: readonly string[]
  /** Positions that have to be absent and are not written: parameters of `holdGapsText`, and how many. */
  readonly gaps: { readonly count: number; readonly parameters: readonly string[] } | undefined
}

interface Entry {
  readonly code: number
  /** Escaped. */
  readonly sort: string
  readonly rev: Rev
  readonly json: string
  readonly bytes: Uint8Array | undefined
}

/** Undefined: the commit expects what can never be. */
export function planCommit({ partition, expects, writes }: Commit): CommitPlan | undefined {
  const revs = revsOfWrites(expects, writes)
  if (revs === undefined) return undefined
  const held: Entry[] = []
  const gaps: Entry[] = []
  for (const expected of expects) {
    const { table, sort, rev } = expected
    if (rev !== 0 && !isRev(rev)) return undefined
    if (writes.some((write) => write.sort === sort && write.table === table)) continue
    ;(rev === 0 ? gaps : held).push(entryOf(expected, rev))
  }
  const lists: Record<'inserted' | 'updated' | 'deleted' | 'put' | 'removed', Entry[]> = {
    inserted: [],
    updated: [],
    deleted: [],
    put: [],
    removed: [],
  }
  for (let i = 0; i < writes.length; i++) {
    const write = writes[i]!
    const rev = revs[i]
    const entry = entryOf(write, rev ?? 0, write)
    if (write.value === null) {
      if (rev === 0) gaps.push(entry)
      else lists[rev === undefined ? 'removed' : 'deleted'].push(entry)
    } else if (rev === undefined) lists.put.push(entry)
    else lists[rev === 0 ? 'inserted' : 'updated'].push(entry)
  }
  const { inserted, updated, deleted, put, removed } = lists
  const changed = [...updated, ...deleted]
  const taken = inserted.length + changed.length > 1 ? changed : []
  const plan = new Plan(partition)
  plan.add(HELD, held, 'rev')
  plan.add(TAKEN, taken, 'rev')
  plan.add(INSERTED | (inserted.length > 1 ? SEVERAL : 0), inserted, 'value')
  plan.add(UPDATED, updated, 'rev', 'value')
  plan.add(DELETED, deleted, 'rev')
  plan.add(PUT, put, 'value')
  plan.add(REMOVED, removed)
  if (plan.shape <= HELD) return planAsking(partition, held, gaps)
  const { shape, parameters } = plan
  return { shape, parameters, gaps: gaps.length === 0 ? undefined : planGaps(partition, gaps) }
}

/** What is expected of the row of each write; undefined where two expectations exclude each other. */
function revsOfWrites(
  expects: readonly Expect[],
  writes: readonly Write[],
): readonly (Rev | undefined)[] | undefined {
  const revs: (Rev | undefined)[] = []
  for (const { table, sort } of writes) {
    let found: Rev | undefined
    for (const expected of expects) {
      if (expected.sort !== sort || expected.table !== table) continue
      if (found !== undefined && found !== expected.rev) return undefined
      found = expected.rev
    }
    revs.push(found)
  }
  return revs
}

function entryOf({ table, sort }: Pick<Expect, 'table' | 'sort'>, rev: Rev, write?: Write): Entry {
  const json = write === undefined || write.value === null ? '' : JSON.stringify(write.value)
  return { code: CODES[table], sort: escapeKey(sort), rev, json, bytes: write?.bytes }
}

function planAsking(partition: string, held: readonly Entry[], gaps: readonly Entry[]): CommitPlan {
  const plan = new Plan(partition)
  plan.addList(held, ['rev'])
  plan.addList(gaps, [])
  return { shape: 0, parameters: plan.parameters, gaps: undefined }
}

function planGaps(partition: string, gaps: readonly Entry[]): NonNullable<CommitPlan['gaps']> {
  const unique = gaps.filter(
    ({ code, sort }, i) => gaps.findIndex((gap) => gap.code === code && gap.sort === sort) === i,
  )
  const plan = new Plan(partition)
  plan.addList(unique, [])
  return { count: unique.length, parameters: plan.parameters }
}

class Plan {
  shape = 0
  readonly parameters: string[]

  constructor(partition: string) {
    this.parameters = [escapeKey(partition)]
  }

  add(bits: number, entries: Entry[], ...columns: readonly ('rev' | 'value')[]): void {
    if (entries.length === 0) return
    this.shape |= bits
    this.addList(entries, columns)
  }

  /** In one order in all commits, so that those that lock the same rows wait rather than deadlock. */
  addList(list: readonly Entry[], columns: readonly ('rev' | 'value')[]): void {
    const entries = list.length < 2 ? list : [...list].sort(inOrder)
    const { parameters } = this
    parameters.push(numbersLiteral(entries.map(({ code }) => code)))
    parameters.push(textsLiteral(entries.map(({ sort }) => sort)))
    if (columns.includes('rev')) parameters.push(numbersLiteral(entries.map(({ rev }) => rev)))
    if (!columns.includes('value')) return
    parameters.push(textsLiteral(entries.map(({ json }) => json)))
    parameters.push(bytesLiteral(entries.map(({ bytes }) => bytes)))
  }
}

function inOrder(a: Entry, b: Entry): number {
  if (a.code !== b.code) return a.code - b.code
  return a.sort < b.sort ? -1 : Number(a.sort > b.sort)
}
