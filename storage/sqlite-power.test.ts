/**
 * What a power failure leaves of the SQLite engine: of each file what it had when its last sync began,
 * or any later state of it, for the system writes pages down when it likes. Whatever the mixture,
 * everything that was acknowledged is there and whole.
 */
import { mkdtempSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { SILENT } from '../src/lib/meter.ts'
import { difference, ids, read, sample } from './contract-samples.ts'
import { SqliteStorage } from './sqlite.ts'
import type { BlobId } from './store.ts'

type Files = ReadonlyMap<string, Buffer>

/** A disk that remembers what each file had when its last sync that ended had begun. */
class Disk {
  readonly file: string
  readonly #directory = mkdtempSync(path.join(tmpdir(), 'sluice-power-'))
  readonly #synced = new Map<string, Buffer>()

  constructor() {
    this.file = path.join(this.#directory, 'blobs.db')
    onTestFinished(() => rmSync(this.#directory, { recursive: true }))
  }

  readonly datasync = async (fd: number): Promise<void> => {
    const name = path.basename(readlinkSync(`/proc/self/fd/${fd}`))
    const bytes = this.#now(name)
    await new Promise((resolve) => setImmediate(resolve))
    this.#synced.set(name, bytes)
  }

  /** As after the opening, which syncs both files itself. */
  settle(): void {
    for (const name of ['blobs.db', 'blobs.db-wal']) this.#synced.set(name, this.#now(name))
  }

  /** What may be found after a failure now: of each file the synced state or the present one, or its log torn. */
  *failures(): Generator<Files> {
    for (const [isDataNow, isLogNow] of [
      [false, false],
      [true, false],
      [false, true],
    ] as const) {
      const [data, log] = [this.#one('blobs.db', isDataNow), this.#one('blobs.db-wal', isLogNow)]
      yield new Map([
        ['blobs.db', data],
        ['blobs.db-wal', log],
      ])
    }
    // Of what was written to the log since, only the first page reached the disk, or all but that.
    const [old, now] = [this.#one('blobs.db-wal', false), this.#one('blobs.db-wal', true)]
    for (const [head, rest] of [
      [now, old],
      [old, now],
    ] as const) {
      const torn = Buffer.concat([head.subarray(0, 4096), rest.subarray(4096)])
      yield new Map([
        ['blobs.db', this.#one('blobs.db', true)],
        ['blobs.db-wal', torn],
      ])
    }
  }

  #one(name: string, isNow: boolean): Buffer {
    return isNow ? this.#now(name) : this.#synced.get(name)!
  }

  #now(name: string): Buffer {
    return readFileSync(path.join(this.#directory, name))
  }
}

async function faultsOf(files: Files, blobs: ReadonlyMap<BlobId, Buffer>): Promise<string[]> {
  const directory = mkdtempSync(path.join(tmpdir(), 'sluice-after-'))
  try {
    for (const [name, bytes] of files) writeFileSync(path.join(directory, name), bytes)
    await using storage = await SqliteStorage.open({
      path: path.join(directory, 'blobs.db'),
      meter: SILENT,
      datasync: async () => {},
    })
    const faults: string[] = []
    for (const [id, bytes] of blobs) {
      const found = await storage.get(id).then(read, () => undefined)
      if (found === undefined) faults.push(`${id} is lost`)
      else if (difference(found, bytes) !== 'none')
        faults.push(`${id}: ${difference(found, bytes)}`)
    }
    return faults
  } finally {
    rmSync(directory, { recursive: true })
  }
}

// Which file a descriptor is, Linux says.
describe.skipIf(process.platform !== 'linux')('a power failure', () => {
  test.each([1, 12, 40])(
    'at any moment takes nothing that was acknowledged (log moved at %i pages)',
    async (checkpointFrames) => {
      const disk = new Disk()
      const { file: path, datasync } = disk
      await using storage = await SqliteStorage.open({
        path,
        meter: SILENT,
        datasync,
        checkpointFrames,
      })
      disk.settle()
      const blobs = new Map<BlobId, Buffer>()
      for (let round = 0; round < 6; round += 1) {
        const puts = Array.from({ length: 3 }, async (_, at) => {
          const bytes = sample([100, 70_000, 200_000][at]!, round + 1)
          const id = ids.next()
          await storage.put(id, bytes)
          blobs.set(id, bytes)
        })
        await Promise.race(puts)
        for (const files of disk.failures()) expect(await faultsOf(files, blobs)).toEqual([])
        await Promise.all(puts)
        const [first] = blobs.keys()
        if (round % 3 === 2) {
          blobs.delete(first!)
          await storage.delete([first!])
        }
      }
    },
  )
})
