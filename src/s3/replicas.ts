/** The way out to other S3s, as the replication of buckets sees it. `src/replicas.ts` goes it. */
import type { Body } from '../lib/stream.ts'
import type { StoredChecksum, StoredHeaders, StoredTag } from './rows.ts'

/** What is to be there of a version. */
export interface Replica {
  readonly key: string
  readonly size: number
  readonly headers: StoredHeaders
  readonly metadata: { readonly [name: string]: string }
  readonly tags: readonly StoredTag[]
  readonly storageClass: string | undefined
  readonly checksum: StoredChecksum | undefined
  /** SSE there, as it is here: `AES256`, or the key of SSE-KMS that the rule names. */
  readonly encryption:
    | { readonly method: 'AES256' | 'aws:kms'; readonly keyId?: string }
    | undefined
  /** The numbers of its parts, where it was uploaded in parts: it is there too, so that its ETag stays. */
  readonly parts: number | undefined
  /** The bytes: all, or of that part (which counts from 1). */
  read(partNumber?: number): Promise<{ readonly body: Body | Uint8Array; readonly size: number }>
}

/** All reject with an Error where it could not be done; it may have been done all the same, and is done again. */
export interface Replicas {
  /** Whether a bucket of that name is one that others are copied to. */
  has(target: string): boolean
  /** Whether it keeps versions, which copies need. */
  isVersioned(target: string, signal: AbortSignal): Promise<boolean>
  /** Puts the version there; gives the id that it has there. */
  put(target: string, replica: Replica, signal: AbortSignal): Promise<string>
  /** Puts a delete marker there; gives its id. */
  mark(target: string, key: string, signal: AbortSignal): Promise<string>
  /** Gives a version there these tags. */
  tag(
    target: string,
    key: string,
    versionId: string,
    tags: readonly StoredTag[],
    signal: AbortSignal,
  ): Promise<void>
}

/** A store whose buckets are copied nowhere. */
export const NO_REPLICAS: Replicas = {
  has: () => false,
  isVersioned: () => Promise.resolve(false),
  put: nowhere,
  mark: nowhere,
  tag: nowhere,
}

function nowhere(): Promise<never> {
  return Promise.reject(new Error('buckets are not replicated here'))
}
