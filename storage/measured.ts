/** A storage that is counted and timed. */
import type { Counter, Histogram, Meter } from '../src/lib/meter.ts'
import type { Body } from '../src/lib/stream.ts'
import { watched } from '../src/lib/watched.ts'
import type { BlobId, BlobInfo, ByteRange, ObjectStorage, PutOptions } from './store.ts'

/** Seconds: from a page cache's answer to a large body over a slow line. */
const SECONDS = [0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 60]

type Method = 'put' | 'get' | 'delete'

export class MeasuredStorage implements ObjectStorage {
  readonly name: string
  readonly #inner: ObjectStorage
  readonly #monotonicMs: () => number
  readonly #seconds: Readonly<Record<Method, Histogram>>
  readonly #errors: Readonly<Record<Method, Counter>>
  readonly #written: Counter
  readonly #writtenBytes: Counter
  readonly #readBytes: Counter
  readonly #deleted: Counter

  /** `monotonicMs`: a clock that never goes back, in milliseconds. */
  constructor(inner: ObjectStorage, meter: Meter, monotonicMs: () => number) {
    this.#inner = inner
    this.#monotonicMs = monotonicMs
    this.name = inner.name
    const engine = inner.name
    const seconds = (method: Method): Histogram =>
      meter.histogram(
        'sluice_storage_seconds',
        'Time of a call to the storage; of a get until its first bytes.',
        { engine, method },
        SECONDS,
      )
    const errors = (method: Method): Counter =>
      meter.counter('sluice_storage_errors_total', 'Calls to the storage that failed.', {
        engine,
        method,
      })
    this.#seconds = { put: seconds('put'), get: seconds('get'), delete: seconds('delete') }
    this.#errors = { put: errors('put'), get: errors('get'), delete: errors('delete') }
    this.#written = meter.counter('sluice_blobs_written_total', 'Blobs stored.', { engine })
    this.#writtenBytes = meter.counter(
      'sluice_blob_bytes_written_total',
      'Bytes of blobs stored.',
      {
        engine,
      },
    )
    this.#readBytes = meter.counter('sluice_blob_bytes_read_total', 'Bytes of blobs read.', {
      engine,
    })
    this.#deleted = meter.counter('sluice_blobs_deleted_total', 'Blobs asked to be deleted.', {
      engine,
    })
  }

  async put(id: BlobId, body: Body | Uint8Array, options?: PutOptions): Promise<BlobInfo> {
    const info = await this.#measure('put', () => this.#inner.put(id, body, options))
    this.#written.add()
    this.#writtenBytes.add(info.size)
    return info
  }

  async get(id: BlobId, range?: ByteRange, signal?: AbortSignal): Promise<Body> {
    const body = await this.#measure('get', () => this.#inner.get(id, range, signal))
    return watched(body, (chunk) => this.#readBytes.add(chunk.length))
  }

  async delete(ids: readonly BlobId[]): Promise<void> {
    await this.#measure('delete', () => this.#inner.delete(ids))
    this.#deleted.add(ids.length)
  }

  list(after: BlobId): AsyncIterable<BlobInfo> {
    return this.#inner.list(after)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#inner[Symbol.asyncDispose]()
  }

  async #measure<T>(method: Method, call: () => Promise<T>): Promise<T> {
    const started = this.#monotonicMs()
    try {
      const answer = await call()
      this.#seconds[method].observe((this.#monotonicMs() - started) / 1000)
      return answer
    } catch (error) {
      this.#errors[method].add()
      throw error
    }
  }
}
