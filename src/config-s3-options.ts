/** The settings of `storage.engine: s3`. */
import type { Option } from './config-options.ts'

export const S3_OPTIONS: readonly Option[] = [
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
]
