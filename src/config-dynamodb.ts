/** What may be said of `metadata.engine: dynamodb`, and the options of the engine that it makes. */
import { resolve } from 'node:path'
import * as z from 'zod'
import type { TableOptions } from '../metadata/dynamodb-table.ts'
import { blame, ConfigError, type Raw } from './config-load.ts'

export interface DynamodbSettings {
  table?: string | undefined
  region?: string | undefined
  endpoint?: string | undefined
  createTable?: boolean | undefined
  accessKeyId?: string | undefined
  secretAccessKey?: string | undefined
  secretAccessKeyFile?: string | undefined
}

const TABLE = 'sluice'
const TEXT = z.string().min(1).optional()

/** Keys beside `metadata.engine`. */
export const DYNAMODB_KEYS: {
  readonly [Key in keyof Required<DynamodbSettings>]: z.ZodOptional<
    z.ZodType<NonNullable<DynamodbSettings[Key]>>
  >
} = {
  table: z
    .string()
    .regex(
      /^[A-Za-z0-9_.-]{3,255}$/,
      'a table\'s name has 3 to 255 letters, digits, "_", "." and "-"',
    )
    .optional(),
  region: TEXT,
  endpoint: z
    .url({ protocol: /^https?$/, error: 'an http:// or https:// URL is expected' })
    .optional(),
  // A variable says it in words.
  createTable: z
    .union([z.boolean(), z.enum(['true', 'false']).transform((word) => word === 'true')])
    .optional(),
  accessKeyId: TEXT,
  secretAccessKey: TEXT,
  secretAccessKeyFile: TEXT,
}

/** `readSecret` reads the file of a secret. */
export function resolveDynamodb(
  metadata: DynamodbSettings,
  raw: Raw,
  readSecret: (file: string, place: string) => string,
): TableOptions {
  const { table = TABLE, region, endpoint, createTable, accessKeyId } = metadata
  const file = metadata.secretAccessKeyFile
  const place = (key: string): string => `${blame(raw, ['metadata', key])}: `
  if (metadata.secretAccessKey !== undefined && file !== undefined)
    throw new ConfigError([
      `${place('secretAccessKeyFile')}metadata: either secretAccessKey or secretAccessKeyFile is meant, not both`,
    ])
  const secretAccessKey =
    file === undefined
      ? metadata.secretAccessKey
      : readSecret(resolve(raw.cwd, file), place('secretAccessKeyFile'))
  if ((accessKeyId === undefined) !== (secretAccessKey === undefined))
    throw new ConfigError([
      `${place(secretAccessKey === undefined ? 'accessKeyId' : 'secretAccessKey')}metadata: accessKeyId and its secret go together: one is unset`,
    ])
  return {
    table,
    ...(region !== undefined && { region }),
    ...(endpoint !== undefined && { endpoint }),
    ...(createTable !== undefined && { createTable }),
    ...(accessKeyId !== undefined &&
      secretAccessKey !== undefined && { credentials: { accessKeyId, secretAccessKey } }),
  }
}
