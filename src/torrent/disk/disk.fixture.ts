/** For tests of disks: an S3 in memory, whose stores a test may look into, slow down, or break. */
import { MemoryStore } from '../../../metadata/memory.ts'
import { MemoryStorage } from '../../../storage/memory.ts'
import type { MetadataStore } from '../../../metadata/store.ts'
import type { ObjectStorage } from '../../../storage/store.ts'
import { ASSEMBLING } from '../../api/access.ts'
import type { Call, S3Api } from '../../api/operations.ts'
import { Fixture, OWNER } from '../../s3/s3.fixture.ts'
import { createS3 } from '../../s3/service.ts'
import { DiskError } from '../disk-io.ts'
import type { ChunkStore, ObjectLook, ObjectWords, Run, StoredKey } from './chunk-store.ts'
import { S3ChunkStore } from './s3-chunk-store.ts'
import { torrentS3 } from './torrent-s3.ts'

export const INSIDE: Call = {
  requestId: 'TORRENTTORRENT00',
  requester: { id: OWNER[0], displayName: OWNER[1] },
  access: ASSEMBLING,
  signal: new AbortController().signal,
}

export interface MemoryS3 {
  readonly api: S3Api
  readonly fixture: Fixture
  readonly store: ChunkStore
}

/** A bucket `b` with the part bound of S3, and chunks in it. */
export async function memoryS3(
  metadata: MetadataStore = new MemoryStore(),
  storage: ObjectStorage = new MemoryStorage(),
): Promise<MemoryS3> {
  const fixture = new Fixture(metadata, storage, {
    partBytesMin: 5 * 1024 ** 2,
    inlineMaxBytes: 4096,
    putBytesMax: 5 * 1024 ** 3,
  })
  await fixture.bucket()
  const api = createS3(fixture.ctx)
  const store = new S3ChunkStore(torrentS3(api), { call: INSIDE, partBytesMin: 0 })
  return { api, fixture, store }
}

/** A chunk store that a test breaks. */
export class TroubledChunks implements ChunkStore {
  readonly #store: ChunkStore
  /** Puts that fail before they begin; of keys with this in their name. */
  failing: string | undefined
  /** Puts wait for it. */
  gate: Promise<void> = Promise.resolve()
  /** Keys that were put, in order. */
  readonly puts: string[] = []
  readonly gets: string[] = []

  constructor(store: ChunkStore) {
    this.#store = store
  }

  async put(bucket: string, key: string, body: readonly Uint8Array[]): Promise<string | undefined> {
    await this.gate
    if (this.failing !== undefined && key.includes(this.failing))
      throw new DiskError('there is no room')
    this.puts.push(key)
    return this.#store.put(bucket, key, body)
  }

  get(bucket: string, run: Run): Promise<Uint8Array> {
    this.gets.push(run.key)
    return this.#store.get(bucket, run)
  }

  find(bucket: string, key: string): Promise<Uint8Array | undefined> {
    return this.#store.find(bucket, key)
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
