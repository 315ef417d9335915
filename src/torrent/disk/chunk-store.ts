/**
 * Where chunks are kept: immutable objects under keys, in buckets of any S3.
 *
 * Errors: `ChunkLost` where an object is not there, or not as it was written (it will not come back);
 * any other failure is a `DiskError`, and the same call may go through later.
 */
import { DiskError } from '../disk-io.ts'

/** The object is gone or damaged. */
export class ChunkLost extends DiskError {
  override readonly name: string = 'ChunkLost'
}

/** Bytes `start` to `end` of an object; with an ETag, of that object and none that came after it. */
export interface Run {
  readonly key: string
  readonly start: number
  readonly end: number
  readonly etag?: string | undefined
}

/** What an assembled object says of itself. */
export interface ObjectWords {
  readonly contentType: string | undefined
  /** User metadata: names in lower case, values in ASCII. */
  readonly metadata: Readonly<Record<string, string>>
}

export interface ObjectLook {
  readonly sizeBytes: number
  readonly etag: string
}

export interface StoredKey {
  readonly key: string
  readonly sizeBytes: number
}

export interface ChunkStore {
  /**
   * Stores the bytes as one object: durable and visible once resolved. Views may lie in shared memory,
   * and are left alone when it resolves or rejects. Answers the version that it made, where there are versions.
   */
  put(bucket: string, key: string, body: readonly Uint8Array[]): Promise<string | undefined>
  /** Exactly those bytes. */
  get(bucket: string, run: Run): Promise<Uint8Array>
  /** A whole object; undefined where there is none. */
  find(bucket: string, key: string): Promise<Uint8Array | undefined>
  /** Keys below a prefix and behind a key, ascending. */
  list(bucket: string, prefix: string, after: string): AsyncIterable<StoredKey>
  /** Removes one version, or the object; one that is not there is no error. */
  remove(bucket: string, key: string, version: string | undefined): Promise<void>
  /** Removes everything below a prefix, older versions too. */
  removeAll(bucket: string, prefix: string): Promise<void>
  /** Makes an ordinary object of runs, in order; no bytes move through us where the store allows it. Its ETag. */
  assemble(bucket: string, key: string, runs: readonly Run[], words: ObjectWords): Promise<string>
  /** Undefined where there is no object. */
  look(bucket: string, key: string): Promise<ObjectLook | undefined>
}
