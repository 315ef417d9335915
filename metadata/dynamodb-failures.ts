/**
 * What a failed call of DynamoDB means, and how often it is made again.
 *
 * The SDK's own retries are off: they hide whether an attempt may have been carried out, and that
 * decides whether it may be repeated. A write that was refused for load or for a transaction under way
 * was not carried out. One that ended in a broken connection, a timeout or a fault of the service is
 * in doubt.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { StoreUnavailable } from '../src/lib/store-error.ts'

/** The write may have been carried out or not. */
export class InDoubt extends StoreUnavailable {}

export type Failure =
  /** A condition did not hold; nothing was written. */
  | 'refused'
  /** Too much load, or another transaction on the same item; nothing was written. */
  | 'busy'
  /** No connection was made, so nothing was written. */
  | 'unreached'
  /** It may have been carried out. */
  | 'doubt'
  /** To ask again would not help: rights, credentials, a table that is gone, a mistake of ours. */
  | 'final'

const BUSY: ReadonlySet<string> = new Set([
  'LimitExceededException',
  'ProvisionedThroughputExceededException',
  'ReplicatedWriteConflictException',
  'RequestLimitExceeded',
  'ThrottlingException',
  'TransactionConflictException',
  'TransactionInProgressException',
])
/** Why an item of a transaction kept it from being carried out, for now. */
const BUSY_REASONS: ReadonlySet<string | undefined> = new Set([
  undefined,
  'None',
  'TransactionConflict',
  'ThrottlingError',
  'ProvisionedThroughputExceeded',
])
const UNREACHED: ReadonlySet<string | undefined> = new Set([
  'ECONNREFUSED',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
])
/** The SDK's words for a connection that took too long to be made; it has no code for it. */
const NO_CONNECTION = /not establish a connection/

/** What the SDK's errors bear, as far as it is looked at. */
interface Fault {
  readonly name?: string
  readonly message?: string
  readonly code?: string
  readonly $metadata?: { readonly httpStatusCode?: number }
  readonly CancellationReasons?: readonly { readonly Code?: string }[]
}

export function failureOf(error: unknown): Failure {
  const { name = '', message = '', code, $metadata, CancellationReasons = [] } = error as Fault
  if (name === 'ConditionalCheckFailedException') return 'refused'
  if (name === 'TransactionCanceledException') {
    const codes = CancellationReasons.map(({ Code }) => Code)
    if (codes.includes('ConditionalCheckFailed')) return 'refused'
    return codes.every((code) => BUSY_REASONS.has(code)) ? 'busy' : 'final'
  }
  if (BUSY.has(name)) return 'busy'
  if (UNREACHED.has(code)) return 'unreached'
  if (name === 'TimeoutError' && NO_CONNECTION.test(message)) return 'unreached'
  const status = $metadata?.httpStatusCode
  if (status !== undefined && status >= 400 && status < 500) return 'final'
  if (name === 'CredentialsProviderError') return 'final'
  return 'doubt'
}

/** Attempts at one call, the first included. */
const ATTEMPTS_MAX = 9
const WAIT_MIN_MS = 20
const WAIT_MAX_MS = 1000

/** Before the attempt of that number (1: the second): evenly spread up to a bound that doubles. */
export function waitMs(attempt: number): number {
  return Math.random() * Math.min(WAIT_MIN_MS * 2 ** attempt, WAIT_MAX_MS)
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
}

/**
 * Makes the call until it is answered. `isRepeatable`: to carry it out twice is to carry it out once;
 * others are not made again once they are in doubt. Rejects with `InDoubt` where the outcome is not
 * known, and with another `StoreUnavailable` where nothing was written.
 */
export async function insist<T>(
  call: () => Promise<T>,
  isRepeatable: boolean,
  wait: (attempt: number) => number = waitMs,
): Promise<Done<T> | Refused> {
  let afterDoubt = false
  for (let attempt = 1; ; attempt++) {
    try {
      return { answer: await call() }
    } catch (error) {
      const failure = failureOf(error)
      if (failure === 'refused') return { refused: true, afterDoubt }
      afterDoubt ||= failure === 'doubt'
      const isOver = attempt === ATTEMPTS_MAX || failure === 'final'
      if (isOver || (afterDoubt && !isRepeatable)) throw asUnavailable(error, failure, afterDoubt)
    }
    await sleep(wait(attempt))
  }
}

function asUnavailable(error: unknown, failure: Failure, afterDoubt: boolean): Error {
  const { name, message } = error as Error
  // What the service calls invalid is a mistake of the program, and must be seen as one.
  if (name === 'ValidationException' && !afterDoubt) return error as Error
  const told = afterDoubt ? 'may or may not have carried it out' : WORDS[failure]
  const text = `DynamoDB ${told} (${name}: ${message})`
  return afterDoubt
    ? new InDoubt(text, { cause: error })
    : new StoreUnavailable(text, { cause: error })
}

const WORDS: Readonly<Record<Failure, string>> = {
  refused: 'refused',
  busy: 'is too busy',
  unreached: 'cannot be reached',
  doubt: 'may or may not have carried it out',
  final: 'refused',
}
