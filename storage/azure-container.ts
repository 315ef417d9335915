/** The container of Azure Blob Storage that a storage lives in: the client that talks to it, and who signs. */
import type { TokenCredential } from '@azure/identity'
import {
  BlobServiceClient,
  type BlockBlobClient,
  type ContainerClient,
  type StoragePipelineOptions,
  StorageSharedKeyCredential,
} from '@azure/storage-blob'
import { azureIdentity } from '../src/lib/azure-identity.ts'
import { StoreUnavailable } from '../src/lib/store-error.ts'
import { accountOf } from './azure-account.ts'
import { answerOf } from './azure-errors.ts'
import { agentFor, IDLE_TIMEOUT_MS } from './remote-agent.ts'
import { isPassing } from './remote-errors.ts'
import { BlobKeys } from './remote-keys.ts'
import { type Retries, retried } from './remote-retry.ts'
import type { BlobId } from './store.ts'

export interface AzureOptions {
  readonly container: string
  /** Before the id in each name, so that several storages share a container: `gateway-1/`. */
  readonly prefix?: string | undefined
  /** Everything in one text, as the portal gives it; instead of account, key and endpoint. */
  readonly connectionString?: string | undefined
  readonly account?: string | undefined
  /** Base64; without it the surroundings say who signs in: variables, a workload identity, a managed identity. */
  readonly accountKey?: string | undefined
  /** Of a managed identity that was assigned by a user, where the machine has several. */
  readonly clientId?: string | undefined
  /** Of the account's blobs: an emulator, a sovereign cloud; Azure's public cloud where absent. */
  readonly endpoint?: string | undefined
  /** What the service is to verify bodies with: `md5` where it knows nothing newer, as emulators. */
  readonly checksum?: 'crc64' | 'md5' | undefined
  /** Tries of one call, waits with jitter between them. */
  readonly maxAttempts?: number | undefined
  /** A connection on which nothing moves for so long is given up; a minute where absent. */
  readonly idleTimeoutMs?: number | undefined
}

const ATTEMPTS = 4

export class AzureContainer extends BlobKeys implements Disposable {
  readonly name: string
  readonly idleTimeoutMs: number
  readonly checksum: 'crc64' | 'md5'
  /** For messages: where the container is. */
  readonly place: string
  readonly client: ContainerClient
  readonly #agent: ReturnType<typeof agentFor>
  readonly #retries: Retries

  private constructor(
    options: AzureOptions,
    service: BlobServiceClient,
    agent: ReturnType<typeof agentFor>,
  ) {
    super(options.prefix)
    this.name = options.container
    this.idleTimeoutMs = options.idleTimeoutMs ?? IDLE_TIMEOUT_MS
    this.checksum = options.checksum ?? 'crc64'
    this.place = placeOf(options)
    this.client = service.getContainerClient(options.container)
    this.#agent = agent
    this.#retries = {
      attempts: options.maxAttempts ?? ATTEMPTS,
      isTransient: (error) => isPassing(answerOf(error), error),
    }
  }

  static async connected(options: AzureOptions): Promise<AzureContainer> {
    const { connectionString } = options
    const url = options.endpoint ?? addressOf(options)
    const agent = agentFor(url, options.idleTimeoutMs ?? IDLE_TIMEOUT_MS)
    // Tries are ours: the SDK's come in step. The pipeline knows an agent, though its type does not say so.
    const settings = { retryOptions: { maxTries: 1 }, agent } as StoragePipelineOptions
    if (connectionString === undefined) {
      const service = new BlobServiceClient(url, await credentialOf(options), settings)
      return new AzureContainer(options, service, agent)
    }
    try {
      const service = BlobServiceClient.fromConnectionString(connectionString, settings)
      return new AzureContainer(options, service, agent)
    } catch {
      // The SDK's words may hold the key.
      throw new StoreUnavailable(
        'storage: the connection string is none: mend storage.connectionString (the portal shows it under Access keys)',
      )
    }
  }

  blob(id: BlobId): BlockBlobClient {
    return this.client.getBlockBlobClient(this.keyOf(id))
  }

  /** The call, tried again; it is one that may be repeated. */
  tried<T>(call: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    return retried(this.#retries, call, signal)
  }

  [Symbol.dispose](): void {
    this.#agent.destroy()
  }
}

/** Without secrets. */
export function placeOf(options: AzureOptions): string {
  return options.endpoint ?? `Azure account ${accountOf(options) ?? 'of the connection string'}`
}

/** Where the account's blobs are; of a connection string only as far as connections have to know. */
function addressOf(options: AzureOptions): string {
  const { connectionString: text = '' } = options
  const given = /(?:^|;)BlobEndpoint=([^;]+)/i.exec(text)?.[1]
  if (given !== undefined && URL.canParse(given)) return given
  if (/UseDevelopmentStorage=true/i.test(text)) return 'http://127.0.0.1:10000'
  const protocol = /DefaultEndpointsProtocol=http(;|$)/i.test(text) ? 'http' : 'https'
  return `${protocol}://${accountOf(options) ?? 'account'}.blob.core.windows.net`
}

/** Who signs: the account's key, or whoever the surroundings name, of which a managed identity is one. */
export async function credentialOf({
  account,
  accountKey,
  clientId,
}: AzureOptions): Promise<StorageSharedKeyCredential | TokenCredential> {
  if (accountKey !== undefined) return new StorageSharedKeyCredential(account ?? '', accountKey)
  return azureIdentity(clientId)
}
