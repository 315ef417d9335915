/**
 * A blob, or a range of it, being read: into one buffer of the pool, which is filled when the reader
 * asks for the next chunk. The first one is in hand from the beginning. While bytes are to come, the
 * slices stay, even where the blob is deleted meanwhile.
 */
import type { LentBuffers } from './lent-buffers.ts'
import type { ByteRange } from './store.ts'

/** What a reader needs of its storage. */
export interface SliceSource {
  /** Fills `target` with the bytes from `start` on. */
  read(start: number, target: Uint8Array): void
  /** Called once, when the reader needs the slices no more. */
  release(): void
}

const END: IteratorReturnResult<undefined> = { done: true, value: undefined }

export class SliceBody implements AsyncIterableIterator<Uint8Array> {
  readonly #source: SliceSource
  readonly #buffers: LentBuffers
  readonly #end: number
  readonly #signal: AbortSignal | undefined
  #position: number
  #buffer: Buffer | undefined
  /** Filled, and not yet in the reader's hands. */
  #ready: Uint8Array | undefined
  #isReleased = false

  /** Reads the first chunk; throws with everything released. */
  constructor(
    source: SliceSource,
    { start, end }: ByteRange,
    buffers: LentBuffers,
    signal: AbortSignal | undefined,
  ) {
    this.#source = source
    this.#buffers = buffers
    this.#position = start
    this.#end = end
    this.#signal = signal
    signal?.addEventListener('abort', this.#onAbort)
    if (start === end) this.#release()
    else this.#fill()
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  async next(): Promise<IteratorResult<Uint8Array>> {
    if (this.#signal?.aborted === true) {
      this.#stop()
      throw this.#signal.reason
    }
    if (this.#ready === undefined && !this.#isReleased) this.#fill()
    const value = this.#ready
    this.#ready = undefined
    if (value !== undefined) return { done: false, value }
    this.#stop()
    return END
  }

  async return(): Promise<IteratorResult<Uint8Array>> {
    this.#stop()
    return END
  }

  readonly #onAbort = (): void => this.#release()

  #fill(): void {
    const left = this.#end - this.#position
    this.#buffer ??= this.#buffers.take(left)
    const chunk = this.#buffer.subarray(0, Math.min(left, this.#buffer.length))
    try {
      this.#source.read(this.#position, chunk)
    } catch (error) {
      this.#stop()
      throw error
    }
    this.#position += chunk.length
    this.#ready = chunk
    if (this.#position === this.#end) this.#release()
  }

  #stop(): void {
    this.#release()
    this.#ready = undefined
    if (this.#buffer !== undefined) this.#buffers.give(this.#buffer)
    this.#buffer = undefined
    this.#signal?.removeEventListener('abort', this.#onAbort)
  }

  #release(): void {
    if (this.#isReleased) return
    this.#isReleased = true
    this.#source.release()
  }
}
