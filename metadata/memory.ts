/**
 * Rows in this process's memory: gone with it. The same commits make the same store, revs included.
 *
 * Rows are handed out as they are kept, so that reading copies nothing: nobody changes a value that
 * was committed or read. Bytes are copied on their way in, for they often stand in a buffer that is
 * used again.
 */
import { StoreUnavailable } from '../src/lib/store-error.ts'
import { checkCommit, checkPosition, checkRange } from './limits.ts'
import { RowMap } from './row-map.ts'
import type { Commit, MetadataStore, Range, Row, Table } from './store.ts'

export class MemoryStore implements MetadataStore {
  readonly name: string = 'memory'
  readonly #rows = new RowMap()
  #rev = 0
  #isOpen = true

  async get(partition: string, table: Table, sort: string): Promise<Row | undefined> {
    this.#checkOpen()
    checkPosition(partition, sort)
    return this.#rows.get(partition, table, sort)
  }

  async scan(partition: string, table: Table, range: Range): Promise<readonly Row[]> {
    this.#checkOpen()
    checkRange(partition, range)
    return this.#rows.scan(partition, table, range)
  }

  async commit(commit: Commit): Promise<boolean> {
    return this.apply(commit)
  }

  /** The commit, done before this returns: a store is the same after the same commits. */
  apply(commit: Commit): boolean {
    this.#checkOpen()
    checkCommit(commit)
    const { partition, expects, writes } = commit
    for (const { table, sort, rev } of expects) {
      if ((this.#rows.get(partition, table, sort)?.rev ?? 0) !== rev) return false
    }
    for (const { table, sort, value, bytes } of writes) {
      if (value === null) this.#rows.remove(partition, table, sort)
      else {
        const rev = ++this.#rev
        const row = bytes
          ? { sort, rev, value, bytes: new Uint8Array(bytes) }
          : { sort, rev, value }
        this.#rows.set(partition, table, row)
      }
    }
    return true
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isOpen = false
    this.#rows.clear()
  }

  #checkOpen(): void {
    if (!this.#isOpen) throw new StoreUnavailable('The store of metadata is closed')
  }
}
