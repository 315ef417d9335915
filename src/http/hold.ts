/**
 * S3's way with operations that take long (CompleteMultipartUpload, "Sending a 200 OK response"):
 * 200 at once, white space while the work goes on, then the document of the result, or of the error.
 */
import type { Sink } from './sink.ts'

/** First of all, for nothing may stand before it; the document that follows comes without. */
const DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'

export class Hold {
  readonly #sink: Sink
  readonly #headers: () => string[]
  #timer: NodeJS.Timeout
  #isBegun = false

  /** Starts to wait: after `afterMs` the answer begins, and a space follows each further `afterMs`. */
  constructor(sink: Sink, afterMs: number, headers: () => string[]) {
    this.#sink = sink
    this.#headers = headers
    this.#timer = setInterval(() => this.#tick(), afterMs)
  }

  /** True once the head is out: the status can no longer change. */
  get isBegun(): boolean {
    return this.#isBegun
  }

  /** The wait is over. */
  stop(): void {
    clearInterval(this.#timer)
  }

  /** The document, after what has already gone out; gives the bytes of it. */
  finish(document: string): number {
    const end = document.startsWith('<?xml') ? document.indexOf('?>') + 2 : 0
    const rest = document.slice(end).trimStart()
    this.#sink.finish(rest)
    return Buffer.byteLength(rest)
  }

  #tick(): void {
    if (this.#sink.isGone) return
    if (this.#isBegun) this.#sink.space()
    else {
      this.#isBegun = true
      this.#sink.hold(200, [...this.#headers(), 'content-type', 'application/xml'], DECLARATION)
    }
  }
}
