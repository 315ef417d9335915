/**
 * A front before node:http, for requests as clients of S3 mostly send them: a plain head that comes in
 * one piece, and a body, if any, of a known length. It costs a third of what node:http does.
 *
 * A connection that brings anything else (another framing, a head in pieces, requests sent ahead, what
 * is not S3's, what is no HTTP) is Node's from that request on, with all that it has sent: so there is
 * one judge of what is unusual, and none of it is read in two ways.
 */
import type { Server } from 'node:http'
import type { Socket } from 'node:net'
import { type PlainHead, readPlainHead } from './front-head.ts'
import { FrontRequest } from './front-request.ts'
import { type Answered, FrontResponse } from './front-response.ts'

/** Heads that are longer are Node's to read. */
const HEAD_BYTES_MAX = 16 * 1024
const TICKS = 8
const CONTINUE = 'HTTP/1.1 100 Continue\r\n\r\n'

export interface FrontOptions {
  /** Whether it is S3's; all else goes to Node. */
  readonly isOurs: (head: PlainHead) => boolean
  /** `ask`: asks the client for the body. */
  readonly serve: (
    request: FrontRequest,
    response: FrontResponse,
    head: PlainHead,
    ask: (() => void) | undefined,
  ) => void
  /** Answers a client that will send no more in the midst of a body, and ends the connection. */
  readonly refuseBroken: (socket: Socket) => void
}

type HandOver = (socket: Socket) => void

export class Front implements Disposable {
  readonly #options: FrontOptions
  readonly #connections = new Set<Connection>()
  readonly #timers: NodeJS.Timeout[] = []

  constructor(options: FrontOptions) {
    this.#options = options
  }

  /** Takes the server's connections. Who closes the server's idle or all connections closes these too. */
  attach(server: Server): void {
    const event = 'setSecureContext' in server ? 'secureConnection' : 'connection'
    const own = server.listeners(event) as HandOver[]
    server.removeAllListeners(event)
    const handOver: HandOver = (socket) => {
      for (const listener of own) listener.call(server, socket)
    }
    const keepAliveMs = server.keepAliveTimeout
    const limits: Limits = {
      headBytesMax: Math.min(maxHeaderSizeOf(server), HEAD_BYTES_MAX),
      keepAliveSeconds: Math.floor(keepAliveMs / 1000),
    }
    server.on(event, (socket: Socket) => {
      const connection = new Connection(socket, this.#options, limits, (rest) => {
        this.#connections.delete(connection)
        if (rest === undefined) return
        if (rest.length > 0) socket.unshift(rest)
        handOver(socket)
        socket.resume()
      })
      this.#connections.add(connection)
    })
    const closeIdle = server.closeIdleConnections.bind(server)
    const closeAll = server.closeAllConnections.bind(server)
    server.closeIdleConnections = () => {
      closeIdle()
      for (const connection of this.#connections) connection.closeIfIdle()
    }
    server.closeAllConnections = () => {
      closeAll()
      for (const connection of this.#connections) connection.destroy()
    }
    if (keepAliveMs > 0) this.#timers.push(this.#watch(keepAliveMs))
  }

  [Symbol.dispose](): void {
    for (const timer of this.#timers) clearInterval(timer)
  }

  /** Ends connections that were idle for so long, or up to an eighth longer. */
  #watch(idleMs: number): NodeJS.Timeout {
    const tick = (): void => {
      for (const connection of this.#connections)
        if (connection.isIdle && connection.idleTicks++ >= TICKS) connection.destroy()
    }
    return setInterval(tick, idleMs / TICKS).unref()
  }
}

interface Limits {
  readonly headBytesMax: number
  readonly keepAliveSeconds: number
}

function maxHeaderSizeOf(server: Server & { readonly maxHeaderSize?: number }): number {
  return server.maxHeaderSize ?? HEAD_BYTES_MAX
}

class Connection implements Answered {
  idleTicks = 0
  readonly keepAliveSeconds: number
  readonly #socket: Socket
  readonly #options: FrontOptions
  readonly #limits: Limits
  /** It is not ours any more: with what it sent last, or, where it has gone, undefined. */
  readonly #leave: (rest: Buffer | undefined) => void
  #request: FrontRequest | undefined
  #response: FrontResponse | undefined
  /** What came behind the request under way. */
  #rest: Buffer | undefined

  constructor(
    socket: Socket,
    options: FrontOptions,
    limits: Limits,
    leave: (rest: Buffer | undefined) => void,
  ) {
    this.#socket = socket
    this.#options = options
    this.#limits = limits
    this.#leave = leave
    this.keepAliveSeconds = limits.keepAliveSeconds
    socket.on('data', this.#onData)
    socket.on('end', this.#onEnd)
    socket.on('error', this.#onError)
    socket.on('close', this.#onClose)
  }

  get isIdle(): boolean {
    return this.#request === undefined
  }

  closeIfIdle(): void {
    if (this.isIdle) this.#socket.destroy()
  }

  destroy(): void {
    this.#socket.destroy()
    this.#breakOff()
  }

  answered(closes: boolean): void {
    const { complete } = this.#request!
    if (closes || !complete) {
      // Where a body is still to come, who answered early closes.
      if (complete) this.#socket.destroySoon()
      return
    }
    this.#request = undefined
    this.#response = undefined
    this.idleTicks = 0
    // Requests that are sent ahead take turns in Node's way.
    if (this.#rest !== undefined) this.#handOver(this.#rest)
    else if (this.#socket.isPaused()) this.#socket.resume()
  }

  readonly #onData = (chunk: Buffer): void => {
    let rest: Buffer | undefined = chunk
    do rest = this.#request === undefined ? this.#begin(rest) : this.#request.take(rest)
    while (rest !== undefined && this.#request === undefined)
    if (rest === undefined) return
    this.#rest = this.#rest === undefined ? rest : Buffer.concat([this.#rest, rest])
    this.#socket.pause()
  }

  /** The rest is what is not of this request. */
  #begin(chunk: Buffer): Buffer | undefined {
    const head = readPlainHead(chunk, this.#limits.headBytesMax)
    if (head === undefined || !this.#options.isOurs(head)) {
      this.#handOver(chunk)
      return undefined
    }
    const socket = this.#socket
    const request = new FrontRequest(head, socket)
    const response = new FrontResponse(this, socket, head.method === 'HEAD')
    this.#request = request
    this.#response = response
    const rest = chunk.length > head.end ? request.take(chunk.subarray(head.end)) : undefined
    const ask = head.expectsContinue ? () => void socket.write(CONTINUE, 'latin1') : undefined
    this.#options.serve(request, response, head, ask)
    return rest
  }

  #handOver(rest: Buffer): void {
    const socket = this.#socket
    socket.pause()
    socket.off('data', this.#onData)
    socket.off('end', this.#onEnd)
    socket.off('error', this.#onError)
    socket.off('close', this.#onClose)
    this.#leave(rest)
  }

  readonly #onEnd = (): void => {
    const request = this.#request
    // As in Node, a client that has closed its half is taken to be gone.
    if (request === undefined || request.complete) this.#socket.end()
    else {
      const isAnswering = this.#response!.headersSent
      this.#breakOff()
      // The client may still read why it is refused.
      if (isAnswering) this.#socket.destroy()
      else this.#options.refuseBroken(this.#socket)
    }
  }

  /** It closes next, but who writes must know at once: writes that fail would come before it, for ever. */
  readonly #onError = (): void => this.#breakOff()

  readonly #onClose = (): void => {
    this.#leave(undefined)
    this.#breakOff()
  }

  #breakOff(): void {
    const request = this.#request
    this.#response?.close()
    if (request?.complete === false && !request.destroyed) request.breakOff()
  }
}
