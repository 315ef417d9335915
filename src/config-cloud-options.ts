/** The settings of `metadata.engine: firestore` and `cosmos` that no other engine has. */
import type { Option } from './config-options.ts'

export const CLOUD_OPTIONS: readonly Option[] = [
  {
    key: 'metadata.project',
    env: 'SLUICE_METADATA_PROJECT',
    kind: 'text',
    hint: 'PROJECT',
    help: 'firestore: the project; that of the credentials where unset',
  },
  {
    key: 'metadata.collection',
    env: 'SLUICE_METADATA_COLLECTION',
    kind: 'text',
    hint: 'NAME',
    help: 'firestore: its collection; sluice where unset',
  },
  {
    key: 'metadata.credentialsFile',
    env: 'SLUICE_METADATA_CREDENTIALS_FILE',
    kind: 'path',
    hint: 'FILE',
    help: "firestore: key of a service account; what Google's libraries find where unset",
  },
  {
    key: 'metadata.container',
    env: 'SLUICE_METADATA_CONTAINER',
    kind: 'text',
    hint: 'NAME',
    help: 'cosmos: its container; sluice where unset',
  },
  {
    key: 'metadata.createContainer',
    env: 'SLUICE_METADATA_CREATE_CONTAINER',
    kind: 'text',
    hint: 'true|false',
    help: 'cosmos: true makes the database and the container where they are missing',
  },
  {
    key: 'metadata.key',
    env: 'SLUICE_METADATA_KEY',
    kind: 'text',
    hint: 'KEY',
    help: 'cosmos: key of the account',
    secret: true,
  },
  {
    key: 'metadata.keyFile',
    env: 'SLUICE_METADATA_KEY_FILE',
    kind: 'path',
    hint: 'FILE',
    help: 'file that holds the key',
  },
  {
    key: 'metadata.clientId',
    env: 'SLUICE_METADATA_CLIENT_ID',
    kind: 'text',
    hint: 'ID',
    help: 'cosmos: of the managed identity that signs in where there is no key',
  },
]
