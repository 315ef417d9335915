/**
 * For tests: DynamoDB's protocol on a port of 127.0.0.1, as far as the engine speaks it.
 *
 * Transactions take a while, and who meets a row that another one holds is told of the conflict: DynamoDB
 * Local does them one by one and never says so. `interfere` makes chosen calls go wrong, before or
 * after they are carried out.
 */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { setImmediate as turn } from 'node:timers/promises'
import { Rows } from './dynamodb-rows.fake.ts'
import {
  bytesOf,
  checkItem,
  checkKey,
  checkMembers,
  type Conditioned,
  holds,
  invalid,
  type Item,
  project,
  rangeOf,
  Refusal,
  sizeOf,
} from './dynamodb-rules.fake.ts'

export type Operation =
  | 'CreateTable'
  | 'DeleteItem'
  | 'DescribeTable'
  | 'GetItem'
  | 'PutItem'
  | 'Query'
  | 'TransactWriteItems'

/** `lost`: the connection breaks before the call is carried out, or after. `fault`: a 500, likewise. Else the error of that name. */
export type Trouble = 'lost' | 'lost-after' | 'fault' | 'fault-after' | { readonly error: string }

type Request = Conditioned & Record<string, unknown>
type Write = Conditioned & { TableName: string; Key?: Item; Item?: Item }
type Action = 'Put' | 'Delete' | 'ConditionCheck'

const TRANSACTION_ITEMS_MAX = 100
const TRANSACTION_BYTES_MAX: number = 4 * 1024 * 1024
export const ACCESS_KEY = 'AKIAFAKE'

export class FakeDynamodb {
  /** Asked before every call; what it gives goes wrong. */
  interfere: (operation: Operation, request: Request) => Trouble | undefined = () => undefined
  /** Calls answered, in their order. */
  readonly calls: Operation[] = []
  /** Transactions and writes that met rows of a transaction under way. */
  conflicts = 0
  /** Most bytes that a query reads for one page. */
  pageBytes: number = 1024 * 1024
  /** Turns of the loop that a transaction takes. */
  transactionTurns = 2
  readonly #server: Server
  readonly #tables = new Map<string, FakeTable>()
  readonly #held = new Set<string>()
  /** Request by its token; undefined while it is under way. */
  readonly #tokens = new Map<string, string | undefined>()

  constructor() {
    this.#server = createServer((incoming, outgoing) => void this.#serve(incoming, outgoing))
  }

  async listen(): Promise<string> {
    this.#server.listen(0, '127.0.0.1')
    await once(this.#server, 'listening')
    const address = this.#server.address()
    return `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections()
    this.#server.close()
    await once(this.#server, 'close')
  }

  async #serve(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const chunks: Buffer[] = []
    for await (const chunk of incoming) chunks.push(chunk as Buffer)
    const request = JSON.parse(Buffer.concat(chunks).toString()) as Request
    const [version, operation] = String(incoming.headers['x-amz-target']).split('.')
    const answer = (status: number, body: object): void => {
      outgoing.writeHead(status, { 'content-type': 'application/x-amz-json-1.0' })
      outgoing.end(JSON.stringify(body))
    }
    const trouble = this.interfere(operation as Operation, request)
    const fault = { __type: 'com.amazonaws.dynamodb.v20120810#InternalServerError' }
    try {
      if (!incoming.headers.authorization?.includes(`Credential=${ACCESS_KEY}/`))
        throw new Refusal('UnrecognizedClientException', 'The security token is invalid.')
      if (version !== 'DynamoDB_20120810') throw invalid('version')
      if (trouble === 'lost') return void incoming.socket.destroy()
      if (trouble === 'fault') return answer(500, fault)
      if (typeof trouble === 'object') throw new Refusal(trouble.error, 'as the test says')
      this.calls.push(operation as Operation)
      const result = await this.#perform(operation as Operation, request)
      if (trouble === 'lost-after') return void incoming.socket.destroy()
      answer(trouble === 'fault-after' ? 500 : 200, trouble === 'fault-after' ? fault : result)
    } catch (error) {
      const isRefusal = error instanceof Refusal
      const code = isRefusal ? error.code : 'InternalFailure'
      const __type = `com.amazonaws.dynamodb.v20120810#${code}`
      const more = isRefusal ? error.more : {}
      answer(isRefusal ? 400 : 500, { __type, message: String(error), ...more })
    }
  }

  async #perform(operation: Operation, request: Request): Promise<object> {
    if (operation === 'CreateTable') return this.#createTable(request)
    if (operation === 'DescribeTable') return this.#describeTable(request)
    if (operation === 'GetItem') return this.#getItem(request)
    if (operation === 'Query') return this.#query(request)
    if (operation === 'TransactWriteItems') return this.#transact(request)
    return this.#writeItem(operation, request)
  }

  #createTable(request: Request): object {
    const name = String(request['TableName'])
    if (this.#tables.has(name)) throw new Refusal('ResourceInUseException', 'it exists')
    if (request['BillingMode'] !== 'PAY_PER_REQUEST') throw invalid('BillingMode')
    this.#tables.set(name, { request, rows: new Rows(), isNew: true })
    return { TableDescription: { TableStatus: 'CREATING' } }
  }

  #describeTable(request: Request): object {
    const table = this.#table(request['TableName'])
    const { KeySchema, AttributeDefinitions } = table.request
    const TableStatus = table.isNew ? 'CREATING' : 'ACTIVE'
    table.isNew = false
    return { Table: { KeySchema, AttributeDefinitions, TableStatus } }
  }

  #getItem(request: Request): object {
    checkMembers(request, ['TableName', 'Key', 'ConsistentRead', 'ProjectionExpression'])
    if (request['ConsistentRead'] !== true) throw invalid('reads are to be consistent')
    const key = request['Key'] as Item
    checkKey(key)
    const item = this.#table(request['TableName']).rows.get(key)
    const text = request['ProjectionExpression'] as string | undefined
    return item === undefined ? {} : { Item: project(item, text) }
  }

  #query(request: Request): object {
    const key = ['KeyConditionExpression', 'ExpressionAttributeValues', 'ExclusiveStartKey']
    const known = ['TableName', 'ProjectionExpression', 'ConsistentRead', 'Limit', ...key]
    checkMembers(request, known)
    if (request['ConsistentRead'] !== true) throw invalid('reads are to be consistent')
    const limit = request['Limit'] as number
    if (!(limit >= 1)) throw invalid('Limit')
    const values = request.ExpressionAttributeValues
    const { p, least, most } = rangeOf(request['KeyConditionExpression'] as string, values)
    const start = request['ExclusiveStartKey'] as Item | undefined
    const after = start && bytesOf(start['s'])
    const found = this.#table(request['TableName'])
      .rows.between(p, least, most)
      .filter((item) => after === undefined || Buffer.compare(bytesOf(item['s']), after) > 0)
    const page: Item[] = []
    let size = 0
    for (const item of found) {
      if (page.length === limit || size >= this.pageBytes) break
      page.push(item)
      size += sizeOf(item)
    }
    const last = page.at(-1)
    const isCut = page.length === limit || page.length < found.length
    const text = request['ProjectionExpression'] as string | undefined
    return {
      Items: page.map((item) => project(item, text)),
      ...(last && isCut && { LastEvaluatedKey: { p: last['p'], s: last['s'] } }),
    }
  }

  #writeItem(operation: 'PutItem' | 'DeleteItem', request: Request): object {
    const action = operation === 'PutItem' ? 'Put' : 'Delete'
    const write = request as unknown as Write
    const { rows } = this.#table(write.TableName)
    const position = checkWrite(action, write)
    if (this.#held.has(position)) {
      this.conflicts++
      throw new Refusal('TransactionConflictException', 'Transaction is ongoing for the item')
    }
    if (!holds(write, rows.get(write.Item ?? write.Key!)))
      throw new Refusal('ConditionalCheckFailedException', 'The conditional request failed')
    apply(rows, action, write)
    return {}
  }

  async #transact(request: Request): Promise<object> {
    checkMembers(request, ['TransactItems', 'ClientRequestToken'])
    const items = request['TransactItems'] as Record<Action, Write>[]
    if (items.length === 0 || items.length > TRANSACTION_ITEMS_MAX) throw invalid('TransactItems')
    const writes = items.map((item) => {
      const [[action, write], ...others] = Object.entries(item) as [[Action, Write]]
      if (others.length > 0) throw invalid('one action an item')
      return { action, write, position: checkWrite(action, write) }
    })
    if (new Set(writes.map(({ position }) => position)).size !== writes.length)
      throw invalid('Transaction request cannot include multiple operations on one item')
    const size = writes.reduce((sum, { write }) => sum + sizeOf(write.Item ?? {}), 0)
    if (size > TRANSACTION_BYTES_MAX) throw invalid('Transaction size exceeds 4 MB')
    const token = String(request['ClientRequestToken'])
    const text = JSON.stringify(items)
    if (this.#tokens.has(token)) return this.#again(token, text)
    this.#cancelWhere('TransactionConflict', writes, ({ position }) => this.#held.has(position))
    this.#tokens.set(token, undefined)
    for (const { position } of writes) this.#held.add(position)
    try {
      for (let i = 0; i < this.transactionTurns; i++) await turn()
      const rowsOf = ({ TableName }: Write): Rows => this.#table(TableName).rows
      this.#cancelWhere('ConditionalCheckFailed', writes, ({ write }) => {
        return !holds(write, rowsOf(write).get(write.Item ?? write.Key!))
      })
      for (const { action, write } of writes) apply(rowsOf(write), action, write)
      this.#tokens.set(token, text)
      return {}
    } finally {
      for (const { position } of writes) this.#held.delete(position)
      if (this.#tokens.get(token) === undefined) this.#tokens.delete(token)
    }
  }

  #again(token: string, text: string): object {
    const done = this.#tokens.get(token)
    if (done === undefined) throw new Refusal('TransactionInProgressException', 'under way')
    if (done !== text) throw new Refusal('IdempotentParameterMismatchException', 'not the same')
    return {}
  }

  /** Refuses all where one is bad, with the reason of each. */
  #cancelWhere<T>(code: string, writes: readonly T[], isBad: (write: T) => boolean): void {
    const CancellationReasons = writes.map((write) => ({ Code: isBad(write) ? code : 'None' }))
    if (CancellationReasons.every(({ Code }) => Code === 'None')) return
    if (code === 'TransactionConflict') this.conflicts++
    throw new Refusal('TransactionCanceledException', 'see the reasons', { CancellationReasons })
  }

  #table(name: unknown): FakeTable {
    const table = this.#tables.get(String(name))
    if (table === undefined) throw new Refusal('ResourceNotFoundException', 'no such table')
    return table
  }
}

/** Answers where the write stands. */
function checkWrite(action: Action, write: Write): string {
  const what = action === 'Put' ? 'Item' : 'Key'
  const expression = ['ConditionExpression', 'ExpressionAttributeValues']
  checkMembers(write, ['TableName', what, ...expression])
  if (action === 'ConditionCheck' && write.ConditionExpression === undefined)
    throw invalid('a check without a condition')
  // Its expressions are looked at first, as the service does.
  holds(write, undefined)
  if (write.Item !== undefined) checkItem(write.Item)
  else checkKey(write.Key ?? {})
  return positionOf(write.Item ?? write.Key!)
}

function apply(rows: Rows, action: Action, write: Write): void {
  if (action === 'Put') rows.set(write.Item!)
  else if (action === 'Delete') rows.remove(write.Key!)
}

function positionOf(key: Item): string {
  return JSON.stringify([key['p']?.S, key['s']?.B])
}

interface FakeTable {
  readonly request: Request
  readonly rows: Rows
  isNew: boolean
}
