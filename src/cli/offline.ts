/**
 * The stores of a configuration without a gateway: for commands that want them to themselves. Takes the
 * data folder's lock, so that a running gateway is refused and none can start meanwhile.
 */
import { existsSync } from 'node:fs'
import { openMetadata } from '../../metadata/open.ts'
import type { MetadataStore } from '../../metadata/store.ts'
import { openStorage } from '../../storage/open.ts'
import type { ObjectStorage } from '../../storage/store.ts'
import type { Config } from '../config.ts'
import { openDataFolder } from '../data-folder.ts'
import { SILENT } from '../lib/meter.ts'
import { MaintenanceError } from '../maintain/maintenance-error.ts'

export interface Stores extends AsyncDisposable {
  readonly metadata: MetadataStore
  readonly storage: ObjectStorage
}

/** Whether anything of it outlives a process. */
export function isKept({ metadata, storage }: Config): boolean {
  return metadata.engine !== 'memory' || storage.engine !== 'memory'
}

/** Refuses where nothing is stored: a path that was mistyped must not pass for a healthy store. */
export function checkStored(config: Config): void {
  if (!isKept(config))
    throw new MaintenanceError('both engines are memory: what they hold ends with its gateway')
  for (const options of [config.metadata, config.storage]) {
    if ('path' in options && !existsSync(options.path))
      throw new MaintenanceError(`nothing is stored at ${options.path}`)
  }
}

/** The same, of metadata alone. */
export function checkMetadataStored({ metadata }: Config): void {
  if (metadata.engine === 'memory')
    throw new MaintenanceError('metadata is in memory: it ends with its gateway')
  if ('path' in metadata && !existsSync(metadata.path))
    throw new MaintenanceError(`nothing is stored at ${metadata.path}`)
}

/** Holds data folders; throws `StoreLocked`, naming the holder, while a gateway has one. */
export function holdFolders(configs: readonly Config[]): Disposable {
  const paths = new Set(configs.filter(isKept).map(({ data }) => data))
  using held = new DisposableStack()
  for (const path of paths) {
    const folder = openDataFolder(path)
    // A gateway that crashed before us has still to clean up after itself when it starts again.
    held.defer(() => folder.release(folder.isUnclean))
  }
  return held.move()
}

/** Opens both stores; the folder is held by the caller. */
export async function openStores(config: Config): Promise<Stores> {
  const metadata = await openMetadata(config.metadata, SILENT)
  try {
    const storage = await openStorage(config.storage, SILENT)
    return {
      metadata,
      storage,
      async [Symbol.asyncDispose]() {
        await storage[Symbol.asyncDispose]()
        await metadata[Symbol.asyncDispose]()
      },
    }
  } catch (error) {
    await metadata[Symbol.asyncDispose]()
    throw error
  }
}
