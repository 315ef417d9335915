import { beforeAll, expect, onTestFinished, test, vi } from 'vitest'
import { Worker } from 'node:worker_threads'
import { digestOf, digestsReady } from './digest.ts'
import { HashWorkers, type WorkerDigest } from './hash-workers.ts'

const MIB = 1024 ** 2

beforeAll(async () => digestsReady)

function opened(countMax: number): HashWorkers {
  const workers = new HashWorkers(countMax)
  onTestFinished(() => workers[Symbol.dispose]())
  return workers
}

/** Bytes of its own for each stream, in shared memory. */
function bytesOf(stream: number, sizeBytes: number): Buffer {
  return Buffer.from(new SharedArrayBuffer(sizeBytes)).fill(`${stream}.`)
}

/** Gives the bytes in two slabs, each written over as soon as it is hashed. */
async function feed(digest: WorkerDigest, bytes: Uint8Array, slabBytes: number): Promise<void> {
  const slabs = [0, 1].map(() => new Uint8Array(new SharedArrayBuffer(slabBytes)))
  const hashed: Promise<void>[] = []
  for (let at = 0, turn = 0; at < bytes.length; at += slabBytes, turn = 1 - turn) {
    await hashed[turn]
    const chunk = bytes.subarray(at, at + slabBytes)
    const slab = slabs[turn]!.fill(0xee).subarray(0, chunk.length)
    slab.set(chunk)
    hashed[turn] = digest.update(slab)
  }
  await Promise.all(hashed)
}

test.each([
  [1, 3000, 100],
  [1, 3 * MIB + 17, 65_536],
  [2, 20 * MIB + 1, 3 * MIB],
  [1, 0, 1],
])(
  '%i workers give what the loop would give, for %i bytes in slabs of %i',
  async (count, size, slab) => {
    const algorithms = ['md5', 'SHA256', 'CRC32', 'CRC64NVME', 'XXHASH3'] as const
    const bytes = bytesOf(1, size)
    const digest = opened(count).begin(algorithms)!
    await feed(digest, bytes, slab)
    expect(await digest.values()).toEqual(algorithms.map((name) => digestOf(name, bytes)))
  },
)

test('more streams than threads, some of them dropped, do not mix', async () => {
  const workers = opened(2)
  const streams = Array.from({ length: 20 }, (_, at) => bytesOf(at, MIB + at * 1000))
  const values = await Promise.all(
    streams.map(async (bytes, at) => {
      const digest = workers.begin(['md5'])!
      await feed(digest, bytes, 100_000)
      if (at % 3 > 0) return await digest.values()
      digest.drop()
      return ['dropped']
    }),
  )
  const expected = streams.map((bytes, at) => (at % 3 > 0 ? digestOf('md5', bytes) : 'dropped'))
  expect(values.flat()).toEqual(expected)
})

test('streams of workers that are closed fail, and do not wait; there are no more', async () => {
  const workers = new HashWorkers(1)
  const digest = workers.begin(['md5'])!
  const values = digest.values()
  workers[Symbol.dispose]()
  await expect(values).rejects.toThrow('closed')
  expect(workers.begin(['md5'])).toBeUndefined()
})

test('a thread that dies fails its streams; the next one gets another, until too many have died', async () => {
  const started: Worker[] = []
  const post = vi.spyOn(Worker.prototype, 'postMessage').mockImplementation(function (
    this: Worker,
  ) {
    started.push(this)
  })
  onTestFinished(() => post.mockRestore())
  const workers = opened(1)
  let lives = 0
  for (; lives < 100; lives += 1) {
    const digest = workers.begin(['md5'])
    if (digest === undefined) break
    const hashed = digest.update(bytesOf(1, 100))
    await Promise.all([expect(hashed).rejects.toThrow('ended'), started.at(-1)!.terminate()])
    await expect(digest.values()).rejects.toThrow('ended')
  }
  expect(lives).toBe(9)
})
