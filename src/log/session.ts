/**
 * One client of a log's server: its calls are made on the engine in the order in which they come, and
 * answered as they are done.
 *
 * It takes no more than it can hold: while too much is unanswered, or answers are not taken, nothing more
 * is read of the client, and one that takes nothing for long is cut off.
 */
import type { Socket } from 'node:net'
import { carryOut, stateOf } from './calls.ts'
import { StoreClosed } from './errors.ts'
import { FrameReader } from './frame-reader.ts'
import { Outbox } from './outbox.ts'
import { RANGE_BYTES_MAX, type StorageEngine } from './store.ts'
import {
  CALL,
  CODE,
  encodeError,
  FRAME_BYTES_MAX,
  FrameBody,
  HELLO_BYTES_MAX,
  PROTOCOL_MAGIC,
  PROTOCOL_VERSION,
  WireError,
} from './wire.ts'

/** Calls, and bytes of calls, that are carried out at once. */
const CALLS_MAX = 4096
const CALL_BYTES_HELD_MAX: number = 64 * 1024 * 1024
/** Calls of `WAIT_DURABLE` that are open at once: they wait for other calls, and hold up none. */
const WAITS_MAX = 1024
/** Bytes of answers that wait for the client; one answer more may come. */
const ANSWER_BYTES_MAX: number = 4 * 1024 * 1024
/** The id of replies that are about the connection. */
const NO_CALL = 0

export interface SessionOptions {
  readonly engine: StorageEngine
  /** Resolves once the client may use the engine; rejects where another one does. */
  readonly admit: (session: Session) => Promise<void>
  /** So long may a client take to say who it is, to take an answer, and to go, in milliseconds. */
  readonly patienceMs: number
}

export class Session {
  readonly #socket: Socket
  readonly #options: SessionOptions
  readonly #reader = new FrameReader(HELLO_BYTES_MAX)
  readonly #outbox: Outbox
  /** `over`: what still comes is thrown away. */
  #phase: 'new' | 'waiting' | 'welcomed' | 'over' = 'new'
  #calls = 0
  #callBytes = 0
  #waits = 0
  /** The client sends nothing more. */
  #isEnded = false
  /** All calls that were taken have been carried out, and no more are. */
  readonly rest: Promise<void>
  readonly #atRest: () => void

  constructor(socket: Socket, options: SessionOptions) {
    this.#socket = socket
    this.#options = options
    this.#outbox = new Outbox(socket, options.patienceMs)
    const { promise, resolve } = Promise.withResolvers<void>()
    this.rest = promise
    this.#atRest = resolve
    socket.setTimeout(options.patienceMs)
    socket.on('timeout', () => socket.destroy())
    socket.on('error', () => socket.destroy())
    socket.on('data', (chunk: Buffer) => {
      if (this.#phase === 'over') return
      this.#reader.push(chunk)
      this.#work()
    })
    socket.on('drain', () => {
      socket.setTimeout(0)
      this.#work()
    })
    socket.on('end', () => {
      this.#isEnded = true
      this.#work()
    })
    socket.on('close', () => {
      this.#phase = 'over'
      this.#work()
    })
  }

  /** Takes no more calls, answers those that were taken, and ends the connection. */
  async close(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    if (this.#socket.destroyed) resolve()
    else this.#socket.once('close', resolve)
    this.#refuse(NO_CALL, new StoreClosed('The server is stopped'))
    await this.rest
    await promise
  }

  /** Takes calls from what came, as far as there is room. */
  #work(): void {
    try {
      while (this.#mayTake()) {
        const frame = this.#reader.next()
        if (frame === undefined) break
        this.#take(frame)
      }
    } catch (error) {
      this.#refuse(NO_CALL, error)
    }
    const isHeldUp = this.#phase !== 'over' && !this.#mayTake()
    if (isHeldUp) this.#socket.pause()
    else this.#socket.resume()
    if (this.#phase === 'over' || (this.#isEnded && !isHeldUp)) this.#finish()
  }

  #mayTake(): boolean {
    if (this.#phase === 'waiting' || this.#phase === 'over') return false
    if (this.#calls >= CALLS_MAX || this.#callBytes >= CALL_BYTES_HELD_MAX) return false
    return this.#outbox.waitingBytes < ANSWER_BYTES_MAX
  }

  #take(frame: Buffer): void {
    const id = frame.readUInt32LE(0)
    const call = frame[4]!
    const body = new FrameBody(frame, 5)
    try {
      if (this.#phase === 'new') this.#greet(id, call, body)
      else if (call === CALL.WAIT_DURABLE) this.#wait(id, body)
      else this.#carryOut(id, call, body)
    } catch (error) {
      this.#fail(id, error)
    }
  }

  #greet(id: number, call: number, body: FrameBody): void {
    if (call !== CALL.HELLO || body.take(8).toString('latin1') !== PROTOCOL_MAGIC)
      throw new WireError(CODE.BAD_FRAME, 'A connection begins with HELLO')
    const version = body.u32()
    if (version !== PROTOCOL_VERSION)
      throw new WireError(
        CODE.BAD_VERSION,
        `Version ${version} of the protocol is not spoken here: version ${PROTOCOL_VERSION} is`,
      )
    this.#phase = 'waiting'
    this.#socket.setTimeout(0)
    void this.#enter(id)
  }

  async #enter(id: number): Promise<void> {
    try {
      await this.#options.admit(this)
    } catch (error) {
      this.#fail(id, error)
      return
    }
    this.#welcome(id)
  }

  /** Version, flags, the most bytes of a frame, how things stand, the engine's name. */
  #welcome(id: number): void {
    if (this.#phase !== 'waiting') return
    const { log } = this.#options.engine
    const head = Buffer.alloc(12)
    head.writeUInt32LE(PROTOCOL_VERSION, 0)
    head.writeUInt32LE(log.isWriteDurable ? 1 : 0, 4)
    head.writeUInt32LE(FRAME_BYTES_MAX, 8)
    const body = Buffer.concat([head, stateOf(log), Buffer.from(log.stats().engine)])
    this.#outbox.reply(id, CODE.DONE, body)
    this.#reader.maxBytes = FRAME_BYTES_MAX
    this.#phase = 'welcomed'
    this.#work()
  }

  #carryOut(id: number, call: number, body: FrameBody): void {
    const weight = call === CALL.ENTRIES ? RANGE_BYTES_MAX : body.bytes.length
    const answer = carryOut(this.#options.engine, call, body)
    if (!(answer instanceof Promise)) {
      this.#outbox.reply(id, CODE.DONE, answer)
      return
    }
    this.#calls++
    this.#callBytes += weight
    void this.#answer(id, answer, weight)
  }

  async #answer(id: number, answer: Promise<Buffer>, weight: number): Promise<void> {
    try {
      this.#outbox.reply(id, CODE.DONE, await answer)
    } catch (error) {
      this.#fail(id, error)
    }
    this.#done(weight)
  }

  #done(weight: number): void {
    const wasHeldUp = !this.#mayTake()
    this.#calls--
    this.#callBytes -= weight
    if (wasHeldUp || this.#isEnded) this.#work()
  }

  #wait(id: number, body: FrameBody): void {
    if (this.#waits === WAITS_MAX)
      throw new RangeError(`${WAITS_MAX} calls wait for entries already`)
    const answer = carryOut(this.#options.engine, CALL.WAIT_DURABLE, body) as Promise<Buffer>
    this.#waits++
    void this.#answerWait(id, answer)
  }

  async #answerWait(id: number, answer: Promise<Buffer>): Promise<void> {
    try {
      this.#outbox.reply(id, CODE.DONE, await answer)
    } catch (error) {
      this.#fail(id, error)
    } finally {
      this.#waits--
    }
  }

  /** Some errors end the connection. */
  #fail(id: number, error: unknown): void {
    const { code, body } = encodeError(error)
    if (code >= CODE.BAD_FRAME) this.#refuse(id, error)
    else this.#outbox.reply(id, code, body)
  }

  #refuse(id: number, error: unknown): void {
    if (this.#phase === 'over') return
    const { code, body } = encodeError(error)
    this.#outbox.reply(id, code, body)
    this.#phase = 'over'
    this.#work()
  }

  /** Once nothing more is taken: says goodbye when all that was is answered. */
  #finish(): void {
    if (this.#calls > 0) return
    this.#phase = 'over'
    this.#atRest()
    if (this.#socket.writableEnded || this.#socket.destroyed) return
    this.#outbox.flush()
    this.#socket.end()
    // Closed at once, what it had not read yet could take our last words with it.
    setTimeout(() => this.#socket.destroy(), this.#options.patienceMs).unref()
  }
}
