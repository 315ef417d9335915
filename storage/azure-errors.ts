/** What Azure Blob Storage, and those who sign in to it, say when they refuse. */
import type { StoreUnavailable } from '../src/lib/store-error.ts'
import { type Answer, type Dialect, refusal } from './remote-errors.ts'

const MENDABLE: ReadonlySet<string> = new Set([
  'ContainerNotFound',
  'ContainerBeingDeleted',
  'ContainerDisabled',
  'AccountIsDisabled',
])

export function azureDialect(place: string): Dialect {
  return {
    place,
    missing: new Set(['BlobNotFound']),
    full: new Set(),
    mendable: MENDABLE,
    answerOf,
  }
}

/** As the SDK throws it; the first line of its message is the service's. */
export function answerOf(error: unknown): Answer {
  const { name, message, code, statusCode } = error as {
    readonly name?: string
    readonly message?: string
    readonly code?: unknown
    readonly statusCode?: number
  }
  const word = typeof code === 'string' ? code : undefined
  const none = statusCode === undefined ? (name ?? 'Error') : `HTTP ${statusCode}`
  const [line = ''] = (message ?? String(error)).split('\n')
  return { code: word ?? none, status: statusCode, message: line }
}

/** What to do, by what is said. */
const REMEDIES: Readonly<Record<string, string>> = {
  ContainerNotFound: 'there is no such container: make it, or mend storage.container',
  ContainerBeingDeleted: 'the container is being deleted: take another one',
  AuthenticationFailed:
    "the key or token is not the account's, or this machine's clock is wrong: mend storage.accountKey or storage.connectionString",
  AuthorizationPermissionMismatch:
    'this identity may not use the container: see the role in docs/storage-azure.md',
  AuthorizationFailure:
    'the account refuses this key, identity or machine: mend storage.accountKey, or see its network rules and the role in docs/storage-azure.md',
  KeyBasedAuthenticationNotPermitted:
    'the account takes no keys: leave out storage.accountKey, and give an identity the role in docs/storage-azure.md',
  AccountIsDisabled: 'the account is disabled: enable it',
  ENOTFOUND: 'the host is not known: mend storage.account or storage.endpoint',
  ECONNREFUSED: 'nobody listens there: mend storage.endpoint, or start the service',
  CredentialUnavailableError:
    'no identity was found: set storage.accountKey or storage.connectionString, or give this machine a managed identity',
  AggregateAuthenticationError:
    'no identity was found: set storage.accountKey or storage.connectionString, or give this machine a managed identity',
  AuthenticationError: 'the identity was refused: mend what Azure programs read',
}

/** Why the container cannot be used as it is. */
export function refused(container: string, place: string, error: unknown): StoreUnavailable {
  const answer = answerOf(error)
  return refusal(`container ${container} (${place})`, answer, REMEDIES[answer.code], error)
}
