/** The settings of `metadata.engine: dynamodb`. What is unset the AWS SDK finds, as any of its programs does. */
import type { Option } from './config-options.ts'

export const DYNAMODB_OPTIONS: readonly Option[] = [
  {
    key: 'metadata.table',
    env: 'SLUICE_METADATA_TABLE',
    kind: 'text',
    hint: 'NAME',
    help: 'dynamodb: its table; sluice where unset',
  },
  {
    key: 'metadata.region',
    env: 'SLUICE_METADATA_REGION',
    kind: 'text',
    hint: 'REGION',
    help: "dynamodb: the table's region; AWS_REGION where unset",
  },
  {
    key: 'metadata.endpoint',
    env: 'SLUICE_METADATA_ENDPOINT',
    kind: 'text',
    hint: 'URL',
    help: "dynamodb, firestore, cosmos: where it is; the service's own where unset, which cosmos does not have",
  },
  {
    key: 'metadata.createTable',
    env: 'SLUICE_METADATA_CREATE_TABLE',
    kind: 'text',
    hint: 'true|false',
    help: 'dynamodb: true makes the table where it is missing, billed on demand',
  },
  {
    key: 'metadata.accessKeyId',
    env: 'SLUICE_METADATA_ACCESS_KEY',
    kind: 'text',
    hint: 'KEY',
    help: 'dynamodb: access key; what the AWS SDK finds where unset',
  },
  {
    key: 'metadata.secretAccessKey',
    env: 'SLUICE_METADATA_SECRET_KEY',
    kind: 'text',
    hint: 'SECRET',
    help: 'dynamodb: its secret',
    secret: true,
  },
  {
    key: 'metadata.secretAccessKeyFile',
    env: 'SLUICE_METADATA_SECRET_KEY_FILE',
    kind: 'path',
    hint: 'FILE',
    help: 'file that holds the secret',
  },
]
