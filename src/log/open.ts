/** The door: from an engine's name to a log and the state beside it. An engine's code is loaded when it is asked for. */
import path from 'node:path'
import { makeDirectory } from '../lib/durable-directory.ts'
import type { StorageEngine } from './store.ts'

export const LOG_ENGINES = ['segment', 'sqlite', 'memory'] as const
export type LogEngineName = (typeof LOG_ENGINES)[number]

export interface LogOptions {
  readonly engine: LogEngineName
  /** A folder of its own, made where it is missing; no meaning for `memory`. */
  readonly path: string
}

/** Rejects with `StoreLocked` where another process has it, and as the engine says where what is there is not ours. */
export async function openLog({ engine, path: folder }: LogOptions): Promise<StorageEngine> {
  if (engine === 'memory') {
    const { openInMemory } = await import('./memory.ts')
    return openInMemory()
  }
  const resolved = path.resolve(folder)
  makeDirectory(resolved)
  if (engine === 'sqlite') {
    const { openSqlite } = await import('./sqlite.ts')
    return openSqlite({ path: path.join(resolved, 'log.db') })
  }
  const { openSegments } = await import('./segment.ts')
  return openSegments({ path: resolved })
}
