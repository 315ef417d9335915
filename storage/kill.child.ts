/**
 * A process that puts blobs for ever, and says which were acknowledged: `contract-reopen.ts` kills it.
 * Its argument is the options of the storage, as JSON; each line is the id of a blob. Size and bytes
 * of a blob follow from its id, so that whoever finds one can tell whether it is whole.
 */
import { writeSync } from 'node:fs'
import { SILENT } from '../src/lib/meter.ts'
import { Ulids } from '../src/lib/ulid.ts'
import { openStorage, type StorageOptions } from './open.ts'
import type { BlobId, ObjectStorage } from './store.ts'

/** Puts at the same time. */
const WRITERS = 6
const SIZE_MAX = 600_000

/** The bytes of the blob: the id over and over, cut at a length that the id says. */
export function bytesOf(id: BlobId): Buffer {
  const size = (Number.parseInt(id.slice(-6), 32) * 7919) % SIZE_MAX
  return Buffer.alloc(Number.isNaN(size) ? 1 : size, id)
}

async function* inChunks(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 40_000) yield bytes.subarray(at, at + 40_000)
}

async function putForEver(storage: ObjectStorage, ids: Ulids, writer: number): Promise<void> {
  for (;;) {
    const id = ids.next()
    const bytes = bytesOf(id)
    await storage.put(id, writer % 2 ? bytes : inChunks(bytes))
    // Not by a stream: what is in its buffer when the process is killed would be lost.
    writeSync(1, `${id}\n`)
  }
}

async function main(options: StorageOptions): Promise<void> {
  const storage = await openStorage(options, SILENT)
  const ids = new Ulids({ now: () => Date.now() })
  await Promise.all(
    Array.from({ length: WRITERS }, (_, writer) => putForEver(storage, ids, writer)),
  )
}

if (process.argv[1] === import.meta.filename) {
  await main(JSON.parse(process.argv[2]!) as StorageOptions)
}
