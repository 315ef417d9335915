/** What PostgreSQL and its driver say when something fails, in the words of stores and of operators. */
import { StoreDamaged, StoreFull, StoreUnavailable } from '../src/lib/store-error.ts'
import { REFUSAL } from './postgres-sql.ts'

/** The code of an error: five characters of SQLSTATE, or a word of the driver or of Node.js. */
export function codeOf(error: unknown): string {
  const code = (error as { readonly code?: unknown } | null)?.code
  return typeof code === 'string' ? code : ''
}

/** Serialization failure and deadlock: the transaction was taken back whole, and may go through next time. */
export function isRepeatable(error: unknown): boolean {
  const code = codeOf(error)
  return code === '40001' || code === '40P01'
}

/** The commit had begun to write when it found a row in its way; all of it was taken back. */
export function isRefusal(error: unknown): boolean {
  return codeOf(error) === '22P02' && error instanceof Error && error.message.includes(REFUSAL)
}

const LOST = new Set([
  'CONNECTION_CLOSED',
  'CONNECTION_DESTROYED',
  'CONNECTION_ENDED',
  'ECONNRESET',
  'EPIPE',
  '57P01', // admin_shutdown
  '57P02', // crash_shutdown
])

/** The connection went away: what was asked on it may have been done or not. */
export function isLost(error: unknown): boolean {
  return LOST.has(codeOf(error))
}

/** Disk full, and the like of it for a quota. */
const FULL = new Set(['53100', '54000'])

/** Mistakes of the program stay what they are. */
export function inWordsOfStores(error: unknown): unknown {
  if (error instanceof RangeError || error instanceof TypeError) return error
  if (error instanceof StoreUnavailable || error instanceof StoreDamaged) return error
  const code = codeOf(error)
  if (FULL.has(code)) return new StoreFull('PostgreSQL has no room for metadata', { cause: error })
  return new StoreUnavailable(`PostgreSQL: ${told(error)}`, { cause: error })
}

/** Who was asked, for the operator's eyes: no secret is in it. */
export interface Asked {
  /** `db.example.com:5432` */
  readonly server: string
  readonly user: string
  readonly database: string
  readonly schema: string
}

const UNREACHABLE = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ETIMEDOUT',
  'CONNECT_TIMEOUT',
  'ENOENT',
])

const UNTRUSTED = /CERT|SELF_SIGNED|UNABLE_TO_(GET|VERIFY)/

/** Why the store cannot be opened, in one line that says what to do. */
export function inWordsOfOperators(error: unknown, asked: Asked): unknown {
  if (error instanceof StoreUnavailable || error instanceof StoreDamaged) return error
  const advice = adviceOn(codeOf(error), asked)
  if (advice === undefined) return inWordsOfStores(error)
  return new StoreUnavailable(`PostgreSQL at ${asked.server}: ${told(error)}; ${advice}`, {
    cause: error,
  })
}

function adviceOn(code: string, { user, database, schema }: Asked): string | undefined {
  if (UNREACHABLE.has(code))
    return 'is it running, and is metadata.url, or metadata.host and metadata.port, right?'
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID')
    return 'metadata.host has to be a name or an address that its certificate is for'
  if (UNTRUSTED.test(code)) return 'metadata.caFile names the file of the authority to trust'
  switch (code) {
    case '28P01':
      return `metadata.user and metadata.password (or its file) have to be those of a role of it`
    case '28000':
      return `its pg_hba.conf has to let the user "${user}" in, from here and with this TLS`
    case '3D000':
      return `create the database "${database}", or set metadata.database to one that is there`
    case '42501':
      return `grant the user "${user}" what it takes: GRANT CREATE ON DATABASE "${database}", or own the schema "${schema}"`
    case '53300':
      return 'raise its max_connections, or lower metadata.poolSize of the gateways that share it'
    case 'CONNECTION_CLOSED':
    case 'ECONNRESET':
      return 'it hung up: does it speak TLS as metadata.tls wants it to?'
    default:
      return undefined
  }
}

function told(error: unknown): string {
  const code = codeOf(error)
  const text = error instanceof Error ? error.message.replaceAll(/\s*\n\s*/g, ' ') : String(error)
  if (text === '') return code
  return code === '' || text.includes(code) ? text : `${text} (${code})`
}
