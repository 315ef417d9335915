/** The memory and the CPU of the storage `s3` under load; the upstream is a process of its own. */
import { GetObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { SILENT } from '../../src/lib/meter.ts'
import { ids, MIB, reusing, sample } from '../../storage/contract-samples.ts'
import { openStorage } from '../../storage/open.ts'
import type { ObjectStorage } from '../../storage/store.ts'
import { ACCESS_KEY, type Gateway, SECRET_KEY, startGateway } from '../harness/gateway.ts'

const BUCKET = 'blobs'
const AT_ONCE = 16
const SIZE = 64 * MIB
/** What uploads may take ahead, and what both pools keep. */
const POOLS_BYTES = 128 * MIB + 36 * MIB
const CHUNK = sample(MIB)

let upstream: Gateway
let storage: ObjectStorage
const keys = { accessKeyId: ACCESS_KEY, secretAccessKey: SECRET_KEY }

beforeAll(async () => {
  const env = { SLUICE_BUCKETS: BUCKET }
  upstream = await startGateway({ metadata: 'memory', storage: 'memory', env })
  storage = await openStorage(
    { engine: 's3', bucket: BUCKET, endpoint: upstream.endpoint, pathStyle: true, ...keys },
    SILENT,
  )
})
afterAll(async () => {
  await storage[Symbol.asyncDispose]()
  await upstream[Symbol.asyncDispose]()
})

async function* long(sizeBytes: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < sizeBytes; at += MIB) yield CHUNK
}

async function sizeOf(body: AsyncIterable<Uint8Array>): Promise<number> {
  let size = 0
  for await (const chunk of body) size += chunk.length
  return size
}

test(`${AT_ONCE} puts and gets of 64 MiB at once stay within their pools and 64 MiB more`, async () => {
  const seed = ids.next()
  await storage.put(seed, long(SIZE))
  const before = process.memoryUsage.rss()
  let peak = before
  const watch = setInterval(() => (peak = Math.max(peak, process.memoryUsage.rss())), 20)
  const puts = Array.from({ length: AT_ONCE }, async () => {
    const id = ids.next()
    await storage.put(id, long(SIZE), { size: SIZE })
    return id
  })
  const gets = Array.from({ length: AT_ONCE }, async () => sizeOf(await storage.get(seed)))
  const [made, sizes] = await Promise.all([Promise.all(puts), Promise.all(gets)])
  clearInterval(watch)
  expect(sizes).toEqual(made.map(() => SIZE))
  await storage.delete([...made, seed])
  console.log(`RSS grew by ${Math.round((peak - before) / MIB)} MiB`)
  expect(peak - before).toBeLessThan(POOLS_BYTES + 64 * MIB)
})

test('a GiB costs little more than the SDK itself takes for it', async () => {
  const client = new S3Client({
    endpoint: upstream.endpoint,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials: keys,
  })
  const count = 12
  const part = Buffer.concat(Array.from({ length: 8 }, () => CHUNK))
  const figures: Record<string, number> = {}
  const measured = async (name: string, once: (at: number) => Promise<unknown>): Promise<void> => {
    const started = process.cpuUsage()
    for (let at = 0; at < count; at += 1) await once(at)
    const { user, system } = process.cpuUsage(started)
    figures[name] = (user + system) / 1e6 / ((count * part.length) / 1024 ** 3)
  }
  const all = Array.from({ length: count }, () => ids.next())
  for (const round of [0, 1]) {
    await measured('put by the storage', (at) =>
      storage.put(all[at]!, reusing(part, 65_536), { size: part.length }),
    )
    await measured('get by the storage', async (at) => sizeOf(await storage.get(all[at]!)))
    await measured('put by the SDK', (at) =>
      client.send(
        new PutObjectCommand({ Bucket: BUCKET, Key: `sdk-${at}`, Body: Buffer.from(part) }),
      ),
    )
    await measured('get by the SDK', async (at) => {
      const { Body } = await client.send(new GetObjectCommand({ Bucket: BUCKET, Key: `sdk-${at}` }))
      return sizeOf(Body as unknown as AsyncIterable<Uint8Array>)
    })
    if (round === 0) continue
    for (const [name, cost] of Object.entries(figures))
      console.log(`${name}: ${cost.toFixed(2)} CPU-s/GiB`)
  }
  client.destroy()
  await storage.delete(all)
  expect(figures['put by the storage']!).toBeLessThan(figures['put by the SDK']! * 1.5 + 0.2)
  expect(figures['get by the storage']!).toBeLessThan(figures['get by the SDK']! * 1.5 + 0.2)
})
