/** The keys of `storage` that the engine `s3` has: what they may be, and what comes of them. */
import * as z from 'zod'
import type { EngineOptions } from '../storage/open.ts'
import { blame, ConfigError, type Raw } from './config-load.ts'
import { type ReadSecret, secretOf } from './config-secret.ts'

export interface S3Settings {
  bucket?: string | undefined
  prefix?: string | undefined
  region?: string | undefined
  endpoint?: string | undefined
  pathStyle?: boolean | undefined
  accessKeyId?: string | undefined
  secretAccessKey?: string | undefined
  secretAccessKeyFile?: string | undefined
  maxAttempts?: number | undefined
  checksum?: 'crc32' | 'crc64' | 'md5' | undefined
}

const TEXT = z.string().min(1).optional()

/** For the schema of the file. The bucket is the service's to name: its rules are not ours. */
export const S3_SHAPE: {
  readonly [Key in keyof Required<S3Settings>]: z.ZodOptional<
    z.ZodType<NonNullable<S3Settings[Key]>>
  >
} = {
  bucket: TEXT,
  prefix: z
    .string()
    .max(900)
    .regex(/^[\w!.*'()/-]*$/, "a prefix is written in letters, digits and !-_.*'()/")
    .optional(),
  region: TEXT,
  endpoint: z
    .url({ protocol: /^https?$/, error: 'an http:// or https:// URL is expected' })
    .optional(),
  // A variable says it in words.
  pathStyle: z
    .union([z.boolean(), z.enum(['true', 'false']).transform((word) => word === 'true')])
    .optional(),
  accessKeyId: TEXT,
  secretAccessKey: TEXT,
  secretAccessKeyFile: TEXT,
  maxAttempts: z.int().min(1).max(20).optional(),
  checksum: z.enum(['crc32', 'crc64', 'md5']).optional(),
}

export function s3Engine(storage: S3Settings, raw: Raw, readSecret: ReadSecret): EngineOptions {
  const { bucket, checksum, ...others } = storage
  const place = (key: string): string => `${blame(raw, ['storage', key])}: `
  if (bucket === undefined)
    throw new ConfigError([`${place('engine')}storage.bucket: is missing: s3 needs one`])
  if (checksum === 'crc64')
    throw new ConfigError([`${place('checksum')}storage.checksum: s3 knows crc32 and md5`])
  const secretAccessKey = secretOf('storage', storage, 'secretAccessKey', raw, readSecret)
  if ((storage.accessKeyId === undefined) !== (secretAccessKey === undefined))
    throw new ConfigError([
      `${place(secretAccessKey === undefined ? 'accessKeyId' : 'secretAccessKey')}storage: accessKeyId and its secret go together: one is unset`,
    ])
  const { prefix, region, endpoint, pathStyle, accessKeyId, maxAttempts } = others
  const keys = { accessKeyId, secretAccessKey }
  return {
    engine: 's3',
    bucket,
    prefix,
    region,
    endpoint,
    pathStyle,
    maxAttempts,
    checksum,
    ...keys,
  }
}
