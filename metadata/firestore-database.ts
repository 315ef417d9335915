/** The way to the database: a client for it, and the database itself, looked at before anything else is done. */
import { readFile } from 'node:fs/promises'
import * as grpc from '@grpc/grpc-js'
import { JWT } from 'google-auth-library'
import { v1 } from '@google-cloud/firestore-api'
import type { protos } from '@google-cloud/firestore-api'
import { StoreUnavailable } from '../src/lib/store-error.ts'
import { attempt } from './calls.ts'
import { type Document, Places } from './firestore-documents.ts'
import {
  failureOf,
  isCredentials,
  isDenied,
  isMissingDatabase,
  isMissingDocument,
} from './firestore-failures.ts'

export interface DatabaseOptions {
  /** None: that of the credentials. */
  readonly project?: string
  /** `(default)`, or a name. */
  readonly database: string
  readonly collection: string
  /** Key of a service account. None: what Google's libraries find. */
  readonly credentialsFile?: string
  /** An emulator (`http://`), or a service of one's own network (`https://`). */
  readonly endpoint?: string
  /** For a call to be answered, in milliseconds. */
  readonly answerMs?: number
  /** Milliseconds before the next attempt at a call, of which so many were made. */
  readonly waitMs?: (attempts: number) => number
}

type Api = typeof protos.google.firestore.v1
export type ReadRequest = InstanceType<Api['BatchGetDocumentsRequest']>
export type DocumentWrite = protos.google.firestore.v1.IWrite

/** Firestore answers in milliseconds, or not at all. */
const ANSWER_MS = 10_000
const RECONNECT_MS = 100
/** An emulator knows any, and asks for no credentials. */
const EMULATED_PROJECT = 'sluice'

export interface Read {
  /** By name; those that are missing are not in it. */
  readonly found: ReadonlyMap<string, Document>
  /** Of the transaction that was begun, where one was asked for. */
  readonly transaction: Uint8Array | undefined
}

/** The calls that the engine makes; each rejects with the SDK's error and is made once. */
export class Database {
  readonly places: Places
  readonly #client: v1.FirestoreClient
  readonly #name: string
  readonly #options: object

  private constructor(client: v1.FirestoreClient, options: DatabaseOptions, project: string) {
    this.#client = client
    this.#name = `projects/${project}/databases/${options.database}`
    this.places = new Places(this.#name, options.collection)
    // See calls.ts: its own retries hide what may have been carried out.
    this.#options = {
      timeout: options.answerMs ?? ANSWER_MS,
      retry: null,
      // The same for answers that come as streams.
      retryRequestOptions: { retries: 0, noResponseRetries: 0 },
      ...(isEmulator(options) && { otherArgs: { headers: { authorization: 'Bearer owner' } } }),
    }
  }

  /** Rejects with `StoreUnavailable`, in one line that says what to do. */
  static async open(options: DatabaseOptions): Promise<Database> {
    const key = await keyOf(options)
    const client = new v1.FirestoreClient(settingsOf(options, key))
    try {
      const project =
        options.project ??
        key?.project_id ??
        (isEmulator(options) ? EMULATED_PROJECT : await client.getProjectId())
      const database = new Database(client, options, project)
      await attempt(() => database.read([database.places.probe]), {
        failureOf,
        waitMs: options.waitMs,
      })
      return database
    } catch (error) {
      await client.close().catch(() => undefined)
      throw unavailable(options, error)
    }
  }

  /** One document, or none. Half the CPU of `read`, whose answer is a stream. */
  async document(name: string): Promise<Document | undefined> {
    try {
      const [document] = await this.#client.getDocument({ name }, this.#options)
      return document
    } catch (error) {
      if (isMissingDocument(error)) return undefined
      throw error
    }
  }

  /** Documents by their names, as of one moment where a transaction is begun. */
  async read(
    documents: string[],
    more: Pick<
      protos.google.firestore.v1.IBatchGetDocumentsRequest,
      'mask' | 'newTransaction'
    > = {},
  ): Promise<Read> {
    const request = { database: this.#name, documents, ...more }
    const found = new Map<string, Document>()
    let transaction: Uint8Array | undefined
    for await (const answer of this.#client.batchGetDocuments(request, this.#options)) {
      const part = answer as protos.google.firestore.v1.IBatchGetDocumentsResponse
      if (part.found?.name) found.set(part.found.name, part.found)
      if (part.transaction && part.transaction.length > 0)
        transaction = part.transaction as Uint8Array
    }
    return { found, transaction }
  }

  async query(request: protos.google.firestore.v1.IRunQueryRequest): Promise<Document[]> {
    const documents: Document[] = []
    for await (const answer of this.#client.runQuery(request, this.#options)) {
      const { document } = answer as protos.google.firestore.v1.IRunQueryResponse
      if (document) documents.push(document)
    }
    return documents
  }

  async commit(writes: DocumentWrite[], transaction?: Uint8Array): Promise<void> {
    const request = { database: this.#name, writes, ...(transaction && { transaction }) }
    await this.#client.commit(request, this.#options)
  }

  /** Gives the rows of a transaction free; that happens by itself too, later. */
  async rollback(transaction: Uint8Array): Promise<void> {
    await this.#client.rollback({ database: this.#name, transaction }, this.#options)
  }

  async close(): Promise<void> {
    await this.#client.close()
  }
}

function isEmulator({ endpoint }: DatabaseOptions): boolean {
  return endpoint?.startsWith('http://') === true
}

interface Key {
  readonly type?: string
  readonly client_email?: string
  readonly private_key?: string
  readonly project_id?: string
}

/** The key of a service account, where one is named. */
async function keyOf({ credentialsFile }: DatabaseOptions): Promise<Key | undefined> {
  if (credentialsFile === undefined) return undefined
  const unusable = (why: string, cause?: unknown): StoreUnavailable =>
    new StoreUnavailable(`Firestore: metadata.credentialsFile ${credentialsFile} ${why}`, { cause })
  const text = await readFile(credentialsFile, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw unusable(`cannot be read (${error.code})`, error)
  })
  let key: Key
  try {
    key = JSON.parse(text) as Key
  } catch (error) {
    throw unusable('is not JSON', error)
  }
  if (key.type !== 'service_account' || !key.client_email || !key.private_key)
    throw unusable('is not the key of a service account')
  return key
}

const SCOPES = ['https://www.googleapis.com/auth/datastore']

function settingsOf(
  options: DatabaseOptions,
  key: Key | undefined,
): ConstructorParameters<typeof v1.FirestoreClient>[0] {
  const { endpoint, project } = options
  const url = endpoint === undefined ? undefined : new URL(endpoint)
  return {
    // Measured: a third of the CPU that the SDK's REST takes, which loads the other all the same.
    fallback: false,
    ...(key && {
      authClient: new JWT({ email: key.client_email!, key: key.private_key!, scopes: SCOPES }),
    }),
    ...(project !== undefined && { projectId: project }),
    ...(url && {
      servicePath: url.hostname,
      port: Number(url.port || (url.protocol === 'http:' ? 80 : 443)),
    }),
    ...(isEmulator(options) && {
      sslCreds: grpc.credentials.createInsecure(),
      // Or it would look for the metadata server of a machine at Google.
      clientOptions: { universeDomain: 'googleapis.com' },
    }),
    // The transport's own second would be longer than what the attempts at a call take.
    'grpc.initial_reconnect_backoff_ms': RECONNECT_MS,
  }
}

function unavailable(options: DatabaseOptions, error: unknown): StoreUnavailable {
  const { message } = error as Error
  const told = message.split('\n')[0]!
  const { database, endpoint } = options
  const place = `Firestore${endpoint === undefined ? '' : ` at ${endpoint}`}`
  const say = (what: string): StoreUnavailable =>
    new StoreUnavailable(`${place} ${what}`, { cause: error })
  if (isMissingDatabase(message))
    return say(
      `has no database "${database}": make it (gcloud firestore databases create), or set metadata.database`,
    )
  if (/datastore mode/i.test(message))
    return say(`has the database "${database}" in Datastore mode; it has to be in native mode`)
  if (isCredentials(error))
    return say(
      `does not accept the credentials, or finds none: set metadata.credentialsFile and metadata.project (${told})`,
    )
  if (isDenied(error))
    return say(
      `denies access to the database "${database}": roles/datastore.user is needed (${told})`,
    )
  const failure = failureOf(error)
  const isRefusal = failure === 'final' || failure === 'mistake' || failure === 'refused'
  return say(
    isRefusal ? `refuses the database "${database}" (${told})` : `cannot be reached (${told})`,
  )
}
