/** Which keys of `storage` mean something to which engine: one that does not is more likely another engine's. */
import { AZURE_SHAPE } from './config-azure.ts'
import { GCS_SHAPE } from './config-gcs.ts'
import { blame, ConfigError, type Raw } from './config-load.ts'
import { S3_SHAPE } from './config-s3.ts'

const REMOTE = ['prefix', 'endpoint', 'maxAttempts']

/** Beside `engine` and `seal`. */
const KEYS: Readonly<Record<string, readonly string[]>> = {
  memory: [],
  fs: ['path'],
  sqlite: ['path'],
  s3: Object.keys(S3_SHAPE),
  gcs: ['bucket', ...REMOTE, ...Object.keys(GCS_SHAPE)],
  azure: ['checksum', ...REMOTE, ...Object.keys(AZURE_SHAPE)],
}

export function refuseStrayStorageKeys(storage: { readonly engine: string }, raw: Raw): void {
  const known = new Set(['engine', 'seal', ...(KEYS[storage.engine] ?? [])])
  const problems = Object.entries(storage)
    .filter(([key, value]) => value !== undefined && !known.has(key))
    .map(([key]) => {
      const others = Object.keys(KEYS).filter((engine) => KEYS[engine]?.includes(key))
      const place = blame(raw, ['storage', key])
      return `${place}: storage.${key} means nothing to the engine ${storage.engine} (but to ${others.join(', ')})`
    })
  if (problems.length > 0) throw new ConfigError(problems)
}
