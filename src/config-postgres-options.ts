/** The settings of `metadata.engine: postgres`. Defaults stand in `config-postgres.ts`, for they mean nothing to other engines. */
import type { Option } from './config-options.ts'

export const POSTGRES_OPTIONS: readonly Option[] = [
  {
    key: 'metadata.url',
    env: 'SLUICE_METADATA_URL',
    kind: 'text',
    hint: 'URL',
    help: 'postgres: postgres://user:password@host:5432/database',
    secret: true,
  },
  {
    key: 'metadata.host',
    env: 'SLUICE_METADATA_HOST',
    kind: 'text',
    hint: 'HOST',
    help: 'postgres: its host, or the folder of its socket; localhost where unset',
  },
  {
    key: 'metadata.port',
    env: 'SLUICE_METADATA_PORT',
    kind: 'integer',
    hint: 'PORT',
    help: 'postgres: its port; 5432 where unset',
  },
  {
    key: 'metadata.database',
    env: 'SLUICE_METADATA_DATABASE',
    kind: 'text',
    hint: 'NAME',
    help: 'postgres, cosmos: the database; sluice where unset. firestore: (default) where unset',
  },
  {
    key: 'metadata.user',
    env: 'SLUICE_METADATA_USER',
    kind: 'text',
    hint: 'NAME',
    help: 'postgres: the role to log in as; sluice where unset',
  },
  {
    key: 'metadata.password',
    env: 'SLUICE_METADATA_PASSWORD',
    kind: 'text',
    hint: 'PASSWORD',
    help: 'postgres: its password',
    secret: true,
  },
  {
    key: 'metadata.passwordFile',
    env: 'SLUICE_METADATA_PASSWORD_FILE',
    kind: 'path',
    hint: 'FILE',
    help: 'file that holds the password',
  },
  {
    key: 'metadata.tls',
    env: 'SLUICE_METADATA_TLS',
    kind: 'text',
    hint: 'off|require|verify',
    help: "postgres: what the URL's sslmode says where unset, else off",
  },
  {
    key: 'metadata.caFile',
    env: 'SLUICE_METADATA_CA_FILE',
    kind: 'path',
    hint: 'FILE',
    help: 'postgres: authority to trust (PEM), with tls: verify',
  },
  {
    key: 'metadata.schema',
    env: 'SLUICE_METADATA_SCHEMA',
    kind: 'text',
    hint: 'NAME',
    help: 'postgres: the schema of its tables, made where missing; sluice where unset',
  },
  {
    key: 'metadata.poolSize',
    env: 'SLUICE_METADATA_POOL_SIZE',
    kind: 'integer',
    hint: 'NUMBER',
    help: 'postgres: most connections of this gateway; 16 where unset',
  },
]
