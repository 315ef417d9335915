/** The body of an HTTP request as a `Source`, with a bound on how long its client may be silent. */
import { S3Error } from '../api/error.ts'
import type { Receiver, Source } from './body.ts'
import type { Patience, Waiting } from './patience.ts'

/** What of an unwanted body is read away before the connection closes, so that the answer is seen. */
export const DRAIN_BYTES_MAX: number = 1024 ** 2
export const DRAIN_MS_MAX = 1000

/** What of a request's body a transport shows; an `IncomingMessage` is one. */
export interface IncomingBody {
  /** All of it has come. */
  readonly complete: boolean
  /** Where it is not complete: it never will be. */
  readonly destroyed: boolean
  pause(): unknown
  resume(): unknown
  on(event: 'data', listener: (chunk: Buffer) => void): unknown
  on(event: 'end' | 'close', listener: () => void): unknown
}

/** What the head of a request says of its body. */
export interface Announced {
  readonly isAnnounced: boolean
  readonly length: number | undefined
}

export class IncomingSource implements Source, Waiting {
  readonly isAnnounced: boolean
  readonly length: number | undefined
  idleTicks = 0
  isWaiting = false
  readonly #request: IncomingBody
  readonly #patience: Patience
  /** Asks the client for the body (100 Continue); undefined where it needs no asking, or was asked. */
  #ask: (() => void) | undefined
  #receiver: Receiver | undefined
  #isFlowing = false
  /** Ended, broken off, or timed out. */
  #isOver = false
  #received = 0
  /** Set while draining: how many bytes more, and whom to tell. */
  #drainBytes = 0
  #drained: (() => void) | undefined

  constructor(
    request: IncomingBody,
    { isAnnounced, length }: Announced,
    patience: Patience,
    ask: (() => void) | undefined,
  ) {
    this.length = length
    this.isAnnounced = isAnnounced
    this.#request = request
    this.#patience = patience
    this.#ask = ask
  }

  /** True where the client has bytes of this body still to send, or may think so. */
  get isPending(): boolean {
    return this.isAnnounced && this.length !== 0 && !this.#request.complete
  }

  /** True where the rest is sure to be more than is ever drained, or may never come. */
  get isHopeless(): boolean {
    if (this.#ask !== undefined || this.#isOver) return true
    return this.length !== undefined && this.length - this.#received > DRAIN_BYTES_MAX
  }

  start(receiver: Receiver): void {
    this.#receiver = receiver
    const ask = this.#ask
    this.#ask = undefined
    if (this.#request.destroyed && !this.#request.complete) {
      this.#over()
      receiver.fail(brokenOff())
      return
    }
    ask?.()
    this.#flow()
    this.#wait(true)
  }

  pause(): void {
    this.#request.pause()
    this.#wait(false)
  }

  resume(): void {
    this.#request.resume()
    this.#wait(true)
  }

  stop(): void {
    this.#receiver = undefined
    this.#wait(false)
    // Held until somebody drains it: reading on would let a client send for ever.
    if (!this.#isOver) this.#request.pause()
  }

  /** Waited too long for the next bytes. */
  expire(): void {
    const receiver = this.#receiver
    this.#over()
    receiver?.fail(new S3Error('RequestTimeout'))
  }

  /** Reads the rest away, within the bounds above; then calls back, however it went. */
  drain(done: () => void): void {
    this.#receiver = undefined
    this.#wait(false)
    if (this.#request.complete || this.#request.destroyed) {
      done()
      return
    }
    const timer = setTimeout(() => this.#drained?.(), DRAIN_MS_MAX)
    this.#drainBytes = DRAIN_BYTES_MAX
    this.#drained = () => {
      clearTimeout(timer)
      this.#drained = undefined
      done()
    }
    this.#flow()
    this.#request.resume()
  }

  #flow(): void {
    if (this.#isFlowing) return
    this.#isFlowing = true
    const request = this.#request
    request.on('data', (chunk: Buffer) => this.#data(chunk))
    request.on('end', () => this.#end())
    request.on('close', () => this.#close())
  }

  #data(chunk: Buffer): void {
    this.idleTicks = 0
    this.#received += chunk.length
    if (this.#receiver !== undefined) this.#receiver.data(chunk)
    else if (this.#drained !== undefined && (this.#drainBytes -= chunk.length) < 0) {
      this.#request.pause()
      this.#drained()
    }
  }

  #end(): void {
    const receiver = this.#receiver
    this.#over()
    receiver?.end()
    this.#drained?.()
  }

  #close(): void {
    if (this.#request.complete) return
    const receiver = this.#receiver
    this.#over()
    receiver?.fail(brokenOff())
    this.#drained?.()
  }

  #over(): void {
    this.#isOver = true
    this.#receiver = undefined
    this.#wait(false)
  }

  #wait(isWaiting: boolean): void {
    if (isWaiting === this.isWaiting) return
    this.isWaiting = isWaiting
    this.idleTicks = 0
    if (isWaiting) this.#patience.add(this)
    else this.#patience.delete(this)
  }
}

function brokenOff(): S3Error {
  return new S3Error('IncompleteBody', { message: 'The request body terminated unexpectedly' })
}
