/**
 * Calls of a service over the network, for the engines that are one: so many at a time, each made until
 * it is answered, and none begun once the store is closed.
 *
 * The SDKs' own retries are off: they hide whether an attempt may have been carried out, and that
 * decides whether it may be repeated. A write that was refused for load or for another one under way was
 * not carried out. One that ended in a broken connection, a timeout or a fault of the service is
 * in doubt.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { StoreFull, StoreUnavailable } from '../src/lib/store-error.ts'
import { Turns } from './turns.ts'

/** The write may have been carried out or not. */
export class InDoubt extends StoreUnavailable {}

/** What a failed attempt means. */
export type Failure =
  /** A condition did not hold; nothing was written. */
  | 'refused'
  /** Too much load, or another write on the same rows; nothing was written. */
  | 'busy'
  /** No connection was made, so nothing was written. */
  | 'unreached'
  /** It may have been carried out. */
  | 'doubt'
  /** There is no room; nothing was written. */
  | 'full'
  /** The service calls it invalid: a mistake of the program, which must be seen as one. */
  | 'mistake'
  /** To ask again would not help: rights, credentials, a table that is gone. */
  | 'final'

/** How the calls of a service are made. */
export interface Manners {
  /** Its name, for messages. */
  readonly service: string
  readonly failureOf: (error: unknown) => Failure
  /** Most calls at a time. */
  readonly atOnceMax: number
  /** Milliseconds before the next attempt at a call, of which so many were made. */
  readonly waitMs?: ((attempts: number) => number) | undefined
  /** After so many milliseconds no further attempt is begun. */
  readonly patienceMs?: number
}

/** Of a call that went well in the end. */
export interface Done<T> {
  readonly answer: T
}

/** A condition did not hold. */
export interface Refused {
  readonly refused: true
  /** Whether an attempt before may have been carried out. */
  readonly afterDoubt: boolean
  /** The service's own. */
  readonly error: unknown
}

/** Attempts at one call, the first included. */
const ATTEMPTS_MAX = 9
/** A service that does not answer at all would be waited for that often otherwise, longer than any client waits. */
const PATIENCE_MS = 20_000
const WAIT_MIN_MS = 20
const WAIT_MAX_MS = 1000

/** Evenly spread up to a bound that doubles. */
export function waitMs(attempts: number): number {
  return Math.random() * Math.min(WAIT_MIN_MS * 2 ** attempts, WAIT_MAX_MS)
}

/** Attempts at a call of the start. */
const START_ATTEMPTS = 3

/** At the start: a few attempts, where what went wrong may pass; then the service's own error. */
export async function attempt<T>(
  call: () => Promise<T>,
  { failureOf, waitMs: wait = waitMs }: Pick<Manners, 'failureOf' | 'waitMs'>,
): Promise<T> {
  for (let attempts = 1; ; attempts++) {
    try {
      return await call()
    } catch (error) {
      const failure = failureOf(error)
      if ((failure !== 'busy' && failure !== 'doubt') || attempts === START_ATTEMPTS) throw error
    }
    await sleep(wait(attempts))
  }
}

export class Calls {
  readonly #manners: Manners
  readonly #waitMs: (attempts: number) => number
  readonly #turns: Turns
  readonly #running = new Set<Promise<unknown>>()
  #isOpen = true

  constructor(manners: Manners) {
    this.#manners = manners
    this.#waitMs = manners.waitMs ?? waitMs
    this.#turns = new Turns(manners.atOnceMax)
  }

  checkOpen(): void {
    if (!this.#isOpen) throw new StoreUnavailable('The store of metadata is closed')
  }

  /** Work that closing waits for. */
  async run<T>(work: Promise<T>): Promise<T> {
    this.#running.add(work)
    try {
      return await work
    } finally {
      this.#running.delete(work)
    }
  }

  /** Nothing more is begun, and what is under way has ended. */
  async close(): Promise<void> {
    this.#isOpen = false
    await Promise.allSettled(this.#running)
  }

  /** A call that reads. */
  async ask<T>(call: () => Promise<T>): Promise<T> {
    const end = await this.insist(call, true)
    if ('answer' in end) return end.answer
    throw this.#told(end.error, 'refused', false)
  }

  /**
   * A call that writes: true where it was carried out, false where it was refused. Where that is in doubt,
   * `stands` looks whether what it writes is there for all to see; if not, it may have been, or still
   * come: `InDoubt`.
   */
  async write(
    call: () => Promise<unknown>,
    isRepeatable: boolean,
    stands: () => Promise<boolean>,
  ): Promise<boolean> {
    let doubt: InDoubt
    try {
      const end = await this.insist(call, isRepeatable)
      if ('answer' in end) return true
      if (!end.afterDoubt) return false
      doubt = new InDoubt(`${this.#manners.service} ${WORDS.doubt}`)
    } catch (error) {
      if (!(error instanceof InDoubt)) throw error
      doubt = error
    }
    if (await stands()) return true
    throw doubt
  }

  /**
   * Makes the call until it is answered. `isRepeatable`: to carry it out twice is to carry it out once;
   * others are not made again once they are in doubt. Rejects with `InDoubt` where the outcome is not
   * known, with a `StoreUnavailable` or `StoreFull` where nothing was written, and with the service's own
   * error where that is about a mistake of the program.
   */
  async insist<T>(call: () => Promise<T>, isRepeatable: boolean): Promise<Done<T> | Refused> {
    let afterDoubt = false
    const { patienceMs = PATIENCE_MS } = this.#manners
    const endMs = performance.now() + patienceMs
    for (let attempt = 1; ; attempt++) {
      try {
        return { answer: await this.#turns.take(call) }
      } catch (error) {
        const failure = this.#manners.failureOf(error)
        if (failure === 'refused') return { refused: true, afterDoubt, error }
        afterDoubt ||= failure === 'doubt'
        const isLast = attempt === ATTEMPTS_MAX || performance.now() >= endMs
        const isOver = isLast || ENDS.has(failure)
        if (isOver || (afterDoubt && !isRepeatable)) throw this.#told(error, failure, afterDoubt)
      }
      await sleep(this.#waitMs(attempt))
    }
  }

  #told(error: unknown, failure: Failure, afterDoubt: boolean): Error {
    if (failure === 'mistake' && !afterDoubt) return error as Error
    const { name, message } = error as Error
    const text = `${this.#manners.service} ${WORDS[afterDoubt ? 'doubt' : failure]} (${name}: ${message})`
    if (afterDoubt) return new InDoubt(text, { cause: error })
    if (failure === 'full') return new StoreFull(text, { cause: error })
    return new StoreUnavailable(text, { cause: error })
  }
}

const ENDS: ReadonlySet<Failure> = new Set(['full', 'mistake', 'final'])

const WORDS: Readonly<Record<Failure, string>> = {
  refused: 'refused',
  busy: 'is too busy',
  unreached: 'cannot be reached',
  doubt: 'may or may not have carried it out',
  full: 'has no room for it',
  mistake: 'refused',
  final: 'refused',
}
