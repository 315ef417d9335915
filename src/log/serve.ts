/**
 * A log, and the state beside it, served over a Unix socket (docs/log-protocol.md): for programs in other
 * languages, one at a time. The next one is welcomed when all that was taken of the one before has been
 * carried out, so that it finds the log at rest; while the one before stays, it is refused.
 */
import { createServer, type Server, type Socket } from 'node:net'
import { StoreLocked } from '../lib/store-error.ts'
import { Session } from './session.ts'
import type { SocketPlace } from './socket-place.ts'
import type { StorageEngine } from './store.ts'

/** Connections that are open at once; all but one wait, or are on their way out. */
const CONNECTIONS_MAX = 64
/** So long may a client take to say who it is, to take an answer, and to go. */
const PATIENCE_MS = 30_000
/** So long is waited for a client to go, where the next one is there. */
const HANDOVER_MS = 2000

export interface LogServerOptions {
  readonly engine: StorageEngine
  /** Where the socket is made. */
  readonly place: SocketPlace
  readonly patienceMs?: number
  readonly handoverMs?: number
}

export class LogServer implements AsyncDisposable {
  readonly #options: Required<LogServerOptions>
  readonly #server: Server
  readonly #sessions = new Set<Session>()
  /** Of the client that uses the engine. */
  #current: Session | undefined
  #isClosing = false

  private constructor(options: Required<LogServerOptions>, server: Server) {
    this.#options = options
    this.#server = server
    server.maxConnections = CONNECTIONS_MAX
    server.on('connection', (socket: Socket) => this.#meet(socket))
  }

  /** Engine and place stay the caller's. */
  static async open(options: LogServerOptions): Promise<LogServer> {
    const { patienceMs = PATIENCE_MS, handoverMs = HANDOVER_MS, place } = options
    const server = createServer({ allowHalfOpen: true })
    const opened = new LogServer({ ...options, patienceMs, handoverMs }, server)
    await place.listen(server)
    return opened
  }

  /** Answers what was asked, and takes nothing more. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isClosing) return
    this.#isClosing = true
    const closed = new Promise<void>((resolve) => {
      this.#server.close(() => resolve())
    })
    await Promise.all([...this.#sessions].map((session) => session.close()))
    await closed
  }

  #meet(socket: Socket): void {
    const { engine, patienceMs } = this.#options
    const session = new Session(socket, {
      engine,
      patienceMs,
      admit: (client) => this.#admit(client),
    })
    this.#sessions.add(session)
    socket.once('close', () => this.#sessions.delete(session))
  }

  async #admit(session: Session): Promise<void> {
    const { promise: late, resolve } = Promise.withResolvers<'late'>()
    const timer = setTimeout(() => resolve('late'), this.#options.handoverMs)
    try {
      while (this.#current !== undefined) {
        if ((await Promise.race([this.#current.rest, late])) === 'late')
          throw new StoreLocked('Another client uses this log')
      }
      this.#current = session
      void this.#leave(session)
    } finally {
      clearTimeout(timer)
    }
  }

  async #leave(session: Session): Promise<void> {
    await session.rest
    this.#current = undefined
  }
}
