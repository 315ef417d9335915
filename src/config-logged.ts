/** What may be said of `metadata.log`, which makes the engine `memory` durable. */
import { join, resolve } from 'node:path'
import * as z from 'zod'
import type { EngineOptions } from '../metadata/open.ts'
import { blame, ConfigError, type Raw } from './config-load.ts'

export interface LoggedSettings {
  log?: 'segment' | 'sqlite' | undefined
}

export const LOGGED_KEYS: {
  readonly log: z.ZodOptional<z.ZodEnum<{ segment: 'segment'; sqlite: 'sqlite' }>>
} = { log: z.enum(['segment', 'sqlite']).optional() }

type Metadata = LoggedSettings & { readonly engine: string; readonly path?: string | undefined }

/** The options of the engine `memory` with a log; undefined where none is asked for. */
export function resolveLogged(
  { engine, log, path }: Metadata,
  data: string,
  raw: Raw,
): EngineOptions | undefined {
  if (log === undefined) return undefined
  if (engine !== 'memory')
    throw new ConfigError([
      `${blame(raw, ['metadata', 'log'])}: metadata.log makes the engine memory durable; ${engine} is durable by itself`,
    ])
  return { engine: 'logged', log, path: resolve(raw.cwd, path ?? join(data, 'metadata', 'logged')) }
}
