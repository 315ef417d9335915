/** The keys of `storage` that the engine `gcs` has beside those of s3: what comes of them. */
import { resolve } from 'node:path'
import * as z from 'zod'
import type { EngineOptions } from '../storage/open.ts'
import { blame, ConfigError, type Raw } from './config-load.ts'

export interface GcsSettings {
  credentialsFile?: string | undefined
}

/** For the schema of the file. */
export const GCS_SHAPE: { readonly credentialsFile: z.ZodOptional<z.ZodString> } = {
  credentialsFile: z.string().min(1).optional(),
}

interface Settings extends GcsSettings {
  readonly bucket?: string | undefined
  readonly prefix?: string | undefined
  readonly endpoint?: string | undefined
  readonly maxAttempts?: number | undefined
}

export function gcsEngine(storage: Settings, raw: Raw): EngineOptions {
  const { bucket, prefix, endpoint, maxAttempts, credentialsFile: file } = storage
  if (bucket === undefined)
    throw new ConfigError([
      `${blame(raw, ['storage', 'engine'])}: storage.bucket: is missing: gcs needs one`,
    ])
  const credentialsFile = file === undefined ? undefined : resolve(raw.cwd, file)
  return { engine: 'gcs', bucket, prefix, endpoint, maxAttempts, credentialsFile }
}
