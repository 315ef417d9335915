/** What may be said of `metadata.engine: cosmos`, and the options of the engine that it makes. */
import { resolve } from 'node:path'
import * as z from 'zod'
import type { ContainerOptions } from '../metadata/cosmos-container.ts'
import { blame, ConfigError, type Raw } from './config-load.ts'

export interface CosmosSettings {
  endpoint?: string | undefined
  key?: string | undefined
  keyFile?: string | undefined
  clientId?: string | undefined
  database?: string | undefined
  container?: string | undefined
  createContainer?: boolean | undefined
}

const DATABASE = 'sluice'
const CONTAINER = 'sluice'

const TEXT = z.string().min(1).optional()

/** Keys beside `metadata.engine`. */
export const COSMOS_KEYS: {
  readonly [Key in keyof Required<CosmosSettings>]: z.ZodOptional<
    z.ZodType<NonNullable<CosmosSettings[Key]>>
  >
} = {
  endpoint: z
    .url({ protocol: /^https?$/, error: 'an http:// or https:// URL is expected' })
    .optional(),
  key: TEXT,
  keyFile: TEXT,
  clientId: TEXT,
  database: TEXT,
  container: z
    .string()
    .regex(/^[^/\\#?]{1,255}$/, "a container's name has 1 to 255 characters, none of / \\ # ?")
    .optional(),
  // A variable says it in words.
  createContainer: z
    .union([z.boolean(), z.enum(['true', 'false']).transform((word) => word === 'true')])
    .optional(),
}

/** `readSecret` reads the file of a secret. */
export function resolveCosmos(
  metadata: CosmosSettings,
  raw: Raw,
  readSecret: (file: string, place: string) => string,
): ContainerOptions {
  const { endpoint, clientId, createContainer } = metadata
  const { database = DATABASE, container = CONTAINER } = metadata
  const place = (key: string): string => `${blame(raw, ['metadata', key])}: `
  if (metadata.key !== undefined && metadata.keyFile !== undefined)
    throw new ConfigError([`${place('keyFile')}metadata: either key or keyFile is meant, not both`])
  const key =
    metadata.keyFile === undefined
      ? metadata.key
      : readSecret(resolve(raw.cwd, metadata.keyFile), place('keyFile'))
  if (endpoint === undefined)
    throw new ConfigError([
      `${place('engine')}metadata.engine: cosmos needs metadata.endpoint (https://account.documents.azure.com)`,
    ])
  if (key !== undefined && clientId !== undefined)
    throw new ConfigError([
      `${place('clientId')}metadata: either a key or the clientId of an identity is meant, not both`,
    ])
  return {
    endpoint,
    ...(key !== undefined && { key }),
    ...(clientId !== undefined && { clientId }),
    database,
    container,
    ...(createContainer !== undefined && { createContainer }),
  }
}
