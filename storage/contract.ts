/** The promises of `ObjectStorage`, as tests: an engine's own test file is a call of this. */
import { describe, expect, onTestFinished, test } from 'vitest'
import { BlobMissing } from '../src/lib/store-error.ts'
import { failurePromises, stoppingPromises } from './contract-ends.ts'
import { difference, ids, list, MIB, read, reusing, sample, traceOf } from './contract-samples.ts'
import { sweepPromises } from './contract-sweep.ts'
import type { ByteRange, ObjectStorage } from './store.ts'

export type Open = () => Promise<ObjectStorage>

/** `open` gives an empty storage each time; the suite closes it. */
export function storageContract(name: string, open: Open): void {
  const opened: Open = async () => {
    const storage = await open()
    onTestFinished(async () => storage[Symbol.asyncDispose]())
    return storage
  }
  describe(`a storage: ${name}`, () => {
    describe('reading', () => {
      readingPromises(opened)
    })
    describe('writing', () => {
      writingPromises(opened)
    })
    describe('a put that fails', () => {
      failurePromises(opened)
    })
    describe('readers that stop', () => {
      stoppingPromises(opened)
    })
    describe('deleting and listing', () => {
      sweepPromises(opened)
    })
  })
}

function readingPromises(open: Open): void {
  const SIZE = 2 * MIB + 17
  const blob = sample(SIZE)
  const edges = [0, 1, 65_535, 65_536, 65_537, MIB - 1, MIB, MIB + 1, 2 * MIB, SIZE - 1, SIZE]

  test('a blob comes back whole, with and without its range', async () => {
    const storage = await open()
    const id = ids.next()
    expect(await storage.put(id, blob)).toEqual({ id, size: SIZE })
    expect(difference(await read(await storage.get(id)), blob)).toBe('none')
    expect(difference(await read(await storage.get(id, { start: 0, end: SIZE })), blob)).toBe(
      'none',
    )
  })

  test('every range comes back as it was put', async () => {
    const storage = await open()
    const id = ids.next()
    await storage.put(id, blob)
    for (const start of edges) {
      for (const end of edges.filter((edge) => edge > start)) {
        const body = await storage.get(id, { start, end })
        expect(difference(await read(body), blob.subarray(start, end))).toBe('none')
      }
    }
  })

  test.each([0, 1, 65_536, 65_537, MIB, 2 * MIB])(
    'a blob of %i bytes is that long',
    async (size) => {
      const storage = await open()
      const id = ids.next()
      const bytes = sample(size, size)
      await storage.put(id, bytes)
      expect(difference(await read(await storage.get(id)), bytes)).toBe('none')
      expect(await list(storage)).toEqual([{ id, size }])
    },
  )

  test('a blob that is not there is missing, loudly', async () => {
    const storage = await open()
    await storage.put(ids.next(), blob)
    expect(await traceOf(storage, ids.next())).toBe('none')
  })

  test.each<ByteRange>([
    { start: 0, end: 11 },
    { start: 9, end: 12 },
    { start: 10, end: 11 },
    { start: 50, end: 5 * MIB },
  ])('a range beyond the end is missing bytes, never a short answer: %o', async (range) => {
    const storage = await open()
    const id = ids.next()
    await storage.put(id, sample(10))
    const reading = storage.get(id, range).then(read)
    await expect(reading).rejects.toBeInstanceOf(BlobMissing)
  })

  test('readers of one blob do not meet', async () => {
    const storage = await open()
    const id = ids.next()
    await storage.put(id, blob)
    const ranges = edges.slice(0, -1).map((start) => ({ start, end: SIZE }))
    const bodies = await Promise.all(
      ranges.map(async (range) => read(await storage.get(id, range))),
    )
    for (const [at, body] of bodies.entries())
      expect(difference(body, blob.subarray(ranges[at]?.start))).toBe('none')
  })

  test('an id that is none is refused before it is looked for', async () => {
    const storage = await open()
    for (const id of [
      '',
      '../../../../../etc/passwd',
      `../${ids.next().slice(3)}`,
      `${ids.next()}\n`,
    ]) {
      await expect(storage.get(id)).rejects.toBeInstanceOf(TypeError)
      await expect(storage.put(id, sample(1))).rejects.toBeInstanceOf(TypeError)
      await expect(storage.delete([id])).rejects.toBeInstanceOf(TypeError)
    }
  })
}

function writingPromises(open: Open): void {
  test.each([1, 1000, 65_536, 100_000, 300_000, MIB, 3 * MIB])(
    'a body in chunks of %i bytes, in memory that is reused, is stored as it came',
    async (chunkBytes) => {
      const storage = await open()
      const bytes = sample(chunkBytes === 1 ? 3000 : 3 * MIB + 12_345, chunkBytes)
      const id = ids.next()
      await storage.put(id, reusing(bytes, chunkBytes), { size: bytes.length })
      expect(difference(await read(await storage.get(id)), bytes)).toBe('none')
    },
  )

  test('large and small chunks in any order are stored in that order', async () => {
    const storage = await open()
    const bytes = sample(4 * MIB)
    const sizes = [10, 300_000, 65_536, 1_000_000, 1, 700_000, 65_000, 65_000, 262_144, 262_143]
    async function* mixed(): AsyncGenerator<Uint8Array> {
      let at = 0
      for (const size of [...sizes, bytes.length]) {
        const chunk = Uint8Array.from(bytes.subarray(at, at + size))
        at += chunk.length
        yield chunk
        chunk.fill(0xee)
      }
    }
    const id = ids.next()
    await storage.put(id, mixed())
    expect(difference(await read(await storage.get(id)), bytes)).toBe('none')
  })

  test('a body without chunks is an empty blob', async () => {
    const storage = await open()
    const id = ids.next()
    expect(await storage.put(id, reusing(new Uint8Array(0), 1), { size: 0 })).toEqual({
      id,
      size: 0,
    })
    expect(await read(await storage.get(id))).toHaveLength(0)
  })

  test('puts at the same time are stored each for itself', async () => {
    const storage = await open()
    const blobs = Array.from({ length: 40 }, (_, seed) => ({
      id: ids.next(),
      bytes: sample(seed * 40_000, seed),
    }))
    await Promise.all(
      blobs.map(({ id, bytes }, at) => storage.put(id, at % 2 ? bytes : reusing(bytes, 65_536))),
    )
    for (const { id, bytes } of blobs)
      expect(difference(await read(await storage.get(id)), bytes)).toBe('none')
    expect((await list(storage)).map((blob) => blob.id)).toEqual(blobs.map((blob) => blob.id))
  })

  test('a blob does not show until it is whole', async () => {
    const storage = await open()
    const id = ids.next()
    async function* looking(): AsyncGenerator<Uint8Array> {
      yield sample(MIB)
      expect(await traceOf(storage, id)).toBe('none')
      yield sample(MIB)
      expect(await traceOf(storage, id)).toBe('none')
    }
    await storage.put(id, looking())
    expect(await read(await storage.get(id))).toHaveLength(2 * MIB)
  })

  test('memory that the caller changes afterwards does not change the blob', async () => {
    const storage = await open()
    const id = ids.next()
    const bytes = sample(100_000)
    const before = Buffer.from(bytes)
    await storage.put(id, bytes)
    bytes.fill(0)
    expect(difference(await read(await storage.get(id)), before)).toBe('none')
  })

  test('whoever writes into a chunk that was read does not change the blob', async () => {
    const storage = await open()
    const id = ids.next()
    await storage.put(id, sample(100_000))
    for await (const chunk of await storage.get(id)) chunk.fill(0)
    expect(difference(await read(await storage.get(id)), sample(100_000))).toBe('none')
  })
}
