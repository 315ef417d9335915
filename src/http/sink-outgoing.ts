/** An HTTP response as a `Sink`. */
import type { Body } from '../lib/stream.ts'
import type { IncomingSource } from './body-incoming.ts'
import type { Patience, Waiting } from './patience.ts'
import type { Sink } from './sink.ts'

/** What of a response a transport shows; a `ServerResponse` is one. */
export interface Outgoing {
  readonly destroyed: boolean
  readonly headersSent: boolean
  /** Ended, and the system has all of it. */
  readonly writableFinished: boolean
  readonly socket: { destroySoon(): void } | null
  /** Throws where a header cannot be sent. */
  writeHead(status: number, headers: string[]): unknown
  flushHeaders(): void
  write(chunk: Uint8Array | string, isDone?: () => void): unknown
  end(body?: Uint8Array | string): unknown
  destroy(): unknown
  once(event: 'close', listener: () => void): unknown
}

export class OutgoingSink implements Sink, Waiting {
  idleTicks = 0
  isWaiting = false
  readonly #response: Outgoing
  readonly #isHead: boolean
  readonly #source: IncomingSource
  readonly #patience: Patience
  /** Tells the writer of a streamed body that its chunk is out, or that nobody wants it any more. */
  #wake: (() => void) | undefined
  /** Calls it; made once a streamed body begins. */
  #written: (() => void) | undefined

  constructor(response: Outgoing, isHead: boolean, source: IncomingSource, patience: Patience) {
    this.#response = response
    this.#isHead = isHead
    this.#source = source
    this.#patience = patience
  }

  get isGone(): boolean {
    return this.#response.destroyed && !this.#response.writableFinished
  }

  get hasBegun(): boolean {
    return this.#response.headersSent
  }

  send(status: number, headers: string[], body: Uint8Array | string | undefined): void {
    const response = this.#response
    if (response.destroyed) return
    if (!this.#isHead && status !== 204 && status !== 304) {
      if (valueOf(headers, 'content-length') === undefined) {
        headers.push('content-length', String(lengthOf(body)))
      }
    }
    if (!this.#source.isPending) {
      response.writeHead(status, headers)
      response.end(body)
      return
    }
    this.#head(status, headers)
    if (body === undefined) response.flushHeaders()
    else response.write(body)
    this.#end()
  }

  async stream(status: number, headers: string[], body: Body): Promise<number> {
    const response = this.#response
    const length = valueOf(headers, 'content-length')
    const isHead = this.#isHead
    let sent = 0
    let isWhole = false
    try {
      for await (const chunk of this.#begin(status, headers, body)) {
        if (response.destroyed) return sent
        if (isHead) break
        await this.#write(chunk)
        sent += chunk.length
      }
      isWhole = isHead || length === undefined || sent === Number(length)
      if (!isWhole && !response.destroyed) {
        throw new Error(`a body of ${length} bytes ended after ${sent}`)
      }
      return sent
    } finally {
      this.#wait(false)
      if (isWhole) this.#end()
      // A clean end would pass a part off as the whole.
      else if (this.hasBegun) response.destroy()
    }
  }

  hold(status: number, headers: string[], begin: string): void {
    this.#head(status, headers)
    this.#response.write(begin)
  }

  space(): void {
    if (!this.#response.destroyed) this.#response.write(' ')
  }

  finish(text: string): void {
    if (this.#response.destroyed) return
    this.#response.write(text)
    this.#end()
  }

  onGone(listener: () => void): void {
    if (this.isGone) {
      listener()
      return
    }
    this.#response.once('close', () => {
      if (!this.#response.writableFinished) listener()
    })
  }

  /** The client reads nothing of what it asked for. */
  expire(): void {
    this.#response.destroy()
  }

  #head(status: number, headers: string[]): void {
    if (this.#source.isPending && this.#source.isHopeless) headers.push('connection', 'close')
    this.#response.writeHead(status, headers)
  }

  /** All is written; ends once the client has sent what it was about to send, or enough of it. */
  #end(): void {
    const response = this.#response
    if (!this.#source.isPending) {
      response.end()
      return
    }
    const { socket } = response
    this.#source.drain(() => {
      response.end()
      if (this.#source.isPending) socket?.destroySoon()
    })
  }

  /** Sends the head and gives the body; returns it unread where the head cannot be sent. */
  #begin(status: number, headers: string[], body: Body): Body {
    const response = this.#response
    if (response.destroyed) return body
    try {
      this.#head(status, headers)
    } catch (error) {
      void body[Symbol.asyncIterator]().return?.()
      throw error
    }
    // Some writes are never called back once the connection has gone.
    this.#written = () => {
      this.#wait(false)
      this.#wake?.()
    }
    response.once('close', this.#written)
    return body
  }

  /** Writes a chunk and waits until the system has it: its memory is then free for the next one. */
  #write(chunk: Uint8Array): Promise<void> {
    const written = new Promise<void>((resolve) => {
      this.#wake = resolve
    })
    this.#wait(true)
    this.#response.write(chunk, this.#written)
    return written
  }

  #wait(isWaiting: boolean): void {
    if (isWaiting === this.isWaiting) return
    this.isWaiting = isWaiting
    this.idleTicks = 0
    if (isWaiting) this.#patience.add(this)
    else this.#patience.delete(this)
  }
}

function lengthOf(body: Uint8Array | string | undefined): number {
  if (body === undefined) return 0
  return typeof body === 'string' ? Buffer.byteLength(body) : body.length
}

/** Value of a header in a flat list; `name` in lower case. */
function valueOf(headers: readonly string[], name: string): string | undefined {
  for (let i = 0; i < headers.length; i += 2) {
    const at = headers[i]!
    if (at.length === name.length && at.toLowerCase() === name) return headers[i + 1]
  }
  return undefined
}
