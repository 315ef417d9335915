/** How much memory many uploads and downloads at once may take; the service is a process of its own that keeps nothing. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { SILENT } from '../../src/lib/meter.ts'
import { ids, MIB } from '../../storage/contract-samples.ts'
import { openStorage, type StorageOptions } from '../../storage/open.ts'
import type { BlobId, ObjectStorage } from '../../storage/store.ts'
import { ended } from './process.ts'

const SINK = fileURLToPath(new URL('../../storage/sink.child.ts', import.meta.url))
const AT_ONCE = 16
const GROWTH_MAX = 64 * MIB
/** Of all readers, by their pool. */
const READING_BYTES = 32 * MIB
/** Buffers that were filled once are warm: what comes then is growth. */
const WARM_SIZE = 16 * MIB
const CHUNK = Buffer.alloc(MIB, 7)

async function* long(sizeBytes: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < sizeBytes; at += MIB) yield CHUNK
}

async function put(storage: ObjectStorage, size: number): Promise<BlobId> {
  const id = ids.next()
  await storage.put(id, long(size), { size })
  return id
}

async function get(storage: ObjectStorage, id: BlobId): Promise<number> {
  let size = 0
  for await (const chunk of await storage.get(id)) size += chunk.length
  return size
}

/** Bytes by which the process is larger at its largest than before. */
async function growthOf(work: () => Promise<unknown>): Promise<number> {
  const before = process.memoryUsage.rss()
  let peak = before
  const watch = setInterval(() => (peak = Math.max(peak, process.memoryUsage.rss())), 10)
  try {
    await work()
  } finally {
    clearInterval(watch)
  }
  return peak - before
}

/** `sizeBytes`: of each blob. */
export function memoryPromises(service: 'gcs' | 'azure', sizeBytes: number): void {
  test(`${AT_ONCE} puts and ${AT_ONCE} gets of ${sizeBytes / MIB} MiB at once take little memory`, async () => {
    const child = spawn(process.execPath, [SINK, service], { stdio: ['pipe', 'pipe', 'inherit'] })
    try {
      const [line] = (await once(createInterface(child.stdout), 'line')) as [string]
      await using storage = await openStorage(JSON.parse(line) as StorageOptions, SILENT)
      const every = Array.from({ length: AT_ONCE })
      const seed = await put(storage, sizeBytes)
      await get(storage, await put(storage, WARM_SIZE))
      const puts = await growthOf(() => Promise.all(every.map(() => put(storage, sizeBytes))))
      const gets = await growthOf(async () => {
        const sizes = await Promise.all(every.map(() => get(storage, seed)))
        expect(sizes).toEqual(every.map(() => sizeBytes))
      })
      console.log(`puts took ${Math.round(puts / MIB)} MiB, gets ${Math.round(gets / MIB)} MiB`)
      expect(puts).toBeLessThanOrEqual(GROWTH_MAX)
      // Beyond the pool: what Node.js reads from sockets, until the garbage collector comes. That is a matter
      // of its time: 40 to 140 MiB have been seen, of 512 MiB that pass.
      expect(gets).toBeLessThanOrEqual(READING_BYTES + 3 * GROWTH_MAX)
    } finally {
      await ended(child)
    }
  }, 300_000)
}
