/**
 * Blobs as objects of a bucket: of AWS S3, or of a service that is compatible with it.
 *
 * A blob is the object `<prefix><id>`, whole in one request or in parts; the service makes it visible
 * at once and keeps it. The SDK tries calls again with jitter.
 */
import {
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  type _Error as KeyError,
} from '@aws-sdk/client-s3'
import type { Readable } from 'node:stream'
import type { Clock } from '../src/lib/ids.ts'
import { StoreUnavailable } from '../src/lib/store-error.ts'
import { IDLE_TIMEOUT_MS } from './remote-agent.ts'
import { type Dialect, isUncertain, translated } from './remote-errors.ts'
import { EQUAL_PARTS, UploadMemory } from './remote-memory.ts'
import type { Download, Parts, RemoteService, Wanted } from './remote-service.ts'
import { RemoteStorage } from './remote.ts'
import { Bucket, type S3Options } from './s3-bucket.ts'
import { answerOf, s3Dialect } from './s3-errors.ts'
import { checkBucket, endAbandonedUploads } from './s3-open.ts'
import { partBytes, putObject, S3Parts } from './s3-parts.ts'
import type { BlobId, BlobInfo, ObjectStorage } from './store.ts'

/** Deletes at a time, where the service takes one key each. */
const DELETES_AT_ONCE = 16

/** Rejects with `StoreUnavailable`, and with what to do, where the bucket cannot be used as it is. */
export async function openS3(options: S3Options, clock: Clock): Promise<ObjectStorage> {
  const bucket = new Bucket(options)
  try {
    await checkBucket(bucket)
    await endAbandonedUploads(bucket, clock.now())
    return new RemoteStorage(new S3Service(bucket, options.idleTimeoutMs ?? IDLE_TIMEOUT_MS))
  } catch (error) {
    bucket[Symbol.dispose]()
    throw error
  }
}

class S3Service implements RemoteService {
  readonly name = 's3'
  readonly checksum: 'CRC32' | 'MD5'
  readonly checksumSpan = 'part'
  readonly memory = new UploadMemory(EQUAL_PARTS)
  readonly partsAtOnce = 3
  readonly partBytes = partBytes
  readonly idleTimeoutMs: number
  readonly #bucket: Bucket
  readonly #dialect: Dialect
  /** The service has no call for many keys. */
  #deletesSingly = false

  constructor(bucket: Bucket, idleTimeoutMs: number) {
    this.#bucket = bucket
    this.#dialect = s3Dialect(`bucket ${bucket.name}, ${bucket.place}`)
    this.checksum = bucket.checksum === 'crc32' ? 'CRC32' : 'MD5'
    this.idleTimeoutMs = idleTimeoutMs
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

  beginParts(id: BlobId): Promise<Parts> {
    return S3Parts.begin(this.#bucket, id)
  }

  async ask(id: BlobId, { start, end, tag }: Wanted, signal?: AbortSignal): Promise<Download> {
    const isWhole = start === 0 && end === undefined
    const command = new GetObjectCommand({
      ...this.#bucket.at(id),
      ...(isWhole ? {} : { Range: `bytes=${start}-${end === undefined ? '' : end - 1}` }),
      ...(tag === undefined ? {} : { IfMatch: tag }),
    })
    const options = signal === undefined ? {} : { abortSignal: signal }
    const { Body, ContentLength, ContentRange, ETag } = await this.#bucket.client.send(
      command,
      options,
    )
    return {
      stream: Body as Readable,
      start: Number(/^bytes (\d+)-/.exec(ContentRange ?? '')?.[1] ?? 0),
      length: ContentLength ?? NaN,
      tag: ETag,
    }
  }

  async delete(ids: readonly BlobId[]): Promise<void> {
    if (ids.length === 1 || this.#deletesSingly) return this.#deleteSingly(ids)
    try {
      await this.#deleteMany(ids)
    } catch (error) {
      if (!isUnknownCall(error)) throw this.translated('deleting blobs', error)
      await this.#deleteSingly(ids)
      this.#deletesSingly = true
    }
  }

  async *list(after: BlobId): AsyncGenerator<BlobInfo> {
    const { name: Bucket, prefix: Prefix, client } = this.#bucket
    // Deeper keys belong to others, and come as one.
    const input = { Bucket, Prefix, Delimiter: '/', ...(after && { StartAfter: Prefix + after }) }
    let ContinuationToken: string | undefined
    do {
      const token = ContinuationToken === undefined ? {} : { ContinuationToken }
      const command = new ListObjectsV2Command({ ...input, ...token })
      const page = await client.send(command).catch((error: unknown) => {
        throw this.translated('listing blobs', error)
      })
      for (const { Key = '', Size } of page.Contents ?? []) {
        const id = this.#bucket.idOf(Key)
        if (id !== undefined && id > after && Size !== undefined) yield { id, size: Size }
      }
      ContinuationToken = page.IsTruncated === true ? page.NextContinuationToken : undefined
    } while (ContinuationToken !== undefined)
  }

  [Symbol.dispose](): void {
    this.#bucket[Symbol.dispose]()
  }

  async #deleteMany(ids: readonly BlobId[]): Promise<void> {
    const Objects = ids.map((id) => ({ Key: this.#bucket.keyOf(id) }))
    const { Errors = [] } = await this.#bucket.client.send(
      new DeleteObjectsCommand({ Bucket: this.#bucket.name, Delete: { Objects, Quiet: true } }),
    )
    const [first, ...others] = Errors.filter(({ Code }) => Code !== 'NoSuchKey')
    if (first !== undefined) throw new StoreUnavailable(toldOf(first, others.length))
  }

  async #deleteSingly(ids: readonly BlobId[]): Promise<void> {
    for (let at = 0; at < ids.length; at += DELETES_AT_ONCE)
      await Promise.all(ids.slice(at, at + DELETES_AT_ONCE).map((id) => this.#deleteOne(id)))
  }

  async #deleteOne(id: BlobId): Promise<void> {
    try {
      await this.#bucket.client.send(new DeleteObjectCommand(this.#bucket.at(id)))
    } catch (error) {
      if (answerOf(error).code !== 'NoSuchKey') throw this.translated(`deleting blob ${id}`, error)
    }
  }
}

function toldOf({ Key, Code, Message }: KeyError, others: number): string {
  const more = others === 0 ? '' : `, and ${others} more`
  return `deleting ${Key}: ${Code}: ${Message}${more}`
}

/** Answers of services that do not know the call, or not this form of it. */
function isUnknownCall(error: unknown): boolean {
  const { status } = answerOf(error)
  return status === 400 || status === 404 || status === 405 || status === 411 || status === 501
}
