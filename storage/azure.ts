/**
 * Blobs as block blobs of a container of Azure Blob Storage.
 *
 * A blob is the block blob `<prefix><id>`, whole in one request or in blocks; the service makes it
 * visible at once and keeps it.
 */
import type { Readable } from 'node:stream'
import { StorageResponseFormat } from '@azure/storage-blob'
import { BlobMissing, StoreUnavailable } from '../src/lib/store-error.ts'
import { prefixesBehind } from '../src/lib/ulid.ts'
import { AzureContainer, type AzureOptions, placeOf } from './azure-container.ts'
import { answerOf, azureDialect, refused } from './azure-errors.ts'
import { AzureBlocks, blockBytes, putBlob } from './azure-upload.ts'
import { type Dialect, isUncertain, translated } from './remote-errors.ts'
import { SHRINKING_PARTS, UploadMemory } from './remote-memory.ts'
import type { Download, Parts, RemoteService, Wanted } from './remote-service.ts'
import { RemoteStorage } from './remote.ts'
import type { BlobId, BlobInfo, ObjectStorage } from './store.ts'

const DELETES_AT_ONCE = 16
const PAGE = { maxPageSize: 1000 }

/** Rejects with `StoreUnavailable`, and with what to do, where the container cannot be used as it is. */
export async function openAzure(options: AzureOptions): Promise<ObjectStorage> {
  let container: AzureContainer | undefined
  try {
    container = await AzureContainer.connected(options)
    const { client } = container
    await container.tried(() => client.listBlobsFlat(XML).byPage({ maxPageSize: 1 }).next())
    return new RemoteStorage(new AzureService(container))
  } catch (error) {
    container?.[Symbol.dispose]()
    if (error instanceof StoreUnavailable) throw error
    throw refused(options.container, placeOf(options), error)
  }
}

/** The other format is for listings of millions, and a library of its own. */
const XML = { responseFormat: StorageResponseFormat.Xml }

class AzureService implements RemoteService {
  readonly name = 'azure'
  readonly checksum: 'CRC64NVME' | 'MD5'
  readonly checksumSpan = 'part'
  readonly memory = new UploadMemory(SHRINKING_PARTS)
  readonly partsAtOnce = 3
  readonly partBytes = blockBytes
  readonly idleTimeoutMs: number
  readonly #container: AzureContainer
  readonly #dialect: Dialect

  constructor(container: AzureContainer) {
    this.#container = container
    this.checksum = container.checksum === 'md5' ? 'MD5' : 'CRC64NVME'
    this.#dialect = azureDialect(`container ${container.name}, ${container.place}`)
    this.idleTimeoutMs = container.idleTimeoutMs
  }

  translated(what: string, error: unknown, signal?: AbortSignal): unknown {
    return translated(this.#dialect, what, error, signal)
  }

  isUncertain(error: unknown): boolean {
    return isUncertain(answerOf(error))
  }

  putWhole(id: BlobId, bytes: Uint8Array, checksum: string, signal?: AbortSignal): Promise<void> {
    return putBlob(this.#container, id, bytes, checksum, signal)
  }

  async beginParts(id: BlobId): Promise<Parts> {
    return new AzureBlocks(this.#container, id)
  }

  async ask(id: BlobId, { start, end, tag }: Wanted, signal?: AbortSignal): Promise<Download> {
    const options = {
      // What breaks is taken up again by `remote-download.ts`.
      maxRetryRequests: 0,
      ...(tag === undefined ? {} : { conditions: { ifMatch: tag } }),
      ...(signal === undefined ? {} : { abortSignal: signal }),
    }
    const blob = this.#container.blob(id)
    const count = end === undefined ? undefined : end - start
    const answer = await this.#container.tried(() => blob.download(start, count, options), signal)
    return {
      stream: answer.readableStreamBody as Readable,
      start: Number(/^bytes (\d+)-/.exec(answer.contentRange ?? '')?.[1] ?? 0),
      length: answer.contentLength ?? NaN,
      tag: answer.etag,
    }
  }

  async delete(ids: readonly BlobId[]): Promise<void> {
    for (let at = 0; at < ids.length; at += DELETES_AT_ONCE)
      await Promise.all(ids.slice(at, at + DELETES_AT_ONCE).map((id) => this.#deleteOne(id)))
  }

  /** The service lists from the first name on, or below a beginning: what stands before `after` is left out so. */
  async *list(after: BlobId): AsyncGenerator<BlobInfo> {
    const beginnings = after === '' ? [''] : prefixesBehind(after)
    for (const beginning of beginnings)
      for await (const blob of this.#listBelow(beginning)) if (blob.id > after) yield blob
  }

  [Symbol.dispose](): void {
    this.#container[Symbol.dispose]()
  }

  async *#listBelow(beginning: string): AsyncGenerator<BlobInfo> {
    const { client } = this.#container
    const prefix = this.#container.prefix + beginning
    let continuationToken: string | undefined
    do {
      const from = continuationToken === undefined ? PAGE : { ...PAGE, continuationToken }
      // Deeper names belong to others, and come as one.
      const page = await this.#container
        .tried(() =>
          client
            .listBlobsByHierarchy('/', { prefix, ...XML })
            .byPage(from)
            .next(),
        )
        .catch((error: unknown) => {
          throw this.translated('listing blobs', error)
        })
      if (page.done === true) return
      for (const { name, properties } of page.value.segment.blobItems) {
        const id = this.#container.idOf(name)
        const size = properties.contentLength
        if (id !== undefined && size !== undefined) yield { id, size }
      }
      continuationToken = page.value.continuationToken
    } while (continuationToken !== undefined && continuationToken !== '')
  }

  async #deleteOne(id: BlobId): Promise<void> {
    const blob = this.#container.blob(id)
    try {
      await this.#container.tried(() => blob.delete({ deleteSnapshots: 'include' }))
    } catch (error) {
      const failure = this.translated(`deleting blob ${id}`, error)
      if (!(failure instanceof BlobMissing)) throw failure
    }
  }
}
