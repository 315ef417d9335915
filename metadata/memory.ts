/**
 * Rows in this process's memory: gone with it. Also what a log is replayed into, by `apply`.
 *
 * Rows are handed out as they are kept, so that reading copies nothing: nobody changes a value that
 * was committed or read. Bytes are copied on their way in, for they often stand in a buffer that is
 * used again.
 */
import { StoreUnavailable } from '../src/lib/store-error.ts'
import { SortedMap } from '../src/lib/sorted-map.ts'
import { behind } from './fold.ts'
import { checkCommit, checkPosition, checkRange } from './limits.ts'
import type { Commit, Fold, MetadataStore, Range, Row, Table } from './store.ts'
import { compareUtf8 } from '../src/lib/utf8.ts'

/** Its bytes, if any, are its own. */
type KeptRow = Row & { readonly rev: number }
type Rows = SortedMap<KeptRow>

export class MemoryStore implements MetadataStore {
  readonly name: string = 'memory'
  readonly #partitions = new Map<string, Map<Table, Rows>>()
  #rev = 0
  #isOpen = true

  async get(partition: string, table: Table, sort: string): Promise<Row | undefined> {
    this.#checkOpen()
    checkPosition(partition, sort)
    return this.#partitions.get(partition)?.get(table)?.get(sort)
  }

  async scan(partition: string, table: Table, range: Range): Promise<readonly Row[]> {
    this.#checkOpen()
    checkRange(partition, range)
    const rows = this.#partitions.get(partition)?.get(table)
    if (rows === undefined) return []
    const { from, to, limit, fold } = range
    const found = fold ? folded(rows, range, fold) : rows.slice(from, to, limit)
    for (let i = 0; i < found.length; i++) {
      const { sort, rev, value, bytes } = found[i]!
      if (bytes !== undefined) found[i] = { sort, rev, value }
    }
    return found
  }

  async commit(commit: Commit): Promise<boolean> {
    return this.apply(commit)
  }

  /** The commit, done before this returns: a store is the same after the same commits. */
  apply(commit: Commit): boolean {
    this.#checkOpen()
    checkCommit(commit)
    const { partition, expects, writes } = commit
    const tables = this.#partitions.get(partition)
    for (const { table, sort, rev } of expects) {
      if ((tables?.get(table)?.get(sort)?.rev ?? 0) !== rev) return false
    }
    for (const { table, sort, value, bytes } of writes) {
      if (value === null) this.#remove(partition, table, sort)
      else {
        const rev = ++this.#rev
        const row = bytes
          ? { sort, rev, value, bytes: new Uint8Array(bytes) }
          : { sort, rev, value }
        this.#table(partition, table).set(sort, row)
      }
    }
    return true
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isOpen = false
    this.#partitions.clear()
  }

  #checkOpen(): void {
    if (!this.#isOpen) throw new StoreUnavailable('The store of metadata is closed')
  }

  #table(partition: string, table: Table): Rows {
    let tables = this.#partitions.get(partition)
    if (!tables) this.#partitions.set(partition, (tables = new Map()))
    let rows = tables.get(table)
    if (!rows) tables.set(table, (rows = new SortedMap()))
    return rows
  }

  /** Tables and partitions that have become empty go too: partitions come and go with buckets. */
  #remove(partition: string, table: Table, sort: string): void {
    const tables = this.#partitions.get(partition)
    const rows = tables?.get(table)
    if (!tables || !rows?.delete(sort) || rows.size > 0) return
    tables.delete(table)
    if (tables.size === 0) this.#partitions.delete(partition)
  }
}

function folded(rows: Rows, { from, to, limit }: Range, fold: Fold): KeptRow[] {
  const found: KeptRow[] = []
  let next: string | undefined = from
  while (next !== undefined && found.length < limit) {
    const row = rows.ceiling(next)
    if (row === undefined || (to !== undefined && compareUtf8(row.sort, to) >= 0)) break
    found.push(row)
    next = behind(row.sort, fold)
  }
  return found
}
