/**
 * Commits that are made durable together: whether each holds after those before it, and what it makes of
 * the rows. `Records` makes of it what is written; until that is durable nobody sees any of it.
 */
import type { KeptRow, RowMap } from './row-map.ts'
import type { Commit, Expect, Json, Table, Write } from './store.ts'

export interface EncodedCommit {
  readonly partition: string
  readonly expects: readonly Expect[]
  readonly writes: readonly EncodedWrite[]
}

export interface EncodedWrite {
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

/** What is written of the commits of a group. */
export interface Records {
  /** Rev of the row that the i-th write of the next commit writes: new, and never given again. */
  revOf(i: number): number
  /** A commit that holds and writes something, with the rev of each write (0: removed). */
  add(partition: string, writes: readonly EncodedWrite[], revs: readonly number[]): void
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
  readonly #records: Records
  readonly #changes: Change[] = []
  /** Revs of what the group has changed so far (0: removed), by position. */
  readonly #revs = new Map<string, number>()

  constructor(rows: RowMap, records: Records) {
    this.#rows = rows
    this.#records = records
  }

  /** False: an expectation does not hold after the commits before, and the commit does nothing. */
  add({ partition, expects, writes }: EncodedCommit): boolean {
    for (const { table, sort, rev } of expects)
      if (this.#revOf(partition, table, sort) !== rev) return false
    if (writes.length === 0) return true
    const revs: number[] = []
    for (let i = 0; i < writes.length; i++) {
      const { table, sort, value, json, bytes } = writes[i]!
      const rev = json === undefined ? 0 : this.#records.revOf(i)
      revs.push(rev)
      this.#revs.set(positionOf(partition, table, sort), rev)
      const row = json === undefined ? undefined : keptRow(sort, rev, value, bytes)
      this.#changes.push({ partition, table, sort, row })
    }
    this.#records.add(partition, writes, revs)
    return true
  }

  /** Changes the rows. */
  apply(): void {
    for (const { partition, table, sort, row } of this.#changes) {
      if (row === undefined) this.#rows.remove(partition, table, sort)
      else this.#rows.set(partition, table, row)
    }
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
