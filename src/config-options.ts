/**
 * Every setting that has a name of its own: its key in the file, its flag, its environment variable,
 * its default. Help, parsing, the schema's defaults and `config print` all read this one table.
 */

import { CLOUD_OPTIONS } from './config-cloud-options.ts'
import { DYNAMODB_OPTIONS } from './config-dynamodb-options.ts'
import { LIMITS_OPTIONS } from './config-limits-options.ts'
import { POSTGRES_OPTIONS } from './config-postgres-options.ts'
import { REMOTE_STORAGE_OPTIONS } from './config-storage-options.ts'
import { TORRENTS_OPTIONS } from './config-torrents-options.ts'
import { WORK_OPTIONS } from './config-work-options.ts'

export interface Option {
  /** Path of the key in the configuration file: `log.level`. */
  readonly key: string
  /** Flag without its dashes, where there is one. */
  readonly flag?: string
  readonly env: string
  /** A list is comma-separated in a flag or a variable; a path is relative to where it was said. */
  readonly kind: 'text' | 'integer' | 'list' | 'path'
  /** As the file would spell it; absent: unset. */
  readonly preset?: string | number
  readonly hint: string
  readonly help: string
  /** Not to be shown. */
  readonly secret?: true
}

export const OPTIONS: readonly Option[] = [
  {
    key: 'host',
    flag: 'host',
    env: 'SLUICE_HOST',
    kind: 'text',
    preset: '127.0.0.1',
    hint: 'ADDRESS',
    help: 'address to listen on; 0.0.0.0 for all',
  },
  {
    key: 'port',
    flag: 'port',
    env: 'SLUICE_PORT',
    kind: 'integer',
    preset: 9000,
    hint: 'PORT',
    help: 'port to listen on; 0 for any free one',
  },
  {
    key: 'data',
    flag: 'data',
    env: 'SLUICE_DATA',
    kind: 'path',
    preset: './data',
    hint: 'FOLDER',
    help: 'folder for everything that is kept',
  },
  {
    key: 'region',
    flag: 'region',
    env: 'SLUICE_REGION',
    kind: 'text',
    preset: 'us-east-1',
    hint: 'REGION',
    help: 'region of the buckets; where set, signatures must name it',
  },
  {
    key: 'domains',
    env: 'SLUICE_DOMAINS',
    kind: 'list',
    hint: 'DOMAIN,...',
    help: 'domains under which bucket.domain names a bucket',
  },
  {
    key: 'websiteDomains',
    env: 'SLUICE_WEBSITE_DOMAINS',
    kind: 'list',
    hint: 'DOMAIN,...',
    help: 'domains under which bucket.domain is the website of a bucket',
  },
  {
    key: 'publicUrl',
    env: 'SLUICE_PUBLIC_URL',
    kind: 'text',
    hint: 'URL',
    help: 'how clients reach it, where a proxy stands before it',
  },
  {
    key: 'trustedProxies',
    env: 'SLUICE_TRUSTED_PROXIES',
    kind: 'list',
    hint: 'NETWORK,...',
    help: 'proxies whose X-Forwarded-For, -Proto and -Host are believed',
  },
  {
    key: 'auth.sigv2',
    env: 'SLUICE_AUTH_SIGV2',
    kind: 'text',
    preset: 'false',
    hint: 'true|false',
    help: 'take Signature Version 2 too, for old clients',
  },
  {
    key: 'compat',
    env: 'SLUICE_COMPAT',
    kind: 'text',
    preset: 'legacy',
    hint: 'legacy|aws-2026',
    help: 'legacy: as self-hosters and suites expect S3; aws-2026: as AWS answers today',
  },
  {
    key: 'buckets',
    env: 'SLUICE_BUCKETS',
    kind: 'list',
    hint: 'BUCKET,...',
    help: 'buckets to create at start, where absent',
  },
  {
    key: 'metadata.engine',
    flag: 'metadata',
    env: 'SLUICE_METADATA',
    kind: 'text',
    preset: 'sqlite',
    hint: 'memory|jsonl|sqlite|postgres|dynamodb|firestore|cosmos',
    help: 'engine for metadata',
  },
  {
    key: 'metadata.path',
    env: 'SLUICE_METADATA_PATH',
    kind: 'path',
    hint: 'PATH',
    help: 'its file or folder; <data>/metadata/rows.db, …/jsonl or …/logged where unset',
  },
  {
    key: 'metadata.log',
    env: 'SLUICE_METADATA_LOG',
    kind: 'text',
    hint: 'segment|sqlite',
    help: 'memory: a log that makes it durable',
  },
  ...POSTGRES_OPTIONS,
  ...DYNAMODB_OPTIONS,
  ...CLOUD_OPTIONS,
  {
    key: 'metadata.cache.rows',
    env: 'SLUICE_METADATA_CACHE_ROWS',
    kind: 'integer',
    preset: 0,
    hint: 'NUMBER',
    help: 'rows to keep in memory before an engine that is far away; 0: none',
  },
  {
    key: 'metadata.cache.ttl',
    env: 'SLUICE_METADATA_CACHE_TTL',
    kind: 'text',
    preset: '1s',
    hint: 'TIME',
    help: 'how long they are good for; 0: until this gateway writes them, which must then be the only one',
  },
  {
    key: 'storage.engine',
    flag: 'storage',
    env: 'SLUICE_STORAGE',
    kind: 'text',
    preset: 'fs',
    hint: 'memory|fs|sqlite|s3|gcs|azure',
    help: 'engine for the bytes of objects',
  },
  {
    key: 'storage.path',
    env: 'SLUICE_STORAGE_PATH',
    kind: 'path',
    hint: 'PATH',
    help: 'its folder or file; <data>/objects or <data>/objects.db where unset',
  },
  ...REMOTE_STORAGE_OPTIONS,
  {
    key: 'encryption.kms.defaultKey',
    env: 'SLUICE_KMS_DEFAULT_KEY',
    kind: 'text',
    hint: 'KEY',
    help: 'key of SSE-KMS where a request names none',
  },
  {
    key: 'etag',
    env: 'SLUICE_ETAG',
    kind: 'text',
    preset: 'md5',
    hint: 'md5|opaque',
    help: 'opaque: large uploads cost half the CPU, ETags are no MD5',
  },
  {
    key: 'torrent.files',
    env: 'SLUICE_TORRENT_FILES',
    kind: 'text',
    preset: 'on',
    hint: 'on|off',
    help: 'off: objects have no torrents (GET /bucket/key?torrent)',
  },
  {
    key: 'torrent.tracker',
    env: 'SLUICE_TORRENT_TRACKER',
    kind: 'text',
    preset: 'off',
    hint: 'off|on',
    help: 'on: a BitTorrent tracker at /announce, named in the torrents of objects',
  },
  ...TORRENTS_OPTIONS,
  ...LIMITS_OPTIONS,
  ...WORK_OPTIONS,
  {
    key: 'log.level',
    flag: 'log-level',
    env: 'SLUICE_LOG_LEVEL',
    kind: 'text',
    preset: 'info',
    hint: 'LEVEL',
    help: 'debug, info (a line a request), warn, error or silent',
  },
  {
    key: 'log.format',
    flag: 'log-format',
    env: 'SLUICE_LOG_FORMAT',
    kind: 'text',
    preset: 'auto',
    hint: 'auto|text|json',
    help: 'auto: text on a terminal, JSON elsewhere',
  },
  {
    key: 'metrics.auth',
    env: 'SLUICE_METRICS_AUTH',
    kind: 'text',
    preset: 'none',
    hint: 'none|token',
    help: 'token: /metrics wants "Authorization: Bearer <token>"',
  },
  {
    key: 'metrics.token',
    env: 'SLUICE_METRICS_TOKEN',
    kind: 'text',
    hint: 'TOKEN',
    help: 'the token for /metrics',
    secret: true,
  },
  {
    key: 'metrics.tokenFile',
    env: 'SLUICE_METRICS_TOKEN_FILE',
    kind: 'path',
    hint: 'FILE',
    help: 'file that holds it',
  },
  {
    key: 'feed.token',
    env: 'SLUICE_FEED_TOKEN',
    kind: 'text',
    hint: 'TOKEN',
    help: 'with metadata.log: serve /changes to whoever bears it',
    secret: true,
  },
  {
    key: 'feed.tokenFile',
    env: 'SLUICE_FEED_TOKEN_FILE',
    kind: 'path',
    hint: 'FILE',
    help: 'file that holds it',
  },
  {
    key: 'control.host',
    env: 'SLUICE_CONTROL_HOST',
    kind: 'text',
    hint: 'ADDRESS',
    help: 'address of the control port; that of the gateway where unset',
  },
  {
    key: 'control.port',
    env: 'SLUICE_CONTROL_PORT',
    kind: 'integer',
    hint: 'PORT',
    help: 'health, metrics and docs on a port of their own, and only there',
  },
  {
    key: 'tls.cert',
    flag: 'tls-cert',
    env: 'SLUICE_TLS_CERT',
    kind: 'path',
    hint: 'FILE',
    help: 'certificate chain (PEM); SIGHUP reads it again',
  },
  {
    key: 'tls.key',
    flag: 'tls-key',
    env: 'SLUICE_TLS_KEY',
    kind: 'path',
    hint: 'FILE',
    help: 'private key (PEM)',
  },
  {
    key: 'shutdownTimeout',
    flag: 'shutdown-timeout',
    env: 'SLUICE_SHUTDOWN_TIMEOUT',
    kind: 'text',
    preset: '30s',
    hint: 'TIME',
    help: 'how long requests under way may take at the end',
  },
]

/** Variables that are no key of the file: where the file is, and the first credentials. */
export const OTHER_ENV: readonly { readonly env: string; readonly help: string }[] = [
  { env: 'SLUICE_CONFIG', help: 'configuration file, as --config' },
  { env: 'SLUICE_ROOT_ACCESS_KEY', help: 'access key of the user "root"' },
  { env: 'SLUICE_ROOT_SECRET_KEY', help: 'its secret' },
  { env: 'SLUICE_ROOT_ACCESS_KEY_FILE', help: 'file that holds the access key' },
  { env: 'SLUICE_ROOT_SECRET_KEY_FILE', help: 'file that holds the secret' },
  {
    env: 'SLUICE_SEAL_KEY_FILE',
    help: 'file that holds the key to seal blobs with: 32 bytes in Base64',
  },
]

const BY_KEY: ReadonlyMap<string, Option> = new Map(OPTIONS.map((option) => [option.key, option]))

export function optionOf(key: string): Option | undefined {
  return BY_KEY.get(key)
}

/** The default of a key that has one, as the file would spell it. */
export function preset(key: string): string | number {
  const value = BY_KEY.get(key)?.preset
  if (value === undefined) throw new Error(`no default for ${key}`)
  return value
}
