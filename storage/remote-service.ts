/**
 * What a storage in somebody else's house has to be able to do: the few calls of which `remote.ts`
 * makes an `ObjectStorage`. A call is tried again by the service's own rules; what it then throws is
 * the service's, and `translated` says it in the words of a storage.
 */
import type { Readable } from 'node:stream'
import type { Algorithm } from '../src/lib/digest.ts'
import type { UploadMemory } from './remote-memory.ts'
import type { BlobId, BlobInfo } from './store.ts'

export interface RemoteService extends Disposable {
  /** For logs and metrics: `s3`. */
  readonly name: string
  /** Made while the bytes come in. */
  readonly checksum: Algorithm
  /** Whether each part goes with its own, or the last one with that of the whole blob. */
  readonly checksumSpan: 'part' | 'blob'
  /** Bounds of memory, and sizes of parts. */
  readonly memory: UploadMemory
  /** Parts of one upload on their way at a time. */
  readonly partsAtOnce: number
  /** A download on which nothing moves for so long is given up. */
  readonly idleTimeoutMs: number
  /** Bytes of the part of that number (from 1 on), unless it is the last; `sizeBytes`: of all, where known. */
  partBytes(number: number, sizeBytes: number | undefined): number
  /** Stores the blob in one request; the checksum is of all of it. */
  putWhole(id: BlobId, bytes: Uint8Array, checksum: string, signal?: AbortSignal): Promise<void>
  /** Begins an upload in parts, of which nothing shows before its end. */
  beginParts(id: BlobId): Promise<Parts>
  /** Asks for the bytes from `start` on, up to `end` (exclusive; undefined: all), of the object that the tag names. */
  ask(id: BlobId, wanted: Wanted, signal?: AbortSignal): Promise<Download>
  /** Removes them; one that is not there is no error. At least one, at most 1000. Throws what is translated. */
  delete(ids: readonly BlobId[]): Promise<void>
  /** All blobs above the id, ascending. Throws what is translated. */
  list(after: BlobId): AsyncIterable<BlobInfo>
  /** The error of a call as a storage's own; the signal's reason where that is why. */
  translated(what: string, error: unknown, signal?: AbortSignal): unknown
  /** True where nobody knows whether the call was carried out. */
  isUncertain(error: unknown): boolean
}

/** An upload under way. */
export interface Parts {
  /** Resolves once the service has the part. */
  send(part: Part, signal: AbortSignal): Promise<void>
  /** Resolves once the blob is visible; all parts have been sent. */
  complete(): Promise<void>
  /** Leaves nothing; what the service cannot be told now it forgets by itself, or at the next opening. Never rejects. */
  abort(): Promise<void>
}

/**
 * Waits for the call that makes a blob visible. Where nobody knows whether it was carried out, the blob
 * is removed; one that could not be is a blob that no row names, and the search for orphans finds it.
 */
export async function decided(
  service: Pick<RemoteService, 'isUncertain' | 'delete'>,
  id: BlobId,
  call: Promise<void>,
): Promise<void> {
  try {
    await call
  } catch (error) {
    if (service.isUncertain(error)) await service.delete([id]).catch(() => {})
    throw error
  }
}

export interface Part {
  /** From 1 on. */
  readonly number: number
  /** Of the blob. */
  readonly startByte: number
  readonly bytes: Uint8Array
  /** Of what the service's `checksumSpan` says; undefined before the last part where that is the blob. */
  readonly checksum: string | undefined
  readonly isLast: boolean
}

export interface Wanted {
  readonly start: number
  readonly end: number | undefined
  /** Of the answer that this one goes on from. */
  readonly tag: string | undefined
}

export interface Download {
  readonly stream: Readable
  /** Of the first byte that comes. */
  readonly start: number
  /** Bytes to come. */
  readonly length: number
  /** Names this very object: one that replaced it has another. */
  readonly tag: string | undefined
}
