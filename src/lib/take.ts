/** The beginning of a body in hand: small bodies whole, large ones still on their way. */
import type { Body } from './stream.ts'

/**
 * Reads the body until it ends or more than `max` bytes have come. A body of at most `max` bytes
 * comes whole, in memory of its own; of a longer one a Body that gives all of it, to be read once.
 * An error of the body rejects here, or where its bytes would have come.
 */
export async function takeUpTo(body: Body, max: number): Promise<Uint8Array | Body> {
  const source = body[Symbol.asyncIterator]()
  const held: Uint8Array[] = []
  let heldBytes = 0
  for (;;) {
    const { done, value } = await source.next()
    if (done === true) return joined(held, heldBytes)
    if (heldBytes + value.length > max) {
      // The chunk that went beyond is no copy: nobody asks for the next one before it has been read.
      const first = heldBytes === 0 ? [value] : [joined(held, heldBytes), value]
      return new Resumed(first, source)
    }
    held.push(Uint8Array.prototype.slice.call(value))
    heldBytes += value.length
  }
}

function joined(chunks: readonly Uint8Array[], sizeBytes: number): Uint8Array {
  const [only] = chunks
  if (chunks.length === 1 && only !== undefined) return only
  const bytes = new Uint8Array(sizeBytes)
  let at = 0
  for (const chunk of chunks) {
    bytes.set(chunk, at)
    at += chunk.length
  }
  return bytes
}

/**
 * A body some of whose bytes have been read already. A class and not a generator, because a
 * generator that was never started would not pass `return` on to its source.
 */
class Resumed implements AsyncIterableIterator<Uint8Array> {
  #first: readonly Uint8Array[]
  readonly #rest: AsyncIterator<Uint8Array>

  constructor(first: readonly Uint8Array[], rest: AsyncIterator<Uint8Array>) {
    this.#first = first
    this.#rest = rest
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  async next(): Promise<IteratorResult<Uint8Array>> {
    const [value, ...later] = this.#first
    if (value === undefined) return this.#rest.next()
    this.#first = later
    return { done: false, value }
  }

  async return(): Promise<IteratorResult<Uint8Array>> {
    this.#first = []
    await this.#rest.return?.()
    return { done: true, value: undefined }
  }
}
