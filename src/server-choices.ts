/** What configuration decides of the parts of a gateway, before they are made and joined (server.ts). */
import { createSecretKey, randomBytes } from 'node:crypto'
import { type Config, type Credential, userIdOf } from './config.ts'
import { SHARED_METADATA } from './config-metadata.ts'
import type { DataFolder } from './data-folder.ts'
import { StartError } from './listen.ts'
import type { S3Options } from './s3/context.ts'
import type { EncryptionKeys } from './s3/keyring.ts'

export function s3OptionsOf({
  region,
  limits,
  abandonedUploadsMs,
  etag,
  compat,
}: Config): S3Options {
  return {
    region,
    inlineMaxBytes: limits.inlineMaxBytes,
    putBytesMax: limits.maxObjectSizeBytes,
    partBytesMin: limits.minPartSizeBytes,
    abandonedUploadMs: abandonedUploadsMs,
    etag,
    compat,
  }
}

/** Other gateways may write the same metadata. */
export function isShared({ metadata }: Config): boolean {
  return SHARED_METADATA.has(metadata.engine)
}

/**
 * With no key for SSE-S3 configured the data folder's own is used; where nothing is kept, one of this
 * process. Where several gateways may share the metadata, a key that others do not have would make
 * objects that they cannot read: there it has to be configured.
 */
export function encryptionKeysOf(config: Config, folder: DataFolder | undefined): EncryptionKeys {
  const { encryption, metadata, compat } = config
  const shared = isShared(config)
  const isWanted = encryption.s3.length === 0 && !shared
  // Where keys are configured later, what the folder's has encrypted stays readable.
  const own = folder?.encryptionKey(isWanted)
  const keys = own === undefined ? encryption.s3 : [...encryption.s3, own]
  if (keys.length === 0 && shared && compat === 'aws-2026')
    throw new StartError(
      `compat aws-2026 encrypts every object, and with metadata in ${metadata.engine} it needs a key: encryption.keys`,
    )
  if (keys.length > 0 || shared) return { ...encryption, s3: keys }
  return { ...encryption, s3: [{ id: 'process', key: createSecretKey(randomBytes(32)) }] }
}

export const BUCKET_LEASE_MS = 1000
/** Engines on which many commits that check one row hinder each other. */
const LEASED: ReadonlySet<string> = new Set(['dynamodb', 'firestore', 'cosmos'])

/** A cache would answer with rows that are older than a lease takes them to be. */
export function wantsLease({ metadata }: Config): boolean {
  return LEASED.has(metadata.engine) && metadata.cache === undefined
}

/** Whether anything is kept on disk; a gateway in memory with credentials of its own touches none. */
export function needsFolder({ credentials, metadata, storage }: Config): boolean {
  return credentials.length === 0 || !isElsewhere(metadata) || !isElsewhere(storage)
}

/** In memory, or on other machines. */
const ELSEWHERE: ReadonlySet<string> = new Set([
  'memory',
  'postgres',
  'dynamodb',
  'firestore',
  'cosmos',
  's3',
  'gcs',
  'azure',
])

function isElsewhere({ engine }: { readonly engine: string }): boolean {
  return ELSEWHERE.has(engine)
}

/** One engine forgets with the process and the other does not: what the other kept is then nobody's. */
export function isHalfKept({ metadata, storage }: Config): boolean {
  return (metadata.engine === 'memory') !== (storage.engine === 'memory')
}

export function credentialsOf(
  { credentials }: Config,
  folder: DataFolder | undefined,
): { readonly credentials: readonly Credential[]; readonly file: string | undefined } {
  if (credentials.length > 0 || folder === undefined) return { credentials, file: undefined }
  const { accessKeyId, secretAccessKey, file } = folder.rootCredentials()
  const displayName = 'root'
  const userId = userIdOf(displayName)
  return {
    credentials: [
      {
        accessKeyId,
        secretAccessKey,
        displayName,
        userId,
        email: undefined,
        isAdmin: true,
        policies: undefined,
      },
    ],
    file,
  }
}
