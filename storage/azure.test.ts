import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { BlobServiceClient } from '@azure/storage-blob'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { digestOf } from '../src/lib/digest.ts'
import { StoreFull, StoreUnavailable } from '../src/lib/store-error.ts'
import { ulidFloor, Ulids } from '../src/lib/ulid.ts'
import { type AzureOptions, credentialOf } from './azure-container.ts'
import { FakeAzure } from './azure.fake.ts'
import { blockBytes } from './azure-upload.ts'
import { openAzure } from './azure.ts'
import { storageContract } from './contract.ts'
import { type RemoteFake, storageRemoteContract } from './contract-remote.ts'
import { difference, ids, list, MIB, read, reusing, sample } from './contract-samples.ts'
import { FaultyNetwork } from './remote-faults.fixture.ts'
import type { ObjectStorage } from './store.ts'

async function started(): Promise<FakeAzure> {
  const fake = await new FakeAzure().start()
  onTestFinished(async () => fake[Symbol.asyncDispose]())
  return fake
}

async function opened(
  fake: FakeAzure,
  options: Partial<AzureOptions> = {},
): Promise<ObjectStorage> {
  const { container, account, accountKey, url } = fake
  const keys = { account, accountKey, endpoint: url }
  const storage = await openAzure({ container, ...keys, maxAttempts: 2, ...options })
  onTestFinished(async () => storage[Symbol.asyncDispose]())
  return storage
}

storageContract('azure', async () => opened(await started()))

class Watched extends FakeAzure implements RemoteFake {
  keys(): readonly string[] {
    return [...this.blobs.keys()].toSorted()
  }

  /** Blocks that no list names are gone after a week. */
  unfinished(): number {
    return 0
  }
}

storageRemoteContract('azure', {
  start: () => new Watched().start(),
  open: (fake, { endpoint, ...settings }) => {
    const { container, account, accountKey } = fake as Watched
    const keys = { account, accountKey, endpoint: `${endpoint}/${account}` }
    return openAzure({ container, ...keys, ...settings })
  },
  requests: {
    whole: /^PUT [^?]*$/,
    part: /^PUT .*comp=block&/,
    ending: { of: /^PUT .*comp=blocklist/ },
    get: /^GET [^?]*$/,
  },
})

describe('blocks', () => {
  test('are as many as Azure takes, up to 5 TiB', () => {
    let sum = 0
    for (let number = 1; number <= 50_000; number += 1) sum += blockBytes(number)
    expect(sum).toBeGreaterThan(5 * 1024 ** 4)
    expect(blockBytes(1)).toBe(8 * MIB)
    expect(blockBytes(50_000)).toBeLessThanOrEqual(4000 * MIB)
  })

  test('of a put that failed, should they come late, are none of the next one with the same id', async () => {
    const fake = await started()
    const storage = await opened(fake)
    const id = ids.next()
    async function* breaking(): AsyncGenerator<Uint8Array> {
      yield* reusing(sample(17 * MIB, 2), MIB)
      await vi.waitFor(() => expect(fake.blocks.get(id)?.size).toBe(2))
      throw new Error('the client went away')
    }
    await expect(storage.put(id, breaking())).rejects.toThrow('went away')
    const late = [...fake.blocks.get(id)!]
    const bytes = sample(17 * MIB)
    async function* overtaken(): AsyncGenerator<Uint8Array> {
      yield* reusing(bytes, MIB)
      await vi.waitFor(() => expect(fake.blocks.get(id)?.size).toBe(4))
      for (const [block, content] of late) fake.blocks.get(id)!.set(block, content)
    }
    await storage.put(id, overtaken())
    expect(difference(await read(await storage.get(id)), bytes)).toBe('none')
  })
})

describe('checksums', () => {
  test('are those of Azure: the SDK makes the same', async () => {
    let body = Buffer.alloc(0)
    const server = createServer((request, response) => {
      const chunks: Buffer[] = []
      request.on('data', (chunk: Buffer) => chunks.push(chunk))
      request.on('end', () => {
        body = Buffer.concat(chunks)
        response.writeHead(201, { etag: '"e"' }).end()
      })
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/account`
    const bytes = sample(100_000)
    const blob = new BlobServiceClient(url).getContainerClient('c').getBlockBlobClient('b')
    await blob.upload(bytes, bytes.length, { contentChecksumAlgorithm: 'StorageCrc64' })
    server.close()
    server.closeAllConnections()
    // Such a message ends with the CRC64 of all that was in it.
    const ours = Buffer.from(digestOf('CRC64NVME', bytes), 'base64').reverse()
    expect(body.subarray(-8).equals(ours)).toBe(true)
  })

  test.each(['crc64', 'md5'] as const)('%s finds out what arrives damaged', async (checksum) => {
    const fake = await started()
    const storage = await opened(fake, { checksum })
    for (const size of [0, 10, 9 * MIB]) {
      const id = ids.next()
      await storage.put(id, reusing(sample(size), 400_000))
      expect(difference(await read(await storage.get(id)), sample(size))).toBe('none')
      fake.isDamaging = size > 0
      if (size > 0) await expect(storage.put(ids.next(), sample(size))).rejects.toThrow('Mismatch')
      fake.isDamaging = false
    }
    expect(fake.blobs.size).toBe(3)
  })
})

test('a list from an id on reads none of the pages before it', async () => {
  const fake = await started()
  const storage = await opened(fake, { prefix: 'gateway-1/' })
  const daysMs = 86_400_000
  const made = new Ulids({ now: () => Date.now() - 100 * daysMs })
  for (let count = 0; count < 400; count += 1)
    fake.place(`gateway-1/${made.next()}`, Buffer.alloc(1))
  const last = made.next()
  fake.place(`gateway-1/${last}`, Buffer.alloc(1))
  const fresh = Array.from({ length: 4 }, () => ids.next())
  for (const id of fresh) fake.place(`gateway-1/${id}`, Buffer.alloc(1))
  fake.pageKeys = 1
  fake.calls.length = 0
  const listed = async (after: string): Promise<readonly string[]> =>
    (await list(storage, after)).map(({ id }) => id)
  expect(await listed(ulidFloor(Date.now() - daysMs))).toEqual(fresh)
  expect(fake.calls.length).toBeLessThan(200)
  expect(await listed(last)).toEqual(fresh)
  expect(await listed(fresh[1]!)).toEqual(fresh.slice(2))
  expect(await listed(fresh[3]!)).toEqual([])
})

test('no room is StoreFull', async () => {
  const fake = await started()
  await using network = await FaultyNetwork.before(fake.endpoint)
  const storage = await opened(fake, { endpoint: `${network.endpoint}/${fake.account}` })
  network.add({ of: /^PUT /, act: { status: 507, code: 'full' } })
  for (const body of [sample(10), reusing(sample(9 * MIB), MIB)])
    await expect(storage.put(ids.next(), body)).rejects.toBeInstanceOf(StoreFull)
})

describe('opening', () => {
  const text = ({ account, accountKey, url }: FakeAzure): string =>
    `DefaultEndpointsProtocol=http;AccountName=${account};AccountKey=${accountKey};BlobEndpoint=${url};`

  test('a connection string says it all', async () => {
    const fake = await started()
    const { container } = fake
    await using storage = await openAzure({ container, connectionString: text(fake) })
    const id = ids.next()
    await storage.put(id, sample(10))
    expect(difference(await read(await storage.get(id)), sample(10))).toBe('none')
  })

  test.each<[string, (fake: FakeAzure) => Partial<AzureOptions>, RegExp]>([
    ['another key', () => ({ accountKey: 'AAAA' }), /mend storage.accountKey/],
    ['no such account', () => ({ account: 'other' }), /mend storage.accountKey/],
    ['no such container', () => ({ container: 'nowhere' }), /there is no such container/],
    ['nobody there', () => ({ endpoint: 'http://127.0.0.1:1/a' }), /nobody listens there/],
    ['no connection string', () => ({ connectionString: 'secret' }), /connection string is none/],
  ])('is refused in one line that says what to do: %s', async (_, options, line) => {
    const fake = await started()
    const opening = opened(fake, options(fake))
    await expect(opening).rejects.toThrow(line)
    await expect(opening).rejects.toBeInstanceOf(StoreUnavailable)
    await opening.catch((error: Error) => {
      expect(error.message).not.toContain('\n')
      expect(error.message).not.toMatch(/secret|AAAA/)
    })
  })

  test.each([
    [403, 'AuthorizationPermissionMismatch', /the role in docs\/storage-azure.md/],
    [403, 'KeyBasedAuthenticationNotPermitted', /takes no keys/],
    [503, 'ServerBusy', /ServerBusy/],
  ])('is refused where the service says %i %s', async (status, code, line) => {
    const fake = await started()
    fake.refusal = { status, code }
    await expect(opened(fake)).rejects.toThrow(line)
  })
})

test('without a key the identity of the surroundings signs in', async () => {
  const credential = await credentialOf({ container: 'c', account: 'a', clientId: 'the-client' })
  expect('getToken' in credential).toBe(true)
})
