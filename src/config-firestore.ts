/** What may be said of `metadata.engine: firestore`, and the options of the engine that it makes. */
import { resolve } from 'node:path'
import * as z from 'zod'
import type { DatabaseOptions } from '../metadata/firestore-database.ts'
import type { Raw } from './config-load.ts'

export interface FirestoreSettings {
  project?: string | undefined
  database?: string | undefined
  collection?: string | undefined
  credentialsFile?: string | undefined
  endpoint?: string | undefined
}

const DATABASE = '(default)'
const COLLECTION = 'sluice'

const TEXT = z.string().min(1).optional()

/** Keys beside `metadata.engine`. */
export const FIRESTORE_KEYS: {
  readonly [Key in keyof Required<FirestoreSettings>]: z.ZodOptional<z.ZodType<string>>
} = {
  project: TEXT,
  database: TEXT,
  collection: z
    .string()
    .regex(
      /^(?!__)[A-Za-z0-9_-]{1,100}$/,
      'a collection\'s name has 1 to 100 letters, digits, "_" and "-", and does not begin with "__"',
    )
    .optional(),
  credentialsFile: TEXT,
  endpoint: z
    .url({ protocol: /^https?$/, error: 'an http:// or https:// URL is expected' })
    .optional(),
}

export function resolveFirestore(metadata: FirestoreSettings, { cwd }: Raw): DatabaseOptions {
  const { project, database = DATABASE, collection = COLLECTION, endpoint } = metadata
  const file = metadata.credentialsFile
  return {
    database,
    collection,
    ...(project !== undefined && { project }),
    ...(file !== undefined && { credentialsFile: resolve(cwd, file) }),
    ...(endpoint !== undefined && { endpoint }),
  }
}
