/** What Google Cloud Storage, and those who sign in to it, say when they refuse. */
import { type Answer, type Dialect, refusal } from './remote-errors.ts'
import type { StoreUnavailable } from '../src/lib/store-error.ts'
import type { GcsOptions } from './gcs-client.ts'

/** Ours, for the 404 of a bucket: Google's word is that of an object, `notFound`. */
const NO_BUCKET = 'bucketNotFound'
/** Google's word is `notFound` too; an upload that was begun is forgotten after a week. */
export const NO_SESSION = 'sessionNotFound'

export function gcsDialect(place: string): Dialect {
  return {
    place,
    missing: new Set(['notFound']),
    full: new Set(['quotaExceeded']),
    mendable: new Set([NO_BUCKET, NO_SESSION, 'invalid_grant', 'userProjectMissing']),
    answerOf,
  }
}

interface Thrown {
  readonly message?: string
  readonly code?: unknown
  readonly status?: number
  readonly response?: { readonly status?: number; readonly data?: unknown }
}

/** As Google's library throws it. */
export function answerOf(error: unknown): Answer {
  const { message = String(error), code, status, response } = error as Thrown
  const said = saidIn(response?.data)
  const answered = response?.status ?? status
  return {
    status: answered,
    code: codeOf(answered, said) ?? (typeof code === 'string' ? code : 'Error'),
    message: said?.message ?? message,
  }
}

function codeOf(status: number | undefined, said: Said | undefined): string | undefined {
  if (status !== 404) return said?.code ?? (status === undefined ? undefined : `HTTP ${status}`)
  return /bucket does not exist/i.test(said?.message ?? '') ? NO_BUCKET : 'notFound'
}

interface Said {
  readonly code: string | undefined
  readonly message: string | undefined
}

/** `{error: {message, errors: [{reason}]}}` of the storage, `{error, error_description}` of the sign-in. */
function saidIn(data: unknown): Said | undefined {
  const { error, error_description: description } = (parsed(data) ?? {}) as {
    readonly error?: unknown
    readonly error_description?: unknown
  }
  if (typeof error === 'string')
    return { code: error, message: typeof description === 'string' ? description : error }
  if (typeof error !== 'object' || error === null) return undefined
  const { message, errors } = error as {
    readonly message?: string
    readonly errors?: readonly { readonly reason?: string }[]
  }
  return { code: errors?.[0]?.reason, message }
}

/** The answer to a download is read as text where it is a refusal. */
function parsed(data: unknown): unknown {
  if (typeof data !== 'string') return data
  try {
    return JSON.parse(data)
  } catch {
    return undefined
  }
}

/** What to do, by what is said. */
const REMEDIES: Readonly<Record<string, string>> = {
  [NO_BUCKET]: 'there is no such bucket: make it, or mend storage.bucket',
  notFound: 'there is no such bucket: make it, or mend storage.bucket',
  forbidden: 'these credentials may not use the bucket: see the roles in docs/storage-gcs.md',
  authError: 'the credentials are not valid any more: get new ones for storage.credentialsFile',
  required: 'the service wants credentials: set storage.credentialsFile',
  invalid_grant:
    "the credentials are not valid any more, or this machine's clock is wrong: get new ones for storage.credentialsFile",
  ENOTFOUND: 'the host is not known: mend storage.endpoint, or the network',
  ECONNREFUSED: 'nobody listens there: mend storage.endpoint, or start the service',
}

/** Why the bucket cannot be used as it is. */
export function refused(options: GcsOptions, error: unknown): StoreUnavailable {
  const answer = answerOf(error)
  const place = `bucket ${options.bucket} (${options.endpoint ?? 'Google Cloud Storage'})`
  const remedy = answer.message.startsWith('Could not load the default credentials')
    ? 'no credentials were found: set storage.credentialsFile, or what programs for Google Cloud read'
    : REMEDIES[answer.code]
  return refusal(place, answer, remedy, error)
}
