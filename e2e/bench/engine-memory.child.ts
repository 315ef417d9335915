/**
 * By how many MiB a process grows that puts, or gets, so many blobs at once: `<service> put|get <at once> <MiB of
 * each>`. The service is a process of its own that keeps nothing. Writes the number.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { SILENT } from '../../src/lib/meter.ts'
import { Ulids } from '../../src/lib/ulid.ts'
import { openStorage, type StorageOptions } from '../../storage/open.ts'
import type { BlobId, ObjectStorage } from '../../storage/store.ts'

const SINK = fileURLToPath(new URL('../../storage/sink.child.ts', import.meta.url))
const MIB = 1024 ** 2
/** What was used once is warm, code too: what comes then is growth. */
const WARM_BYTES = 16 * MIB
const CHUNK = Buffer.alloc(MIB, 7)
const LOOK_MS = 10

const ids = new Ulids({ now: () => Date.now() })

async function* long(sizeBytes: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < sizeBytes; at += MIB) yield CHUNK
}

async function put(storage: ObjectStorage, size: number): Promise<BlobId> {
  const id = ids.next()
  await storage.put(id, long(size), { size })
  return id
}

async function get(storage: ObjectStorage, id: BlobId): Promise<void> {
  for await (const _ of await storage.get(id));
}

/** Bytes by which the process is larger at its largest than before. */
async function growthOf(work: () => Promise<unknown>): Promise<number> {
  const before = process.memoryUsage.rss()
  let peak = before
  const watch = setInterval(() => (peak = Math.max(peak, process.memoryUsage.rss())), LOOK_MS)
  await work()
  clearInterval(watch)
  return Math.max(peak, process.memoryUsage.rss()) - before
}

const [service = '', direction, atOnce, sizeMiB] = process.argv.slice(2)
const child = spawn(process.execPath, [SINK, service], { stdio: ['pipe', 'pipe', 'inherit'] })
const [line] = (await once(createInterface(child.stdout), 'line')) as [string]
{
  await using storage = await openStorage(JSON.parse(line) as StorageOptions, SILENT)
  const size = Number(sizeMiB) * MIB
  const every = Array.from({ length: Number(atOnce) })
  await get(storage, await put(storage, WARM_BYTES))
  const seed = direction === 'get' ? await put(storage, size) : ''
  const work = (): Promise<unknown> =>
    direction === 'get' ? get(storage, seed) : put(storage, size)
  const growth = await growthOf(() => Promise.all(every.map(work)))
  console.log(Math.round(growth / MIB))
}
child.stdin.end()
await once(child, 'exit')
