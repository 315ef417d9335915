/**
 * Blobs as files of a local directory (see `fs-layout.ts`).
 *
 * A blob is written beside the others, synced, moved to its place, and the directories that lead to
 * it are synced: what was acknowledged survives the machine, and what was not never shows. Puts that
 * end at the same time share the sync of their directory.
 */
import { resolve } from 'node:path'
import type { Counter, Meter } from '../src/lib/meter.ts'
import type { Body } from '../src/lib/stream.ts'
import { checkBlobId, checkDelete, checkRange, checkSize } from './blob-claims.ts'
import { letGo, readSource } from './body-source.ts'
import { errno, openToWrite, unlink } from './fs-calls.ts'
import { Directories } from './fs-directories.ts'
import type { FsLayout } from './fs-layout.ts'
import { listBlobs } from './fs-list.ts'
import { openDirectoryAsStorage, writing } from './fs-open.ts'
import { openBlob } from './fs-reader.ts'
import { FileWriter } from './fs-writer.ts'
import { LentBuffers } from './lent-buffers.ts'
import type { BlobId, BlobInfo, ByteRange, ObjectStorage, PutOptions } from './store.ts'

/** Files removed at the same time. */
const UNLINKS_AT_ONCE = 32

export class FsStorage implements ObjectStorage {
  readonly name = 'fs'
  readonly #layout: FsLayout
  readonly #directories: Directories
  readonly #buffers = new LentBuffers()
  readonly #fsyncs: Counter

  private constructor(layout: FsLayout, meter: Meter) {
    this.#layout = layout
    this.#fsyncs = meter.counter('sluice_fsyncs_total', 'Calls of fsync and fdatasync.', {
      store: 'storage',
    })
    this.#directories = new Directories(layout.blobs, this.#fsyncs)
  }

  /** Rejects where the directory is somebody else's, or of a newer format; it is then left as it was. */
  static async open(path: string, meter: Meter): Promise<FsStorage> {
    return new FsStorage(await openDirectoryAsStorage(resolve(path)), meter)
  }

  async put(id: BlobId, body: Body | Uint8Array, options: PutOptions = {}): Promise<BlobInfo> {
    checkBlobId(id)
    const temporary = this.#layout.temporaryOf(id)
    using _ = writing(temporary)
    const file = await openToWrite(temporary).catch(async (error: unknown) => {
      await letGo(body)
      throw error
    })
    try {
      const size = await this.#write(file, id, body, options)
      await this.#directories.moveInto(this.#layout.directoryOf(id), temporary, id)
      return { id, size }
    } catch (error) {
      // Where even this fails, it is removed as a leftover when the storage is opened again.
      await unlink(temporary).catch(() => {})
      throw error
    }
  }

  async get(id: BlobId, range?: ByteRange, signal?: AbortSignal): Promise<Body> {
    checkBlobId(id)
    if (range !== undefined) checkRange(id, range)
    signal?.throwIfAborted()
    return openBlob(id, this.#layout.pathOf(id), range, this.#buffers, signal)
  }

  /** The directories are not synced: a blob that a crash brings back is an orphan, and swept again. */
  async delete(ids: readonly BlobId[]): Promise<void> {
    checkDelete(ids)
    for (let at = 0; at < ids.length; at += UNLINKS_AT_ONCE) {
      const some = ids.slice(at, at + UNLINKS_AT_ONCE)
      await Promise.all(some.map((id) => unlinkIfThere(this.#layout.pathOf(id))))
    }
    await this.#directories.prune(new Set(ids.map((id) => this.#layout.directoryOf(id))))
  }

  list(after: BlobId): AsyncIterable<BlobInfo> {
    return listBlobs(this.#layout, after)
  }

  /** Nothing is held between calls. */
  async [Symbol.asyncDispose](): Promise<void> {}

  async #write(
    file: number,
    id: BlobId,
    body: Body | Uint8Array,
    { size: announced, signal }: PutOptions,
  ): Promise<number> {
    const sizeHint = announced ?? (body instanceof Uint8Array ? body.length : Infinity)
    const writer = new FileWriter(file, sizeHint, this.#buffers, this.#fsyncs)
    let size: number
    try {
      size = await readSource(body, signal, (chunk) => writer.add(chunk))
      checkSize(id, size, announced)
      await writer.finish()
      signal?.throwIfAborted()
    } catch (error) {
      // What went wrong first is the error.
      await writer.close().catch(() => {})
      throw error
    }
    await writer.close()
    return size
  }
}

async function unlinkIfThere(path: string): Promise<void> {
  try {
    await unlink(path)
  } catch (error) {
    if (errno(error) !== 'ENOENT') throw error
  }
}
