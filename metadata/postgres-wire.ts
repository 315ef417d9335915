/**
 * The way to a PostgreSQL server: a pool of connections, each with its prepared statements, over which
 * statements travel without waiting for the answers to those before them.
 *
 * Nothing waits for ever: the server ends a statement after `STATEMENT_MS`, and where even that does not
 * come back the network is gone, so all connections are given up and made anew.
 */
import { readFileSync } from 'node:fs'
import { isIP } from 'node:net'
import { checkServerIdentity, type ConnectionOptions } from 'node:tls'
import postgres from 'postgres'
import { StoreUnavailable } from '../src/lib/store-error.ts'
import type { Asked } from './postgres-errors.ts'

export interface PostgresOptions {
  /** `postgres://user:password@host:port/database`; the members below beat what it says. */
  readonly url?: string
  /** Or the folder of a Unix socket. */
  readonly host?: string
  readonly port?: number
  readonly database?: string
  readonly user?: string
  readonly password?: string
  /** off: in clear. require: encrypted, for whoever answers. verify: encrypted, and the certificate has to be trusted and the host's. Absent: what the URL's sslmode says, else off. */
  readonly tls?: 'off' | 'require' | 'verify'
  /** PEM file of the authority to trust, beside `verify`; that of the system where absent. */
  readonly caFile?: string
  /** The schema that holds the tables; made where it is missing. */
  readonly schema: string
  /** Most connections of this process. */
  readonly poolSize: number
}

/** A cell as it arrives: text, numbers and booleans as such, 64-bit numbers as text, bytes as bytes. */
export type Cells = readonly unknown[]
/** Runs a statement; resolves to its rows. The same text is prepared once a connection. */
export type Run = (
  text: string,
  parameters: readonly (string | number)[],
) => Promise<readonly Cells[]>

export interface Wire {
  readonly run: Run
  /** Statements in one transaction: rolled back where `work` rejects. */
  transaction<T>(work: (run: Run) => Promise<T>): Promise<T>
  /** Several statements in one text, without parameters; on a connection in a transaction of their own. */
  script(text: string): Promise<void>
  /** Lets what is under way end, then hangs up. */
  close(): Promise<void>
}

const STATEMENT_MS = 30_000
/** For the answer to a statement, time in the queue for a connection included. */
const ANSWER_MS: number = STATEMENT_MS + 15_000
const CONNECT_SECONDS = 10
const RECONNECT_MAX_SECONDS = 1
/** Of a connection, at its end. */
const GOODBYE_SECONDS = 5
const KEEP_ALIVE_SECONDS = 15

/**
 * Plans are for key look-ups alone, whatever the statistics say: a plan made while the table was small
 * must not become a walk over millions of rows.
 */
const SESSION: Readonly<Record<string, string | number>> = {
  application_name: 'sluice',
  statement_timeout: STATEMENT_MS,
  idle_in_transaction_session_timeout: STATEMENT_MS,
  default_transaction_isolation: 'read committed',
  plan_cache_mode: 'force_generic_plan',
  enable_seqscan: 'off',
  enable_hashjoin: 'off',
  enable_mergejoin: 'off',
  jit: 'off',
}

type Sql = postgres.Sql

/** Connects when the first statement is run. */
export class PostgresWire implements Wire {
  readonly #options: PostgresOptions
  #sql: Sql

  constructor(options: PostgresOptions) {
    this.#options = options
    this.#sql = connect(options)
  }

  readonly run: Run = (text, parameters) => {
    const sql = this.#sql
    return this.#answered(sql, runOn(sql, text, parameters))
  }

  transaction<T>(work: (run: Run) => Promise<T>): Promise<T> {
    const sql = this.#sql
    const done = sql.begin((own) => work((text, parameters) => runOn(own, text, parameters)))
    return this.#answered(sql, done as Promise<T>)
  }

  async script(text: string): Promise<void> {
    const sql = this.#sql
    await this.#answered(sql, sql.unsafe(text).simple())
  }

  async close(): Promise<void> {
    await this.#sql.end({ timeout: GOODBYE_SECONDS })
  }

  async #answered<T>(sql: Sql, answer: PromiseLike<T>): Promise<T> {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        reject(new StoreUnavailable(`PostgreSQL did not answer within ${ANSWER_MS} ms`))
        this.#giveUp(sql)
      }, ANSWER_MS)
    })
    try {
      return await Promise.race([answer, late])
    } finally {
      clearTimeout(timer)
    }
  }

  /** All connections of that pool are dead, or as good as dead. */
  #giveUp(sql: Sql): void {
    if (this.#sql !== sql) return
    this.#sql = connect(this.#options)
    // Whoever still waits on it is told by the rejection of his own statement.
    sql.end({ timeout: 0 }).catch(() => {})
  }
}

/** Whom the options name, without secrets. */
export function askedOf(options: PostgresOptions): Asked {
  const { host, port, user, database } = connect(options).options
  const server = host.map((name, i) => `${name}:${port[i] ?? port[0] ?? ''}`).join(',')
  return { server, user, database, schema: options.schema }
}

function runOn(
  sql: postgres.ISql,
  text: string,
  parameters: readonly (string | number)[],
): Promise<readonly Cells[]> {
  return sql.unsafe(text, [...parameters], { prepare: true }).values()
}

function connect(options: PostgresOptions): Sql {
  const { url, host, port, database, user, password, poolSize } = options
  const settings: postgres.Options<Record<string, never>> = {
    ...(host !== undefined && { host }),
    ...(port !== undefined && { port }),
    ...(database !== undefined && { database }),
    ...(user !== undefined && { user }),
    ...(password !== undefined && { password }),
    ...tlsOf(options),
    max: poolSize,
    connect_timeout: CONNECT_SECONDS,
    keep_alive: KEEP_ALIVE_SECONDS,
    backoff: (retries) => Math.min(0.05 * 2 ** retries, RECONNECT_MAX_SECONDS),
    // After a failover: whoever answers has to take writes.
    target_session_attrs: 'read-write',
    // Arrays are sent as text, see postgres-cells.ts: nobody needs to know the server's types.
    fetch_types: false,
    onnotice: () => {},
    connection: SESSION,
  }
  return url === undefined ? postgres(settings) : postgres(url, settings)
}

function tlsOf(options: PostgresOptions): { ssl?: boolean | 'require' | ConnectionOptions } {
  const { tls, caFile } = options
  if (tls === undefined) return {}
  if (tls === 'off') return { ssl: false }
  if (tls === 'require') return { ssl: 'require' }
  const ca = caFile === undefined ? {} : { ca: readCertificate(caFile) }
  return { ssl: { ...ca, checkServerIdentity: identityCheck(options) } }
}

/** The driver names no host to TLS where it is an address, and Node.js would then look for `localhost`. */
function identityCheck(
  options: PostgresOptions,
): NonNullable<ConnectionOptions['checkServerIdentity']> {
  const { tls: _, ...inClear } = options
  const hosts = connect(inClear).options.host
  const addresses = hosts.filter((host) => isIP(host) !== 0)
  return (name, certificate) => {
    if (name !== 'localhost' || addresses.length === 0)
      return checkServerIdentity(name, certificate)
    const [first = name, ...others] = hosts.includes(name) ? [name, ...addresses] : addresses
    const problem = checkServerIdentity(first, certificate)
    const isOther = others.some((host) => checkServerIdentity(host, certificate) === undefined)
    return isOther ? undefined : problem
  }
}

function readCertificate(file: string): Buffer {
  try {
    return readFileSync(file)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    throw new StoreUnavailable(`metadata.caFile: ${file} cannot be read (${code})`)
  }
}
