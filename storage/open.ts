/** The door to the storages: a word of the configuration becomes an engine with its layers. */
import type { Meter } from '../src/lib/meter.ts'
import { MeasuredStorage } from './measured.ts'
import type { ObjectStorage } from './store.ts'

export type StorageOptions =
  /** Gone with the process. */
  | { readonly engine: 'memory' }
  /** A directory of this storage alone; made where it is absent. */
  | { readonly engine: 'fs'; readonly path: string }

/** Opens the storage; whoever opens it disposes of it. */
export async function openStorage(options: StorageOptions, meter: Meter): Promise<ObjectStorage> {
  return new MeasuredStorage(await openEngine(options, meter), meter, () => performance.now())
}

/** An engine is loaded when it is chosen. */
async function openEngine(options: StorageOptions, meter: Meter): Promise<ObjectStorage> {
  if (options.engine === 'fs') {
    const { FsStorage } = await import('./fs.ts')
    return FsStorage.open(options.path, meter)
  }
  const { MemoryStorage } = await import('./memory.ts')
  return new MemoryStorage()
}
