/**
 * Rows that stand in the commit log and are not in SQLite yet, in three layers, newest first:
 *
 * - `pending`: of the group whose sync is under way. Nobody may be shown them before it is done.
 * - `active`: durable; more come with every group.
 * - `frozen`: durable, and on their way into SQLite, which may have some of them already.
 *
 * A position that is in none of them is in SQLite as it was last written.
 */
import { compareUtf8 } from '../src/lib/utf8.ts'
import { Positions } from './positions.ts'
import type { Place } from './sqlite-records.ts'
import type { Range } from './store.ts'

/** What stands at a position: rev 0: no row. */
export interface Known {
  readonly rev: number
  /** Of the log, where the row's bytes are; 0: it has none. */
  readonly segment: number
  /** Bytes of the log that have to stay as long as the row does. */
  readonly held: number
}

/** A place in the log. */
export interface LogPlace {
  readonly segment: number
  readonly at: number
}

export const ABSENT: Known = { rev: 0, segment: 0, held: 0 }

/** A row as it was written; rev 0: it was removed. */
export interface Fresh extends Known, Place {
  readonly json: string
  /** What SQLite has there once all older layers are in it; undefined: nobody has looked. */
  base: Known | undefined
}

/** A row and where it stands. */
export interface Placed {
  readonly partition: string
  readonly table: number
  readonly sort: string
  readonly row: Fresh
}

export class Overlay {
  #pending = new Positions<Fresh>()
  #group: Placed[] = []
  #active = new Positions<Fresh>()
  /** UTF-16 units of the values in `active`. */
  #activeUnits = 0
  #frozen = new Positions<Fresh>()
  #end: LogPlace = { segment: 0, at: 0 }

  /** Rows that are durable, and not in SQLite. */
  get size(): number {
    return this.#active.size + this.#frozen.size
  }

  get activeRows(): number {
    return this.#active.size
  }

  get activeUnits(): number {
    return this.#activeUnits
  }

  /** Everything in the log before this place is in the durable layers, or in SQLite. */
  get end(): LogPlace {
    return this.#end
  }

  pending(partition: string, table: number, sort: string): Fresh | undefined {
    return this.#pending.get(partition, table, sort)
  }

  durable(partition: string, table: number, sort: string): Fresh | undefined {
    return this.#active.get(partition, table, sort) ?? this.#frozen.get(partition, table, sort)
  }

  /** The newest, durable or not. */
  newest(partition: string, table: number, sort: string): Fresh | undefined {
    return this.#pending.get(partition, table, sort) ?? this.durable(partition, table, sort)
  }

  isPendingIn(partition: string, table: number, range: Range): boolean {
    return isAnyIn(this.#pending.of(partition, table), range)
  }

  isDurableIn(partition: string, table: number, range: Range): boolean {
    return (
      isAnyIn(this.#active.of(partition, table), range) ||
      isAnyIn(this.#frozen.of(partition, table), range)
    )
  }

  /** What is durable in the range, in no order. */
  durableIn(partition: string, table: number, range: Range): Map<string, Fresh> {
    const found = new Map<string, Fresh>()
    for (const layer of [this.#frozen, this.#active])
      for (const [sort, row] of layer.of(partition, table) ?? [])
        if (isIn(sort, range)) found.set(sort, row)
    return found
  }

  /** A row of the group that is made. */
  add(partition: string, table: number, sort: string, row: Fresh): void {
    const before = this.#pending.get(partition, table, sort)
    if (before !== undefined) row.base = before.base
    this.#pending.set(partition, table, sort, row)
    this.#group.push({ partition, table, sort, row })
  }

  /** The group is durable; it ends there in the log. */
  keep(end: LogPlace): void {
    this.#end = end
    for (let i = 0; i < this.#group.length; i++) {
      const { partition, table, sort, row } = this.#group[i]!
      const before = this.#active.get(partition, table, sort)
      if (before !== undefined) row.base = before.base
      this.#active.set(partition, table, sort, row)
      this.#activeUnits += row.json.length
    }
    this.drop()
  }

  /** The group was not written. */
  drop(): void {
    this.#pending.clear()
    this.#group = []
  }

  /** What is durable goes into SQLite from now on. Only where nothing else does. */
  freeze(): Placed[] {
    this.#frozen = this.#active
    this.#active = new Positions()
    this.#activeUnits = 0
    const rows: Placed[] = []
    for (const [partition, table, sort, row] of this.#frozen.inOrder())
      rows.push({ partition, table, sort, row })
    return rows
  }

  /** What was frozen is in SQLite. */
  melt(): void {
    this.#frozen = new Positions()
  }
}

function isAnyIn(rows: ReadonlyMap<string, Fresh> | undefined, range: Range): boolean {
  if (rows === undefined) return false
  for (const sort of rows.keys()) if (isIn(sort, range)) return true
  return false
}

function isIn(sort: string, { from, to }: Range): boolean {
  return compareUtf8(sort, from) >= 0 && (to === undefined || compareUtf8(sort, to) < 0)
}
