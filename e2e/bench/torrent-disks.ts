/** The disks of ours that a bench of torrents measures. */
import { createSecretKey } from 'node:crypto'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { openMetadata } from '../../metadata/open.ts'
import { openStorage } from '../../storage/open.ts'
import { SILENT } from '../../src/lib/meter.ts'
import { ChunkDisk } from '../../src/torrent/disk/chunk-disk.ts'
import { DisabledDisk } from '../../src/torrent/disk/disabled-disk.ts'
import { memoryS3 } from '../../src/torrent/disk/disk.fixture.ts'
import { MemoryDisk } from '../../src/torrent/disk/memory-disk.ts'
import type { ChunkStore } from '../../src/torrent/disk/chunk-store.ts'
import type { DiskIoBackend } from '../../src/torrent/disk-io.ts'

/**
 * `chunk`: the gateway's rows in SQLite and its blobs in sealed files, in one process with the engine.
 * `slow`: the same behind a line of `SLOW_RATE`.
 */
export type MeasuredDisk = 'memory' | 'disabled' | 'chunk' | 'slow' | 'none'

/** Bytes a second. */
export const SLOW_RATE = 10_000_000
const SEAL = { keys: [{ id: 'bench', key: createSecretKey(Buffer.alloc(32, 7)) }] }

export async function openMeasuredDisk(disk: MeasuredDisk, folder: string): Promise<DiskIoBackend> {
  if (disk === 'memory') return new MemoryDisk()
  if (disk === 'disabled') return new DisabledDisk()
  const metadata = await openMetadata({ engine: 'sqlite', path: join(folder, 'rows.db') }, SILENT)
  const blobs = { engine: 'fs', path: join(folder, 'blobs') } as const
  const storage = await openStorage({ ...blobs, seal: SEAL }, SILENT)
  const { store } = await memoryS3(metadata, storage)
  return new ChunkDisk(disk === 'slow' ? slow(store) : store)
}

/** Its puts wait for one another, as on a line of so many bytes a second. */
function slow(store: ChunkStore): ChunkStore {
  let freeAt = 0
  return new Proxy(store, {
    get(target, name) {
      if (name !== 'put') return Reflect.get(target, name).bind(target) as unknown
      return async (...words: Parameters<ChunkStore['put']>): Promise<string | undefined> => {
        const bytes = words[2].reduce((sum, part) => sum + part.length, 0)
        freeAt = Math.max(freeAt, performance.now()) + (bytes / SLOW_RATE) * 1000
        await sleep(freeAt - performance.now())
        return target.put(...words)
      }
    },
  })
}
