/**
 * Commits of a group, run one after another against the overlay and what SQLite has below it; what they
 * write goes into the overlay and into one frame of the commit log. Synchronous, and no word of what is
 * durable.
 */
import { Positions } from './positions.ts'
import { ABSENT, type Known, type Overlay } from './sqlite-overlay.ts'
import type { FrameWriter } from './sqlite-records.ts'
import type { SqliteRows } from './sqlite-rows.ts'
import { CODES } from './table-codes.ts'
import type { Expect, Table } from './store.ts'

/** A write whose value is text already. */
export interface EncodedWrite {
  readonly table: Table
  readonly sort: string
  /** JSON; none: the row is removed. */
  readonly json: string | undefined
  readonly bytes: Uint8Array | undefined
}

export interface EncodedCommit {
  readonly partition: string
  readonly expects: readonly Expect[]
  readonly writes: readonly EncodedWrite[]
}

/** A row, just as it is, whose bytes are to stand at the end of the log: see sqlite-reclaim.ts. */
export interface Move {
  readonly partition: string
  readonly table: number
  readonly sort: string
  readonly rev: number
  readonly json: string
  readonly bytes: Uint8Array
  /** Where the bytes are now. */
  readonly segment: number
}

/** Positions of which is known what SQLite has there. */
const RECENT_MAX = 4096

export class Groups {
  readonly #rows: SqliteRows
  readonly #overlay: Overlay
  readonly #frame: FrameWriter
  /** What SQLite was found to have at positions that are not in the overlay: mostly, who expects a row has just read it. */
  readonly #recent = new Positions<Known>()
  #lastRev: number

  constructor(rows: SqliteRows, overlay: Overlay, frame: FrameWriter, lastRev: number) {
    this.#rows = rows
    this.#overlay = overlay
    this.#frame = frame
    this.#lastRev = lastRev
  }

  /** The newest rev that was given out. */
  get lastRev(): number {
    return this.#lastRev
  }

  /** SQLite has this at the position, and the overlay nothing. */
  remember(partition: string, table: number, sort: string, known: Known): void {
    if (this.#recent.size >= RECENT_MAX) this.#recent.clear()
    this.#recent.set(partition, table, sort, known)
  }

  /** SQLite has changed. */
  forget(): void {
    this.#recent.clear()
  }

  /** What stands at the position, whether durable or not. */
  known(partition: string, table: number, sort: string): Known {
    const known = this.#recall(partition, table, sort)
    if (known !== undefined) return known
    const found = this.#rows.find(partition, table, sort)
    this.remember(partition, table, sort, found)
    return found
  }

  /** Whether the expectations hold; what is written then is in the frame. */
  run({ partition, expects, writes }: EncodedCommit): boolean {
    for (let i = 0; i < expects.length; i++) {
      const { table, sort, rev } = expects[i]!
      if (this.known(partition, CODES[table], sort).rev !== rev) return false
    }
    for (let i = 0; i < writes.length; i++) {
      const { table, sort, json, bytes } = writes[i]!
      const rev = json === undefined ? 0 : ++this.#lastRev
      this.#write(partition, CODES[table], sort, rev, json ?? '', bytes)
    }
    return true
  }

  /** Nothing, where the row is no longer as it was. */
  move({ partition, table, sort, rev, json, bytes, segment }: Move): boolean {
    const known = this.known(partition, table, sort)
    if (known.rev !== rev || known.segment !== segment) return false
    this.#write(partition, table, sort, rev, json, bytes)
    return true
  }

  #write(
    partition: string,
    table: number,
    sort: string,
    rev: number,
    json: string,
    bytes: Uint8Array | undefined,
  ): void {
    const place = this.#frame.add(partition, table, sort, rev, json, bytes)
    const { segment, at, length, held } = place
    const base = this.#recall(partition, table, sort)
    const row = { rev, segment, at, length, held, json, base: base?.rev === 0 ? ABSENT : base }
    this.#overlay.add(partition, table, sort, row)
  }

  #recall(partition: string, table: number, sort: string): Known | undefined {
    return this.#overlay.newest(partition, table, sort) ?? this.#recent.get(partition, table, sort)
  }
}
