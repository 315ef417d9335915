/** The way to the container: a client for it, and the container itself, looked at before anything else is done. */
import { Agent } from 'node:https'
import {
  ConsistencyLevel,
  type Container,
  type ContainerDefinition,
  CosmosClient,
  type JSONValue,
  type OperationInput,
} from '@azure/cosmos'
import { azureIdentity } from '../src/lib/azure-identity.ts'
import { proxyFor } from '../src/lib/proxy.ts'
import { StoreUnavailable } from '../src/lib/store-error.ts'
import { attempt } from './calls.ts'
import { BatchFailed, failureOf, faultOf, isIdentity } from './cosmos-failures.ts'
import { boundsOf, idOf, partitionKey, type RowItem } from './cosmos-items.ts'
import type { Range, Table } from './store.ts'

export interface ContainerOptions {
  /** `https://account.documents.azure.com` */
  readonly endpoint: string
  /** None: whoever the surroundings name signs in, a managed identity for one. */
  readonly key?: string
  /** Of a managed identity that was assigned by a user, where the machine has several. */
  readonly clientId?: string
  readonly database: string
  readonly container: string
  /** Makes the database and the container where they are missing. */
  readonly createContainer?: boolean
  /** For a call to be answered, in milliseconds. */
  readonly answerMs?: number
  /** Milliseconds before the next attempt at a call, of which so many were made. */
  readonly waitMs?: (attempts: number) => number
}

/** Cosmos answers in milliseconds, or not at all. */
const ANSWER_MS = 10_000
/** Calls at a time, each on a socket of its own. */
export const CALLS_MAX = 128
/** A connection that is silent for so long is ours to close, before the service does so under a request. */
const IDLE_MS = 30_000

const KEY_PATH = '/p'
const INDEXED_PATH = '/k/?'

/** The calls that the engine makes; each rejects with the SDK's error and is made once. */
export class CosmosContainer {
  readonly #client: CosmosClient
  readonly #agent: Agent | undefined
  readonly #container: Container

  private constructor(client: CosmosClient, agent: Agent | undefined, container: Container) {
    this.#client = client
    this.#agent = agent
    this.#container = container
  }

  /** Rejects with `StoreUnavailable`, in one line that says what to do. */
  static async open(options: ContainerOptions): Promise<CosmosContainer> {
    const { endpoint, database, container, answerMs = ANSWER_MS } = options
    // An emulator without TLS: the SDK takes no agent of ours for it.
    const agent = endpoint.startsWith('https:')
      ? new Agent({
          ...proxyFor(endpoint),
          keepAlive: true,
          maxSockets: CALLS_MAX,
          timeout: IDLE_MS,
        })
      : undefined
    try {
      const client = new CosmosClient({
        endpoint,
        ...(options.key === undefined
          ? { aadCredentials: await azureIdentity(options.clientId, answerMs) }
          : { key: options.key }),
        ...(agent && { agent }),
        consistencyLevel: ConsistencyLevel.Strong,
        // See calls.ts: its own retries hide what may have been carried out.
        connectionPolicy: {
          requestTimeout: answerMs,
          enableEndpointDiscovery: false,
          useMultipleWriteLocations: false,
          retryOptions: { maxRetryAttemptCount: 0 },
        },
        ...WITHOUT_PLANS,
      })
      await checkAccount(client, options)
      await checkContainer(client, options)
      return new CosmosContainer(client, agent, client.database(database).container(container))
    } catch (error) {
      agent?.destroy()
      throw error instanceof StoreUnavailable ? error : unavailable(options, error)
    }
  }

  async read<T>(partition: string, id: string): Promise<T | undefined> {
    const { resource } = await this.#container.item(id, partitionKey(partition)).read()
    return resource as T | undefined
  }

  async row(partition: string, key: string): Promise<RowItem | undefined> {
    return this.read<RowItem>(partition, idOf(key))
  }

  /** One page of a range, without the bytes; `next` goes on behind it. */
  async query(
    partition: string,
    table: Table,
    range: Omit<Range, 'fold'>,
    next: string | undefined,
  ): Promise<{ readonly items: readonly RowItem[]; readonly next: string | undefined }> {
    const [from, to] = boundsOf(table, range)
    const spec = {
      query: 'SELECT c.k, c.r, c.v, c.x FROM c WHERE c.k >= @from AND c.k < @to ORDER BY c.k',
      parameters: [
        { name: '@from', value: from },
        { name: '@to', value: to },
      ],
    }
    const { resources, continuationToken } = await this.#container.items
      .query<RowItem>(spec, {
        partitionKey: partitionKey(partition),
        maxItemCount: range.limit,
        ...(next !== undefined && { continuationToken: next }),
      })
      .fetchNext()
    return { items: resources ?? [], next: continuationToken || undefined }
  }

  /** All or nothing. Rejects with `BatchFailed` where an operation cannot be done. */
  async batch(partition: string, operations: readonly OperationInput[]): Promise<void> {
    // The SDK changes what it is given.
    const copy = operations.map((operation) => ({ ...operation }))
    const { result } = await this.#container.items.batch(copy, partitionKey(partition), {
      contentResponseOnWriteEnabled: false,
    })
    const at = result?.findIndex(({ statusCode }) => statusCode >= 400 && statusCode !== DEPENDENT)
    if (at !== undefined && at >= 0)
      throw new BatchFailed(result![at]!.statusCode, operations[at]!.operationType)
  }

  close(): void {
    this.#client.dispose()
    this.#agent?.destroy()
  }
}

/** Of an operation that fails because another one of the batch does. */
const DEPENDENT = 424

/** The SDK asks for a plan beside every query, of which one within a partition has no need. */
const WITHOUT_PLANS: object = {
  plugins: [
    {
      on: 'request',
      plugin: async (
        context: { readonly headers: Readonly<Record<string, unknown>> },
        _: unknown,
        next: (context: unknown) => Promise<unknown>,
      ) =>
        'x-ms-cosmos-is-query-plan-request' in context.headers
          ? { headers: {}, result: {}, code: 200 }
          : next(context),
    },
  ],
}

async function checkAccount(client: CosmosClient, options: ContainerOptions): Promise<void> {
  const { resource } = await attempt(() => client.getDatabaseAccount(), mannersOf(options))
  if (resource?.enableMultipleWritableLocations)
    throw new StoreUnavailable(
      `${placeOf(options)} is written in several regions, which decides nothing: one region has to be the one that is written`,
    )
  if (resource?.consistencyPolicy !== ConsistencyLevel.Strong)
    throw new StoreUnavailable(
      `${placeOf(options)} has the consistency level ${resource?.consistencyPolicy}; it has to be Strong (az cosmosdb update --default-consistency-level Strong)`,
    )
}

async function checkContainer(client: CosmosClient, options: ContainerOptions): Promise<void> {
  const { database, container: id, createContainer = false } = options
  const manners = mannersOf(options)
  if (createContainer) {
    await attempt(() => orExisting(client.databases.create({ id: database })), manners)
    const made = { ...DEFINITION, id }
    await attempt(() => orExisting(client.database(database).containers.create(made)), manners)
  }
  const { resource } = await attempt(() => client.database(database).container(id).read(), manners)
  const wrong = resource === undefined ? 'missing' : misfit(resource)
  if (wrong !== undefined)
    throw new StoreUnavailable(
      `${placeOf(options)}: the container "${id}" of the database "${database}" is not one of Sluice's: ${wrong}`,
    )
}

/** Another gateway may be at it. */
async function orExisting(creation: Promise<unknown>): Promise<void> {
  await creation.catch((error: unknown) => {
    if (faultOf(error).code !== 409) throw error
  })
}

const DEFINITION = {
  partitionKey: { paths: [KEY_PATH], kind: 'Hash', version: 2 },
  indexingPolicy: {
    indexingMode: 'consistent',
    automatic: true,
    includedPaths: [{ path: INDEXED_PATH }],
    excludedPaths: [{ path: '/*' }],
  },
  // No item expires by itself, but one that says so.
  defaultTtl: -1,
} satisfies Partial<Record<keyof ContainerDefinition, JSONValue>> as object

function misfit({
  partitionKey: key,
  indexingPolicy,
  defaultTtl,
}: ContainerDefinition): string | undefined {
  if (key?.paths.join() !== KEY_PATH)
    return `its partition key is ${key?.paths.join()}, not ${KEY_PATH}`
  if (Number(key.version) !== 2) return 'its partition key is not a large one (version 2)'
  const indexed = indexingPolicy?.includedPaths?.map(({ path }) => path) ?? []
  if (!indexed.includes(INDEXED_PATH) && !indexed.includes('/*'))
    return `${INDEXED_PATH} is not indexed`
  if (defaultTtl !== -1) return 'its time to live is not "on, no default"'
  return undefined
}

function mannersOf({ waitMs }: ContainerOptions) {
  return { failureOf, waitMs }
}

function placeOf({ endpoint }: ContainerOptions): string {
  return `Cosmos DB at ${endpoint}`
}

function unavailable(options: ContainerOptions, error: unknown): StoreUnavailable {
  const { code, message = '' } = faultOf(error)
  const told = message.split('\n')[0] || String(code)
  const { database, container } = options
  const say = (what: string): StoreUnavailable =>
    new StoreUnavailable(`${placeOf(options)} ${what}`, { cause: error })
  if (code === 404)
    return say(
      `has no container "${container}" in a database "${database}": create it, or set metadata.createContainer`,
    )
  if (code === 401 && options.key !== undefined)
    return say(`does not accept the key: check metadata.key (${told})`)
  if (code === 401 || isIdentity(error))
    return say(`was not signed in to: set metadata.key, or give this machine an identity (${told})`)
  if (code === 403) return say(`denies access: see the role in docs/metadata-cosmos.md (${told})`)
  if (failureOf(error) === 'mistake') return say(`refuses the container "${container}" (${told})`)
  return say(`cannot be reached (${told})`)
}
