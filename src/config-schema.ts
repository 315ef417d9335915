/**
 * The rules of the configuration file as a zod schema: which keys there are, what their values may be.
 * `config.ts` makes the gateway's `Config` of what passes; the JSON Schema comes from here too.
 */
import { isIP } from 'node:net'
import * as z from 'zod'
import { preset } from './config-options.ts'
import { AZURE_SHAPE, type AzureSettings } from './config-azure.ts'
import { GCS_SHAPE, type GcsSettings } from './config-gcs.ts'
import {
  METADATA_ENGINES,
  type MetadataEngine,
  SERVICE_KEYS,
  type ServiceSettings,
} from './config-metadata.ts'
import { LOGGED_KEYS, type LoggedSettings } from './config-logged.ts'
import { REPLICATION, type ReplicationSettings } from './config-replication.ts'
import { ENCRYPTION, type EncryptionSettings } from './config-encryption.ts'
import { keySettings, type KeySettings } from './config-seal-key.ts'
import { S3_SHAPE, type S3Settings } from './config-s3.ts'
import { TORRENTS, type TorrentsSettings } from './config-torrents.ts'
import { parseDuration } from './config-units.ts'
import {
  BUCKET,
  choice,
  duration,
  FLAG,
  measured,
  PLACE,
  PORT,
  size,
  TEXT,
} from './config-values.ts'

/** The file's keys; `Measure` is what sizes and durations are written as. */
interface Shape<Measure> {
  host: string
  port: number
  data: string
  region: string
  domains: string[]
  websiteDomains: string[]
  publicUrl?: string | undefined
  trustedProxies: string[]
  /** Documents of IAM's language, by their names. */
  policies: Record<string, Record<string, unknown>>
  groups: Record<string, { policies: string[] }>
  credentials: CredentialSettings[]
  compat: Compat
  auth: { sigv2: boolean }
  buckets: string[]
  metadata: {
    engine: MetadataEngine
    path?: string | undefined
    cache: { rows: number; ttl: Measure }
  } & LoggedSettings &
    ServiceSettings
  storage: {
    engine: 'memory' | 'fs' | 'sqlite' | 's3' | 'gcs' | 'azure'
    path?: string | undefined
    seal?: { keys: KeySettings[] } | undefined
  } & S3Settings &
    GcsSettings &
    AzureSettings
  encryption: EncryptionSettings
  replication: ReplicationSettings
  etag: 'md5' | 'opaque'
  torrent: { files: 'off' | 'on'; tracker: 'off' | 'on' }
  torrents: TorrentsSettings<Measure>
  limits: {
    maxObjectSize: Measure
    minPartSize: Measure
    inlineMax: Measure
    maxHeaderSize: Measure
    headersTimeout: Measure
    idleTimeout: Measure
    keepAliveTimeout: Measure
    maxConnections: number
  }
  sweep: {
    interval: Measure
    grace?: Measure | undefined
    orphans: Measure
    abandonedUploads: Measure
  }
  lifecycle: { interval: Measure; secondsPerDay: number }
  accessLogs: { interval: Measure }
  webhooks: { allow: string[]; timeout: Measure; giveUp: Measure }
  log: { level: 'debug' | 'info' | 'warn' | 'error' | 'silent'; format: 'auto' | 'text' | 'json' }
  metrics: { auth: 'none' | 'token'; token?: string | undefined; tokenFile?: string | undefined }
  feed: { token?: string | undefined; tokenFile?: string | undefined }
  control?: { host?: string | undefined; port: number } | undefined
  tls?: { cert: string; key: string } | undefined
  shutdownTimeout: Measure
}

/** What is answered where suites and old clients expect one thing, and AWS does another today. */
export type Compat = 'legacy' | 'aws-2026'

export interface CredentialSettings {
  accessKeyId: string
  secretAccessKey?: string | undefined
  secretAccessKeyFile?: string | undefined
  displayName: string
  userId?: string | undefined
  email?: string | undefined
  admin: boolean
  policies: string[]
  groups: string[]
}

type Loose<T> = T extends readonly (infer Item)[]
  ? readonly Loose<Item>[]
  : T extends object
    ? { readonly [Key in keyof T]?: Loose<T[Key]> | undefined }
    : T

/** A configuration file as it may be written; every key may be absent. */
export type ConfigInput = Loose<Shape<string | number>>
/** The same with defaults filled in, sizes in bytes and durations in milliseconds. */
export type Settings = Shape<number>

const FOLDER = TEXT.optional()

const DOMAIN = z
  .string()
  .regex(
    /^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/i,
    'a domain is written without scheme, port and dots around it',
  )

const POLICY_NAME = z
  .string()
  .regex(/^[A-Za-z0-9_.-]{1,64}$/, 'a name has 1 to 64 letters, digits, "_", "." and "-"')

function isNetwork(text: string): boolean {
  const [address = '', bits, ...rest] = text.split('/')
  const version = isIP(address)
  const isPrefix =
    bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (version === 4 ? 32 : 128))
  return version !== 0 && isPrefix && rest.length === 0
}

const CREDENTIAL = z
  .strictObject({
    accessKeyId: z
      .string()
      .regex(
        /^[A-Za-z0-9_.-]{3,128}$/,
        'an access key has 3 to 128 letters, digits, "_", "." and "-"',
      ),
    secretAccessKey: z.string().min(8, 'a secret has at least 8 characters').optional(),
    secretAccessKeyFile: TEXT.optional(),
    /** Keys with the same name are keys of one user, who owns what any of them makes. */
    displayName: z.string().min(1).max(64).default('root'),
    /** Canonical user id; derived from the name where absent. */
    userId: z
      .string()
      .regex(
        /^[A-Za-z0-9$_.-]{1,128}$/,
        'a user id has 1 to 128 letters, digits, "$", "_", "." and "-"',
      )
      .optional(),
    /** By which grants of an access control list may name the user. */
    email: z.email('an e-mail address is expected').max(254).optional(),
    /** May act for the owner of any bucket, and administer the users. */
    admin: z.boolean().default(false),
    /** What of its user's rights the key has: names of policies, and of groups that have some. None: all of them. */
    policies: z.array(POLICY_NAME).default([]),
    groups: z.array(POLICY_NAME).default([]),
  })
  .refine(
    (key) => (key.secretAccessKey === undefined) !== (key.secretAccessKeyFile === undefined),
    {
      message: 'a credential needs either secretAccessKey or secretAccessKeyFile',
    },
  )

const DAYS = 86_400_000

function build() {
  return z.strictObject({
    host: TEXT.prefault(preset('host') as string),
    port: PORT.prefault(preset('port') as number),
    data: TEXT.prefault(preset('data') as string),
    region: z
      .string()
      .regex(/^[a-z0-9-]{1,63}$/, 'a region is written in a-z, 0-9 and "-"')
      .prefault(preset('region') as string),
    domains: z.array(DOMAIN).prefault([]),
    websiteDomains: z.array(DOMAIN).prefault([]),
    publicUrl: z
      .url({ protocol: /^https?$/, error: 'an http:// or https:// URL is expected' })
      .optional(),
    trustedProxies: z
      .array(z.string().refine(isNetwork, 'an address or a network (10.0.0.0/8) is expected'))
      .prefault([]),
    policies: z.record(POLICY_NAME, z.record(z.string(), z.unknown())).prefault({}),
    groups: z.record(POLICY_NAME, z.strictObject({ policies: z.array(POLICY_NAME) })).prefault({}),
    credentials: z.array(CREDENTIAL).prefault([]),
    compat: choice('compat', ['legacy', 'aws-2026']),
    auth: z
      .strictObject({
        /** Signature Version 2 is taken too. */
        sigv2: FLAG.prefault(preset('auth.sigv2') as 'false'),
      })
      .prefault({}),
    buckets: z.array(BUCKET).prefault([]),
    metadata: z
      .strictObject({
        engine: choice('metadata.engine', METADATA_ENGINES),
        path: FOLDER,
        ...LOGGED_KEYS,
        ...SERVICE_KEYS,
        cache: z
          .strictObject({
            rows: z
              .int()
              .min(0)
              .max(10_000_000)
              .prefault(preset('metadata.cache.rows') as number),
            ttl: duration('metadata.cache.ttl', 0, 3_600_000, '0 to 1h'),
          })
          .prefault({}),
      })
      .prefault({}),
    storage: z
      .strictObject({
        engine: choice('storage.engine', ['memory', 'fs', 'sqlite', 's3', 'gcs', 'azure']),
        path: FOLDER,
        seal: z
          .strictObject({ keys: z.array(keySettings({})).min(1, 'sealing needs a key') })
          .optional(),
        ...S3_SHAPE,
        ...GCS_SHAPE,
        ...AZURE_SHAPE,
      })
      .prefault({}),
    encryption: ENCRYPTION,
    replication: REPLICATION,
    etag: choice('etag', ['md5', 'opaque']),
    torrent: z
      .strictObject({
        files: choice('torrent.files', ['off', 'on']),
        tracker: choice('torrent.tracker', ['off', 'on']),
      })
      .prefault({}),
    torrents: TORRENTS,
    limits: z
      .strictObject({
        maxObjectSize: size('limits.maxObjectSize', 1, 5 * 2 ** 30, '1 byte to 5GiB'),
        minPartSize: size('limits.minPartSize', 0, 5 * 2 ** 30, '0 to 5GiB'),
        inlineMax: size('limits.inlineMax', 0, 2 ** 16, '0 to 64KiB'),
        maxHeaderSize: size('limits.maxHeaderSize', 8192, 2 ** 20, '8KiB to 1MiB'),
        headersTimeout: duration('limits.headersTimeout', 1000, DAYS, '1s to 1d'),
        idleTimeout: duration('limits.idleTimeout', 1000, DAYS, '1s to 1d'),
        keepAliveTimeout: duration('limits.keepAliveTimeout', 1000, DAYS, '1s to 1d'),
        maxConnections: z
          .int()
          .min(1)
          .prefault(preset('limits.maxConnections') as number),
      })
      .prefault({}),
    sweep: z
      .strictObject({
        interval: duration('sweep.interval', 1000, 30 * DAYS, '1s to 30d'),
        grace: measured(parseDuration, 1000, 365 * DAYS, '1s to 365d').optional(),
        orphans: duration('sweep.orphans', DAYS / 24, 365 * DAYS, '1h to 365d'),
        abandonedUploads: duration('sweep.abandonedUploads', 0, 3650 * DAYS, '0 (never) to 3650d'),
      })
      .prefault({}),
    lifecycle: z
      .strictObject({
        interval: duration('lifecycle.interval', 100, 30 * DAYS, '100ms to 30d'),
        secondsPerDay: z
          .number()
          .min(0.1)
          .max(86_400)
          .prefault(preset('lifecycle.secondsPerDay') as number),
      })
      .prefault({}),
    accessLogs: z
      .strictObject({
        interval: duration('accessLogs.interval', 1000, DAYS, '1s to 1d'),
      })
      .prefault({}),
    webhooks: z
      .strictObject({
        allow: z.array(PLACE).prefault([]),
        timeout: duration('webhooks.timeout', 100, 600_000, '100ms to 10m'),
        giveUp: duration('webhooks.giveUp', 1000, 30 * DAYS, '1s to 30d'),
      })
      .prefault({}),
    log: z
      .strictObject({
        level: choice('log.level', ['debug', 'info', 'warn', 'error', 'silent']),
        format: choice('log.format', ['auto', 'text', 'json']),
      })
      .prefault({}),
    metrics: z
      .strictObject({
        auth: choice('metrics.auth', ['none', 'token']),
        token: z.string().min(8, 'a token has at least 8 characters').optional(),
        tokenFile: TEXT.optional(),
      })
      .prefault({})
      .refine((metrics) => !(metrics.token && metrics.tokenFile), {
        message: 'either token or tokenFile is meant, not both',
      })
      .refine((metrics) => metrics.auth === 'none' || metrics.token || metrics.tokenFile, {
        message: 'token needs a token or a tokenFile',
        path: ['auth'],
      })
      .refine((metrics) => metrics.auth === 'token' || !(metrics.token || metrics.tokenFile), {
        message: 'a token does nothing while this is none',
        path: ['auth'],
      }),
    feed: z
      .strictObject({
        token: z.string().min(8, 'a token has at least 8 characters').optional(),
        tokenFile: TEXT.optional(),
      })
      .prefault({})
      .refine((feed) => !(feed.token && feed.tokenFile), {
        message: 'either token or tokenFile is meant, not both',
      }),
    control: z.strictObject({ host: TEXT.optional(), port: PORT }).optional(),
    tls: z.strictObject({ cert: TEXT, key: TEXT }).optional(),
    shutdownTimeout: duration('shutdownTimeout', 0, DAYS, '0 to 1d'),
  })
}

const SCHEMA: z.ZodType<Settings> = build()

/** What is wrong with a value of the tree. */
export interface Issue {
  readonly path: readonly (string | number)[]
  readonly message: string
  /** Set where the key itself is not known: the keys that are, at this place. */
  readonly known?: readonly string[]
}

/** Checks a tree of raw values. */
export function checkSettings(
  tree: unknown,
): { readonly settings: Settings } | { readonly issues: readonly Issue[] } {
  const result = SCHEMA.safeParse(tree, { reportInput: true })
  if (result.success) return { settings: result.data }
  return { issues: result.error.issues.flatMap((issue) => issuesOf(issue)) }
}

/** Checks one credential by itself. */
export function checkCredential(
  tree: unknown,
): { readonly credential: CredentialSettings } | { readonly issues: readonly Issue[] } {
  const result = CREDENTIAL.safeParse(tree, { reportInput: true })
  if (result.success) return { credential: result.data }
  return { issues: result.error.issues.flatMap((issue) => issuesOf(issue)) }
}

function issuesOf(issue: z.core.$ZodIssue): Issue[] {
  const path = issue.path.map((segment) =>
    typeof segment === 'number' ? segment : String(segment),
  )
  if (issue.code !== 'unrecognized_keys') return [{ path, message: wording(issue) }]
  const known = knownKeys(path)
  return issue.keys.map((key) => ({ path: [...path, key], message: `unknown key ${key}`, known }))
}

function wording(issue: z.core.$ZodIssue): string {
  if (issue.code === 'invalid_value') return `expected one of ${issue.values.join(', ')}`
  if (issue.code === 'invalid_union') return 'expected a number with a unit'
  if (issue.code !== 'invalid_type') return lowered(issue.message)
  return issue.input === undefined
    ? 'is missing'
    : lowered(issue.message.replace('Invalid input: ', ''))
}

function lowered(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1)
}

/** The file's JSON Schema (draft 2020-12), for editors. */
export function jsonSchema(): Record<string, unknown> {
  const schema = z.toJSONSchema(SCHEMA, { io: 'input' })
  return { ...schema, title: 'Sluice configuration' }
}

function knownKeys(path: readonly (string | number)[]): string[] {
  let at: unknown = jsonSchema()
  for (const segment of path) {
    const node = at as { items?: unknown; properties?: Record<string, unknown> }
    at = typeof segment === 'number' ? node.items : node.properties?.[segment]
  }
  return Object.keys((at as { properties?: Record<string, unknown> } | undefined)?.properties ?? {})
}
