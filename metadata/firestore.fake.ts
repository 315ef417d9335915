/**
 * For tests: Firestore's protocol (gRPC) on a port of 127.0.0.1, as far as the engine speaks it.
 *
 * Commits take a while and wait for one another; transactions hold what they read, and who meets what one
 * holds is told so (ABORTED) at once. `interfere` makes chosen calls go wrong, before or after they are carried out;
 * connections break for real, in a relay before the server.
 */
import { once } from 'node:events'
import { createRequire } from 'node:module'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { setImmediate as turn } from 'node:timers/promises'
import * as grpc from '@grpc/grpc-js'
import { fromJSON } from '@grpc/proto-loader'
import { SortedMap } from '../src/lib/sorted-map.ts'
import {
  checkDocument,
  checkMembers,
  checkName,
  checkPrecondition,
  CODES,
  type Code,
  type Document,
  hasSameFields,
  invalid,
  project,
  type Query,
  rangeOf,
  Refusal,
  type Time,
  type Write,
} from './firestore-rules.fake.ts'

export type Operation = 'getDocument' | 'batchGetDocuments' | 'runQuery' | 'commit' | 'rollback'

/** `lost`: the connection breaks before the call is carried out, or after. Else the error of that code, before or after. */
export type Trouble =
  | 'lost'
  | 'lost-after'
  | { readonly code: Code; readonly message?: string; readonly after?: boolean }

interface ReadRequest {
  readonly database: string
  readonly documents: readonly string[]
  readonly mask?: { readonly fieldPaths: readonly string[] }
  readonly newTransaction?: { readonly readOnly?: object; readonly readWrite?: object }
}
interface CommitRequest {
  readonly database: string
  readonly writes: readonly Write[]
  readonly transaction?: Buffer
}

const REQUEST_BYTES_MAX: number = 10 * 1024 * 1024
export const DATABASE = 'projects/sluice/databases/(default)'
const TOKEN = 'Bearer owner'

export class FakeFirestore {
  /** Asked before every call; what it gives goes wrong. */
  interfere: (operation: Operation) => Trouble | undefined = () => undefined
  /** Calls answered, in their order. */
  readonly calls: Operation[] = []
  /** Commits that met what another one holds. */
  conflicts = 0
  /** Turns of the loop that a commit takes. */
  commitTurns = 2
  readonly #server = new grpc.Server({ 'grpc.max_receive_message_length': REQUEST_BYTES_MAX })
  readonly #relay: Server
  readonly #sockets = new Set<Socket>()
  readonly #documents = new SortedMap<Document>()
  /** Names that a transaction has read, by its id. */
  readonly #transactions = new Map<string, ReadonlySet<string>>()
  /** Names that a commit under way writes. */
  readonly #writing = new Set<string>()
  #lastMicros = 0
  #ids = 0
  #port = 0

  constructor() {
    const protos = createRequire(import.meta.url)('@google-cloud/firestore-api/protos/protos.json')
    const loaded = fromJSON(protos as Parameters<typeof fromJSON>[0], {
      longs: String,
      enums: String,
    })
    const service = loaded['google.firestore.v1.Firestore'] as grpc.ServiceDefinition
    this.#server.addService(service, {
      batchGetDocuments: this.#streaming('batchGetDocuments', (call: ReadRequest) =>
        this.#read(call),
      ),
      runQuery: this.#streaming('runQuery', (call: Query) => this.#query(call)),
      getDocument: this.#unary('getDocument', (call: { name: string }) => this.#document(call)),
      commit: this.#unary('commit', (call: CommitRequest) => this.#commit(call)),
      rollback: this.#unary('rollback', async (call: { transaction: Buffer }) => {
        this.#transactions.delete(String(call.transaction))
        return {}
      }),
    })
    this.#relay = createServer((socket) => this.#pass(socket))
  }

  async listen(): Promise<string> {
    this.#port = await new Promise<number>((resolve, reject) => {
      this.#server.bindAsync(
        '127.0.0.1:0',
        grpc.ServerCredentials.createInsecure(),
        (error, port) => {
          if (error) reject(error)
          else resolve(port)
        },
      )
    })
    this.#relay.listen(0, '127.0.0.1')
    await once(this.#relay, 'listening')
    return `http://127.0.0.1:${(this.#relay.address() as AddressInfo).port}`
  }

  async close(): Promise<void> {
    this.#relay.close()
    this.#cut()
    this.#server.forceShutdown()
    await once(this.#relay, 'close')
  }

  /** The transactions under way are given up, as the service does after a minute. */
  expireTransactions(): void {
    this.#transactions.clear()
  }

  #pass(socket: Socket): void {
    const inner = connect(this.#port, '127.0.0.1').setNoDelay()
    socket.setNoDelay()
    for (const [one, other] of [
      [socket, inner],
      [inner, socket],
    ] as const) {
      this.#sockets.add(one)
      one.on('error', () => other.destroy())
      one.on('close', () => {
        this.#sockets.delete(one)
        other.destroy()
      })
      one.pipe(other)
    }
  }

  #cut(): void {
    for (const socket of this.#sockets) socket.destroy()
  }

  /** Carries the call out, with the trouble that it is to have. */
  async #serve<T>(
    operation: Operation,
    metadata: grpc.Metadata,
    perform: () => Promise<T>,
  ): Promise<T> {
    const trouble = this.interfere(operation)
    if (metadata.get('authorization')[0] !== TOKEN)
      throw new Refusal('UNAUTHENTICATED', 'Request had invalid authentication credentials.')
    const refusal = typeof trouble === 'object' && new Refusal(trouble.code, trouble.message ?? 'x')
    if (trouble === 'lost') this.#cut()
    if (trouble === 'lost') throw new Refusal('INTERNAL', 'nobody hears this')
    if (refusal && !(typeof trouble === 'object' && trouble.after)) throw refusal
    this.calls.push(operation)
    const result = await perform()
    if (trouble === 'lost-after') this.#cut()
    if (refusal) throw refusal
    return result
  }

  #unary<Request, Result>(
    operation: Operation,
    perform: (request: Request) => Promise<Result>,
  ): grpc.handleUnaryCall<Request, Result> {
    return ({ metadata, request }, answer) => {
      this.#serve(operation, metadata, () => perform(request)).then(
        (result) => answer(null, result),
        (error: unknown) => answer(statusOf(error)),
      )
    }
  }

  #streaming<Request, Result>(
    operation: Operation,
    perform: (request: Request) => Promise<readonly Result[]>,
  ): grpc.handleServerStreamingCall<Request, Result> {
    const answer = async (call: grpc.ServerWritableStream<Request, Result>): Promise<void> => {
      try {
        const results = await this.#serve(operation, call.metadata, () => perform(call.request))
        for (const result of results) call.write(result)
        call.end()
      } catch (error) {
        call.emit('error', statusOf(error))
      }
    }
    return (call) => void answer(call)
  }

  async #document(request: { readonly name: string }): Promise<Document> {
    checkMembers(request, ['name', 'consistencySelector'])
    checkName(request.name, DATABASE)
    const found = this.#documents.get(request.name)
    if (found === undefined) throw new Refusal('NOT_FOUND', `Document "${request.name}" not found.`)
    return found
  }

  async #read(request: ReadRequest): Promise<object[]> {
    checkMembers(request, [
      'database',
      'documents',
      'mask',
      'newTransaction',
      'consistencySelector',
    ])
    this.#checkDatabase(request.database)
    const { documents, mask, newTransaction } = request
    for (const name of documents) checkName(name, DATABASE)
    if (new Set(documents).size !== documents.length) throw invalid('a document twice')
    const first: object[] = []
    if (newTransaction !== undefined) {
      const id = `transaction${++this.#ids}`
      const isReadOnly = newTransaction.readOnly !== undefined
      if (!isReadOnly && documents.some((name) => this.#writing.has(name))) throw this.#conflict()
      this.#transactions.set(id, new Set(isReadOnly ? [] : documents))
      first.push({ transaction: Buffer.from(id) })
    }
    const readTime = this.#time()
    const found = documents.map((name) => {
      const document = this.#documents.get(name)
      return document === undefined
        ? { missing: name, readTime }
        : { found: project(document, mask?.fieldPaths ?? []), readTime }
    })
    return [...first, ...found]
  }

  async #query(request: Query): Promise<object[]> {
    checkMembers(request, ['parent', 'structuredQuery', 'queryType'])
    const { from, to, limit, shown } = rangeOf(request, DATABASE)
    const readTime = this.#time()
    const found = this.#documents.slice(from, to, limit)
    // The last answer of the service may bear no document.
    return [
      ...found.map((document) => ({ document: project(document, shown), readTime })),
      { readTime },
    ]
  }

  async #commit(request: CommitRequest): Promise<object> {
    checkMembers(request, ['database', 'writes', 'transaction'])
    this.#checkDatabase(request.database)
    const { writes, transaction } = request
    const names = writes.map(checkWrite)
    if (new Set(names).size !== names.length) throw invalid('a document is written twice')
    const own = transaction && transaction.length > 0 ? String(transaction) : undefined
    if (own !== undefined && !this.#transactions.has(own))
      throw invalid('The referenced transaction has expired or is no longer valid.')
    try {
      // Who writes what another commit is writing waits for it.
      while (names.some((name) => this.#writing.has(name))) await turn()
      this.#checkUnread(names, own)
      for (const name of names) this.#writing.add(name)
      try {
        for (let i = 0; i < this.commitTurns; i++) await turn()
        for (const [i, write] of writes.entries())
          checkPrecondition(names[i]!, write.currentDocument, this.#documents.get(names[i]!))
        const commitTime = this.#time()
        for (const [i, write] of writes.entries()) this.#apply(names[i]!, write, commitTime)
        return { commitTime, writeResults: writes.map(() => ({ updateTime: commitTime })) }
      } finally {
        for (const name of names) this.#writing.delete(name)
      }
    } finally {
      if (own !== undefined) this.#transactions.delete(own)
    }
  }

  /** Nobody else has read the documents in a transaction under way. */
  #checkUnread(names: readonly string[], own: string | undefined): void {
    const read = [...this.#transactions].flatMap(([id, names]) => (id === own ? [] : [...names]))
    if (names.some((name) => read.includes(name))) throw this.#conflict()
  }

  #conflict(): Refusal {
    this.conflicts++
    return new Refusal('ABORTED', 'Too much contention on these documents. Please try again.')
  }

  #apply(name: string, { update }: Write, now: Time): void {
    if (update === undefined) return void this.#documents.delete(name)
    const old = this.#documents.get(name)
    // What does not change keeps its time.
    if (old !== undefined && hasSameFields(old, update)) return
    const { fields } = update
    this.#documents.set(name, { name, fields, createTime: old?.createTime ?? now, updateTime: now })
  }

  #checkDatabase(database: string): void {
    if (database === DATABASE) return
    const [, project, , name] = database.split('/')
    throw new Refusal('NOT_FOUND', `The database ${name} does not exist for project ${project}`)
  }

  /** In microseconds, and never twice the same. */
  #time(): Time {
    this.#lastMicros = Math.max(this.#lastMicros + 1, Date.now() * 1000)
    const seconds = Math.floor(this.#lastMicros / 1e6)
    return { seconds: String(seconds), nanos: (this.#lastMicros - seconds * 1e6) * 1000 }
  }
}

/** Answers which document it is about. */
function checkWrite(write: Write): string {
  checkMembers(write, ['update', 'delete', 'currentDocument', 'operation'])
  if (write.update !== undefined) checkDocument(write.update, DATABASE)
  else checkName(write.delete ?? '', DATABASE)
  return write.update?.name ?? write.delete!
}

function statusOf(error: unknown): Partial<grpc.StatusObject> {
  const code = error instanceof Refusal ? CODES[error.code] : CODES.INTERNAL
  return { code, details: error instanceof Refusal ? error.message : String(error) }
}
