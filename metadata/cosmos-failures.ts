/** What a failed call of Cosmos DB means, by its status. */
import type { Failure } from './calls.ts'

/** An operation of a batch failed, and so the whole. */
export class BatchFailed extends Error {
  readonly code: number

  constructor(code: number, operation: string) {
    super(`${operation} failed with ${code}`)
    this.code = code
  }
}

/** What the SDK's errors bear, as far as it is looked at. */
interface Fault {
  readonly code?: number | string
  readonly substatus?: number
  readonly message?: string
  readonly cause?: unknown
}

/** The logical partition has its 20 GB. */
const PARTITION_FULL = 1014
const UNREACHED: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
])

export function failureOf(error: unknown): Failure {
  if (error instanceof BatchFailed && isCondition(error.code)) return 'refused'
  const { code, substatus, message = '' } = faultOf(error)
  if (code === 429 || code === 449) return 'busy'
  if (code === 400) return 'mistake'
  if (code === 413) return 'full'
  if (code === 403) return substatus === PARTITION_FULL || FULL.test(message) ? 'full' : 'final'
  if (code === 401 || code === 404 || isIdentity(error)) return 'final'
  return UNREACHED.has(String(code)) || UNREACHED_TEXT.test(message) ? 'unreached' : 'doubt'
}

/** A condition that does not hold, an item that is there already, or one that is not there. */
function isCondition(code: number): boolean {
  return code === 412 || code === 409 || code === 404
}

/** Nobody was found to sign in as, or whoever was asked refused. */
export function isIdentity(error: unknown): boolean {
  const { name, cause } = error as Error
  return IDENTITY.test(name) || (cause !== undefined && isIdentity(cause))
}

const IDENTITY = /^(CredentialUnavailable|Authentication|AggregateAuthentication)Error$/
const FULL = /maximum size of \d+ GB/i
/** The words of the connection, where the SDK has a code of its own. */
const UNREACHED_TEXT = /ECONNREFUSED|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|ENOTFOUND/

/** The SDK wraps what goes wrong with a batch. */
export function faultOf(error: unknown): Fault {
  const fault = error as Fault
  return fault.code === undefined && fault.cause !== undefined ? faultOf(fault.cause) : fault
}
