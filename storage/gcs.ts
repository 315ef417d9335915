/**
 * Blobs as objects of a bucket of Google Cloud Storage.
 *
 * A blob is the object `<prefix><id>`, whole in one request or by a resumable upload; the service makes
 * it visible at once and keeps it.
 */
import type { GetFilesOptions, GetFilesResponse } from '@google-cloud/storage'
import { BlobMissing, StoreUnavailable } from '../src/lib/store-error.ts'
import { GcsBucket } from './gcs-bucket.ts'
import { GcsClient, type GcsOptions } from './gcs-client.ts'
import { answerOf, gcsDialect, refused } from './gcs-errors.ts'
import { GcsParts, putObject } from './gcs-upload.ts'
import { type Dialect, isUncertain, translated } from './remote-errors.ts'
import { PART_BYTES, SHRINKING_PARTS, UploadMemory } from './remote-memory.ts'
import {
  decided,
  type Download,
  type Parts,
  type RemoteService,
  type Wanted,
} from './remote-service.ts'
import { RemoteStorage } from './remote.ts'
import type { BlobId, BlobInfo, ObjectStorage } from './store.ts'

const DELETES_AT_ONCE = 16
/** The most that the service gives at once. */
const PAGE_KEYS = 1000
/** What a storage does with its bucket. */
const PERMISSIONS = ['create', 'delete', 'get', 'list'].map((verb) => `storage.objects.${verb}`)

/** Rejects with `StoreUnavailable`, and with what to do, where the bucket cannot be used as it is. */
export async function openGcs(options: GcsOptions): Promise<ObjectStorage> {
  let bucket: GcsBucket | undefined
  try {
    bucket = new GcsBucket(options, await GcsClient.signedIn(options))
    // Whether the bucket exists may be asked only by who may see its settings: a list says it too.
    await bucket.objects.getFiles({ maxResults: 1, fields: 'kind' })
    await checkPermissions(bucket)
    return new RemoteStorage(new GcsService(bucket))
  } catch (error) {
    bucket?.[Symbol.dispose]()
    throw error instanceof StoreUnavailable ? error : refused(options, error)
  }
}

/** Emulators and others that do not know the question let it pass. */
async function checkPermissions(bucket: GcsBucket): Promise<void> {
  const lacking = await bucket.objects.iam.testPermissions(PERMISSIONS).then(
    ([held]) => PERMISSIONS.filter((permission) => held[permission] !== true),
    (error: unknown) => {
      if (isUncertain(answerOf(error)) && answerOf(error).status !== 501) throw error
      return []
    },
  )
  if (lacking.length > 0)
    throw new StoreUnavailable(
      `storage: the bucket ${bucket.name} (${bucket.place}) cannot be used: these credentials lack ${lacking.join(', ')}: see the roles in docs/storage-gcs.md`,
    )
}

interface Page {
  readonly items?: readonly { readonly name?: string; readonly size?: string }[]
}

class GcsService implements RemoteService {
  readonly name = 'gcs'
  readonly checksum = 'CRC32C'
  readonly checksumSpan = 'blob'
  readonly memory = new UploadMemory(SHRINKING_PARTS)
  /** A session takes its bytes in order. */
  readonly partsAtOnce = 1
  readonly idleTimeoutMs: number
  readonly #bucket: GcsBucket
  readonly #dialect: Dialect

  constructor(bucket: GcsBucket) {
    this.#bucket = bucket
    this.#dialect = gcsDialect(`bucket ${bucket.name}, ${bucket.place}`)
    this.idleTimeoutMs = bucket.client.idleTimeoutMs
  }

  /** All parts but the last are multiples of 256 KiB, and of any number. */
  partBytes(): number {
    return PART_BYTES
  }

  translated(what: string, error: unknown, signal?: AbortSignal): unknown {
    return translated(this.#dialect, what, error, signal)
  }

  isUncertain(error: unknown): boolean {
    return isUncertain(answerOf(error))
  }

  putWhole(id: BlobId, bytes: Uint8Array, checksum: string, signal?: AbortSignal): Promise<void> {
    return putObject(this.#bucket, id, bytes, checksum, signal)
  }

  async beginParts(id: BlobId): Promise<Parts> {
    const parts = await GcsParts.begin(this.#bucket, id)
    return {
      send: (part, signal) => {
        const sent = parts.send(part, signal)
        return part.isLast ? decided(this, id, sent) : sent
      },
      complete: () => parts.complete(),
      abort: () => parts.abort(),
    }
  }

  async ask(id: BlobId, { start, end, tag }: Wanted, signal?: AbortSignal): Promise<Download> {
    const isWhole = start === 0 && end === undefined
    const generation = tag === undefined ? '' : `&ifGenerationMatch=${tag}`
    const { headers, data } = await this.#bucket.client.download({
      method: 'GET',
      url: `${this.#bucket.mediaUrl(id)}${generation}`,
      headers: isWhole ? {} : { range: `bytes=${start}-${end === undefined ? '' : end - 1}` },
      signal,
    })
    return {
      stream: data,
      start: Number(/^bytes (\d+)-/.exec(headers.get('content-range') ?? '')?.[1] ?? 0),
      length: Number(headers.get('content-length') ?? NaN),
      tag: headers.get('x-goog-generation') ?? undefined,
    }
  }

  async delete(ids: readonly BlobId[]): Promise<void> {
    for (let at = 0; at < ids.length; at += DELETES_AT_ONCE)
      await Promise.all(ids.slice(at, at + DELETES_AT_ONCE).map((id) => this.#deleteOne(id)))
  }

  async *list(after: BlobId): AsyncGenerator<BlobInfo> {
    const { prefix } = this.#bucket
    const wanted: GetFilesOptions = {
      prefix,
      // Deeper names belong to others, and come as one.
      delimiter: '/',
      maxResults: PAGE_KEYS,
      fields: 'items(name,size),nextPageToken',
      ...(after === '' ? {} : { startOffset: prefix + after }),
    }
    for (let query: GetFilesOptions | null = wanted; query !== null;) {
      const [, next, page]: GetFilesResponse = await this.#bucket.objects
        .getFiles(query)
        .catch((error: unknown) => {
          throw this.translated('listing blobs', error)
        })
      for (const { name = '', size } of (page as Page).items ?? []) {
        const id = this.#bucket.idOf(name)
        if (id !== undefined && id > after && size !== undefined) yield { id, size: Number(size) }
      }
      query = next
    }
  }

  [Symbol.dispose](): void {
    this.#bucket[Symbol.dispose]()
  }

  async #deleteOne(id: BlobId): Promise<void> {
    try {
      await this.#bucket.file(id).delete()
    } catch (error) {
      const failure = this.translated(`deleting blob ${id}`, error)
      if (!(failure instanceof BlobMissing)) throw failure
    }
  }
}
