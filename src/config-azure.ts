/** The keys of `storage` that the engine `azure` has beside those of s3: what they may be, and what comes of them. */
import * as z from 'zod'
import type { EngineOptions } from '../storage/open.ts'
import { blame, ConfigError, type Raw } from './config-load.ts'
import { type ReadSecret, secretOf } from './config-secret.ts'

export interface AzureSettings {
  container?: string | undefined
  account?: string | undefined
  accountKey?: string | undefined
  accountKeyFile?: string | undefined
  connectionString?: string | undefined
  connectionStringFile?: string | undefined
  clientId?: string | undefined
}

const TEXT = z.string().min(1).optional()

/** For the schema of the file. */
export const AZURE_SHAPE: {
  readonly [Key in keyof Required<AzureSettings>]: z.ZodOptional<z.ZodString>
} = {
  container: z
    .string()
    .regex(
      /^(\$root|[a-z0-9](-?[a-z0-9]){2,62})$/,
      'a container\'s name has 3 to 63 characters of a-z, 0-9 and single "-"',
    )
    .optional(),
  account: z
    .string()
    .regex(/^[a-z0-9]{3,24}$/, "an account's name has 3 to 24 characters of a-z and 0-9")
    .optional(),
  accountKey: TEXT,
  accountKeyFile: TEXT,
  connectionString: TEXT,
  connectionStringFile: TEXT,
  clientId: TEXT,
}

interface Settings extends AzureSettings {
  readonly prefix?: string | undefined
  readonly endpoint?: string | undefined
  readonly maxAttempts?: number | undefined
  readonly checksum?: 'crc32' | 'crc64' | 'md5' | undefined
}

export function azureEngine(storage: Settings, raw: Raw, readSecret: ReadSecret): EngineOptions {
  const { container, account, endpoint, clientId, prefix, maxAttempts, checksum } = storage
  const refuse = (key: string, why: string): never => {
    throw new ConfigError([`${blame(raw, ['storage', key])}: ${why}`])
  }
  const accountKey = secretOf('storage', storage, 'accountKey', raw, readSecret)
  const connectionString = secretOf('storage', storage, 'connectionString', raw, readSecret)
  if (container === undefined)
    return refuse('engine', 'storage.container: is missing: azure needs one')
  if (checksum === 'crc32') return refuse('checksum', 'storage.checksum: azure knows crc64 and md5')
  const common = { engine: 'azure' as const, container, prefix, maxAttempts, checksum }
  if (connectionString !== undefined) {
    const stray = (
      ['account', 'accountKey', 'accountKeyFile', 'endpoint', 'clientId'] as const
    ).find((key) => storage[key] !== undefined)
    if (stray !== undefined)
      return refuse(stray, `storage: the connection string says it all: ${stray} is one too many`)
    return { ...common, connectionString }
  }
  if (account === undefined)
    return refuse('engine', 'storage: azure needs an account, or a connectionString')
  if (accountKey !== undefined && clientId !== undefined)
    return refuse(
      'clientId',
      'storage: either accountKey or the identity clientId is meant, not both',
    )
  return { ...common, account, accountKey, clientId, endpoint }
}
