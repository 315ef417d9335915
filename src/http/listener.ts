/**
 * HTTP on one side, the pipeline on the other. Plain requests come by the front (front.ts), all others by
 * node:http. Knows what of HTTP/1.1 Node leaves to its user: Expect, parser errors in S3's XML, time-outs,
 * and the connection's end after an early answer.
 */
import type { IncomingMessage, Server, ServerOptions, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { type Announced, type IncomingBody, IncomingSource } from './body-incoming.ts'
import { believed, type IsTrusted, type Origin } from './forwarded.ts'
import { Front } from './front.ts'
import type { PlainHead } from './front-head.ts'
import { answerParserError } from './parser-error.ts'
import { Patience } from './patience.ts'
import type { Pipeline } from './pipeline.ts'
import { type Outgoing, OutgoingSink } from './sink-outgoing.ts'
import type { Arrival, Sink } from './sink.ts'

/** What `http.createServer` (or https) must be given: these cannot be set afterwards. */
export const SERVER_OPTIONS: Readonly<ServerOptions> = {
  /** Bytes of all headers of a request; presigned URLs and metadata of 2 KiB fit well. */
  maxHeaderSize: 32 * 1024,
  noDelay: true,
  /** An upload may take as long as it makes progress. */
  requestTimeout: 0,
  /** From the connection's readiness to the last header. */
  headersTimeout: 60_000,
  /** Longer than the pools of SDKs keep a connection, so that they close it and not we. */
  keepAliveTimeout: 75_000,
}

/** Requests that may wait on one connection for those before them; no S3 client sends so far ahead. */
const PIPELINED_MAX = 100

const TURN = Symbol('turn')
const WAITING = Symbol('waiting')

/** A socket, the answer that is under way on it, and how many requests wait for theirs. */
type Connection = Socket & { [TURN]?: Promise<void> | undefined; [WAITING]?: number }

export interface ListenerOptions {
  readonly pipeline: Pipeline
  /** Milliseconds without progress after which a body, sent or read, is given up. */
  readonly bodyTimeoutMs: number
  /** Takes a request that is not S3's: true where it did. */
  readonly intercept: (request: IncomingMessage, response: ServerResponse) => boolean
  /** False where `intercept` would take it. */
  readonly isOurs: (head: PlainHead) => boolean
  /** Proxies whose X-Forwarded headers are believed. */
  readonly isTrusted?: IsTrusted | undefined
  readonly hostId: string
  readonly nextRequestId: () => string
}

type Answer = (request: IncomingMessage, response: ServerResponse) => void

export interface Listener extends Disposable {
  readonly request: Answer
  /** Asks for the body only once somebody takes it: who is refused before sends none. */
  readonly checkContinue: Answer
  /** Any other Expect, or an empty one: S3 takes no notice of it. */
  readonly checkExpectation: Answer
  readonly clientError: (error: Error, socket: Socket) => void
  /** Registers all of the above; the server was made with `SERVER_OPTIONS`. */
  attach(server: Server): void
}

export function createListener(options: ListenerOptions): Listener {
  const { pipeline, intercept } = options
  const patience = new Patience(options.bodyTimeoutMs)

  function open(
    request: IncomingBody & Incoming,
    response: Outgoing,
    announced: Announced,
    ask: (() => void) | undefined,
  ): { readonly arrival: Arrival; readonly sink: Sink } {
    const source = new IncomingSource(request, announced, patience, ask)
    const sink = new OutgoingSink(response, request.method === 'HEAD', source, patience)
    return { arrival: new IncomingArrival(request, source, options.isTrusted), sink }
  }

  function serve(
    request: IncomingMessage,
    response: ServerResponse,
    ask: (() => void) | undefined,
  ): void {
    const { arrival, sink } = open(request, response, announcedBy(request), ask)
    const connection: Connection = request.socket
    const earlier = connection[TURN]
    // Pipelined requests take turns: a GET must see the PUT that was sent before it.
    if (earlier !== undefined && !mayWait(connection)) return
    const turn =
      earlier === undefined
        ? pipeline.handle(arrival, sink)
        : earlier.then(() => {
            connection[WAITING] = (connection[WAITING] ?? 1) - 1
            return pipeline.handle(arrival, sink)
          })
    connection[TURN] = turn
    void turn.finally(() => {
      if (connection[TURN] === turn) connection[TURN] = undefined
    })
  }

  const front = new Front({
    isOurs: options.isOurs,
    refuseBroken(socket) {
      const error = Object.assign(new Error('no more will come'), { code: 'HPE_INVALID_EOF_STATE' })
      answerParserError(error, socket, options.nextRequestId(), options.hostId)
    },
    serve(plain, response, { bodyBytes }, ask) {
      const announced = { isAnnounced: bodyBytes !== undefined, length: bodyBytes }
      const { arrival, sink } = open(plain, response, announced, ask)
      void pipeline.handle(arrival, sink)
    },
  })

  const request: Answer = (incoming, outgoing) => {
    if (!intercept(incoming, outgoing)) serve(incoming, outgoing, undefined)
  }
  const checkContinue: Answer = (incoming, outgoing) => {
    serve(incoming, outgoing, () => outgoing.writeContinue())
  }
  const clientError = (error: Error, socket: Socket): void => {
    answerParserError(error, socket, options.nextRequestId(), options.hostId)
  }
  return {
    request,
    checkContinue,
    checkExpectation: request,
    clientError,
    attach(server) {
      server.on('request', request)
      server.on('checkContinue', checkContinue)
      server.on('checkExpectation', request)
      server.on('clientError', clientError)
      front.attach(server)
    },
    [Symbol.dispose]() {
      front[Symbol.dispose]()
      patience[Symbol.dispose]()
    },
  }
}

function announcedBy({ headers }: IncomingMessage): Announced {
  const length = headers['content-length']
  return {
    isAnnounced: length !== undefined || headers['transfer-encoding'] !== undefined,
    length: length === undefined ? undefined : Number(length),
  }
}

/** Counts one more that waits; breaks the connection off where they are too many. */
function mayWait(connection: Connection): boolean {
  const waiting = (connection[WAITING] ?? 0) + 1
  connection[WAITING] = waiting
  if (waiting > PIPELINED_MAX) connection.destroy()
  return waiting <= PIPELINED_MAX
}

/** What an arrival is made of; an `IncomingMessage` that is a request has it all. */
interface Incoming {
  readonly method?: string | undefined
  readonly url?: string | undefined
  readonly rawHeaders: readonly string[]
  readonly socket: Socket
}

class IncomingArrival implements Arrival {
  readonly source: IncomingSource
  readonly #request: Incoming
  readonly #origin: Origin | undefined

  constructor(request: Incoming, source: IncomingSource, isTrusted: IsTrusted | undefined) {
    this.source = source
    this.#request = request
    if (isTrusted !== undefined) this.#origin = believed(directOrigin(request), isTrusted)
  }

  get method(): string {
    return this.#request.method!
  }

  get url(): string {
    return this.#request.url!
  }

  get rawHeaders(): readonly string[] {
    return this.#origin?.rawHeaders ?? this.#request.rawHeaders
  }

  get isSecure(): boolean {
    return this.#origin?.isSecure ?? 'encrypted' in this.#request.socket
  }

  get remoteAddress(): string {
    return this.#origin?.remoteAddress ?? this.#request.socket.remoteAddress ?? ''
  }
}

function directOrigin({ socket, rawHeaders }: Incoming): Origin {
  return { remoteAddress: socket.remoteAddress ?? '', isSecure: 'encrypted' in socket, rawHeaders }
}
