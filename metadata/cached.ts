/**
 * A layer: keeps rows that were read, for engines to which the way is long.
 *
 * What it gives up: a `get` may be answered from memory for up to `ttlMs` after the row was read, so
 * that a change by another process may go unseen for so long. What stays:
 * - Within this process reads are strong: a `get` that starts after a commit through this layer resolved
 *   sees it, for a commit drops what it writes and keeps reads of it out of memory while it runs.
 * - Commits are as safe as without it: expectations are checked by the engine. Who decided upon an old
 *   row is refused, and what he expected is dropped, so that he decides upon fresh rows the next time.
 * - Scans go to the engine, except for one of a single position whose row is in memory.
 * With `ttlMs` 0 rows stay until they are written or make room: right for an engine that no other
 * process writes to, and for no other.
 *
 * Gets of one row at the same time share one read. Absent rows are remembered too. At most `rows` rows
 * are kept, with at most 64 MiB beside them; the one that was used longest ago goes first.
 */
import type { Counter, Meter } from '../src/lib/meter.ts'
import type { Commit, MetadataStore, Range, Row, Table } from './store.ts'

export interface CacheOptions {
  /** Most rows that are kept, at least 1. */
  readonly rows: number
  /** How long a row is good for; 0: until this process writes it. */
  readonly ttlMs: number
}

const BESIDE_BYTES_MAX: number = 64 * 1024 * 1024

interface Kept {
  /** Undefined: there is no such row. */
  readonly row: Row | undefined
  /** When its reading began. */
  readonly at: number
}

export class CachedMetadata implements MetadataStore {
  readonly name: string
  readonly #store: MetadataStore
  readonly #options: CacheOptions
  readonly #monotonicMs: () => number
  readonly #hits: Counter
  readonly #misses: Counter
  /** In the order of their last use. */
  readonly #kept = new Map<string, Kept>()
  #besideBytes = 0
  /** Reads under way that may be joined, and kept. */
  readonly #reads = new Map<string, Promise<Row | undefined>>()
  /** How many commits under way write the position. */
  readonly #writing = new Map<string, number>()
  #isOpen = true

  /** `monotonicMs`: a clock that never goes back, in milliseconds. */
  constructor(
    store: MetadataStore,
    options: CacheOptions,
    meter: Meter,
    monotonicMs: () => number,
  ) {
    this.name = store.name
    this.#store = store
    this.#options = options
    this.#monotonicMs = monotonicMs
    const help = 'Reads of single rows, by whether the row was in memory'
    const name = 'sluice_metadata_cache_total'
    this.#hits = meter.counter(name, help, { outcome: 'hit' })
    this.#misses = meter.counter(name, help, { outcome: 'miss' })
  }

  async get(partition: string, table: Table, sort: string): Promise<Row | undefined> {
    const position = positionOf(partition, table, sort)
    const kept = this.#use(position)
    if (kept) return kept.row
    if (!this.#isOpen || this.#writing.has(position)) return this.#store.get(partition, table, sort)
    const joined = this.#reads.get(position)
    if (joined) return joined
    this.#misses.add()
    const at = this.#monotonicMs()
    const read = this.#store.get(partition, table, sort)
    this.#reads.set(position, read)
    // One that was dropped meanwhile may be from before a commit: whoever asked first may have it, nobody else.
    const isWanted = (): boolean =>
      this.#reads.get(position) === read && this.#reads.delete(position)
    read.then(
      (row) => isWanted() && this.#keep(position, { row, at }),
      () => isWanted(),
    )
    return read
  }

  async scan(partition: string, table: Table, range: Range): Promise<readonly Row[]> {
    const { from, to } = range
    if (to === `${from}\0`) {
      const kept = this.#use(positionOf(partition, table, from))
      if (kept) return kept.row === undefined ? [] : [withoutBytes(kept.row)]
    }
    return this.#store.scan(partition, table, range)
  }

  async commit(commit: Commit): Promise<boolean> {
    const { partition, expects, writes } = commit
    const written = writes.map(({ table, sort }) => positionOf(partition, table, sort))
    for (const position of written) {
      this.#forget(position)
      this.#writing.set(position, (this.#writing.get(position) ?? 0) + 1)
    }
    let isDone = false
    try {
      isDone = await this.#store.commit(commit)
      return isDone
    } finally {
      for (const position of written) this.#endWriting(position)
      if (!isDone)
        for (const { table, sort } of expects) this.#forget(positionOf(partition, table, sort))
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isOpen = false
    this.#kept.clear()
    this.#reads.clear()
    await this.#store[Symbol.asyncDispose]()
  }

  #use(position: string): Kept | undefined {
    const kept = this.#kept.get(position)
    if (kept === undefined) return undefined
    const { ttlMs } = this.#options
    if (ttlMs > 0 && this.#monotonicMs() - kept.at >= ttlMs) {
      this.#drop(position, kept)
      return undefined
    }
    this.#hits.add()
    this.#kept.delete(position)
    this.#kept.set(position, kept)
    return kept
  }

  #keep(position: string, kept: Kept): void {
    if (!this.#isOpen) return
    this.#kept.set(position, kept)
    this.#besideBytes += kept.row?.bytes?.length ?? 0
    for (const [oldest, row] of this.#kept) {
      if (this.#kept.size <= this.#options.rows && this.#besideBytes <= BESIDE_BYTES_MAX) return
      this.#drop(oldest, row)
    }
  }

  /** What is known of the position is no longer to be told, nor what reads under way will find. */
  #forget(position: string): void {
    const kept = this.#kept.get(position)
    if (kept !== undefined) this.#drop(position, kept)
    this.#reads.delete(position)
  }

  #drop(position: string, { row }: Kept): void {
    this.#kept.delete(position)
    this.#besideBytes -= row?.bytes?.length ?? 0
  }

  #endWriting(position: string): void {
    const others = this.#writing.get(position)! - 1
    if (others === 0) this.#writing.delete(position)
    else this.#writing.set(position, others)
  }
}

function withoutBytes({ sort, rev, value }: Row): Row {
  return { sort, rev, value }
}

function positionOf(partition: string, table: Table, sort: string): string {
  return `${table}/${partition.length}/${partition}${sort}`
}
