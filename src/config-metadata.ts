/** What may be said of `metadata`: the keys of all its engines, and the options of the one that is chosen. */
import { join, resolve } from 'node:path'
import type * as z from 'zod'
import type { MetadataOptions } from '../metadata/open.ts'
import { COSMOS_KEYS, type CosmosSettings, resolveCosmos } from './config-cosmos.ts'
import { DYNAMODB_KEYS, type DynamodbSettings, resolveDynamodb } from './config-dynamodb.ts'
import { FIRESTORE_KEYS, type FirestoreSettings, resolveFirestore } from './config-firestore.ts'
import { type LoggedSettings, resolveLogged } from './config-logged.ts'
import { blame, ConfigError, type Raw } from './config-load.ts'
import { POSTGRES_KEYS, type PostgresSettings, resolvePostgres } from './config-postgres.ts'

export const METADATA_ENGINES = [
  'memory',
  'jsonl',
  'sqlite',
  'postgres',
  'dynamodb',
  'firestore',
  'cosmos',
] as const

export type MetadataEngine = (typeof METADATA_ENGINES)[number]

/** Keys beside `engine`, `path` and `cache`. */
export type ServiceSettings = PostgresSettings &
  DynamodbSettings &
  FirestoreSettings &
  CosmosSettings

type Settings = LoggedSettings &
  ServiceSettings & {
    readonly engine: MetadataEngine
    readonly path?: string | undefined
    readonly cache: { readonly rows: number; readonly ttl: number }
  }

export const SERVICE_KEYS: {
  readonly [Key in keyof Required<ServiceSettings>]: z.ZodOptional<
    z.ZodType<NonNullable<ServiceSettings[Key]>>
  >
} = {
  ...POSTGRES_KEYS,
  ...DYNAMODB_KEYS,
  ...FIRESTORE_KEYS,
  ...COSMOS_KEYS,
}

/** Which keys mean something to an engine that is a service. */
const KEYS_OF: Readonly<Record<string, readonly string[]>> = {
  postgres: Object.keys(POSTGRES_KEYS),
  dynamodb: Object.keys(DYNAMODB_KEYS),
  firestore: Object.keys(FIRESTORE_KEYS),
  cosmos: Object.keys(COSMOS_KEYS),
}

/** Services, which any number of gateways share. */
export const SHARED_METADATA: ReadonlySet<string> = new Set(Object.keys(KEYS_OF))

/** Reads the file of a secret. */
export type ReadSecret = (file: string, place: string) => string

/** `data`: the absolute path of the data folder. */
export function resolveMetadata(
  metadata: Settings,
  data: string,
  raw: Raw,
  readSecret: ReadSecret,
): MetadataOptions {
  const { engine, path, cache } = metadata
  if (SHARED_METADATA.has(engine) && cache.rows > 0 && cache.ttl === 0)
    throw new ConfigError([
      `${blame(raw, ['metadata', 'cache', 'ttl'])}: metadata.cache.ttl: 0 is for engines of one gateway, and ${engine} is shared: rows would stay old for ever`,
    ])
  refuseStrayKeys(metadata, raw)
  const layers = cache.rows === 0 ? {} : { cache: { rows: cache.rows, ttlMs: cache.ttl } }
  const logged = resolveLogged(metadata, data, raw)
  if (logged) return { ...logged, ...layers }
  switch (engine) {
    case 'memory':
      return { engine, ...layers }
    case 'postgres':
      return { engine, ...resolvePostgres(metadata, raw), ...layers }
    case 'dynamodb':
      return { engine, ...resolveDynamodb(metadata, raw, readSecret), ...layers }
    case 'firestore':
      return { engine, ...resolveFirestore(metadata, raw), ...layers }
    case 'cosmos':
      return { engine, ...resolveCosmos(metadata, raw, readSecret), ...layers }
    default: {
      const preset = engine === 'sqlite' ? 'rows.db' : 'jsonl'
      return { engine, path: resolve(raw.cwd, path ?? join(data, 'metadata', preset)), ...layers }
    }
  }
}

/** Keys that were said and mean nothing to the engine: more likely the engine is not the one that is meant. */
function refuseStrayKeys(metadata: Settings, raw: Raw): void {
  const { engine } = metadata
  const own = KEYS_OF[engine] ?? []
  const keys: readonly string[] = [
    ...(SHARED_METADATA.has(engine) ? ['path'] : []),
    ...Object.keys(SERVICE_KEYS).filter((key) => !own.includes(key)),
  ]
  const problems = keys.flatMap((key) => {
    if (metadata[key as keyof Settings] === undefined) return []
    const others = Object.keys(KEYS_OF).filter((engine) => KEYS_OF[engine]!.includes(key))
    const meant = others.length > 0 ? ` (but to ${others.join(', ')})` : ''
    return `${blame(raw, ['metadata', key])}: metadata.${key} means nothing to the engine ${engine}${meant}`
  })
  if (problems.length > 0) throw new ConfigError(problems)
}

/**
 * Most bytes of an object in the metadata, where nothing else is said. DynamoDB and Cosmos DB bill each
 * KiB that is written, and read rows with all their bytes on the way to a listing.
 */
const INLINE_MAX_BYTES: Readonly<Record<string, number>> = { dynamodb: 4096, cosmos: 4096 }

/** What `limits.inlineMax` is with this engine, of what it would be with others. */
export function inlineMaxOf(engine: string, inlineMaxBytes: number, raw: Raw): number {
  const asked = (raw.tree['limits'] as { inlineMax?: unknown } | undefined)?.inlineMax
  if (asked !== undefined) return inlineMaxBytes
  return Math.min(inlineMaxBytes, INLINE_MAX_BYTES[engine] ?? inlineMaxBytes)
}
