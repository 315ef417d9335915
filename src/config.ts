/**
 * The gateway's configuration: complete, checked, with absolute paths and secrets read. Made from a
 * file, the environment and flags by `loadConfig`, or from an object by `configOf` (tests, embedding).
 */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { blame, ConfigError, loadRaw, type Path, type Raw, type Sources } from './config-load.ts'
import { inlineMaxOf, resolveMetadata, SHARED_METADATA } from './config-metadata.ts'
import { resolveEncryption } from './config-encryption.ts'
import { resolveReplication } from './config-replication.ts'
import type { ReplicationTarget } from './replicas.ts'
import { didYouMean } from './config-nearest.ts'
import type { EncryptionKeys } from './s3/keyring.ts'
import type { LogLevel } from './log.ts'
import type { MetadataOptions } from '../metadata/open.ts'
import type { StorageOptions } from '../storage/open.ts'
import { looseKeyFiles, resolveInlineMax, resolveSeal } from './config-seal.ts'
import { azureEngine } from './config-azure.ts'
import { gcsEngine } from './config-gcs.ts'
import { s3Engine } from './config-s3.ts'
import { resolveTorrents, type TorrentsConfig } from './config-torrents.ts'
import { refuseStrayStorageKeys } from './config-storage-keys.ts'
import {
  checkCredential,
  checkSettings,
  type Compat,
  type ConfigInput,
  type CredentialSettings,
  type Settings,
} from './config-schema.ts'

export { ConfigError, type Sources } from './config-load.ts'
export type { ConfigInput } from './config-schema.ts'

export interface Credential {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  /** Canonical user id: credentials that share it are one user. */
  readonly userId: string
  readonly displayName: string
  /** By which grants may name the user. */
  readonly email: string | undefined
  /** May act for the owner of any bucket, and administer the users. */
  readonly isAdmin: boolean
  /** Policies (JSON) that limit the key to a part of its user's rights; undefined: no limits. */
  readonly policies: readonly string[] | undefined
}

export interface Limits {
  readonly maxObjectSizeBytes: number
  readonly minPartSizeBytes: number
  readonly inlineMaxBytes: number
  readonly maxHeaderSizeBytes: number
  readonly headersTimeoutMs: number
  readonly idleTimeoutMs: number
  readonly keepAliveTimeoutMs: number
  readonly maxConnections: number
}

export type LogFormat = 'auto' | 'text' | 'json'

export interface Config {
  readonly host: string
  readonly port: number
  /** Absolute path. */
  readonly data: string
  readonly region: string
  /** The only region that signatures may name: the one that was set; undefined where none was, for clients sign for any. */
  readonly signingRegion: string | undefined
  readonly domains: readonly string[]
  /** Names under which buckets are websites, in lower case. */
  readonly websiteDomains: readonly string[]
  readonly publicUrl: string | undefined
  /** Addresses and networks whose X-Forwarded headers are believed. */
  readonly trustedProxies: readonly string[]
  /** Signature Version 2 is taken too. */
  readonly allowsVersion2: boolean
  /** Documents by the names that keys use. */
  readonly policies: ReadonlyMap<string, string>
  /** Names of policies by the names of groups. */
  readonly groups: ReadonlyMap<string, readonly string[]>
  /** Empty: the data folder's own credentials are used, and made at the first start. */
  readonly credentials: readonly Credential[]
  /** Which expectations win where AWS of today differs from what suites and old clients know. */
  readonly compat: Compat
  readonly buckets: readonly string[]
  readonly metadata: MetadataOptions
  readonly storage: StorageOptions
  /** Those that are configured; the data folder may have one of its own for SSE-S3. */
  readonly encryption: EncryptionKeys
  /** Buckets of other S3s that buckets here may be copied to. */
  readonly replication: readonly ReplicationTarget[]
  readonly etag: 'md5' | 'opaque'
  /** Objects have torrents. */
  readonly hasTorrents: boolean
  /** Undefined: none are downloaded. */
  readonly torrents: TorrentsConfig | undefined
  /** A BitTorrent tracker answers beside S3. */
  readonly hasTracker: boolean
  readonly limits: Limits
  readonly sweepIntervalMs: number
  /** How long the bytes of what was deleted or overwritten stay. */
  readonly sweepGraceMs: number
  readonly orphansEveryMs: number
  /** 0: never. */
  readonly abandonedUploadsMs: number
  /** How often the access logs of buckets are delivered. */
  readonly accessLogMs: number
  /** How often lifecycle rules are looked at, and how long their days are. */
  readonly lifecycle: { readonly intervalMs: number; readonly secondsPerDay: number }
  /** Whom buckets may tell what happens, beside the public; how long for one delivery, and for all attempts. */
  readonly webhooks: {
    readonly allow: readonly string[]
    readonly timeoutMs: number
    readonly giveUpMs: number
  }
  readonly log: { readonly level: LogLevel; readonly format: LogFormat }
  /** What /metrics wants to be told; undefined: nothing. */
  readonly metricsToken: string | undefined
  /** What whoever follows /changes has to bear; undefined: it is not served. */
  readonly feedToken: string | undefined
  /** Where health, metrics and docs are served instead of on the S3 port. */
  readonly control: { readonly host: string; readonly port: number } | undefined
  /** PEM files. */
  readonly tls: { readonly cert: string; readonly key: string } | undefined
  readonly shutdownTimeoutMs: number
}

export interface Loaded {
  readonly config: Config
  readonly settings: Settings
  readonly raw: Raw
}

/** Reads, merges and checks everything; throws `ConfigError` with one line for each problem. */
export async function loadConfig(sources: Sources): Promise<Loaded> {
  const raw = await loadRaw(sources)
  const settings = checked(raw)
  const config = resolveConfig(settings, raw)
  const warnings = [...raw.warnings, ...looseKeyFiles(settings, raw)]
  return { config, settings, raw: { ...raw, warnings } }
}

/** The same for an object with the file's keys; paths start from the current folder. */
export function configOf(input: ConfigInput): Config {
  const raw: Raw = {
    tree: { ...input },
    env: {},
    cwd: process.cwd(),
    file: undefined,
    warnings: [],
    origin: () => undefined,
  }
  return resolveConfig(checked(raw), raw)
}

/** Canonical user id of a name: 64 hex digits, the same on every machine. */
export function userIdOf(displayName: string): string {
  return createHash('sha256').update(`sluice user ${displayName}`).digest('hex')
}

function checked(raw: Raw): Settings {
  const result = checkSettings(raw.tree)
  if ('settings' in result) return result.settings
  const problems = result.issues.map(({ path, message, known }) => {
    const hint = known ? didYouMean(String(path.at(-1)), known) : ''
    return `${blame(raw, path)}: ${known ? '' : `${spelled(path)}: `}${message}${hint}`
  })
  throw new ConfigError(problems.sort((a, b) => a.localeCompare(b, 'en', { numeric: true })))
}

/** `credentials[0].accessKeyId` */
function spelled(path: Path): string {
  return path
    .map((segment) => (typeof segment === 'number' ? `[${segment}]` : `.${segment}`))
    .join('')
    .slice(1)
}

function resolveConfig(settings: Settings, raw: Raw): Config {
  const { limits, sweep, metrics, control } = settings
  const data = resolve(raw.cwd, settings.data)
  const root = rootFromEnvironment(raw)
  const listed = settings.credentials.map((credential, index) =>
    resolveCredential(credential, `${blame(raw, ['credentials', index])}: `, settings),
  )
  const credentials = root
    ? [root, ...listed.filter(({ accessKeyId }) => accessKeyId !== root.accessKeyId)]
    : listed
  refuseDoubles(credentials, raw)
  const seal = resolveSeal(settings, raw)
  return {
    host: settings.host,
    port: settings.port,
    data,
    region: settings.region,
    signingRegion: raw.tree['region'] === undefined ? undefined : settings.region,
    domains: settings.domains.map((domain) => domain.toLowerCase()),
    websiteDomains: settings.websiteDomains.map((domain) => domain.toLowerCase()),
    publicUrl: settings.publicUrl,
    trustedProxies: settings.trustedProxies,
    allowsVersion2: settings.auth.sigv2,
    policies: new Map(
      Object.entries(settings.policies).map(([name, document]) => [name, JSON.stringify(document)]),
    ),
    groups: new Map(
      Object.entries(settings.groups).map(([name, { policies }]) => [name, policies]),
    ),
    credentials,
    compat: settings.compat,
    buckets: [...new Set(settings.buckets)],
    metadata: resolveMetadata(settings.metadata, data, raw, readSecret),
    storage: { ...storageEngine(settings, data, raw), ...(seal && { seal }) },
    encryption: resolveEncryption(settings.encryption, raw),
    replication: resolveReplication(settings.replication, raw, readSecret),
    etag: settings.etag,
    hasTorrents: settings.torrent.files === 'on',
    hasTracker: settings.torrent.tracker === 'on',
    torrents: resolveTorrents(settings.torrents),
    limits: {
      maxObjectSizeBytes: limits.maxObjectSize,
      minPartSizeBytes: limits.minPartSize,
      inlineMaxBytes: inlineMaxOf(
        settings.metadata.engine,
        resolveInlineMax(settings, seal, raw),
        raw,
      ),
      maxHeaderSizeBytes: limits.maxHeaderSize,
      headersTimeoutMs: limits.headersTimeout,
      idleTimeoutMs: limits.idleTimeout,
      keepAliveTimeoutMs: limits.keepAliveTimeout,
      maxConnections: limits.maxConnections,
    },
    sweepIntervalMs: sweep.interval,
    sweepGraceMs:
      sweep.grace ?? (SHARED_METADATA.has(settings.metadata.engine) ? SHARED_GRACE_MS : GRACE_MS),
    orphansEveryMs: sweep.orphans,
    abandonedUploadsMs: sweep.abandonedUploads,
    accessLogMs: settings.accessLogs.interval,
    lifecycle: {
      intervalMs: settings.lifecycle.interval,
      secondsPerDay: settings.lifecycle.secondsPerDay,
    },
    webhooks: {
      allow: settings.webhooks.allow,
      timeoutMs: settings.webhooks.timeout,
      giveUpMs: settings.webhooks.giveUp,
    },
    log: settings.log,
    metricsToken:
      metrics.token ??
      (metrics.tokenFile &&
        readSecret(metrics.tokenFile, `${blame(raw, ['metrics', 'tokenFile'])}: `)),
    feedToken: feedToken(settings, raw),
    control: control && { host: control.host ?? settings.host, port: control.port },
    tls: settings.tls,
    shutdownTimeoutMs: settings.shutdownTimeout,
  }
}

function feedToken({ feed, metadata }: Settings, raw: Raw): string | undefined {
  const { token, tokenFile } = feed
  if (token === undefined && tokenFile === undefined) return undefined
  if (metadata.log === undefined)
    throw new ConfigError([
      `${blame(raw, ['feed'])}: feed needs a log to read from: metadata.engine: memory with metadata.log`,
    ])
  return token ?? readSecret(tokenFile!, `${blame(raw, ['feed', 'tokenFile'])}: `)
}

const GRACE_MS = 60_000
const SHARED_GRACE_MS = 3_600_000

function storageEngine({ storage }: Settings, data: string, raw: Raw): StorageOptions {
  const { engine, path } = storage
  refuseStrayStorageKeys(storage, raw)
  if (engine === 'memory') return { engine }
  if (engine === 's3') return s3Engine(storage, raw, readSecret)
  if (engine === 'gcs') return gcsEngine(storage, raw)
  if (engine === 'azure') return azureEngine(storage, raw, readSecret)
  const preset = engine === 'fs' ? 'objects' : 'objects.db'
  return { engine, path: resolve(raw.cwd, path ?? join(data, preset)) }
}

function resolveCredential(
  credential: CredentialSettings,
  place: string,
  known: Pick<Settings, 'policies' | 'groups'> = { policies: {}, groups: {} },
): Credential {
  const { accessKeyId, secretAccessKey, secretAccessKeyFile, displayName, userId, email, admin } =
    credential
  return {
    accessKeyId,
    // The schema has made sure that one of the two is there.
    secretAccessKey: secretAccessKey ?? readSecret(secretAccessKeyFile!, place),
    displayName,
    userId: userId ?? userIdOf(displayName),
    email,
    isAdmin: admin,
    policies: policiesOf(credential, known, place),
  }
}

/** Whoever names a policy or a group that is not there must not have more rights for it. */
function policiesOf(
  { policies, groups }: CredentialSettings,
  known: Pick<Settings, 'policies' | 'groups'>,
  place: string,
): readonly string[] | undefined {
  if (policies.length === 0 && groups.length === 0) return undefined
  const names = new Set(policies)
  for (const group of groups) {
    const members = known.groups[group]
    if (members === undefined) throw new ConfigError([`${place}there is no group ${group}`])
    for (const name of members.policies) names.add(name)
  }
  return [...names].map((name) => {
    const document = known.policies[name]
    if (document === undefined) throw new ConfigError([`${place}there is no policy ${name}`])
    return JSON.stringify(document)
  })
}

function rootFromEnvironment({ env, cwd }: Raw): Credential | undefined {
  const [accessKeyId, secretAccessKey] = ['SLUICE_ROOT_ACCESS_KEY', 'SLUICE_ROOT_SECRET_KEY'].map(
    (name) => {
      const file = env[`${name}_FILE`]
      if (!file) return env[name] || undefined
      if (env[name])
        throw new ConfigError([`${name}_FILE: ${name} is set too; one of them is meant`])
      return readSecret(resolve(cwd, file), `${name}_FILE: `, ACCESS_KEY_LENGTH_MIN)
    },
  )
  if (accessKeyId === undefined && secretAccessKey === undefined) return undefined
  if (accessKeyId === undefined || secretAccessKey === undefined)
    throw new ConfigError([
      'SLUICE_ROOT_ACCESS_KEY and SLUICE_ROOT_SECRET_KEY go together: one is unset',
    ])
  const result = checkCredential({ accessKeyId, secretAccessKey })
  if ('credential' in result) return { ...resolveCredential(result.credential, ''), isAdmin: true }
  throw new ConfigError(
    result.issues.map(
      ({ path, message }) =>
        `SLUICE_ROOT_${path[0] === 'accessKeyId' ? 'ACCESS' : 'SECRET'}_KEY: ${message}`,
    ),
  )
}

const ACCESS_KEY_LENGTH_MIN = 3
const SECRET_LENGTH_MIN = 8

/** A secret in a file, without the line break that editors put behind it. */
function readSecret(file: string, place: string, lengthMin: number = SECRET_LENGTH_MIN): string {
  let text: string
  try {
    text = readFileSync(file, 'utf8').trim()
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    throw new ConfigError([`${place}${file} cannot be read (${code})`])
  }
  if (text.length < lengthMin)
    throw new ConfigError([`${place}${file} holds fewer than ${lengthMin} characters`])
  return text
}

function refuseDoubles(credentials: readonly Credential[], raw: Raw): void {
  const seen = new Set<string>()
  for (const { accessKeyId } of credentials) {
    if (seen.has(accessKeyId))
      throw new ConfigError([
        `${blame(raw, ['credentials'])}: access key ${accessKeyId} is there twice`,
      ])
    seen.add(accessKeyId)
  }
}
