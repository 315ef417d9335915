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
import { Calls } from './calls.ts'
import { type Plan, planOf } from './dynamodb-commit.ts'
import { failureOf } from './dynamodb-failures.ts'
import { type Item, keyOf, rowOf, SHOWN } from './dynamodb-items.ts'
import { boundsOf, partitionKey } from './dynamodb-keys.ts'
import { CALLS_MAX, openTable, type TableOptions } from './dynamodb-table.ts'
import { foldedScan, type PlainScan } from './fold.ts'
import { checkCommit, checkPosition, checkRange } from './limits.ts'
import type { Commit, MetadataStore, Range, Row, Table } from './store.ts'

type OneRow = Extract<Plan, { readonly kind: 'put' | 'removal' }>

export class DynamodbStore implements MetadataStore {
  readonly name: string = 'dynamodb'
  readonly #client: DynamoDBClient
  readonly #table: string
  readonly #calls: Calls
  /** Of this store alone, so that revs of all gateways differ. */
  readonly #origin: string = randomBytes(12).toString('base64url')
  #revs = 0

  private constructor(client: DynamoDBClient, options: TableOptions) {
    this.#client = client
    this.#table = options.table
    this.#calls = new Calls({
      service: 'DynamoDB',
      failureOf,
      atOnceMax: CALLS_MAX,
      waitMs: options.waitMs,
    })
  }

  /** Rejects with `StoreUnavailable`, in one line, where the table is missing, out of reach or not ours. */
  static async open(options: TableOptions): Promise<DynamodbStore> {
    return new DynamodbStore(await openTable(options), options)
  }

  async get(partition: string, table: Table, sort: string): Promise<Row | undefined> {
    this.#calls.checkOpen()
    checkPosition(partition, sort)
    return this.#calls.run(this.#get(partition, table, sort))
  }

  async scan(partition: string, table: Table, range: Range): Promise<readonly Row[]> {
    this.#calls.checkOpen()
    checkRange(partition, range)
    const plain: PlainScan = (part) => this.#scan(partitionKey(partition, table), part)
    const { fold } = range
    return this.#calls.run(fold === undefined ? plain(range) : foldedScan(plain, range, fold))
  }

  async commit(commit: Commit): Promise<boolean> {
    this.#calls.checkOpen()
    checkCommit(commit)
    const rev = `${this.#origin}.${(++this.#revs).toString(36)}`
    const plan = planOf(this.#table, commit, rev)
    if (plan.kind === 'nothing') return true
    if (plan.kind === 'impossible') return false
    return this.#calls.run(
      plan.kind === 'transaction' ? this.#transact(plan.items) : this.#write(plan, rev),
    )
  }

  /** Waits for what is under way. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#calls.close()
    this.#client.destroy()
  }

  async #get(partition: string, table: Table, sort: string): Promise<Row | undefined> {
    const Key = keyOf(partition, table, sort)
    const command = { TableName: this.#table, Key, ConsistentRead: true }
    const { Item } = await this.#calls.ask(() => this.#client.send(new GetItemCommand(command)))
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
      const page: QueryCommandOutput = await this.#calls.ask(() => this.#client.send(command))
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
    return this.#calls.write(send, plan.isRepeatable, async () => {
      return plan.kind === 'put' && this.#stands(plan.put.Item, rev)
    })
  }

  /** Whether a write that is in doubt is there for all to see. If not, it may have been, or still come. */
  async #stands({ p, s }: Item, rev: string): Promise<boolean> {
    const { Item } = await this.#calls.ask(() =>
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
    return 'answer' in (await this.#calls.insist(send, true))
  }
}
