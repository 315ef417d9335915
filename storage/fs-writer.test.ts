import { existsSync, openSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { SILENT } from '../src/lib/meter.ts'
import { StoreFull, StoreUnavailable } from '../src/lib/store-error.ts'
import { FileWriter } from './fs-writer.ts'
import { LentBuffers } from './lent-buffers.ts'

const MIB = 1024 ** 2
const counter = SILENT.counter('', '')

/** Buffers that tell how many are out. */
class CountedBuffers extends LentBuffers {
  out = 0

  override take(transferBytes: number): Buffer {
    this.out += 1
    return super.take(transferBytes)
  }

  override give(buffer: Buffer): void {
    this.out -= 1
    super.give(buffer)
  }
}

async function fill(writer: FileWriter, chunkBytes: number, sizeBytes: number): Promise<void> {
  for (let count = 0; count * chunkBytes < sizeBytes; count += 1) {
    await writer.add(new Uint8Array(chunkBytes))
  }
  await writer.finish()
}

// A device whose every write says that there is no room.
describe.skipIf(!existsSync('/dev/full'))('no room left', () => {
  test.each([1000, 65_536, MIB])(
    'is StoreFull, for chunks of %i bytes, and all buffers come back',
    async (chunkBytes) => {
      const buffers = new CountedBuffers()
      const writer = new FileWriter(openSync('/dev/full', 'w'), Infinity, buffers, counter)
      await expect(fill(writer, chunkBytes, 8 * MIB)).rejects.toBeInstanceOf(StoreFull)
      await writer.close()
      expect(buffers.out).toBe(0)
    },
  )
})

// 32 MiB in large chunks: the sync behind the writes is the only one.
test.each([
  ['the last one', 65_536, 8 * MIB],
  ['one behind the writes', MIB, 32 * MIB],
])('a sync that fails fails the file: %s', async (_, chunkBytes, sizeBytes) => {
  // A device that takes bytes but cannot be synced.
  const writer = new FileWriter(openSync('/dev/null', 'w'), Infinity, new LentBuffers(), counter)
  await expect(fill(writer, chunkBytes, sizeBytes)).rejects.toBeInstanceOf(StoreUnavailable)
  await writer.close()
})
