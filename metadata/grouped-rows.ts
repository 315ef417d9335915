/**
 * Rows in this process's memory whose commits are made durable in groups: what engines that stand on a log have in
 * common. A subclass says what a group's records are, and how they become durable.
 *
 * Commits that wait at the same time form a group: their expectations are checked one after another, what those that
 * hold write is made durable at once and away from the loop, then the rows change in memory and all are
 * answered. The next group gathers meanwhile. Rows in memory are therefore durable rows: a read waits for
 * nothing and shows nobody what a crash could take back.
 */
import type { Counter, Meter } from '../src/lib/meter.ts'
import { StoreUnavailable } from '../src/lib/store-error.ts'
import { CommitQueue } from './commit-queue.ts'
import { encodeCommit, type EncodedCommit, Group, type Records } from './group.ts'
import { checkCommit, checkPosition, checkRange } from './limits.ts'
import type { RowMap } from './row-map.ts'
import type { Commit, MetadataStore, Range, Row, Table } from './store.ts'

/** Of a group, made while its commits are checked. */
export interface GroupRecords extends Records {
  /** No commit of the group writes anything. */
  readonly isEmpty: boolean
}

export abstract class GroupedRows<R extends GroupRecords> implements MetadataStore {
  abstract readonly name: string
  protected readonly rows: RowMap
  /** Aborted when the store is being closed. */
  protected readonly ending: AbortController = new AbortController()
  readonly #counted: Readonly<Record<'commits' | 'groups', Counter>>
  readonly #queue: CommitQueue<EncodedCommit>
  #closing: Promise<void> | undefined

  protected constructor(rows: RowMap, meter: Meter) {
    this.rows = rows
    this.#counted = {
      commits: meter.counter('sluice_metadata_commits_total', 'Commits answered, refused ones too'),
      groups: meter.counter('sluice_metadata_groups_total', 'Groups of commits that shared a sync'),
    }
    this.#queue = new CommitQueue({
      run: (commits) => this.#run(commits),
      tidy: () => this.tidy(),
    })
  }

  async get(partition: string, table: Table, sort: string): Promise<Row | undefined> {
    checkPosition(partition, sort)
    this.#checkOpen()
    return this.rows.get(partition, table, sort)
  }

  async scan(partition: string, table: Table, range: Range): Promise<readonly Row[]> {
    checkRange(partition, range)
    this.#checkOpen()
    return this.rows.scan(partition, table, range)
  }

  commit(commit: Commit): Promise<boolean> {
    return new Promise((resolve, reject) => {
      const sizeBytes = checkCommit(commit)
      this.#checkOpen()
      this.checkWritable()
      this.#queue.add({ commit: encodeCommit(commit), sizeBytes, resolve, reject })
    })
  }

  /** Answers what waits, then closes what is below. */
  [Symbol.asyncDispose](): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  protected get isClosing(): boolean {
    return this.#closing !== undefined
  }

  /** Resolves once no commit waits any more. */
  protected idle(): Promise<void> {
    return this.#queue.idle()
  }

  /** Throws where nothing may be written any more. */
  protected abstract checkWritable(): void
  /** For the next group. */
  protected abstract begin(): R
  /** Resolves once all of the records are durable. */
  protected abstract persist(records: R): Promise<void>
  /** The rows are as the records say. */
  protected abstract persisted(records: R): void
  /** After each group, when it has been answered; never rejects. */
  protected abstract tidy(): Promise<void>
  /** Closes what is below; nobody waits any more. */
  protected abstract release(): Promise<void>

  async #close(): Promise<void> {
    this.ending.abort()
    await this.#queue.idle()
    await this.release()
    this.rows.clear()
  }

  #checkOpen(): void {
    if (this.#closing) throw new StoreUnavailable('The store of metadata is closed')
  }

  async #run(commits: readonly EncodedCommit[]): Promise<readonly boolean[]> {
    const records = this.begin()
    const group = new Group(this.rows, records)
    const outcomes = commits.map((commit) => group.add(commit))
    this.#counted.commits.add(commits.length)
    if (!records.isEmpty) {
      this.#counted.groups.add()
      await this.persist(records)
      group.apply()
      this.persisted(records)
    }
    return outcomes
  }
}
