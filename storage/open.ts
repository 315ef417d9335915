/** The door to the storages: a word of the configuration becomes an engine with its layers. */
import type { Meter } from '../src/lib/meter.ts'
import { MeasuredStorage } from './measured.ts'
import type { S3Options } from './s3-bucket.ts'
import type { SealOptions } from './sealed-keys.ts'
import type { ObjectStorage } from './store.ts'

export { underKey } from './under-key.ts'

export type EngineOptions =
  /** Gone with the process. */
  | { readonly engine: 'memory' }
  /** A directory of this storage alone; made where it is absent. */
  | { readonly engine: 'fs'; readonly path: string }
  /** One file, and one process at a time. Its directory is made where it is missing. */
  | { readonly engine: 'sqlite'; readonly path: string }
  /** A bucket of AWS S3, or of a compatible service. */
  | ({ readonly engine: 's3' } & S3Options)

export type StorageOptions = EngineOptions & {
  /** Blobs are encrypted at rest; chosen while the storage is empty, and then for good. */
  readonly seal?: SealOptions
}

/**
 * Opens the storage; whoever opens it disposes of it. Rejects where it is somebody else's, in use, a
 * newer program's, or not to be read with the keys that are given; it is then left as it was.
 */
export async function openStorage(options: StorageOptions, meter: Meter): Promise<ObjectStorage> {
  const engine = await openEngine(options, meter)
  try {
    const storage = await openLayers(engine, options.seal)
    return new MeasuredStorage(storage, meter, () => performance.now())
  } catch (error) {
    await engine[Symbol.asyncDispose]()
    throw error
  }
}

async function openLayers(
  engine: ObjectStorage,
  seal: SealOptions | undefined,
): Promise<ObjectStorage> {
  const { checkMark, refuseSealed } = await import('./sealed-mark.ts')
  if (seal === undefined) {
    await refuseSealed(engine)
    return engine
  }
  const { MasterKeys } = await import('./sealed-keys.ts')
  const { SealedStorage } = await import('./sealed.ts')
  const sealed = new SealedStorage(engine, new MasterKeys(seal))
  await checkMark(engine, sealed, seal)
  return sealed
}

/** An engine is loaded when it is chosen. */
async function openEngine(options: EngineOptions, meter: Meter): Promise<ObjectStorage> {
  if (options.engine === 'fs') {
    const { FsStorage } = await import('./fs.ts')
    return FsStorage.open(options.path, meter)
  }
  if (options.engine === 'sqlite') {
    const { SqliteStorage } = await import('./sqlite.ts')
    return SqliteStorage.open({ path: options.path, meter })
  }
  if (options.engine === 's3') {
    const { S3Storage } = await import('./s3.ts')
    return S3Storage.open(options, { now: () => Date.now() })
  }
  const { MemoryStorage } = await import('./memory.ts')
  return new MemoryStorage()
}
