/** What services say, in the words of a storage: one reading for all of them, and each its dialect. */
import { BlobDamaged, BlobMissing, StoreFull, StoreUnavailable } from '../src/lib/store-error.ts'

/** An answer of a service, whatever its SDK throws. */
export interface Answer {
  readonly code: string
  /** undefined: there was no answer. */
  readonly status: number | undefined
  readonly message: string
}

export interface Dialect {
  /** For messages: `bucket b, AWS`. */
  readonly place: string
  /** Codes for: there is no such blob. */
  readonly missing: ReadonlySet<string>
  /** Codes for: there is no room. */
  readonly full: ReadonlySet<string>
  /** Codes of refusals that are over once somebody has mended keys, policies or the bucket: no fault of ours. */
  readonly mendable: ReadonlySet<string>
  answerOf(error: unknown): Answer
}

/** True where nobody knows whether the call was carried out. */
export function isUncertain({ status }: Answer): boolean {
  return status === undefined || status >= 500
}

/** Said in our words already. */
const OURS = [StoreUnavailable, StoreFull, BlobMissing, BlobDamaged]

/** The error of a call as the storage's own: of a network, a service, or an aborted one. */
export function translated(
  dialect: Dialect,
  what: string,
  error: unknown,
  signal?: AbortSignal,
): unknown {
  if (signal?.aborted === true) return signal.reason
  if (OURS.some((kind) => error instanceof kind)) return error
  const { code, status, message } = dialect.answerOf(error)
  const told = `${what}: ${code}: ${oneLine(message)} (${dialect.place})`
  const cause = { cause: error }
  if (status === 507 || dialect.full.has(code)) return new StoreFull(told, cause)
  if (dialect.missing.has(code))
    return new BlobMissing(`${what}: missing (${dialect.place})`, cause)
  if (status === 416) return new BlobMissing(`${what}: ends before the range does`, cause)
  if (status === 412) return new BlobDamaged(`${what}: was replaced (${dialect.place})`, cause)
  const isTransient = status === undefined ? isOfNetwork(error) : isLater(status)
  if (isTransient || dialect.mendable.has(code)) return new StoreUnavailable(told, cause)
  return new Error(told, cause)
}

/** Whether the same call may go through in a moment: not what only a person can mend. */
export function isPassing({ status }: Answer, error: unknown): boolean {
  if (status === undefined) return isOfNetwork(error)
  return status >= 500 || status === 429 || status === 408
}

/** Timeouts, overload, outages, and 403: keys are renewed while a gateway runs. */
function isLater(status: number): boolean {
  return status >= 500 || [401, 403, 408, 429].includes(status)
}

/** Names of errors without an answer: of an SDK that waited too long, or found nobody to sign as for now. */
const NO_ANSWER: ReadonlySet<string | undefined> = new Set([
  'TimeoutError',
  'CredentialsProviderError',
  'CredentialUnavailableError',
  'AuthenticationError',
  'AggregateAuthenticationError',
])

/** No answer: of the system (`ECONNRESET`), or the SDK. */
export function isOfNetwork(error: unknown): boolean {
  // A fault of the program has a code too.
  if (error instanceof TypeError || error instanceof RangeError) return false
  const { name, code } = error as { readonly name?: string; readonly code?: unknown }
  return typeof code === 'string' || NO_ANSWER.has(name)
}

/** Why a place cannot be used as it is, in one line that says what to do, where that is known. */
export function refusal(
  place: string,
  { code, message }: Answer,
  remedy: string | undefined,
  cause: unknown,
): StoreUnavailable {
  const said = `${code}: ${oneLine(message)}`
  const what = `storage: the ${place} cannot be used`
  return new StoreUnavailable(`${what}: ${remedy === undefined ? said : `${remedy} (${said})`}`, {
    cause,
  })
}

export function oneLine(text: string): string {
  return text.replaceAll(/\s+/g, ' ').trim()
}
