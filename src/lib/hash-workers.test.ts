import { beforeAll, expect, onTestFinished, test } from 'vitest'
import { digestOf, digestsReady } from './digest.ts'
import { HashWorkers, type WorkerDigest } from './hash-workers.ts'

const MIB = 1024 ** 2

beforeAll(async () => digestsReady)

function opened(count: number): HashWorkers {
  const workers = new HashWorkers(count)
  onTestFinished(async () => workers[Symbol.asyncDispose]())
  return workers
}

/** Bytes of its own for each stream. */
const bytesOf = (stream: number, sizeBytes: number): Buffer => Buffer.alloc(sizeBytes, `${stream}.`)

async function feed(digest: WorkerDigest, bytes: Uint8Array, chunkBytes: number): Promise<void> {
  const memory = new Uint8Array(chunkBytes)
  for (let at = 0; at < bytes.length; at += chunkBytes) {
    const chunk = bytes.subarray(at, at + chunkBytes)
    memory.set(chunk)
    await digest.update(memory.subarray(0, chunk.length))
    memory.fill(0xee)
  }
}

test.each([
  [1, 3000, 1],
  [1, 3 * MIB + 17, 65_536],
  [2, 20 * MIB + 1, 3 * MIB],
  [1, 0, 1],
])(
  '%i workers give what the loop would give, for %i bytes in chunks of %i',
  async (count, size, chunk) => {
    const algorithms = ['md5', 'SHA256', 'CRC64NVME', 'XXHASH3'] as const
    const bytes = bytesOf(1, size)
    const digest = opened(count).begin(algorithms)
    await feed(digest, bytes, chunk)
    expect(await digest.values()).toEqual(algorithms.map((name) => digestOf(name, bytes)))
  },
)

test('more streams than slabs, each slow to fill its own, neither mix nor wait for ever', async () => {
  const workers = opened(1)
  const streams = Array.from({ length: 40 }, (_, at) => bytesOf(at, MIB + at * 1000))
  const digests = streams.map(() => workers.begin(['md5']))
  for (let at = 0; at < MIB + 40_000; at += 100_000) {
    // All of them hold the beginning of a slab before any of them goes on.
    await Promise.all(
      digests.map(async (digest, stream) =>
        digest.update(streams[stream]!.subarray(at, at + 100_000)),
      ),
    )
  }
  const values = await Promise.all(digests.map((digest) => digest.values()))
  expect(values.flat()).toEqual(streams.map((bytes) => digestOf('md5', bytes)))
})

test('streams that are dropped, even while they wait, give back what they held', async () => {
  const workers = opened(1)
  for (let round = 0; round < 3; round += 1) {
    const dropped = Array.from({ length: 30 }, () => workers.begin(['md5']))
    const waiting = dropped.map(async (digest) => digest.update(new Uint8Array(2 * MIB - 5)))
    for (const digest of dropped) digest.drop()
    await Promise.all(waiting)
  }
  const digest = workers.begin(['md5'])
  const bytes = bytesOf(1, 40 * MIB)
  await feed(digest, bytes, 4 * MIB)
  expect(await digest.values()).toEqual([digestOf('md5', bytes)])
})

test('streams of workers that are closed fail, and do not wait', async () => {
  const workers = new HashWorkers(1)
  const digest = workers.begin(['md5'])
  const values = digest.values()
  await Promise.all([expect(values).rejects.toThrow('closed'), workers[Symbol.asyncDispose]()])
})
