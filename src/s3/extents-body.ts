/** Bytes that lie in several blobs, as one body. */
import type { Blobs } from '../../storage/store.ts'
import type { Reading } from './reading.ts'
import type { Extent } from './rows.ts'

/** One extent after the other, each opened when the one before it has been read. Closes what is open when the reader stops, even before its first step. */
export class ExtentsBody implements AsyncIterableIterator<Uint8Array> {
  readonly #reading: Reading
  readonly #blobsOf: (blob: string) => Blobs
  readonly #extents: readonly Extent[]
  readonly #signal: AbortSignal
  #current: AsyncIterator<Uint8Array> | undefined
  #index = 0

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
      this.#current = await this.#open(this.#extents[0]!)
    } catch (error) {
      this.#reading.release(this.#extents)
      throw error
    }
  }

  async next(): Promise<IteratorResult<Uint8Array>> {
    try {
      while (this.#current !== undefined) {
        const step = await this.#current.next()
        if (step.done !== true) return step
        const extent = this.#extents[++this.#index]
        if (extent === undefined) this.#end()
        else this.#current = await this.#open(extent)
      }
      return { done: true, value: undefined }
    } catch (error) {
      this.#end()
      throw error
    }
  }

  async return(): Promise<IteratorResult<Uint8Array>> {
    const current = this.#current
    this.#end()
    await current?.return?.()
    return { done: true, value: undefined }
  }

  async #open([blob, start, end]: Extent): Promise<AsyncIterator<Uint8Array>> {
    const body = await this.#blobsOf(blob).get(blob, { start, end }, this.#signal)
    return body[Symbol.asyncIterator]()
  }

  /** Once: nothing is read any more. */
  #end(): void {
    if (this.#current === undefined) return
    this.#current = undefined
    this.#reading.release(this.#extents)
  }
}
