/**
 * For tests: Cosmos DB's protocol on a port of 127.0.0.1, as far as the engine speaks it.
 *
 * Batches take a while and are isolated by snapshots: each sees what stood at its beginning, and is turned
 * away (449) where another one has written the same items meanwhile. What a batch only reads nobody
 * guards. `interfere` makes chosen calls go wrong, before or after they are carried out.
 */
import { once } from 'node:events'
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http'
import { setImmediate as turn } from 'node:timers/promises'
import {
  checkMembers,
  checkOperations,
  checkSignature,
  invalid,
  type Item,
  type Operation,
  partitionOf,
  patched,
  project,
  rangeOf,
  Refusal,
  REQUEST_BYTES_MAX,
} from './cosmos-rules.fake.ts'

export type Call = 'account' | 'create' | 'look' | 'batch' | 'query' | 'read'

/** `lost`: the connection breaks before the call is carried out, or after. Else the error of that status, before or after. */
export type Trouble =
  | 'lost'
  | 'lost-after'
  | {
      readonly status: number
      readonly substatus?: number
      readonly message?: string
      readonly after?: boolean
    }

interface Definition {
  readonly id: string
  readonly [name: string]: unknown
}
interface Cell {
  /** None: removed. */
  readonly item: Item | undefined
  /** Of the write that made it so. */
  readonly version: number
}
type Cells = Map<string, Cell>

interface Answer {
  readonly status: number
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
}

export const KEY: string = Buffer.from('the key of the account').toString('base64')

export class FakeCosmos {
  /** Asked before every call; what it gives goes wrong. */
  interfere: (call: Call, body: unknown) => Trouble | undefined = () => undefined
  /** Calls carried out, in their order. */
  readonly calls: Call[] = []
  /** Batches that were turned away because of others. */
  conflicts = 0
  /** Most bytes that a query gives in one page. */
  pageBytes: number = 4 * 1024 * 1024
  /** Turns of the loop that a batch takes. */
  batchTurns = 2
  consistency = 'Strong'
  writesEverywhere = false
  readonly #server: Server
  readonly #containers = new Map<string, Definition>()
  readonly #databases = new Set<string>()
  /** By container and partition. */
  readonly #partitions = new Map<string, Cells>()
  #version = 0

  constructor() {
    this.#server = createServer((incoming, outgoing) => void this.#serve(incoming, outgoing))
  }

  async listen(): Promise<string> {
    // On a busy machine a test would meet the moment at which a silent connection is closed.
    this.#server.keepAliveTimeout = 0
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

  /** Makes a container as somebody else would. */
  define(database: string, definition: Definition): void {
    this.#databases.add(database)
    this.#containers.set(`${database}/${definition.id}`, definition)
  }

  /** What has a time to live has lived long enough. */
  expire(): void {
    for (const cells of this.#partitions.values())
      for (const [id, { item }] of cells)
        if (Number(item?.['ttl'] ?? -1) > 0)
          cells.set(id, { item: undefined, version: ++this.#version })
  }

  /** Ids of the items that are no rows. */
  get strays(): string[] {
    const cells = [...this.#partitions.values()].flatMap((cells) => [...cells.values()])
    return cells.flatMap(({ item }) => (item !== undefined && !('k' in item) ? [item.id] : []))
  }

  async #serve(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const chunks: Buffer[] = []
    for await (const chunk of incoming) chunks.push(chunk as Buffer)
    const text = Buffer.concat(chunks).toString()
    const { method = '', url = '', headers } = incoming
    const answer = ({ status, body, headers = {} }: Answer): void => {
      outgoing.writeHead(status, { 'content-type': 'application/json', ...headers })
      outgoing.end(body === undefined ? '' : JSON.stringify(body))
    }
    try {
      checkSignature(method, url, headers, KEY)
      checkConsistency(headers)
      if (Buffer.byteLength(text) > REQUEST_BYTES_MAX)
        throw new Refusal(413, 'Request size is too large')
      const body = text === '' ? undefined : (JSON.parse(text) as unknown)
      const call = callOf(method, url, headers)
      const trouble = this.interfere(call, body)
      const refusal =
        typeof trouble === 'object' &&
        new Refusal(trouble.status, trouble.message ?? 'as the test says', trouble.substatus)
      if (trouble === 'lost') return void incoming.socket.destroy()
      if (refusal && !(typeof trouble === 'object' && trouble.after)) throw refusal
      this.calls.push(call)
      const result = await this.#perform(call, url, headers, body)
      if (trouble === 'lost-after') return void incoming.socket.destroy()
      if (refusal) throw refusal
      answer(result)
    } catch (error) {
      const { status, substatus } = error instanceof Refusal ? error : new Refusal(500, '')
      const message = String(error)
      const headers = { ...(substatus && { 'x-ms-substatus': String(substatus) }) }
      answer({ status, body: { code: String(status), message }, headers })
    }
  }

  async #perform(
    call: Call,
    url: string,
    headers: IncomingHttpHeaders,
    body: unknown,
  ): Promise<Answer> {
    const [, database = '', , container = '', , id = ''] = url
      .split('/')
      .filter(Boolean)
      .map(decodeURIComponent)
    if (call === 'account') return { status: 200, body: this.#account() }
    if (call === 'create') return this.#create(database, body as Definition)
    const definition = this.#containers.get(`${database}/${container}`)
    if (definition === undefined) throw new Refusal(404, 'Resource Not Found')
    if (call === 'look') return { status: 200, body: definition }
    const partition = partitionOf(headers)
    const cells = this.#cells(`${database}/${container}/${partition}`)
    if (call === 'batch') return this.#batch(cells, body as Operation[], partition)
    if (call === 'query') return this.#query(cells, headers, body as Parameters<typeof rangeOf>[0])
    const item = cells.get(id)?.item
    if (item === undefined) throw new Refusal(404, 'Entity with the specified id does not exist')
    return { status: 200, body: { ...item, _etag: '"x"', _ts: 1 } }
  }

  #account(): object {
    return {
      id: 'fake',
      writableLocations: [],
      readableLocations: [],
      enableMultipleWriteLocations: this.writesEverywhere,
      userConsistencyPolicy: { defaultConsistencyLevel: this.consistency },
    }
  }

  #create(database: string, definition: Definition): Answer {
    const isThere =
      database === ''
        ? this.#databases.has(definition.id)
        : this.#containers.has(`${database}/${definition.id}`)
    if (isThere) throw new Refusal(409, 'Resource with specified id already exists')
    if (database === '') this.#databases.add(definition.id)
    else if (!this.#databases.has(database)) throw new Refusal(404, 'Resource Not Found')
    else {
      checkMembers(definition, ['id', 'partitionKey', 'indexingPolicy', 'defaultTtl'])
      this.define(database, definition)
    }
    return { status: 201, body: definition }
  }

  #query(cells: Cells, headers: IncomingHttpHeaders, spec: Parameters<typeof rangeOf>[0]): Answer {
    const { from, to } = rangeOf(spec)
    const limit = Number(headers['x-ms-max-item-count'])
    if (!(limit >= 1)) throw invalid('x-ms-max-item-count')
    const after = String(headers['x-ms-continuation'] ?? '')
    const found = [...cells.values()]
      .flatMap(({ item }) => (typeof item?.['k'] === 'string' ? [{ k: item['k'], item }] : []))
      .filter(({ k }) => k >= from && k < to && k > after)
      .sort((one, other) => (one.k < other.k ? -1 : 1))
    const Documents: object[] = []
    let size = 0
    for (const { item } of found) {
      if (Documents.length === limit || size >= this.pageBytes) break
      Documents.push(project(item))
      size += JSON.stringify(item).length
    }
    const isCut = Documents.length < found.length
    const last = found[Documents.length - 1]?.k ?? ''
    return {
      status: 200,
      body: { Documents, _count: Documents.length },
      ...(isCut && { headers: { 'x-ms-continuation': last } }),
    }
  }

  async #batch(cells: Cells, operations: readonly Operation[], partition: string): Promise<Answer> {
    checkOperations(operations, partition)
    const begin = this.#version
    const writes = new Map<string, Item | undefined>()
    const statuses = operations.map(() => 424)
    const failed = operations.findIndex((operation, i) => {
      const status = run(operation, cells, writes, partition)
      statuses[i] = status
      return status >= 400
    })
    for (let i = 0; i < this.batchTurns; i++) await turn()
    const body = statuses.map((status, i) => ({
      statusCode: failed >= 0 && i !== failed ? 424 : status,
      requestCharge: 1,
    }))
    if (failed >= 0) return { status: 207, body }
    if ([...writes.keys()].some((id) => (cells.get(id)?.version ?? 0) > begin)) {
      this.conflicts++
      throw new Refusal(449, 'Conflicting request to resource has been attempted. Retry.')
    }
    const version = ++this.#version
    for (const [id, item] of writes) cells.set(id, { item, version })
    return { status: 200, body }
  }

  #cells(place: string): Cells {
    let cells = this.#partitions.get(place)
    if (cells === undefined) this.#partitions.set(place, (cells = new Map()))
    return cells
  }
}

/** Answers with the operation's status; what it writes goes into `writes`. */
function run(
  { operationType, resourceBody, id = '' }: Operation,
  cells: Cells,
  writes: Map<string, Item | undefined>,
  partition: string,
): number {
  const at =
    operationType === 'Create' || operationType === 'Upsert' ? (resourceBody as Item).id : id
  const found = writes.has(at) ? writes.get(at) : cells.get(at)?.item
  if (operationType === 'Create' && found !== undefined) return 409
  if (operationType === 'Delete') {
    if (found === undefined) return 404
    writes.set(at, undefined)
    return 204
  }
  const made =
    operationType === 'Patch'
      ? patched(found, resourceBody as Parameters<typeof patched>[1], partition)
      : (resourceBody as Item)
  if (typeof made === 'number') return made
  writes.set(at, made)
  return found === undefined ? 201 : 200
}

function checkConsistency(headers: IncomingHttpHeaders): void {
  if ((headers['x-ms-consistency-level'] ?? 'Strong') !== 'Strong')
    throw invalid('reads are to be consistent')
}

function callOf(method: string, url: string, headers: IncomingHttpHeaders): Call {
  const depth = url.split('/').filter(Boolean).length
  if (method === 'GET' && depth === 0) return 'account'
  if (method === 'GET' && depth === 4) return 'look'
  if (method === 'GET' && depth === 6) return 'read'
  if (method === 'POST' && (depth === 1 || depth === 3)) return 'create'
  const is = (name: string): boolean => String(headers[name]).toLowerCase() === 'true'
  if (method === 'POST' && depth === 5 && !is('x-ms-cosmos-is-query-plan-request')) {
    if (is('x-ms-documentdb-isquery')) return 'query'
    if (is('x-ms-cosmos-is-batch-request') && is('x-ms-cosmos-batch-atomic')) return 'batch'
  }
  throw invalid(`${method} ${url}`)
}
