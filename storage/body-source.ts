/** Reading the body of a put to its end: errors, aborts and early ends in one place. */
import type { Body } from '../src/lib/stream.ts'

/** A body that is in memory goes on in pieces of this many bytes. */
const PIECE_BYTES = 8 * 1024 ** 2

/**
 * Gives each chunk to `take` and waits for what that returns before asking for the next; the chunk
 * is `take`'s until then. Returns the number of bytes.
 *
 * The body's own error passes unchanged. An abort rejects with the signal's reason at once, even
 * while the body keeps us waiting. Wherever the reading stops early, the body is told by `return`.
 */
export async function readSource(
  body: Body | Uint8Array,
  signal: AbortSignal | undefined,
  take: (chunk: Uint8Array) => Promise<void> | void,
): Promise<number> {
  if (body instanceof Uint8Array) return readBytes(body, signal, take)
  if (signal?.aborted !== true) return readBody(body, signal, take)
  await letGo(body)
  throw signal.reason
}

/** Says to a body of which nothing was read that nothing will be. */
export async function letGo(body: Body | Uint8Array): Promise<void> {
  if (!(body instanceof Uint8Array)) await body[Symbol.asyncIterator]().return?.()
}

async function readBytes(
  bytes: Uint8Array,
  signal: AbortSignal | undefined,
  take: (chunk: Uint8Array) => Promise<void> | void,
): Promise<number> {
  signal?.throwIfAborted()
  for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
    signal?.throwIfAborted()
    await take(bytes.subarray(at, at + PIECE_BYTES))
  }
  return bytes.length
}

async function readBody(
  body: Body,
  signal: AbortSignal | undefined,
  take: (chunk: Uint8Array) => Promise<void> | void,
): Promise<number> {
  const source = body[Symbol.asyncIterator]()
  using patience = new Patience(signal)
  let size = 0
  let isPending = true
  try {
    for (;;) {
      isPending = true
      const { done, value } = await patience.next(source)
      if (done === true) return size
      isPending = false
      size += value.length
      const taken = take(value)
      if (taken !== undefined) await taken
      signal?.throwIfAborted()
    }
  } catch (error) {
    // What went wrong first is the error, whatever the body says to its end. A body in the middle of
    // its `next` may never come back: it is told, but not waited for.
    const told = source.return?.().catch(() => {})
    if (!isPending) await told
    throw error
  }
}

/** Waits for a source, until the signal says otherwise. */
class Patience implements Disposable {
  readonly #signal: AbortSignal | undefined
  #giveUp: ((reason: unknown) => void) | undefined

  constructor(signal: AbortSignal | undefined) {
    this.#signal = signal
    signal?.addEventListener('abort', this.#onAbort)
  }

  readonly #onAbort = (): void => this.#giveUp?.(this.#signal?.reason)

  next(source: AsyncIterator<Uint8Array>): Promise<IteratorResult<Uint8Array>> {
    if (this.#signal === undefined) return source.next()
    return new Promise((resolve, reject) => {
      this.#giveUp = reject
      source.next().then(resolve, reject)
    })
  }

  [Symbol.dispose](): void {
    this.#signal?.removeEventListener('abort', this.#onAbort)
  }
}
