/** What a storage with a real service, or its emulator, has to show beyond the contract: large bodies, faults, kills. */
import { describe, expect, onTestFinished, test } from 'vitest'
import { SILENT } from '../../src/lib/meter.ts'
import { StoreUnavailable } from '../../src/lib/store-error.ts'
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

export interface RealService {
  /** The service's address, without a path. */
  readonly endpoint: () => string
  /** An empty place, reached by that address. */
  readonly somewhere: (endpoint: string) => StorageOptions
  /** Requests that may fail once: of a part, of a whole body, and of a download. */
  readonly requests: readonly RegExp[]
  readonly get: RegExp
}

export function realServicePromises(name: string, service: RealService): void {
  const somewhere = (): StorageOptions => service.somewhere(service.endpoint())
  storageContract(name, () => openStorage(somewhere(), SILENT))
  killedPutsPromises(somewhere)

  describe(`${name}: a network with faults`, () => {
    const BYTES = sample(18 * MIB)

    async function faulty(): Promise<{ network: FaultyNetwork; storage: ObjectStorage }> {
      const network = await FaultyNetwork.before(service.endpoint())
      onTestFinished(async () => network[Symbol.asyncDispose]())
      const storage = await openStorage(service.somewhere(network.endpoint), SILENT)
      onTestFinished(async () => storage[Symbol.asyncDispose]())
      return { network, storage }
    }

    test('puts and gets come through connections that break and refusals that pass', async () => {
      const { network, storage } = await faulty()
      for (const act of ['refuse', { status: 503, code: 'SlowDown' }] as const) {
        for (const of of service.requests) network.add({ of, times: 1, act })
        network.add({ of: service.get, times: 1, act: { cutAfterBytes: 5_000_000 } })
        const [small, large] = [ids.next(), ids.next()]
        await storage.put(small, sample(10))
        await storage.put(large, reusing(BYTES, 300_000))
        expect(difference(await read(await storage.get(large)), BYTES)).toBe('none')
        expect(difference(await read(await storage.get(small)), sample(10))).toBe('none')
      }
      expect(network.happened).toHaveLength(2 * (service.requests.length + 1))
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
}
