/** Bytes that lie in several blobs, as one body. */
import type { Blobs } from '../../storage/store.ts'
import { BlobMissing } from '../lib/store-error.ts'
import type { Reading } from './reading.ts'
import type { Extent } from './rows.ts'

/** The next blob is opened when so many bytes of the one before it are left: neither waited for, nor kept open for long. */
const AHEAD_BYTES = 4 * 1024 * 1024

/**
 * One extent after the other, at most two of them open. Closes what is open when the reader stops, even
 * before its first step, and at an error; one in opening the next blob is told when its turn comes.
 */
export class ExtentsBody implements AsyncIterableIterator<Uint8Array> {
  /** Asked where a blob is missing that was there when the body began; what it gives is thrown instead. */
  explain: (missing: BlobMissing) => Promise<Error> = async (missing) => missing
  readonly #reading: Reading
  readonly #blobsOf: (blob: string) => Blobs
  readonly #extents: readonly Extent[]
  readonly #signal: AbortSignal
  #current: AsyncIterator<Uint8Array> | undefined
  /** The one behind it, where it is opened already. */
  #ahead: Promise<AsyncIterator<Uint8Array>> | undefined
  #index = 0
  /** Bytes of the current one that are still to come. */
  #left = 0
  #isOver = false

  /** `blobsOf`: where a blob is read. */
  constructor(
    reading: Reading,
    blobsOf: (blob: string) => Blobs,
    extents: readonly Extent[],
    signal: AbortSignal,
  ) {
    this.#reading = reading
    this.#blobsOf = blobsOf
    this.#extents = extents
    this.#signal = signal
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  /** Before anything else. From here to its end the body holds its blobs against the sweep. */
  async openFirst(): Promise<void> {
    this.#reading.hold(this.#extents)
    try {
      await this.#enter(this.#open(this.#extents[0]!))
    } catch (error) {
      await this.#close()
      throw error
    }
  }

  async next(): Promise<IteratorResult<Uint8Array>> {
    try {
      while (this.#current !== undefined) {
        const step = await this.#current.next()
        if (step.done !== true) {
          this.#left -= step.value.length
          if (this.#left <= AHEAD_BYTES) this.#openAhead()
          return step
        }
        this.#openAhead()
        const ahead = this.#ahead
        this.#ahead = undefined
        this.#index++
        if (ahead === undefined) await this.#close()
        else await this.#enter(ahead)
      }
      return { done: true, value: undefined }
    } catch (error) {
      await this.#close()
      throw error instanceof BlobMissing ? await this.explain(error) : error
    }
  }

  async return(): Promise<IteratorResult<Uint8Array>> {
    await this.#close()
    return { done: true, value: undefined }
  }

  #openAhead(): void {
    const extent = this.#extents[this.#index + 1]
    if (extent === undefined || this.#ahead !== undefined || this.#isOver) return
    this.#ahead = this.#open(extent)
    this.#ahead.catch(() => {})
  }

  async #open([blob, start, end]: Extent): Promise<AsyncIterator<Uint8Array>> {
    const body = await this.#blobsOf(blob).get(blob, { start, end }, this.#signal)
    return body[Symbol.asyncIterator]()
  }

  /** Goes over to the extent of the index. */
  async #enter(opening: Promise<AsyncIterator<Uint8Array>>): Promise<void> {
    this.#current = undefined
    const body = await opening
    if (this.#isOver) {
      await body.return?.()
      return
    }
    const [, start, end] = this.#extents[this.#index]!
    this.#left = end - start
    this.#current = body
  }

  /** Nothing is read any more. */
  async #close(): Promise<void> {
    if (this.#isOver) return
    this.#isOver = true
    const current = this.#current
    const ahead = this.#ahead
    this.#current = undefined
    this.#ahead = undefined
    this.#reading.release(this.#extents)
    await current?.return?.()
    // One that failed has nothing to close.
    const opened = await ahead?.catch(() => undefined)
    await opened?.return?.()
  }
}
