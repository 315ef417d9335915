/**
 * Object storage: immutable blobs under ids that are never used twice.
 *
 * Buckets, keys, versions and ETags are unknown here. A blob is written whole, read in ranges and
 * deleted by the sweep. Overwriting an object writes a new blob; nothing is ever changed in place, so
 * that a crash leaves at worst a blob that no row names.
 */
import type { KeyObject } from 'node:crypto'
import type { Body } from '../src/lib/stream.ts'

/** 26 characters, ascending with time (ULID). */
export type BlobId = string

export interface BlobInfo {
  readonly id: BlobId
  /** Bytes. */
  readonly size: number
}

/** Bytes from `start` (inclusive) to `end` (exclusive); `0 <= start < end <= size`. */
export interface ByteRange {
  readonly start: number
  readonly end: number
}

export interface PutOptions {
  /** Bytes, where known beforehand: a body of another length is refused. */
  readonly size?: number
  /** Ends the write; nothing is left behind. */
  readonly signal?: AbortSignal
}

/** Where blobs are written and read, by whoever has no business with deleting and listing them. */
export type Blobs = Pick<ObjectStorage, 'put' | 'get'>

/** The blobs of a storage under a key (256 bits): what is written is sealed with it, and opened with no other. */
export type UnderKey = (key: KeyObject) => Blobs

/**
 * A place for blobs.
 *
 * Errors: `BlobMissing`; `StoreUnavailable` where the backend cannot answer now (retryable);
 * `StoreFull` where there is no room. An error of the body passes through unchanged. After any
 * error of a `put` no blob and no partial file is left.
 */
export interface ObjectStorage extends AsyncDisposable {
  /** For logs and metrics: `fs`. */
  readonly name: string
  /** Stores the whole body under `id`: durable and visible once resolved, invisible until then. */
  put(id: BlobId, body: Body | Uint8Array, options?: PutOptions): Promise<BlobInfo>
  /** Opens the blob, or one range of it; the first bytes are at hand when this resolves. */
  get(id: BlobId, range?: ByteRange, signal?: AbortSignal): Promise<Body>
  /** Removes the blobs; one that is not there is no error. At most 1000 ids. */
  delete(ids: readonly BlobId[]): Promise<void>
  /** All blobs with an id above `after` (empty: all), ascending: for the sweep. */
  list(after: BlobId): AsyncIterable<BlobInfo>
}
