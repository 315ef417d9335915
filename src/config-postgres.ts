/** What may be said of `metadata.engine: postgres`, and the options of the engine that it makes. */
import { readFileSync } from 'node:fs'
import * as z from 'zod'
import type { PostgresOptions } from '../metadata/postgres-wire.ts'
import { blame, ConfigError, type Raw } from './config-load.ts'

export interface PostgresSettings {
  url?: string | undefined
  host?: string | undefined
  port?: number | undefined
  database?: string | undefined
  user?: string | undefined
  password?: string | undefined
  passwordFile?: string | undefined
  tls?: 'off' | 'require' | 'verify' | undefined
  caFile?: string | undefined
  schema?: string | undefined
  poolSize?: number | undefined
}

const SCHEMA = 'sluice'
const DATABASE = 'sluice'
const USER = 'sluice'
const HOST = 'localhost'
const PORT = 5432
const POOL_SIZE = 16
const POOL_SIZE_MAX = 500

const TEXT = z.string().min(1)

/** Keys beside `metadata.engine`. */
export const POSTGRES_KEYS: {
  readonly [Key in keyof PostgresSettings]-?: z.ZodOptional<
    z.ZodType<NonNullable<PostgresSettings[Key]>, NonNullable<PostgresSettings[Key]>>
  >
} = {
  url: z
    .string()
    .regex(/^postgres(ql)?:\/\/./, 'postgres://user:password@host:5432/database is expected')
    .optional(),
  host: TEXT.optional(),
  port: z.int().min(1).max(65_535).optional(),
  database: TEXT.optional(),
  user: TEXT.optional(),
  password: TEXT.optional(),
  passwordFile: TEXT.optional(),
  tls: z.enum(['off', 'require', 'verify']).optional(),
  caFile: TEXT.optional(),
  schema: z
    .string()
    .regex(
      /^(?!pg_)[a-z_][a-z0-9_]{0,62}$/,
      'a schema is written in a-z, 0-9 and "_", and does not begin with pg_',
    )
    .optional(),
  poolSize: z.int().min(1).max(POOL_SIZE_MAX).optional(),
}

export function resolvePostgres(metadata: PostgresSettings, raw: Raw): PostgresOptions {
  const { url, host, port, database, user, tls, caFile, schema, poolSize } = metadata
  if (caFile !== undefined && tls !== 'verify')
    throw new ConfigError([
      `${blame(raw, ['metadata', 'caFile'])}: metadata.caFile does nothing without metadata.tls: verify`,
    ])
  const password = passwordOf(metadata, raw)
  // A URL says what it says; what it leaves out is the driver's to fill in, as with any PostgreSQL client.
  const preset = url === undefined ? { host: HOST, port: PORT, database: DATABASE, user: USER } : {}
  return {
    ...preset,
    ...(url !== undefined && { url }),
    ...(host !== undefined && { host }),
    ...(port !== undefined && { port }),
    ...(database !== undefined && { database }),
    ...(user !== undefined && { user }),
    ...(password !== undefined && { password }),
    ...(tls !== undefined && { tls }),
    ...(caFile !== undefined && { caFile }),
    schema: schema ?? SCHEMA,
    poolSize: poolSize ?? POOL_SIZE,
  }
}

function passwordOf({ password, passwordFile }: PostgresSettings, raw: Raw): string | undefined {
  if (passwordFile === undefined) return password
  const place = blame(raw, ['metadata', 'passwordFile'])
  if (password !== undefined)
    throw new ConfigError([`${place}: metadata.password is set too; one of them is meant`])
  try {
    // Editors put a line break behind it; a blank may be part of it.
    return readFileSync(passwordFile, 'utf8').replace(/\r?\n$/, '')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    throw new ConfigError([`${place}: ${passwordFile} cannot be read (${code})`])
  }
}
