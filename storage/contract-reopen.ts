/** What an engine that keeps blobs elsewhere than in memory promises beyond the contract. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { describe, expect, onTestFinished, test } from 'vitest'
import { SILENT } from '../src/lib/meter.ts'
import { StoreLocked } from '../src/lib/store-error.ts'
import { ids, list, MIB, read, sample } from './contract-samples.ts'
import { bytesOf } from './kill.child.ts'
import { openStorage, type StorageOptions } from './open.ts'
import type { BlobId, ObjectStorage } from './store.ts'

const CHILD: string = fileURLToPath(new URL('kill.child.ts', import.meta.url))
/** Puts that a child acknowledges before it is killed; it is killed in the midst of others. */
const ACKNOWLEDGED = [1, 20, 200]

export interface ReopenContract {
  /** How the storage in a directory is opened, here and in other processes. */
  readonly options: (directory: string) => StorageOptions
  /** What is left in the directory of puts that never ended: nothing, once it was opened again. */
  readonly unfinished: (directory: string) => Promise<readonly string[]>
  /** Whether it can be opened once only at a time; a second opening is then refused with `StoreLocked`. */
  readonly isHeldAlone?: boolean
}

export function storageReopenContract(
  name: string,
  { options, unfinished, isHeldAlone = false }: ReopenContract,
): void {
  const open = (at: string): Promise<ObjectStorage> => openStorage(options(at), SILENT)

  describe(`a storage on disk: ${name}`, () => {
    test('opened again it has every blob', async () => {
      const at = directory()
      const id = ids.next()
      {
        await using storage = await open(at)
        await storage.put(id, sample(100_000))
      }
      await using storage = await open(at)
      expect((await read(await storage.get(id))).equals(sample(100_000))).toBe(true)
      expect(await list(storage)).toEqual([{ id, size: 100_000 }])
    })

    test.each(ACKNOWLEDGED)(
      'killed after %i acknowledged puts it has each of them whole, and no blob by half',
      async (count) => {
        const at = directory()
        const acknowledged = await killAfter(count, options(at))
        expect(acknowledged.length).toBeGreaterThanOrEqual(count)
        await using storage = await open(at)
        const listed: BlobId[] = []
        for await (const { id, size } of storage.list('')) {
          listed.push(id)
          expect(size).toBe(bytesOf(id).length)
          expect((await read(await storage.get(id))).equals(bytesOf(id))).toBe(true)
        }
        expect(acknowledged.filter((id) => !listed.includes(id))).toEqual([])
        expect(await unfinished(at)).toEqual([])
      },
    )

    test('what is being put when the storage is opened once more is left alone', async () => {
      const at = directory()
      await using first = await open(at)
      const id = ids.next()
      async function* opening(): AsyncGenerator<Uint8Array> {
        yield sample(2 * MIB)
        if (isHeldAlone) {
          await expect(open(at)).rejects.toBeInstanceOf(StoreLocked)
        } else {
          await using _ = await open(at)
        }
        expect(await unfinished(at)).toHaveLength(1)
        yield sample(MIB)
      }
      await first.put(id, opening())
      expect(await read(await first.get(id))).toHaveLength(3 * MIB)
      expect(await unfinished(at)).toEqual([])
    })

    test('a body of 64 MiB goes in and out in little memory', async () => {
      await using storage = await open(directory())
      const id = ids.next()
      const chunk = sample(64 * 1024)
      let peak = 0
      const look = (): void => {
        peak = Math.max(peak, process.memoryUsage().arrayBuffers)
      }
      async function* long(): AsyncGenerator<Uint8Array> {
        for (let count = 0; count < 1024; count += 1) {
          look()
          yield chunk
        }
      }
      const before = process.memoryUsage().arrayBuffers
      await storage.put(id, long())
      let size = 0
      for await (const bytes of await storage.get(id)) {
        size += bytes.length
        look()
      }
      expect(size).toBe(64 * MIB)
      expect(peak - before).toBeLessThan(8 * MIB)
    })
  })
}

function directory(): string {
  const made = mkdtempSync(path.join(tmpdir(), 'sluice-storage-'))
  onTestFinished(() => rmSync(made, { recursive: true }))
  return made
}

/** The blobs that a child said are there, before it was killed. */
async function killAfter(count: number, options: StorageOptions): Promise<BlobId[]> {
  const child = spawn(process.execPath, [CHILD, JSON.stringify(options)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const exited = once(child, 'exit')
  const acknowledged: BlobId[] = []
  for await (const line of createInterface(child.stdout)) {
    acknowledged.push(line)
    if (acknowledged.length === count) child.kill('SIGKILL')
  }
  await exited
  return acknowledged
}
