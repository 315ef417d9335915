/**
 * Rows in a table of DynamoDB, shared by any number of gateways.
 *
 * Reads are strongly consistent, a range is one Query (or as many as it has megabytes), and the table
 * is never scanned. A commit of one row is one conditional write, any other a transaction. Where the
 * service is not sure that it carried out a commit, the commit rejects rather than guess.
 *
 * A scan is no snapshot: DynamoDB gives each row of it as committed at some moment of the scan, so
 * that of a commit that runs beside it some rows may be seen and others not yet.
 */
import { randomBytes, randomUUID } from 'node:crypto'
import {
  DeleteItemCommand,
  type DynamoDBClient,
  GetItemCommand,
  PutItemCommand,
  QueryCommand,
  type QueryCommandOutput,
  TransactWriteItemsCommand,
} from '@aws-sdk/client-dynamodb'
import { StoreUnavailable } from '../src/lib/store-error.ts'
import { type Plan, planOf } from './dynamodb-commit.ts'
import { type Done, InDoubt, insist, type Refused, waitMs } from './dynamodb-failures.ts'
import { type Item, keyOf, rowOf, SHOWN } from './dynamodb-items.ts'
import { boundsOf, partitionKey } from './dynamodb-keys.ts'
import { CALLS_MAX, openTable, type TableOptions } from './dynamodb-table.ts'
import { Turns } from './dynamodb-turns.ts'
import { foldedScan, type PlainScan } from './fold.ts'
import { checkCommit, checkPosition, checkRange } from './limits.ts'
import type { Commit, MetadataStore, Range, Row, Table } from './store.ts'

type OneRow = Extract<Plan, { readonly kind: 'put' | 'removal' }>

export class DynamodbStore implements MetadataStore {
  readonly name: string = 'dynamodb'
  readonly #client: DynamoDBClient
  readonly #table: string
  readonly #waitMs: (attempts: number) => number
  /** Of this store alone, so that revs of all gateways differ. */
  readonly #origin: string = randomBytes(12).toString('base64url')
  readonly #running = new Set<Promise<unknown>>()
  readonly #turns = new Turns(CALLS_MAX)
  #revs = 0
  #isOpen = true

  private constructor(client: DynamoDBClient, options: TableOptions) {
    this.#client = client
    this.#table = options.table
    this.#waitMs = options.waitMs ?? waitMs
  }

  /** Rejects with `StoreUnavailable`, in one line, where the table is missing, out of reach or not ours. */
  static async open(options: TableOptions): Promise<DynamodbStore> {
    return new DynamodbStore(await openTable(options), options)
  }

  async get(partition: string, table: Table, sort: string): Promise<Row | undefined> {
    this.#checkOpen()
    checkPosition(partition, sort)
    return this.#run(this.#get(partition, table, sort))
  }

  async scan(partition: string, table: Table, range: Range): Promise<readonly Row[]> {
    this.#checkOpen()
    checkRange(partition, range)
    const plain: PlainScan = (part) => this.#scan(partitionKey(partition, table), part)
    const { fold } = range
    return this.#run(fold === undefined ? plain(range) : foldedScan(plain, range, fold))
  }

  async commit(commit: Commit): Promise<boolean> {
    this.#checkOpen()
    checkCommit(commit)
    const rev = `${this.#origin}.${(++this.#revs).toString(36)}`
    const plan = planOf(this.#table, commit, rev)
    if (plan.kind === 'nothing') return true
    if (plan.kind === 'impossible') return false
    return this.#run(
      plan.kind === 'transaction' ? this.#transact(plan.items) : this.#write(plan, rev),
    )
  }

  /** Waits for what is under way. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isOpen = false
    await Promise.allSettled(this.#running)
    this.#client.destroy()
  }

  async #get(partition: string, table: Table, sort: string): Promise<Row | undefined> {
    const Key = keyOf(partition, table, sort)
    const command = { TableName: this.#table, Key, ConsistentRead: true }
    const { Item } = await this.#ask(() => this.#client.send(new GetItemCommand(command)))
    return Item && rowOf(Item)
  }

  async #scan(p: string, range: Parameters<PlainScan>[0]): Promise<Row[]> {
    const bounds = boundsOf(range)
    const rows: Row[] = []
    if (bounds === undefined) return rows
    let after: Item | undefined
    do {
      const command = new QueryCommand({
        TableName: this.#table,
        KeyConditionExpression: 'p = :p AND s BETWEEN :least AND :most',
        ExpressionAttributeValues: {
          ':p': { S: p },
          ':least': { B: bounds.least },
          ':most': { B: bounds.most },
        },
        ProjectionExpression: SHOWN,
        ConsistentRead: true,
        Limit: range.limit - rows.length,
        ...(after && { ExclusiveStartKey: after }),
      })
      const page: QueryCommandOutput = await this.#ask(() => this.#client.send(command))
      for (const item of page.Items ?? []) rows.push(rowOf(item))
      after = page.LastEvaluatedKey
    } while (after !== undefined && rows.length < range.limit)
    return rows
  }

  /** One row, one condition at most. */
  async #write(plan: OneRow, rev: string): Promise<boolean> {
    const send = (): Promise<unknown> =>
      plan.kind === 'put'
        ? this.#client.send(new PutItemCommand(plan.put))
        : this.#client.send(new DeleteItemCommand(plan.removal))
    let doubt: InDoubt
    try {
      const end = await this.#insist(send, plan.isRepeatable)
      if ('answer' in end) return true
      if (!end.afterDoubt) return false
      doubt = new InDoubt('DynamoDB may or may not have carried it out')
    } catch (error) {
      if (!(error instanceof InDoubt)) throw error
      doubt = error
    }
    if (plan.kind === 'put' && (await this.#stands(plan.put.Item, rev))) return true
    throw doubt
  }

  /** Whether a write that is in doubt is there for all to see. If not, it may have been, or still come. */
  async #stands({ p, s }: Item, rev: string): Promise<boolean> {
    const { Item } = await this.#ask(() =>
      this.#client.send(
        new GetItemCommand({
          TableName: this.#table,
          Key: { p: p!, s: s! },
          ProjectionExpression: 'r',
          ConsistentRead: true,
        }),
      ),
    )
    return Item?.['r']?.S === rev
  }

  /** By its token the service knows a transaction that it has carried out already: it is never in doubt while it answers. */
  async #transact(items: Extract<Plan, { kind: 'transaction' }>['items']): Promise<boolean> {
    const command = { TransactItems: items, ClientRequestToken: randomUUID() }
    const send = (): Promise<unknown> => this.#client.send(new TransactWriteItemsCommand(command))
    return 'answer' in (await this.#insist(send, true))
  }

  /** A call that reads. */
  async #ask<T>(call: () => Promise<T>): Promise<T> {
    const end = await this.#insist(call, true)
    if ('answer' in end) return end.answer
    throw new StoreUnavailable('DynamoDB refused to read')
  }

  #insist<T>(call: () => Promise<T>, isRepeatable: boolean): Promise<Done<T> | Refused> {
    return insist(() => this.#turns.take(call), isRepeatable, this.#waitMs)
  }

  async #run<T>(work: Promise<T>): Promise<T> {
    this.#running.add(work)
    try {
      return await work
    } finally {
      this.#running.delete(work)
    }
  }

  #checkOpen(): void {
    if (!this.#isOpen) throw new StoreUnavailable('The store of metadata is closed')
  }
}
