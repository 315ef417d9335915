/**
 * Whether a bucket is there, and its row, without a read of the store for each request.
 *
 * Rows are kept for a second. A write is safe all the same: its commit expects the row at the
 * revision it relied on, and a refused attempt reads it anew; so no write goes into a bucket that is
 * gone, being deleted, or configured otherwise. A read may follow a bucket's configuration by a
 * second where another process changed it (this process says `forget`).
 */
import type { MetadataStore, Row } from '../../metadata/store.ts'
import { S3Error } from '../api/error.ts'
import type { Clock } from '../lib/ids.ts'
import { type BucketRow, readRow } from './rows.ts'
import type { Tx } from './transact.ts'

/** Rows kept; the oldest goes first. */
const CACHED_MAX = 10_000
const FRESH_MS = 1000

interface Cached {
  readonly row: Row<BucketRow>
  readonly until: number
}

export class Buckets {
  readonly #metadata: MetadataStore
  readonly #clock: Clock
  readonly #cached = new Map<string, Cached>()

  constructor(metadata: MetadataStore, clock: Clock) {
    this.#metadata = metadata
    this.#clock = clock
  }

  /** The bucket's row, at most a second old. Rejects with NoSuchBucket where it is missing or being deleted. */
  read(name: string): Row<BucketRow> | Promise<Row<BucketRow>> {
    const cached = this.#cached.get(name)
    if (cached !== undefined && cached.until > this.#clock.now()) return cached.row
    return this.readFresh(name)
  }

  /** The bucket's row as it is now. Rejects with NoSuchBucket. */
  async readFresh(name: string): Promise<Row<BucketRow>> {
    this.#cached.delete(name)
    const row = await readRow(this.#metadata, name, 'bucket', '')
    if (row === undefined || row.value.deleting !== undefined) throw noSuchBucket(name)
    if (this.#cached.size >= CACHED_MAX) {
      const oldest = this.#cached.keys().next()
      if (oldest.done !== true) this.#cached.delete(oldest.value)
    }
    this.#cached.set(name, { row, until: this.#clock.now() + FRESH_MS })
    return row
  }

  /** The row for a transaction in the bucket's partition, whose commit will expect it unchanged. Rejects with NoSuchBucket. */
  async inBucket(tx: Tx, name: string): Promise<BucketRow> {
    const row = await (tx.attempt === 0 ? this.read(name) : this.readFresh(name))
    tx.expect('bucket', '', row.rev)
    return row.value
  }

  /** For who has changed the bucket's row, after its commit. */
  forget(name: string): void {
    this.#cached.delete(name)
  }
}

export function noSuchBucket(name: string): S3Error {
  return new S3Error('NoSuchBucket', { fields: { BucketName: name } })
}
