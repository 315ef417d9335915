/** What a storage leaves behind when a put or a get does not come to its end: nothing. Part of `contract.ts`. */
import { expect, test } from 'vitest'
import type { Open } from './contract.ts'
import {
  difference,
  filesAreClosed,
  ids,
  MIB,
  openFiles,
  read,
  reusing,
  sample,
  traceOf,
  WatchfulBody,
} from './contract-samples.ts'
import type { BlobId, ObjectStorage } from './store.ts'

async function* breaking(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield* reusing(bytes, 65_536)
  throw new Error('the client went away')
}

export function failurePromises(open: Open): void {
  test.each([0, 10, 3 * MIB])(
    'passes on the error of the body after %i bytes, and leaves nothing',
    async (size) => {
      const storage = await open()
      const before = openFiles()
      const id = ids.next()
      await expect(storage.put(id, breaking(sample(size)))).rejects.toThrow('the client went away')
      expect(await traceOf(storage, id)).toBe('none')
      await filesAreClosed(before)
    },
  )

  test.each([-1, 1, MIB])(
    'refuses a body that is %i bytes shorter than announced',
    async (missing) => {
      const storage = await open()
      const bytes = sample(MIB)
      for (const body of [bytes, reusing(bytes, 50_000)]) {
        const id = ids.next()
        await expect(storage.put(id, body, { size: MIB + missing })).rejects.toThrow('announced')
        expect(await traceOf(storage, id)).toBe('none')
      }
    },
  )

  test('that failed can be tried again with the same id', async () => {
    const storage = await open()
    const id = ids.next()
    await expect(storage.put(id, breaking(sample(MIB)))).rejects.toThrow('went away')
    await storage.put(id, sample(10))
    expect(difference(await read(await storage.get(id)), sample(10))).toBe('none')
  })

  test('ends at an abort while the body keeps it waiting, and leaves nothing', async () => {
    const storage = await open()
    const before = openFiles()
    const abort = new AbortController()
    const id = ids.next()
    async function* stalling(): AsyncGenerator<Uint8Array> {
      yield sample(2 * MIB)
      setImmediate(() => abort.abort(new Error('gone')))
      await new Promise(() => {})
    }
    await expect(storage.put(id, stalling(), { signal: abort.signal })).rejects.toThrow('gone')
    expect(await traceOf(storage, id)).toBe('none')
    await filesAreClosed(before)
  })

  test('ends at an abort between two chunks, and lets the body go', async () => {
    const storage = await open()
    const abort = new AbortController()
    let released = false
    async function* endless(): AsyncGenerator<Uint8Array> {
      try {
        for (let chunk = 0; ; chunk += 1) {
          if (chunk === 20) abort.abort(new Error('gone'))
          yield sample(1000)
        }
      } finally {
        released = true
      }
    }
    const id = ids.next()
    await expect(storage.put(id, endless(), { signal: abort.signal })).rejects.toThrow('gone')
    expect(released).toBe(true)
    expect(await traceOf(storage, id)).toBe('none')
  })

  test('does not begin when the signal is aborted already, and lets the body go', async () => {
    const storage = await open()
    const signal = AbortSignal.abort(new Error('gone'))
    const watchful = new WatchfulBody()
    for (const body of [sample(10), new Uint8Array(0), watchful]) {
      const id = ids.next()
      await expect(storage.put(id, body, { signal })).rejects.toThrow('gone')
      expect(await traceOf(storage, id)).toBe('none')
    }
    expect(watchful.chunksAsked).toBe(0)
    expect(watchful.returns).toBe(1)
  })
}

export function stoppingPromises(open: Open): void {
  async function opened(): Promise<{ storage: ObjectStorage; id: BlobId; files: number }> {
    const storage = await open()
    const id = ids.next()
    await storage.put(id, sample(5 * MIB))
    return { storage, id, files: openFiles() }
  }

  test('before the first chunk, in the middle or at the end keep no file open', async () => {
    const { storage, id, files } = await opened()
    for (const chunks of [0, 1, 2, 4, Infinity]) {
      const iterator = (await storage.get(id))[Symbol.asyncIterator]()
      for (let chunk = 0; chunk < chunks; chunk += 1) if ((await iterator.next()).done) break
      await iterator.return?.()
      expect((await iterator.next()).done).toBe(true)
      await filesAreClosed(files)
    }
  })

  test('because of an abort get its reason, and no file stays open', async () => {
    const { storage, id, files } = await opened()
    const abort = new AbortController()
    const iterator = (await storage.get(id, undefined, abort.signal))[Symbol.asyncIterator]()
    const first = (await iterator.next()).value as Uint8Array
    abort.abort(new Error('gone'))
    await filesAreClosed(files)
    expect(first.length).toBeGreaterThan(0)
    expect(difference(Buffer.from(first), sample(first.length))).toBe('none')
    await expect(iterator.next()).rejects.toThrow('gone')
    const late = storage.get(id, undefined, AbortSignal.abort(new Error('too late')))
    await expect(late).rejects.toThrow('too late')
  })

  test('leave the bytes of the other readers alone', async () => {
    const { storage, id } = await opened()
    const blob = sample(5 * MIB)
    const readers = Array.from({ length: 24 }, async (_, reader) => {
      const start = reader * 1000
      const got: Buffer[] = []
      for await (const chunk of await storage.get(id, { start, end: blob.length })) {
        // Time for the others to get the buffers that were given back.
        await new Promise((resolve) => setImmediate(resolve))
        got.push(Buffer.from(chunk))
        if (reader % 3 === 0) break
      }
      const bytes = Buffer.concat(got)
      expect(difference(bytes, blob.subarray(start, start + bytes.length))).toBe('none')
    })
    await Promise.all(readers)
  })
}
