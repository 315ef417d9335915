/**
 * Blobs as objects of a bucket: of AWS S3, or of a service that is compatible with it.
 *
 * A blob is the object `<prefix><id>`, whole in one request or in parts; the service makes it visible
 * at once and keeps it. Calls are tried again with jitter; what remains then is `StoreUnavailable`.
 */
import {
  DeleteObjectCommand,
  DeleteObjectsCommand,
  ListObjectsV2Command,
  type _Error as KeyError,
} from '@aws-sdk/client-s3'
import type { Clock } from '../src/lib/ids.ts'
import { StoreUnavailable } from '../src/lib/store-error.ts'
import type { Body } from '../src/lib/stream.ts'
import { checkBlobId, checkDelete, checkRange, checkSize } from './blob-claims.ts'
import { readSource } from './body-source.ts'
import { LentBuffers } from './lent-buffers.ts'
import { Bucket, type S3Options } from './s3-bucket.ts'
import { answerOf, translated } from './s3-errors.ts'
import { PART_BYTES, UploadMemory } from './s3-memory.ts'
import { checkBucket, endAbandonedUploads } from './s3-open.ts'
import { openObject } from './s3-reader.ts'
import { putBytes, Upload } from './s3-upload.ts'
import type { BlobId, BlobInfo, ByteRange, ObjectStorage, PutOptions } from './store.ts'

/** Deletes at a time, where the service takes one key each. */
const DELETES_AT_ONCE = 16

export class S3Storage implements ObjectStorage {
  readonly name = 's3'
  readonly #bucket: Bucket
  readonly #buffers = new LentBuffers()
  readonly #memory = new UploadMemory()
  /** The service has no call for many keys. */
  #deletesSingly = false

  private constructor(bucket: Bucket) {
    this.#bucket = bucket
  }

  /** Rejects with `StoreUnavailable`, and with what to do, where the bucket cannot be used as it is. */
  static async open(options: S3Options, clock: Clock): Promise<S3Storage> {
    const bucket = new Bucket(options)
    try {
      await checkBucket(bucket)
      await endAbandonedUploads(bucket, clock.now())
      return new S3Storage(bucket)
    } catch (error) {
      bucket[Symbol.dispose]()
      throw error
    }
  }

  async put(id: BlobId, body: Body | Uint8Array, options: PutOptions = {}): Promise<BlobInfo> {
    checkBlobId(id)
    const { size: announced, signal } = options
    try {
      return { id, size: await this.#put(id, body, announced, signal) }
    } catch (error) {
      throw signal?.aborted === true ? signal.reason : error
    }
  }

  async get(id: BlobId, range?: ByteRange, signal?: AbortSignal): Promise<Body> {
    checkBlobId(id)
    if (range !== undefined) checkRange(id, range)
    signal?.throwIfAborted()
    return openObject(this.#bucket, id, range, this.#buffers, signal)
  }

  async delete(ids: readonly BlobId[]): Promise<void> {
    checkDelete(ids)
    if (ids.length === 0) return
    if (ids.length === 1 || this.#deletesSingly) return this.#deleteSingly(ids)
    try {
      await this.#deleteMany(ids)
    } catch (error) {
      if (!isUnknownCall(error)) throw translated(this.#bucket, 'deleting blobs', error)
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
        throw translated(this.#bucket, 'listing blobs', error)
      })
      for (const { Key = '', Size } of page.Contents ?? []) {
        const id = this.#bucket.idOf(Key)
        if (id !== undefined && id > after && Size !== undefined) yield { id, size: Size }
      }
      ContinuationToken = page.IsTruncated === true ? page.NextContinuationToken : undefined
    } while (ContinuationToken !== undefined)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#bucket[Symbol.dispose]()
  }

  async #put(
    id: BlobId,
    body: Body | Uint8Array,
    announced: number | undefined,
    signal: AbortSignal | undefined,
  ): Promise<number> {
    if (body instanceof Uint8Array && body.length <= PART_BYTES) {
      signal?.throwIfAborted()
      checkSize(id, body.length, announced)
      await this.#upstream(id, putBytes(this.#bucket, id, body, undefined, signal))
      return body.length
    }
    const sizeHint = announced ?? (body instanceof Uint8Array ? body.length : undefined)
    const upload = new Upload(this.#bucket, id, sizeHint, this.#memory, signal)
    let size = 0
    try {
      await readSource(body, signal, (chunk) => {
        size += chunk.length
        if (announced !== undefined && size > announced) checkSize(id, size, announced)
        const added = upload.add(chunk)
        return added === undefined ? undefined : this.#upstream(id, added)
      })
      checkSize(id, size, announced)
      await this.#upstream(id, upload.finish())
      return size
    } catch (error) {
      await upload.abort()
      throw error
    }
  }

  /** What the body says of itself passes; what the service says is translated. */
  async #upstream(id: BlobId, call: Promise<void>): Promise<void> {
    try {
      await call
    } catch (error) {
      throw translated(this.#bucket, `blob ${id}`, error)
    }
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
      if (answerOf(error).code !== 'NoSuchKey')
        throw translated(this.#bucket, `deleting blob ${id}`, error)
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
