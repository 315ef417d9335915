/** What a failed call of Firestore means, by the code of its status. */
import type { Failure } from './calls.ts'

/** A row that was looked at in a transaction is not as it is expected. */
export class Stale extends Error {}

/** What went wrong before the commit was sent. */
export class NotSent extends Error {}

/** Codes of google.rpc.Code. */
const INVALID_ARGUMENT = 3
const NOT_FOUND = 5
const ALREADY_EXISTS = 6
const PERMISSION_DENIED = 7
const RESOURCE_EXHAUSTED = 8
const FAILED_PRECONDITION = 9
const ABORTED = 10
const UNIMPLEMENTED = 12
const UNAVAILABLE = 14
const UNAUTHENTICATED = 16

/** What the SDK's errors bear, as far as it is looked at. */
interface Fault {
  readonly code?: number | string
  readonly message?: string
}

export function failureOf(error: unknown): Failure {
  if (error instanceof Stale) return 'refused'
  if (error instanceof NotSent) {
    const failure = failureOf(error.cause)
    return failure === 'doubt' ? 'unreached' : failure
  }
  const { code, message = '' } = error as Fault
  switch (code) {
    case FAILED_PRECONDITION:
    case ALREADY_EXISTS:
      return 'refused'
    case NOT_FOUND:
      return isMissingDatabase(message) ? 'final' : 'refused'
    case ABORTED:
    case RESOURCE_EXHAUSTED:
      return 'busy'
    case UNAVAILABLE:
      return NO_CONNECTION.test(message) ? 'unreached' : 'doubt'
    case INVALID_ARGUMENT:
      // A transaction that the service has given up meanwhile.
      return TRANSACTION_OVER.test(message) ? 'busy' : 'mistake'
    case PERMISSION_DENIED:
    case UNAUTHENTICATED:
    case UNIMPLEMENTED:
      return 'final'
    default:
      return NO_CREDENTIALS.test(message) ? 'final' : 'doubt'
  }
}

/** Of a read: there is the database, and no such document in it. */
export function isMissingDocument(error: unknown): boolean {
  const { code, message = '' } = error as Fault
  return code === NOT_FOUND && !isMissingDatabase(message)
}

export function isMissingDatabase(message: string): boolean {
  return /database .*does not exist/i.test(message)
}

export function isCredentials(error: unknown): boolean {
  const { code, message = '' } = error as Fault
  return code === UNAUTHENTICATED || NO_CREDENTIALS.test(message)
}

export function isDenied(error: unknown): boolean {
  return (error as Fault).code === PERMISSION_DENIED
}

/** The words of the transport for a connection that was not made. */
const NO_CONNECTION =
  /No connection established|ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|Name resolution failed/
const TRANSACTION_OVER = /transaction.*(expired|no longer|invalid|closed)/i
/** google-auth-library's words. */
const NO_CREDENTIALS =
  /default credentials|unable to detect a project|invalid_grant|does not contain a (client_email|private_key)|no such file|ENOENT|DECODER routines|invalid_client/i
