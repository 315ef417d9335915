/** A request on a connection of the front: what of `IncomingMessage` the listener uses, and no more. */
import type { Socket } from 'node:net'
import type { IncomingBody } from './body-incoming.ts'
import type { PlainHead } from './front-head.ts'

export class FrontRequest implements IncomingBody {
  readonly method: string
  readonly url: string
  readonly rawHeaders: string[]
  readonly socket: Socket
  /** The client went away before all of it had come. */
  destroyed = false
  /** Bytes of the body that the client has still to send. */
  #left: number
  /** Came, and nobody has taken them yet. */
  #queued: Buffer[] = []
  #isFlowing = false
  #isEnded = false
  #isScheduled = false
  #data: ((chunk: Buffer) => void) | undefined
  #end: (() => void) | undefined
  #close: (() => void) | undefined

  constructor(head: PlainHead, socket: Socket) {
    this.method = head.method
    this.url = head.url
    this.rawHeaders = head.rawHeaders
    this.socket = socket
    this.#left = head.bodyBytes ?? 0
  }

  get complete(): boolean {
    return this.#left === 0
  }

  on(event: 'data', listener: (chunk: Buffer) => void): void
  on(event: 'end' | 'close', listener: () => void): void
  on(event: 'data' | 'end' | 'close', listener: (chunk: Buffer) => void): void {
    if (event === 'data') {
      this.#data = listener
      this.resume()
    } else if (event === 'end') this.#end = listener as () => void
    else this.#close = listener as () => void
  }

  pause(): void {
    this.#isFlowing = false
    if (this.#left > 0) this.socket.pause()
  }

  /** What is here is told in a moment: never from within the call. */
  resume(): void {
    this.#isFlowing = true
    if (!this.#isScheduled) {
      this.#isScheduled = true
      queueMicrotask(() => {
        this.#isScheduled = false
        this.#tell()
      })
    }
  }

  /** Takes what the client sent; gives back what is not of this body. */
  take(chunk: Buffer): Buffer | undefined {
    const own = chunk.length <= this.#left ? chunk : chunk.subarray(0, this.#left)
    this.#left -= own.length
    if (own.length > 0) {
      if (this.#isFlowing && this.#queued.length === 0 && !this.#isScheduled) this.#data!(own)
      else {
        this.#queued.push(own)
        if (!this.#isFlowing && this.#left > 0) this.socket.pause()
      }
      if (this.#left === 0 && this.#isFlowing && !this.#isScheduled) this.#tell()
    }
    return own === chunk ? undefined : chunk.subarray(own.length)
  }

  /** No more will come. */
  breakOff(): void {
    this.destroyed = true
    this.#close?.()
  }

  #tell(): void {
    while (this.#isFlowing && this.#queued.length > 0) this.#data?.(this.#queued.shift()!)
    if (!this.#isFlowing) return
    if (this.#left > 0) this.socket.resume()
    else if (!this.#isEnded) {
      this.#isEnded = true
      this.#end?.()
    }
  }
}
