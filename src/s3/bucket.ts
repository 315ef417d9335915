/**
 * Whether a bucket is there, and its row, without a read of the store for each request.
 *
 * Rows are kept for a second. A write is safe all the same: its commit expects the row at the
 * revision it relied on, and a refused attempt reads it anew; so no write goes into a bucket that is
 * gone, being deleted, or configured otherwise. A read may follow a bucket's configuration by a
 * second where another process changed it (this process says `forget`). With a lease, writes go
 * by what bucket-lease.ts says instead.
 */
import type { MetadataStore, Row } from '../../metadata/store.ts'
import { S3Error } from '../api/error.ts'
import type { Clock } from '../lib/ids.ts'
import { type BucketLease, settle } from './bucket-lease.ts'
import { type BucketRow, readRow } from './rows.ts'
import { OutcomeUnknown, type Tx } from './transact.ts'

/** Rows kept; the oldest goes first. */
const CACHED_MAX = 10_000
const FRESH_MS = 1000

interface Cached {
  readonly row: Row<BucketRow>
  readonly until: number
  /** When its reading began, on the clock of the lease; 0 without one. */
  readonly since: number
}

export class Buckets {
  readonly #metadata: MetadataStore
  readonly #clock: Clock
  readonly #lease: BucketLease | undefined
  readonly #cached = new Map<string, Cached>()

  constructor(metadata: MetadataStore, clock: Clock, lease?: BucketLease) {
    this.#metadata = metadata
    this.#clock = clock
    this.#lease = lease
  }

  /** The bucket's row, at most a second old. Rejects with NoSuchBucket where it is missing or being deleted. */
  read(name: string): Row<BucketRow> | Promise<Row<BucketRow>> {
    const cached = this.#cached.get(name)
    if (cached !== undefined && cached.until > this.#clock.now()) return cached.row
    return this.readFresh(name)
  }

  /** The bucket's row as it is now. Rejects with NoSuchBucket. */
  async readFresh(name: string): Promise<Row<BucketRow>> {
    return (await this.#fetch(name)).row
  }

  async #fetch(name: string): Promise<Cached> {
    this.#cached.delete(name)
    const since = this.#lease?.monotonicMs() ?? 0
    const row = await readRow(this.#metadata, name, 'bucket', '')
    if (row === undefined || row.value.deleting !== undefined) throw noSuchBucket(name)
    if (this.#cached.size >= CACHED_MAX) {
      const oldest = this.#cached.keys().next()
      if (oldest.done !== true) this.#cached.delete(oldest.value)
    }
    const cached = { row, until: this.#clock.now() + FRESH_MS, since }
    this.#cached.set(name, cached)
    return cached
  }

  /**
   * The row for a transaction in the bucket's partition that leaves the row itself alone; its commit
   * will expect it unchanged, or is held to the lease. Rejects with NoSuchBucket.
   */
  async inBucket(tx: Tx, name: string): Promise<BucketRow> {
    if (this.#lease !== undefined) return this.#leased(tx, name, this.#lease)
    const row = await (tx.attempt === 0 ? this.read(name) : this.readFresh(name))
    tx.expect('bucket', '', row.rev)
    return row.value
  }

  /** The row for a transaction that writes it. Rejects with NoSuchBucket. */
  async toChange(tx: Tx, name: string): Promise<BucketRow> {
    const row = await this.readFresh(name)
    tx.expect('bucket', '', row.rev)
    return row.value
  }

  async #leased(tx: Tx, name: string, { ms, monotonicMs }: BucketLease): Promise<BucketRow> {
    let held = this.#cached.get(name)
    if (held === undefined || monotonicMs() - held.since >= ms) held = await this.#fetch(name)
    const { row, since } = held
    tx.confirm(() => (monotonicMs() - since < ms ? undefined : this.#confirm(name, row.value.t)))
    return row.value
  }

  /** For a commit that took longer than its lease: the bucket made at that time stood when it was done. */
  async #confirm(name: string, created: number): Promise<void> {
    const row = await readRow(this.#metadata, name, 'bucket', '').catch((error: unknown) => {
      throw new OutcomeUnknown('the bucket could not be read again', { cause: error })
    })
    if (row?.value.t === created && row.value.deleting === undefined) return
    throw new OutcomeUnknown(`the bucket ${name} was deleted meanwhile`)
  }

  /** For a deletion that has read its mark: resolves once no write relies on what stood before. */
  async settle(): Promise<void> {
    if (this.#lease !== undefined) await settle(this.#lease)
  }

  /** For who has changed the bucket's row, after its commit. */
  forget(name: string): void {
    this.#cached.delete(name)
  }
}

export function noSuchBucket(name: string): S3Error {
  return new S3Error('NoSuchBucket', { fields: { BucketName: name } })
}
