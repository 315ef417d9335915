/**
 * Rows in a container of Azure Cosmos DB (NoSQL), shared by any number of gateways.
 *
 * Reads are strongly consistent, and a range is one query within one logical partition. A commit is one
 * transactional batch. Where the service is not sure that it carried out a commit, and its rows do
 * not tell, the commit rejects rather than guess.
 *
 * A scan shows the rows of each page as of one moment.
 */
import { randomUUID } from 'node:crypto'
import { StoreUnavailable } from '../src/lib/store-error.ts'
import { Calls } from './calls.ts'
import { shapeOf } from './commit-shape.ts'
import { deletion, patch, type Plan, planOf } from './cosmos-commit.ts'
import { CALLS_MAX, type ContainerOptions, CosmosContainer } from './cosmos-container.ts'
import { failureOf } from './cosmos-failures.ts'
import { type Content, fieldsOf, idOf, keyOf, type RowItem, rowOf } from './cosmos-items.ts'
import { stagedItem, type Staging, stagingOf } from './cosmos-staging.ts'
import { foldedScan, type PlainScan } from './fold.ts'
import { checkCommit, checkPosition, checkRange } from './limits.ts'
import type { Commit, MetadataStore, Range, Row, Table } from './store.ts'

/** Looks at a row whose content is on the move. */
const LOOKS_MAX = 8

export class CosmosStore implements MetadataStore {
  readonly name: string = 'cosmos'
  readonly #container: CosmosContainer
  readonly #calls: Calls

  private constructor(container: CosmosContainer, { waitMs }: ContainerOptions) {
    this.#container = container
    this.#calls = new Calls({ service: 'Cosmos DB', failureOf, atOnceMax: CALLS_MAX, waitMs })
  }

  /** Rejects with `StoreUnavailable`, in one line, where the container is missing, out of reach or not ours. */
  static async open(options: ContainerOptions): Promise<CosmosStore> {
    return new CosmosStore(await CosmosContainer.open(options), options)
  }

  async get(partition: string, table: Table, sort: string): Promise<Row | undefined> {
    this.#calls.checkOpen()
    checkPosition(partition, sort)
    return this.#calls.run(this.#get(partition, keyOf(table, sort)))
  }

  async scan(partition: string, table: Table, range: Range): Promise<readonly Row[]> {
    this.#calls.checkOpen()
    checkRange(partition, range)
    const plain: PlainScan = (part) => this.#scan(partition, table, part)
    const { fold } = range
    return this.#calls.run(fold === undefined ? plain(range) : foldedScan(plain, range, fold))
  }

  async commit(commit: Commit): Promise<boolean> {
    this.#calls.checkOpen()
    checkCommit(commit)
    const shape = shapeOf(commit)
    const plan = shape && planOf(commit.partition, shape, randomUUID())
    if (plan === undefined) return false
    const staging = stagingOf(plan)
    if (staging.operations.length === 0) return true
    return this.#calls.run(this.#commit(plan, staging))
  }

  /** Waits for what is under way. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#calls.close()
    this.#container.close()
  }

  async #get(partition: string, key: string): Promise<Row | undefined> {
    for (let look = 0; look < LOOKS_MAX; look++) {
      const item = await this.#calls.ask(() => this.#container.row(partition, key))
      if (item === undefined) return undefined
      const content = await this.#contentOf(partition, item)
      if (content !== undefined) return rowOf(item, content)
      // It was moved into the row meanwhile, or the row was written again.
    }
    throw new StoreUnavailable('Cosmos DB: a row points at content that is not there')
  }

  async #contentOf(partition: string, { v, b, x }: RowItem): Promise<Content | undefined> {
    if (v !== null) return [v, b ?? null]
    if (!x) throw new Error('An item of the container is not a row of ours')
    const read = () =>
      this.#container.read<{ readonly content: readonly Content[] }>(partition, x.id)
    return (await this.#calls.ask(read))?.content[x.n]
  }

  async #scan(partition: string, table: Table, range: Parameters<PlainScan>[0]): Promise<Row[]> {
    const rows: Row[] = []
    let next: string | undefined
    do {
      const rest = { ...range, limit: range.limit - rows.length }
      const page = await this.#calls.ask(() => this.#container.query(partition, table, rest, next))
      for (const item of page.items) {
        const row =
          item.v === null ? await this.#get(partition, item.k) : rowOf(item, [item.v, null])
        if (row === undefined) continue
        const { bytes: _, ...shown } = row
        rows.push(shown)
      }
      next = page.next
    } while (next !== undefined && rows.length < range.limit)
    return rows
  }

  async #commit(plan: Plan, staging: Staging): Promise<boolean> {
    const { partition } = plan
    for (const [id, content] of staging.items)
      // As often as need be: nobody knows of it yet.
      await this.#calls.insist(
        () => this.#container.batch(partition, [stagedItem(partition, id, content)]),
        true,
      )
    const isDone = await this.#calls.write(
      () => this.#container.batch(partition, staging.operations),
      plan.isRepeatable,
      () => this.#stands(plan),
    )
    // It is committed; what follows only tidies, and every reader can do without.
    if (isDone && staging.items.size > 0) await this.#settle(plan, staging).catch(() => undefined)
    return isDone
  }

  /** Gives the rows the content that went ahead. One that was written again needs it no more. */
  async #settle({ partition, rev }: Plan, { staged, items }: Staging): Promise<void> {
    for (const { put } of staged) {
      const operation = patch(idOf(put.key), fieldsOf(put.content), rev)
      await this.#calls.insist(() => this.#container.batch(partition, [operation]), true)
    }
    for (const id of items.keys())
      await this.#calls.insist(() => this.#container.batch(partition, [deletion(id)]), true)
  }

  /** Whether a commit that is in doubt is there for all to see. If not, it may have been, or still come. */
  async #stands({ partition, puts, rev }: Plan): Promise<boolean> {
    for (const { key } of puts) {
      const item = await this.#calls.ask(() => this.#container.row(partition, key))
      if (item?.r === rev) return true
    }
    return false
  }
}
