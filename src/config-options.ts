/**
 * Every setting that has a name of its own: its key in the file, its flag, its environment variable,
 * its default. Help, parsing, the schema's defaults and `config print` all read this one table.
 */

import { CLOUD_OPTIONS } from './config-cloud-options.ts'
import { DYNAMODB_OPTIONS } from './config-dynamodb-options.ts'
import { POSTGRES_OPTIONS } from './config-postgres-options.ts'

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
    hint: 'memory|fs|sqlite|s3',
    help: 'engine for the bytes of objects',
  },
  {
    key: 'storage.path',
    env: 'SLUICE_STORAGE_PATH',
    kind: 'path',
    hint: 'PATH',
    help: 'its folder or file; <data>/objects or <data>/objects.db where unset',
  },
  {
    key: 'storage.bucket',
    env: 'SLUICE_STORAGE_BUCKET',
    kind: 'text',
    hint: 'BUCKET',
    help: 's3: the bucket that blobs are kept in',
  },
  {
    key: 'storage.prefix',
    env: 'SLUICE_STORAGE_PREFIX',
    kind: 'text',
    hint: 'TEXT',
    help: 's3: before each key, such as gateway-1/',
  },
  {
    key: 'storage.region',
    env: 'SLUICE_STORAGE_REGION',
    kind: 'text',
    hint: 'REGION',
    help: "s3: the bucket's region",
  },
  {
    key: 'storage.endpoint',
    env: 'SLUICE_STORAGE_ENDPOINT',
    kind: 'text',
    hint: 'URL',
    help: 's3: a compatible service; AWS where unset',
  },
  {
    key: 'storage.pathStyle',
    env: 'SLUICE_STORAGE_PATH_STYLE',
    kind: 'text',
    hint: 'true|false',
    help: 's3: the bucket in the path, not in the host name',
  },
  {
    key: 'storage.accessKeyId',
    env: 'SLUICE_STORAGE_ACCESS_KEY',
    kind: 'text',
    hint: 'KEY',
    help: 's3: access key; what the AWS SDK finds where unset',
  },
  {
    key: 'storage.secretAccessKey',
    env: 'SLUICE_STORAGE_SECRET_KEY',
    kind: 'text',
    hint: 'SECRET',
    help: 's3: its secret',
    secret: true,
  },
  {
    key: 'storage.secretAccessKeyFile',
    env: 'SLUICE_STORAGE_SECRET_KEY_FILE',
    kind: 'path',
    hint: 'FILE',
    help: 's3: file that holds it',
  },
  {
    key: 'storage.maxAttempts',
    env: 'SLUICE_STORAGE_MAX_ATTEMPTS',
    kind: 'integer',
    hint: 'NUMBER',
    help: 's3: tries of one call before it fails; 4 where unset',
  },
  {
    key: 'storage.checksum',
    env: 'SLUICE_STORAGE_CHECKSUM',
    kind: 'text',
    hint: 'crc32|md5',
    help: 's3: what the service verifies bodies with; crc32 where unset',
  },
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
    key: 'torrent.tracker',
    env: 'SLUICE_TORRENT_TRACKER',
    kind: 'text',
    preset: 'off',
    hint: 'off|on',
    help: 'on: a BitTorrent tracker at /announce, named in the torrents of objects',
  },
  {
    key: 'limits.maxObjectSize',
    flag: 'max-object-size',
    env: 'SLUICE_MAX_OBJECT_SIZE',
    kind: 'text',
    preset: '5GiB',
    hint: 'SIZE',
    help: 'most bytes of one PUT or one part',
  },
  {
    key: 'limits.minPartSize',
    env: 'SLUICE_MIN_PART_SIZE',
    kind: 'text',
    preset: '5MiB',
    hint: 'SIZE',
    help: 'least bytes of a part that is not the last',
  },
  {
    key: 'limits.inlineMax',
    env: 'SLUICE_INLINE_MAX',
    kind: 'text',
    preset: '32KiB',
    hint: 'SIZE',
    help: 'objects up to this are kept in the metadata (at most 64KiB)',
  },
  {
    key: 'limits.maxHeaderSize',
    env: 'SLUICE_MAX_HEADER_SIZE',
    kind: 'text',
    preset: '32KiB',
    hint: 'SIZE',
    help: 'most bytes of the headers of a request',
  },
  {
    key: 'limits.headersTimeout',
    env: 'SLUICE_HEADERS_TIMEOUT',
    kind: 'text',
    preset: '60s',
    hint: 'TIME',
    help: 'time for the headers of a request to arrive',
  },
  {
    key: 'limits.idleTimeout',
    env: 'SLUICE_IDLE_TIMEOUT',
    kind: 'text',
    preset: '2m',
    hint: 'TIME',
    help: 'a request whose connection is silent for so long is given up',
  },
  {
    key: 'limits.keepAliveTimeout',
    env: 'SLUICE_KEEP_ALIVE_TIMEOUT',
    kind: 'text',
    preset: '75s',
    hint: 'TIME',
    help: 'an idle connection is closed after this',
  },
  {
    key: 'limits.maxConnections',
    env: 'SLUICE_MAX_CONNECTIONS',
    kind: 'integer',
    preset: 10_000,
    hint: 'NUMBER',
    help: 'connections at a time; more are refused',
  },
  {
    key: 'sweep.interval',
    env: 'SLUICE_SWEEP_INTERVAL',
    kind: 'text',
    preset: '1m',
    hint: 'TIME',
    help: 'how often deleted bytes are given back',
  },
  {
    key: 'sweep.grace',
    env: 'SLUICE_SWEEP_GRACE',
    kind: 'text',
    hint: 'TIME',
    help: 'how long they stay first, for downloads from other gateways; 1m, or 1h where metadata are shared',
  },
  {
    key: 'sweep.orphans',
    env: 'SLUICE_SWEEP_ORPHANS',
    kind: 'text',
    preset: '1d',
    hint: 'TIME',
    help: 'how often bytes that a crash left behind are looked for',
  },
  {
    key: 'sweep.abandonedUploads',
    env: 'SLUICE_ABANDONED_UPLOADS',
    kind: 'text',
    preset: '7d',
    hint: 'TIME',
    help: 'uploads begun longer ago are aborted; 0: never',
  },
  {
    key: 'lifecycle.interval',
    env: 'SLUICE_LIFECYCLE_INTERVAL',
    kind: 'text',
    preset: '1h',
    hint: 'TIME',
    help: 'how often lifecycle rules are carried out',
  },
  {
    key: 'lifecycle.secondsPerDay',
    env: 'SLUICE_LIFECYCLE_SECONDS_PER_DAY',
    kind: 'integer',
    preset: 86_400,
    hint: 'NUMBER',
    help: 'less than 86400 only to watch lifecycle rules at work',
  },
  {
    key: 'webhooks.timeout',
    env: 'SLUICE_WEBHOOK_TIMEOUT',
    kind: 'text',
    preset: '10s',
    hint: 'TIME',
    help: 'a webhook has to answer within this',
  },
  {
    key: 'webhooks.giveUp',
    env: 'SLUICE_WEBHOOK_GIVE_UP',
    kind: 'text',
    preset: '1d',
    hint: 'TIME',
    help: 'notifications nobody takes are dropped after this',
  },
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
