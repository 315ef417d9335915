/**
 * Commits that are made durable together: what each would do after those before it, as lines; then,
 * once the lines are durable, as rows. Between the two nobody sees any of it.
 */
import { sealed, writeText } from './jsonl-lines.ts'
import type { KeptRow, RowMap } from './row-map.ts'
import type { Commit, Expect, Json, Table, Write } from './store.ts'

export interface EncodedCommit {
  readonly partition: string
  readonly expects: readonly Expect[]
  readonly writes: readonly EncodedWrite[]
}

interface EncodedWrite {
  readonly table: Table
  readonly sort: string
  readonly value: Json
  /** The value as it is now; undefined: the row is removed. */
  readonly json: string | undefined
  readonly bytes: Uint8Array | undefined
}

export function encodeCommit({ partition, expects, writes }: Commit): EncodedCommit {
  return { partition, expects, writes: writes.map(encodeWrite) }
}

function encodeWrite({ table, sort, value, bytes }: Write): EncodedWrite {
  return { table, sort, value, json: value === null ? undefined : JSON.stringify(value), bytes }
}

/** A row to come; without `row` one that goes. */
interface Change {
  readonly partition: string
  readonly table: Table
  readonly sort: string
  readonly row: KeptRow | undefined
}

export class Group {
  readonly #rows: RowMap
  readonly #after: number
  readonly #changes: Change[] = []
  readonly #lines: Buffer[] = []
  /** Revs of what the group has changed so far (0: removed), by position. */
  readonly #revs = new Map<string, number>()
  #rev: number

  /** `lastRev`: the highest rev given so far. `after`: bytes of the log that are durable. */
  constructor(rows: RowMap, lastRev: number, after: number) {
    this.#rows = rows
    this.#rev = lastRev
    this.#after = after
  }

  /** False: an expectation does not hold after the commits before, and the commit does nothing. */
  add({ partition, expects, writes }: EncodedCommit): boolean {
    for (const { table, sort, rev } of expects)
      if (this.#revOf(partition, table, sort) !== rev) return false
    if (writes.length === 0) return true
    let text = `{"partition":${JSON.stringify(partition)},"writes":[`
    for (let i = 0; i < writes.length; i++) {
      const { table, sort, value, json, bytes } = writes[i]!
      const rev = json === undefined ? 0 : ++this.#rev
      if (i > 0) text += ','
      text += writeText(table, sort, rev, json, bytes)
      this.#revs.set(positionOf(partition, table, sort), rev)
      const row = json === undefined ? undefined : keptRow(sort, rev, value, bytes)
      this.#changes.push({ partition, table, sort, row })
    }
    this.#lines.push(sealed(`${text}],"after":${this.#after}}`))
    return true
  }

  /** The lines of all commits that do something; empty where none does. */
  lines(): Uint8Array {
    return this.#lines.length === 1 ? this.#lines[0]! : Buffer.concat(this.#lines)
  }

  /** Changes the rows; answers the highest rev given so far. */
  apply(): number {
    for (const { partition, table, sort, row } of this.#changes) {
      if (row === undefined) this.#rows.remove(partition, table, sort)
      else this.#rows.set(partition, table, row)
    }
    return this.#rev
  }

  #revOf(partition: string, table: Table, sort: string): number {
    const changed = this.#revs.size > 0 && this.#revs.get(positionOf(partition, table, sort))
    if (typeof changed === 'number') return changed
    return this.#rows.get(partition, table, sort)?.rev ?? 0
  }
}

function keptRow(sort: string, rev: number, value: Json, bytes: Uint8Array | undefined): KeptRow {
  return bytes === undefined
    ? { sort, rev, value }
    : { sort, rev, value, bytes: new Uint8Array(bytes) }
}

function positionOf(partition: string, table: Table, sort: string): string {
  return `${table}/${partition.length}/${partition}${sort}`
}
