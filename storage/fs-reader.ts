/**
 * A blob, or a range of it, being read: one buffer in the reader's hands, the other being filled.
 *
 * What was promised comes whole: where the file ends before the range does, the last chunk is an
 * error (`BlobMissing`: bytes are lost) and never a clean end. The file is closed as soon as its
 * last byte was read, at `return`, at an error and at an abort; buffers go back once the reader asks
 * for the next chunk or says `return`.
 */
import { BlobMissing } from '../src/lib/store-error.ts'
import type { Body } from '../src/lib/stream.ts'
import { close, errno, openToRead, read } from './fs-calls.ts'
import type { LentBuffers } from './lent-buffers.ts'
import type { BlobId, ByteRange } from './store.ts'

/** Opens the file at `path` and reads its first bytes. Without a range: all that is in it. */
export async function openBlob(
  id: BlobId,
  path: string,
  range: ByteRange | undefined,
  buffers: LentBuffers,
  signal: AbortSignal | undefined,
): Promise<Body> {
  let file: number
  try {
    file = await openToRead(path)
  } catch (error) {
    if (errno(error) !== 'ENOENT') throw error
    throw new BlobMissing(`blob ${id} is missing`, { cause: error })
  }
  const body = new FileBody(id, file, range, buffers)
  await body.begin(signal)
  return body
}

const END: IteratorReturnResult<undefined> = { done: true, value: undefined }

class FileBody implements AsyncIterableIterator<Uint8Array> {
  readonly #id: BlobId
  readonly #file: number
  readonly #buffers: LentBuffers
  /** Where the next read begins. */
  #position: number
  /** Where the last one ends; Infinity while nobody knows. */
  #end: number
  /** The buffer in the reader's hands, and the one that is being filled or waits for the reader. */
  #lent: Buffer | undefined
  #next: Buffer | undefined
  /** The chunk in `#next`, once it is filled; undefined when there is none to come. */
  #ahead: Promise<Uint8Array> | undefined
  #closed: Promise<void> | undefined
  #signal: AbortSignal | undefined
  #isOver = false

  constructor(id: BlobId, file: number, range: ByteRange | undefined, buffers: LentBuffers) {
    this.#id = id
    this.#file = file
    this.#buffers = buffers
    this.#position = range?.start ?? 0
    this.#end = range?.end ?? Infinity
  }

  /** Reads the first chunk; rejects with everything released. */
  async begin(signal: AbortSignal | undefined): Promise<void> {
    this.#signal = signal
    signal?.addEventListener('abort', this.#onAbort)
    this.#readAhead()
    try {
      await this.#ahead
      signal?.throwIfAborted()
    } catch (error) {
      await this.return()
      throw error
    }
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  async next(): Promise<IteratorResult<Uint8Array>> {
    this.#giveBack()
    try {
      this.#signal?.throwIfAborted()
      const chunk = await this.#ahead
      if (this.#isOver) return END
      this.#signal?.throwIfAborted()
      if (chunk === undefined || chunk.length === 0) return await this.return()
      this.#lent = this.#next
      this.#next = undefined
      this.#ahead = undefined
      if (this.#position < this.#end) this.#readAhead()
      return { done: false, value: chunk }
    } catch (error) {
      await this.return()
      throw error
    }
  }

  async return(): Promise<IteratorResult<Uint8Array>> {
    this.#isOver = true
    this.#signal?.removeEventListener('abort', this.#onAbort)
    this.#giveBack()
    await this.#close()
    if (this.#next !== undefined) this.#buffers.give(this.#next)
    this.#next = undefined
    this.#ahead = undefined
    return END
  }

  /** The reader may be busy for long: the file is not held for it. */
  readonly #onAbort = (): void => void this.#close()

  #giveBack(): void {
    if (this.#lent !== undefined) this.#buffers.give(this.#lent)
    this.#lent = undefined
  }

  #readAhead(): void {
    this.#next = this.#buffers.take(this.#end - this.#position)
    this.#ahead = this.#fill(this.#next)
    // Its error is met by `next`; until then it is not unhandled.
    this.#ahead.catch(() => {})
  }

  async #fill(buffer: Buffer): Promise<Uint8Array> {
    const length = Math.min(buffer.length, this.#end - this.#position)
    const count = await read(this.#file, buffer, length, this.#position)
    this.#position += count
    if (count < length) {
      if (this.#end !== Infinity) {
        throw new BlobMissing(`blob ${this.#id} ends at byte ${this.#position}, not ${this.#end}`)
      }
      this.#end = this.#position
    }
    if (this.#position === this.#end) void this.#close()
    return buffer.subarray(0, count)
  }

  /** Closes the file once no read is under way on it. */
  #close(): Promise<void> {
    this.#closed ??= this.#closeAfter(this.#ahead)
    return this.#closed
  }

  async #closeAfter(reading: Promise<Uint8Array> | undefined): Promise<void> {
    await reading?.catch(() => {})
    // Nothing can be lost by it: the file was only read.
    await close(this.#file).catch(() => {})
  }
}
