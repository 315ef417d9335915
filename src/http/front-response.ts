/** An answer on a connection of the front: what of `ServerResponse` an `OutgoingSink` uses, and no more. */
import { STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import { writeHttpDate } from './date-text.ts'
import { isToken } from './front-head.ts'
import type { Outgoing } from './sink-outgoing.ts'

/** Larger bodies are not copied to stand behind their head. */
const COPIED_BYTES_MAX = 64 * 1024
// oxlint-disable-next-line no-control-regex -- control characters are what is looked for
const NO_VALUE = /[^\t\x20-\x7e\x80-\xff]/
const CRLF = '\r\n'
const LAST_CHUNK = '0\r\n\r\n'

/** What becomes of the connection is its matter. */
export interface Answered {
  readonly keepAliveSeconds: number
  /** The answer is with the system. `closes`: it said that the connection ends. */
  answered(closes: boolean): void
}

export class FrontResponse implements Outgoing {
  headersSent = false
  writableFinished = false
  destroyed = false
  readonly socket: Socket
  readonly #connection: Answered
  readonly #isHead: boolean
  #head = ''
  #hasBody = true
  #isChunked = false
  #closes = false
  #isEnded = false
  #closed: (() => void)[] | undefined

  constructor(connection: Answered, socket: Socket, isHead: boolean) {
    this.#connection = connection
    this.socket = socket
    this.#isHead = isHead
  }

  /** Throws, nothing sent, for what no header can hold. */
  writeHead(status: number, headers: readonly string[]): void {
    let head = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n`
    let isSized = false
    for (let i = 0; i < headers.length; i += 2) {
      const name = headers[i]!
      const value = headers[i + 1]!
      if (!isToken(name) || NO_VALUE.test(value))
        throw new TypeError(`no header can hold what is in ${name}`)
      if (name === 'content-length') isSized = true
      else if (name === 'connection') this.#closes = value === 'close'
      head += `${name}: ${value}\r\n`
    }
    this.#hasBody = !this.#isHead && status !== 204 && status !== 304
    if (this.#hasBody && !isSized) {
      this.#isChunked = true
      head += 'transfer-encoding: chunked\r\n'
    }
    head += `date: ${dateNow()}\r\n`
    if (!this.#closes)
      head += `connection: keep-alive\r\nkeep-alive: timeout=${this.#connection.keepAliveSeconds}\r\n`
    this.#head = head + CRLF
    this.headersSent = true
  }

  /** `isDone` is called once the system has the bytes; not at all, maybe, where the connection goes. */
  write(chunk: Uint8Array | string, isDone?: () => void): void {
    const { socket } = this
    socket.cork()
    this.flushHeaders()
    if (!this.#hasBody) socket.write('', isDone)
    else if (this.#isChunked) {
      const bytes = typeof chunk === 'string' ? Buffer.from(chunk) : chunk
      socket.write(bytes.length.toString(16) + CRLF, 'latin1')
      socket.write(bytes)
      socket.write(CRLF, 'latin1', isDone)
    } else if (typeof chunk === 'string') socket.write(chunk, 'utf8', isDone)
    else socket.write(chunk, isDone)
    socket.uncork()
  }

  flushHeaders(): void {
    if (this.#head === '') return
    this.socket.write(this.#head, 'latin1')
    this.#head = ''
  }

  end(body?: Uint8Array | string): void {
    if (this.#isEnded || this.destroyed) return
    this.#isEnded = true
    const { socket } = this
    if (body !== undefined && this.#hasBody && body.length > 0) this.#last(body)
    else this.flushHeaders()
    if (this.#isChunked) socket.write(LAST_CHUNK, 'latin1')
    if (socket.writableLength === 0) this.#finish()
    else socket.write('', () => this.#finish())
  }

  /** The connection breaks off. */
  destroy(): void {
    this.socket.destroy()
    this.close()
  }

  once(_event: 'close', listener: () => void): void {
    this.#closed ??= []
    this.#closed.push(listener)
  }

  /** The connection has gone. */
  close(): void {
    if (this.writableFinished || this.destroyed) return
    this.destroyed = true
    for (const listener of this.#closed ?? []) listener()
  }

  /** Head and body in one write where that is cheaper. */
  #last(body: Uint8Array | string): void {
    const head = this.#head
    if (head === '' || this.#isChunked) return this.write(body)
    const { socket } = this
    if (typeof body === 'string') {
      const bytes = Buffer.allocUnsafe(head.length + Buffer.byteLength(body))
      bytes.write(body, bytes.write(head, 'latin1'))
      socket.write(bytes)
    } else if (body.length <= COPIED_BYTES_MAX) {
      const bytes = Buffer.allocUnsafe(head.length + body.length)
      bytes.set(body, bytes.write(head, 'latin1'))
      socket.write(bytes)
    } else this.write(body)
    this.#head = ''
  }

  #finish(): void {
    if (this.destroyed) return
    this.writableFinished = true
    this.#connection.answered(this.#closes)
  }
}

let second = Number.NaN
let text = ''

function dateNow(): string {
  const now = Math.floor(Date.now() / 1000)
  if (now !== second) {
    second = now
    text = writeHttpDate(new Date(now * 1000))
  }
  return text
}
