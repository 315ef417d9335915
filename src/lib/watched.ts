/** A body that is looked at on its way: digested, counted, verified. */
import type { Body } from './stream.ts'

/**
 * The same bytes. `onChunk` sees each chunk before the reader does; `onEnd` is called once they have
 * all come. What either throws is the body's error, and its source is then released.
 */
export function watched(
  body: Body,
  onChunk: (chunk: Uint8Array) => void,
  onEnd: () => void = () => {},
): Body {
  return new Watched(body[Symbol.asyncIterator](), onChunk, onEnd)
}

/** No generator, because one that was never started would not pass `return` on to its source. */
class Watched implements AsyncIterableIterator<Uint8Array> {
  readonly #source: AsyncIterator<Uint8Array>
  readonly #onChunk: (chunk: Uint8Array) => void
  readonly #onEnd: () => void
  #ended = false

  constructor(
    source: AsyncIterator<Uint8Array>,
    onChunk: (chunk: Uint8Array) => void,
    onEnd: () => void,
  ) {
    this.#source = source
    this.#onChunk = onChunk
    this.#onEnd = onEnd
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  async next(): Promise<IteratorResult<Uint8Array>> {
    if (this.#ended) return { done: true, value: undefined }
    const step = await this.#source.next()
    if (step.done === true) {
      this.#ended = true
      this.#onEnd()
      return step
    }
    try {
      this.#onChunk(step.value)
    } catch (error) {
      await this.return()
      throw error
    }
    return step
  }

  async return(): Promise<IteratorResult<Uint8Array>> {
    this.#ended = true
    await this.#source.return?.()
    return { done: true, value: undefined }
  }
}
