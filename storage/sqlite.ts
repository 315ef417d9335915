/**
 * Blobs in one file of SQLite, which this process alone has open: for devices with a few large files
 * and no directories to sync, and for a store that is copied by copying one file.
 *
 * A blob is written in small transactions under a number that nobody is shown, and the last one shows
 * it; what was acknowledged is in the synced log, and what was not is removed when the file is opened
 * again. Puts that end at the same time share a transaction and a sync. SQLite's work is done on the
 * loop, at most some milliseconds at a time; waiting for the disk is not, except where a page that is
 * read is in nobody's cache.
 *
 * A sync that fails leaves it unknown what the disk has: that put and every later one is answered
 * `StoreUnavailable` until the store is opened again.
 */
import { dirname, resolve } from 'node:path'
import { makeDirectory } from '../src/lib/durable-directory.ts'
import type { Meter } from '../src/lib/meter.ts'
import { type Datasync, SqliteLog } from '../src/lib/sqlite-log.ts'
import { BlobMissing, StoreUnavailable } from '../src/lib/store-error.ts'
import type { Body } from '../src/lib/stream.ts'
import { checkBlobId, checkDelete, checkRange, checkSize } from './blob-claims.ts'
import { letGo, readSource } from './body-source.ts'
import { LentBuffers } from './lent-buffers.ts'
import { type Found, LAYOUT, PAGE_BYTES, SLICE_BYTES, SqliteBlobs } from './sqlite-blobs.ts'
import { SliceBody } from './sqlite-reader.ts'
import { FREE_PAGES_KEPT, SqliteRemoval } from './sqlite-removal.ts'
import { SqliteUpload } from './sqlite-upload.ts'
import { inWordsOfStores, SqliteWrites } from './sqlite-writes.ts'
import type { BlobId, BlobInfo, ByteRange, ObjectStorage, PutOptions } from './store.ts'

/** The log is moved into the database at 8 MiB, which holds up the loop for 10 to 20 ms. */
const CHECKPOINT_FRAMES: number = (8 * 1024 ** 2) / PAGE_BYTES
/** Blobs read at a time for a list. */
const LIST_MAX = 256
/** A blob of at most so many bytes is deleted in the transaction that hides it. */
const SMALL_BYTES: number = 4 * SLICE_BYTES

export interface SqliteStorageOptions {
  /** The database's file; its directory is made where it is missing. */
  readonly path: string
  readonly meter: Meter
  /** How a file is made durable; fdatasync in the pool of threads where none is given. */
  readonly datasync?: Datasync
  /** Most pages that the file may have; puts beyond it are refused with `StoreFull`. */
  readonly pagesMax?: number
  /** Pages in the log at which it is moved into the database. */
  readonly checkpointFrames?: number
  /** Free pages that stay in the file. */
  readonly freePagesKept?: number
}

export class SqliteStorage implements ObjectStorage {
  readonly name = 'sqlite'
  readonly #log: SqliteLog
  readonly #blobs: SqliteBlobs
  readonly #writes: SqliteWrites
  readonly #removal: SqliteRemoval
  readonly #buffers = new LentBuffers()
  /** Being put: not shown to anybody, even where the row is there and waits for its sync. */
  readonly #putting = new Set<BlobId>()
  #closing: Promise<void> | undefined

  private constructor(options: SqliteStorageOptions) {
    const { path, meter, datasync, pagesMax, checkpointFrames, freePagesKept } = options
    const fsyncs = meter.counter('sluice_fsyncs_total', 'Calls of fsync and fdatasync.', {
      store: 'storage',
    })
    const onSync = (): void => fsyncs.add()
    this.#log = new SqliteLog(path, LAYOUT, { onSync, ...(datasync && { datasync }) })
    if (pagesMax !== undefined) this.#log.db.pragma(`max_page_count = ${pagesMax}`)
    this.#blobs = new SqliteBlobs(this.#log.db)
    this.#writes = new SqliteWrites(this.#log, this.#blobs, checkpointFrames ?? CHECKPOINT_FRAMES)
    this.#removal = new SqliteRemoval(this.#blobs, this.#writes, freePagesKept ?? FREE_PAGES_KEPT)
  }

  /**
   * Removes what dead writers left. Rejects with `StoreLocked` where another process has the file, and
   * with an error that says so where it is somebody else's or a newer program's; it is left as it was.
   */
  static async open(options: SqliteStorageOptions): Promise<SqliteStorage> {
    makeDirectory(dirname(resolve(options.path)))
    const storage = new SqliteStorage(options)
    try {
      await storage.#removal.remove(storage.#blobs.loose())
    } catch (error) {
      await storage[Symbol.asyncDispose]()
      throw error
    }
    return storage
  }

  async put(id: BlobId, body: Body | Uint8Array, options: PutOptions = {}): Promise<BlobInfo> {
    checkBlobId(id)
    try {
      this.#checkOpen()
      if (this.#log.broken) throw this.#log.broken
      if (this.#putting.has(id) || this.#blobs.find(id) !== undefined)
        throw new Error(`blob ${id} is there already`)
    } catch (error) {
      await letGo(body)
      throw inWordsOfStores(error)
    }
    this.#putting.add(id)
    try {
      return await this.#put(id, body, options)
    } finally {
      // Of a put whose sync failed the row may be there: it is not shown as long as that is unknown.
      if (this.#log.broken === undefined) this.#putting.delete(id)
    }
  }

  async get(id: BlobId, range?: ByteRange, signal?: AbortSignal): Promise<Body> {
    checkBlobId(id)
    if (range !== undefined) checkRange(id, range)
    signal?.throwIfAborted()
    const found = this.#find(id)
    if (found === undefined) throw new BlobMissing(`blob ${id} is missing`)
    const { no, size } = found
    if (range !== undefined && range.end > size)
      throw new BlobMissing(`blob ${id} ends at byte ${size}, before byte ${range.end}`)
    const source = {
      read: (start: number, target: Uint8Array): void => this.#read(no, start, target),
      release: (): void => this.#removal.release(no),
    }
    this.#removal.hold(no)
    return new SliceBody(source, range ?? { start: 0, end: size }, this.#buffers, signal)
  }

  /** Nothing is synced: a blob that a power cut brings back is an orphan, and swept again. */
  async delete(ids: readonly BlobId[]): Promise<void> {
    checkDelete(ids)
    this.#checkOpen()
    const loose: number[] = []
    await this.#writes.run(0, () => {
      for (const id of ids) {
        const found = this.#putting.has(id) ? undefined : this.#blobs.find(id)
        if (found === undefined) continue
        this.#blobs.hide(id)
        // The number of an empty blob, of which no slice tells, may be another's too.
        if (found.size === 0) continue
        if (found.size <= SMALL_BYTES && !this.#removal.isRead(found.no)) {
          this.#blobs.removeSlices(found.no, SMALL_BYTES / SLICE_BYTES)
        } else {
          this.#blobs.loosen(found.no)
          loose.push(found.no)
        }
      }
    })
    await this.#removal.remove(loose)
  }

  async *list(after: BlobId): AsyncGenerator<BlobInfo> {
    for (let last = after; ;) {
      this.#checkOpen()
      const blobs = this.#blobs.list(last, LIST_MAX)
      for (const blob of blobs) if (!this.#putting.has(blob.id)) yield blob
      if (blobs.length < LIST_MAX) return
      last = blobs.at(-1)!.id
    }
  }

  /** Ends what is being written; puts under way fail, and leave nothing once the file is opened again. */
  [Symbol.asyncDispose](): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    await this.#removal.close()
    await this.#writes.close()
    this.#log.close()
  }

  async #put(id: BlobId, body: Body | Uint8Array, options: PutOptions): Promise<BlobInfo> {
    const { size: announced, signal } = options
    const sizeHint = announced ?? (body instanceof Uint8Array ? body.length : Infinity)
    using upload = new SqliteUpload(this.#blobs, this.#writes, this.#buffers, sizeHint)
    try {
      const size = await readSource(body, signal, (chunk) => upload.add(chunk))
      checkSize(id, size, announced)
      signal?.throwIfAborted()
      await upload.finish(id)
      return { id, size }
    } catch (error) {
      // What cannot be removed now (of a full disk, say) is removed with what is deleted next.
      if (upload.loose !== undefined) await this.#removal.remove([upload.loose]).catch(() => {})
      throw error
    }
  }

  #find(id: BlobId): Found | undefined {
    this.#checkOpen()
    if (this.#putting.has(id)) return undefined
    try {
      return this.#blobs.find(id)
    } catch (error) {
      throw inWordsOfStores(error)
    }
  }

  #read(no: number, start: number, target: Uint8Array): void {
    this.#checkOpen()
    try {
      this.#blobs.read(no, start, target)
    } catch (error) {
      throw inWordsOfStores(error)
    }
  }

  #checkOpen(): void {
    if (this.#closing) throw new StoreUnavailable('the store of blobs is closed')
  }
}
