/**
 * The door: from what the configuration says to a metadata store with its layers. An engine's code is
 * loaded when it is asked for.
 */
import { closeSync, fsyncSync, mkdirSync, openSync } from 'node:fs'
import path from 'node:path'
import type { Meter } from '../src/lib/meter.ts'
import { MeasuredMetadata } from './measured.ts'
import type { MetadataStore } from './store.ts'

export type MetadataOptions =
  /** Gone with the process. */
  | { readonly engine: 'memory' }
  /** One file, and one process at a time. Its directory is made where it is missing. */
  | { readonly engine: 'sqlite'; readonly path: string }

/**
 * Rejects with `StoreLocked` where another process has the store, and with an error that says what is
 * wrong where its file is not one of ours.
 */
export async function openMetadata(options: MetadataOptions, meter: Meter): Promise<MetadataStore> {
  const store = await openEngine(options, meter)
  return new MeasuredMetadata(store, meter, () => performance.now())
}

async function openEngine(options: MetadataOptions, meter: Meter): Promise<MetadataStore> {
  if (options.engine === 'memory') {
    const { MemoryStore } = await import('./memory.ts')
    return new MemoryStore()
  }
  const { SqliteStore } = await import('./sqlite.ts')
  if (options.path !== ':memory:') makeDirectory(path.dirname(path.resolve(options.path)))
  return new SqliteStore({ path: options.path, meter })
}

/** Makes the directory and those above it, for the owner alone, so that they survive a power failure. */
function makeDirectory(directory: string): void {
  const first = mkdirSync(directory, { recursive: true, mode: 0o700 })
  if (first === undefined) return
  for (let made = directory; made.length >= first.length; made = path.dirname(made)) {
    const fd = openSync(path.dirname(made), 'r')
    try {
      fsyncSync(fd)
    } finally {
      closeSync(fd)
    }
  }
}
