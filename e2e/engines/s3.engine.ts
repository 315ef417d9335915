/**
 * The storage `s3` before a real S3 service, which verifies signatures and checksums: our own gateway,
 * in this process where that suffices, and a network with faults between the two.
 */
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { configOf } from '../../src/config.ts'
import { SILENT } from '../../src/lib/meter.ts'
import { StoreUnavailable } from '../../src/lib/store-error.ts'
import { type Server, startServer } from '../../src/server.ts'
import {
  difference,
  ids,
  list,
  MIB,
  read,
  reusing,
  sample,
} from '../../storage/contract-samples.ts'
import { storageContract } from '../../storage/contract.ts'
import { openStorage, type StorageOptions } from '../../storage/open.ts'
import { FaultyNetwork } from '../../storage/remote-faults.fixture.ts'
import type { ObjectStorage } from '../../storage/store.ts'
import { killedPutsPromises } from './killed-puts.ts'

const BUCKET = 'blobs'
const KEYS = { accessKeyId: 'AKIAUPSTREAM', secretAccessKey: 'the secret of the upstream' }

let server: Server
let prefixes = 0
beforeAll(async () => {
  server = await startServer(
    configOf({
      port: 0,
      metadata: { engine: 'memory' },
      storage: { engine: 'memory' },
      buckets: [BUCKET],
      credentials: [KEYS],
      shutdownTimeout: '1s',
    }),
  )
})
afterAll(async () => {
  await server.close()
})

/** A place of its own in the one bucket. */
function somewhere(endpoint = server.url): StorageOptions {
  const prefix = `p${(prefixes += 1)}/`
  return {
    engine: 's3',
    bucket: BUCKET,
    prefix,
    endpoint,
    pathStyle: true,
    maxAttempts: 2,
    ...KEYS,
  }
}

async function opened(options = somewhere()): Promise<ObjectStorage> {
  const storage = await openStorage(options, SILENT)
  onTestFinished(async () => storage[Symbol.asyncDispose]())
  return storage
}

storageContract('s3 before a gateway', () => openStorage(somewhere(), SILENT))

test('storages that share a bucket do not see each other', async () => {
  const [one, other] = [await opened(), await opened()]
  const id = ids.next()
  await one.put(id, sample(1))
  await other.put(id, sample(2))
  await one.delete([id])
  expect(await list(one)).toEqual([])
  expect(await list(other)).toEqual([{ id, size: 2 }])
})

killedPutsPromises(somewhere)

describe('a network with faults', () => {
  async function faulty(): Promise<{ network: FaultyNetwork; storage: ObjectStorage }> {
    const network = await FaultyNetwork.before(server.url)
    onTestFinished(async () => network[Symbol.asyncDispose]())
    return { network, storage: await opened(somewhere(network.endpoint)) }
  }

  const BYTES = sample(18 * MIB)

  test('puts and gets come through connections that break and answers that are lost', async () => {
    const { network, storage } = await faulty()
    for (const act of ['refuse', 'dropAnswer', { status: 503, code: 'SlowDown' }] as const) {
      for (const of of [/^PUT .*partNumber=2/, /^POST .*uploadId=/, /^GET .*GetObject/])
        network.add({ of, times: 1, act })
      network.add({ of: /^GET .*GetObject/, times: 1, act: { cutAfterBytes: 5_000_000 } })
      const id = ids.next()
      await storage.put(id, reusing(BYTES, 300_000))
      expect(difference(await read(await storage.get(id)), BYTES)).toBe('none')
    }
    expect(network.happened).toHaveLength(12)
  })

  test('an outage in the middle of an upload is StoreUnavailable and leaves nothing', async () => {
    const { network, storage } = await faulty()
    async function* breaking(): AsyncGenerator<Uint8Array> {
      yield* reusing(BYTES.subarray(0, 9 * MIB), MIB)
      network.add({ of: /^(PUT|POST) /, act: 'refuse' })
      yield* reusing(BYTES.subarray(9 * MIB), MIB)
    }
    const id = ids.next()
    await expect(storage.put(id, breaking())).rejects.toBeInstanceOf(StoreUnavailable)
    network.clear()
    expect(await list(storage)).toEqual([])
    await storage.put(id, BYTES)
    expect(await list(storage)).toEqual([{ id, size: BYTES.length }])
  })
})

test.each<[string, Partial<Extract<StorageOptions, { engine: 's3' }>>, RegExp]>([
  ['a wrong secret', { secretAccessKey: 'another secret' }, /mend storage.secretAccessKey/],
  ['an unknown key', { accessKeyId: 'AKIANOBODY' }, /mend storage.accessKeyId/],
  ['a missing bucket', { bucket: 'not-there' }, /there is no such bucket/],
])('%s is found out at the opening', async (_, wrong, line) => {
  const opening = openStorage({ ...somewhere(), ...wrong } as StorageOptions, SILENT)
  await expect(opening).rejects.toThrow(line)
})
