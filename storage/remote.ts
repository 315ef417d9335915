/**
 * A storage whose blobs are with a service over the network: whole in one request or in parts, read in
 * ranges, visible at once and kept there. Outages are `StoreUnavailable`; nothing is left of a put that
 * failed.
 */
import { digestOf } from '../src/lib/digest.ts'
import type { Body } from '../src/lib/stream.ts'
import { checkBlobId, checkDelete, checkRange, checkSize } from './blob-claims.ts'
import { readSource } from './body-source.ts'
import { LentBuffers } from './lent-buffers.ts'
import { openDownload } from './remote-download.ts'
import { PART_BYTES } from './remote-memory.ts'
import { decided, type RemoteService } from './remote-service.ts'
import { Upload } from './remote-upload.ts'
import type { BlobId, BlobInfo, ByteRange, ObjectStorage, PutOptions } from './store.ts'

export class RemoteStorage implements ObjectStorage {
  readonly name: string
  readonly #service: RemoteService
  readonly #buffers = new LentBuffers()

  /** Takes the service over; it is disposed of with the storage. */
  constructor(service: RemoteService) {
    this.name = service.name
    this.#service = service
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
    return openDownload(this.#service, id, range, this.#buffers, signal)
  }

  async delete(ids: readonly BlobId[]): Promise<void> {
    checkDelete(ids)
    if (ids.length > 0) await this.#service.delete(ids)
  }

  list(after: BlobId): AsyncIterable<BlobInfo> {
    return this.#service.list(after)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#service[Symbol.dispose]()
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
      const checksum = digestOf(this.#service.checksum, body)
      const call = this.#service.putWhole(id, body, checksum, signal)
      await this.#upstream(id, decided(this.#service, id, call))
      return body.length
    }
    const sizeHint = announced ?? (body instanceof Uint8Array ? body.length : undefined)
    const upload = new Upload(this.#service, id, sizeHint, signal)
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
      throw this.#service.translated(`blob ${id}`, error)
    }
  }
}
