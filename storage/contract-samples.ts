/** Bytes, bodies and looks into a storage, for its contract. */
import { readdirSync } from 'node:fs'
import { expect, vi } from 'vitest'
import { BlobMissing } from '../src/lib/store-error.ts'
import type { Body } from '../src/lib/stream.ts'
import { Ulids } from '../src/lib/ulid.ts'
import type { BlobId, BlobInfo, ObjectStorage } from './store.ts'

export const MIB: number = 1024 ** 2
export const ids: Ulids = new Ulids({ now: () => Date.now() })

/** Bytes that differ from place to place, and from seed to seed. */
export function sample(sizeBytes: number, seed = 1): Buffer {
  const bytes = Buffer.allocUnsafe(sizeBytes)
  let state = seed * 2_654_435_761
  for (let at = 0; at < sizeBytes; at += 1) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0
    bytes[at] = state >>> 24
  }
  return bytes
}

/** The bytes in chunks that all come in the same memory, as the contract of Body allows. */
export async function* reusing(bytes: Uint8Array, chunkBytes: number): AsyncGenerator<Uint8Array> {
  const memory = new Uint8Array(chunkBytes)
  for (let at = 0; at < bytes.length; at += chunkBytes) {
    const chunk = bytes.subarray(at, at + chunkBytes)
    memory.set(chunk)
    yield memory.subarray(0, chunk.length)
    memory.fill(0xee)
  }
}

/** A body of a few bytes that remembers what was asked of it. */
export class WatchfulBody implements AsyncIterableIterator<Uint8Array> {
  chunksAsked: number = 0
  returns: number = 0

  async next(): Promise<IteratorResult<Uint8Array>> {
    this.chunksAsked += 1
    return this.chunksAsked > 3
      ? { done: true, value: undefined }
      : { done: false, value: sample(10) }
  }

  async return(): Promise<IteratorResult<Uint8Array>> {
    this.returns += 1
    return { done: true, value: undefined }
  }

  [Symbol.asyncIterator](): this {
    return this
  }
}

/** Reads the body as its contract asks: a chunk is copied before the next is asked for. */
export async function read(body: Body): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of body) {
    expect(chunk.length).toBeGreaterThan(0)
    chunks.push(Buffer.from(chunk))
  }
  return Buffer.concat(chunks)
}

/** All blobs that the storage lists after the id. */
export async function list(storage: ObjectStorage, after = ''): Promise<BlobInfo[]> {
  const blobs: BlobInfo[] = []
  for await (const blob of storage.list(after)) blobs.push(blob)
  return blobs
}

/** In what the bytes differ, in few words (a matcher would print megabytes): `none`. */
export function difference(actual: Uint8Array, expected: Uint8Array): string {
  if (actual.length !== expected.length) return `${actual.length} bytes, not ${expected.length}`
  if (Buffer.compare(actual, expected) === 0) return 'none'
  return `byte ${actual.findIndex((byte, at) => byte !== expected[at])} of ${actual.length}`
}

/** What shows of a blob that should not be there: `none`. */
export async function traceOf(storage: ObjectStorage, id: BlobId): Promise<string> {
  try {
    const body = await storage.get(id)
    return `${(await read(body)).length} bytes that can be read`
  } catch (error) {
    if (!(error instanceof BlobMissing)) throw error
  }
  return (await list(storage)).some((blob) => blob.id === id) ? 'an entry in the list' : 'none'
}

/** Waits until no more files are open than `before`; where the system does not say, nothing is checked. */
export async function filesAreClosed(before: number): Promise<void> {
  await vi.waitFor(() => expect(openFiles()).toBeLessThanOrEqual(before), { timeout: 5000 })
}

/** How many files this process has open. */
export function openFiles(): number {
  return process.platform === 'linux' ? readdirSync('/proc/self/fd').length : 0
}
