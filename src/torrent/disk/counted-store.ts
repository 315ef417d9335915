/** A chunk store whose calls are counted. */
import type { ChunkStore, ObjectLook, ObjectWords, Run, StoredKey } from './chunk-store.ts'
import type { Counters } from './counters.ts'

export class CountedStore implements ChunkStore {
  readonly #store: ChunkStore
  readonly #counters: Counters

  constructor(store: ChunkStore, counters: Counters) {
    this.#store = store
    this.#counters = counters
  }

  async put(bucket: string, key: string, body: readonly Uint8Array[]): Promise<string | undefined> {
    this.#counters.upstreamPuts += 1
    for (const { length } of body) this.#counters.upstreamPutBytes += length
    return this.#store.put(bucket, key, body)
  }

  async get(bucket: string, run: Run): Promise<Uint8Array> {
    this.#counters.upstreamGets += 1
    this.#counters.upstreamGetBytes += run.end - run.start
    return this.#store.get(bucket, run)
  }

  async find(bucket: string, key: string): Promise<Uint8Array | undefined> {
    this.#counters.upstreamGets += 1
    const found = await this.#store.find(bucket, key)
    this.#counters.upstreamGetBytes += found?.length ?? 0
    return found
  }

  list(bucket: string, prefix: string, after: string): AsyncIterable<StoredKey> {
    return this.#store.list(bucket, prefix, after)
  }

  remove(bucket: string, key: string, version: string | undefined): Promise<void> {
    return this.#store.remove(bucket, key, version)
  }

  removeAll(bucket: string, prefix: string): Promise<void> {
    return this.#store.removeAll(bucket, prefix)
  }

  assemble(bucket: string, key: string, runs: readonly Run[], words: ObjectWords): Promise<string> {
    return this.#store.assemble(bucket, key, runs, words)
  }

  look(bucket: string, key: string): Promise<ObjectLook | undefined> {
    return this.#store.look(bucket, key)
  }
}
