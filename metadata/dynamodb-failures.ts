/** What a failed call of DynamoDB means. */
import type { Failure } from './calls.ts'

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
  if (name === 'ValidationException') return 'mistake'
  if (UNREACHED.has(code)) return 'unreached'
  if (name === 'TimeoutError' && NO_CONNECTION.test(message)) return 'unreached'
  const status = $metadata?.httpStatusCode
  if (status !== undefined && status >= 400 && status < 500) return 'final'
  if (name === 'CredentialsProviderError') return 'final'
  return 'doubt'
}
