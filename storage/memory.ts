/** Blobs in memory: for tests and for trying things out. Everything is gone with the process. */
import { BlobMissing } from '../src/lib/store-error.ts'
import type { Body } from '../src/lib/stream.ts'
import { checkBlobId, checkDelete, checkRange, checkSize } from './blob-claims.ts'
import { readSource } from './body-source.ts'
import type { BlobId, BlobInfo, ByteRange, ObjectStorage, PutOptions } from './store.ts'

/** Bytes of one chunk of a body that is read. */
const CHUNK_BYTES = 1024 ** 2

export class MemoryStorage implements ObjectStorage {
  readonly name = 'memory'
  readonly #blobs = new Map<BlobId, Uint8Array>()

  async put(id: BlobId, body: Body | Uint8Array, options: PutOptions = {}): Promise<BlobInfo> {
    checkBlobId(id)
    const chunks: Uint8Array[] = []
    const size = await readSource(body, options.signal, (chunk) => {
      chunks.push(Uint8Array.prototype.slice.call(chunk))
    })
    checkSize(id, size, options.size)
    this.#blobs.set(id, Buffer.concat(chunks))
    return { id, size }
  }

  async get(id: BlobId, range?: ByteRange, signal?: AbortSignal): Promise<Body> {
    checkBlobId(id)
    if (range !== undefined) checkRange(id, range)
    signal?.throwIfAborted()
    const blob = this.#blobs.get(id)
    if (blob === undefined) throw new BlobMissing(`blob ${id} is missing`)
    const { start, end } = range ?? { start: 0, end: blob.length }
    if (end > blob.length) throw new BlobMissing(`blob ${id} ends before byte ${end}`)
    return chunksOf(blob.subarray(start, end), signal)
  }

  async delete(ids: readonly BlobId[]): Promise<void> {
    checkDelete(ids)
    for (const id of ids) this.#blobs.delete(id)
  }

  async *list(after: BlobId): AsyncGenerator<BlobInfo> {
    const ids = [...this.#blobs.keys()].filter((id) => id > after).toSorted()
    for (const id of ids) {
      const blob = this.#blobs.get(id)
      if (blob !== undefined) yield { id, size: blob.length }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#blobs.clear()
  }
}

async function* chunksOf(bytes: Uint8Array, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += CHUNK_BYTES) {
    signal?.throwIfAborted()
    // A copy, as from any other store: whoever writes into a chunk does not change the blob.
    yield Uint8Array.from(bytes.subarray(at, at + CHUNK_BYTES))
  }
}
