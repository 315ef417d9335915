/**
 * What a storage with a service over the network promises beyond the contract: it comes through a
 * network with faults, an outage loses nothing, several share a bucket, and memory is bounded. Each is
 * tested before a fake of the service that looks into what is kept.
 */
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { BlobDamaged, BlobMissing, StoreUnavailable } from '../src/lib/store-error.ts'
import { difference, ids, list, MIB, read, reusing, sample, traceOf } from './contract-samples.ts'
import { type Fault, FaultyNetwork } from './remote-faults.fixture.ts'
import type { ObjectStorage } from './store.ts'

/** A fake, as the suite looks into it. */
export interface RemoteFake extends AsyncDisposable {
  readonly endpoint: string
  readonly connections: number
  readonly calls: string[]
  /** Keys of one page of a list. */
  pageKeys: number
  keys(): readonly string[]
  /** Uploads that were begun and not ended, as far as they cost anything. */
  unfinished(): number
  /** Puts an object there, or another one in its place. */
  place(key: string, bytes: Buffer): unknown
}

export interface RemoteSettings {
  readonly endpoint: string
  readonly prefix?: string
  readonly maxAttempts?: number
  readonly idleTimeoutMs?: number
}

export interface RemoteContract {
  start(): Promise<RemoteFake>
  open(fake: RemoteFake, settings: RemoteSettings): Promise<ObjectStorage>
  /** Requests, as method and path with query. */
  readonly requests: {
    readonly whole: RegExp
    /** Of a part that is not the last, of two. */
    readonly part: RegExp
    /** The one that makes a blob of two parts visible; `skip`: such requests before it. */
    readonly ending: Pick<Fault, 'of' | 'skip'>
    readonly get: RegExp
  }
}

/** Making bytes takes longer than moving them. */
const BYTES = sample(20 * MIB)
const first = (size: number): Buffer => BYTES.subarray(0, size)
const SIZE = 5 * MIB
const PART = 8 * MIB

interface Opened {
  readonly fake: RemoteFake
  readonly network: FaultyNetwork
  readonly storage: ObjectStorage
}

type Open = (settings?: Omit<RemoteSettings, 'endpoint'>) => Promise<Opened>

export function storageRemoteContract(name: string, contract: RemoteContract): void {
  const open: Open = async (settings = {}) => {
    const fake = await contract.start()
    onTestFinished(async () => fake[Symbol.asyncDispose]())
    const network = await FaultyNetwork.before(fake.endpoint)
    onTestFinished(async () => network[Symbol.asyncDispose]())
    const { endpoint } = network
    const storage = await contract.open(fake, { endpoint, maxAttempts: 2, ...settings })
    onTestFinished(async () => storage[Symbol.asyncDispose]())
    fake.calls.length = 0
    return { fake, network, storage }
  }
  describe(`a remote storage: ${name}`, () => {
    describe('bodies of any size', () => {
      sizePromises(open)
    })
    describe('downloads', () => {
      downloadPromises(open, contract)
    })
    describe('a network with faults', () => {
      faultPromises(open, contract)
    })
    describe('the way there', () => {
      proxyPromises(contract)
    })
    describe('a shared bucket', () => {
      sharingPromises(open, contract)
    })
  })
}

function sizePromises(open: Open): void {
  test.each([PART, PART + 1, 17 * MIB + 3])(
    'a body of %i bytes is stored as it came, whether its size is known or not',
    async (size) => {
      const { fake, storage } = await open()
      const bytes = first(size)
      for (const announced of [{}, { size }]) {
        const id = ids.next()
        expect(await storage.put(id, reusing(bytes, 700_000), announced)).toEqual({ id, size })
        expect(difference(await read(await storage.get(id)), bytes)).toBe('none')
      }
      const id = ids.next()
      await storage.put(id, bytes)
      const range = { start: PART - 5, end: Math.min(size, 2 * PART + 5) }
      const got = await read(await storage.get(id, range))
      expect(difference(got, bytes.subarray(range.start, range.end))).toBe('none')
      expect(fake.unfinished()).toBe(0)
    },
  )

  test('many bodies at once, in parts of whatever size there is memory for, are stored as they came', async () => {
    const { storage } = await open()
    const all = Array.from({ length: 6 }, (_, at) => ({
      id: ids.next(),
      bytes: first(9 * MIB + at * 12_345),
    }))
    await Promise.all(all.map(({ id, bytes }) => storage.put(id, reusing(bytes, 300_000))))
    for (const { id, bytes } of all)
      expect(difference(await read(await storage.get(id)), bytes)).toBe('none')
  })

  test.each([10, 9 * MIB])(
    'a body that breaks after %i bytes, or is not as long as announced, leaves nothing',
    async (size) => {
      const { fake, storage } = await open()
      async function* breaking(): AsyncGenerator<Uint8Array> {
        yield* reusing(first(size), MIB)
        throw new Error('the client went away')
      }
      await expect(storage.put(ids.next(), breaking())).rejects.toThrow('went away')
      const short = storage.put(ids.next(), reusing(first(size), MIB), { size: size + 1 })
      await expect(short).rejects.toThrow('announced')
      const long = storage.put(ids.next(), reusing(first(size), MIB), { size: size - 1 })
      await expect(long).rejects.toThrow('announced')
      expect([fake.keys(), fake.unfinished()]).toEqual([[], 0])
    },
  )

  test('an abort between parts leaves nothing', async () => {
    const { fake, storage } = await open()
    const abort = new AbortController()
    async function* stalling(): AsyncGenerator<Uint8Array> {
      yield first(18 * MIB)
      setImmediate(() => abort.abort(new Error('gone')))
      await new Promise(() => {})
    }
    const putting = storage.put(ids.next(), stalling(), { signal: abort.signal })
    await expect(putting).rejects.toThrow('gone')
    expect([fake.keys(), fake.unfinished()]).toEqual([[], 0])
  })
}

async function stored(storage: ObjectStorage, size = SIZE): Promise<string> {
  const id = ids.next()
  await storage.put(id, first(size))
  return id
}

/** Reads the first chunk, and gives what reads the rest. */
async function begun(storage: ObjectStorage, id: string): Promise<() => Promise<void>> {
  const body = (await storage.get(id))[Symbol.asyncIterator]()
  await body.next()
  return async () => {
    while ((await body.next()).done !== true);
  }
}

function downloadPromises(open: Open, { requests: { get } }: RemoteContract): void {
  test('a connection that breaks is taken up at the byte that was reached', async () => {
    const { fake, network, storage } = await open()
    const id = await stored(storage)
    for (const cutAfterBytes of [0, 1, 70_000, 1_500_000]) {
      network.add({ of: get, times: 3, act: { cutAfterBytes } })
      fake.calls.length = 0
      expect(difference(await read(await storage.get(id)), first(SIZE))).toBe('none')
      const range = { start: 100, end: SIZE - 100 }
      const part = await read(await storage.get(id, range))
      expect(difference(part, first(SIZE).subarray(range.start, range.end))).toBe('none')
      expect(fake.calls.length).toBeGreaterThan(4)
    }
    expect(network.happened).toHaveLength(12)
  })

  test('a connection that breaks again and again is an error, never a short end', async () => {
    const { network, storage } = await open()
    const id = await stored(storage)
    network.add({ of: get, act: { cutAfterBytes: 1000 } })
    await expect(storage.get(id)).rejects.toBeInstanceOf(StoreUnavailable)
    network.clear()
    network.add({ of: get, times: 1, act: { cutAfterBytes: 2 * MIB } })
    const rest = await begun(storage, id)
    network.add({ of: get, act: 'refuse' })
    await expect(rest()).rejects.toBeInstanceOf(StoreUnavailable)
  })

  test('a connection on which nothing moves is replaced', async () => {
    const { network, storage } = await open({ idleTimeoutMs: 200 })
    const id = await stored(storage)
    for (const stallAfterBytes of [0, 1_500_000]) {
      network.add({ of: get, times: 1, act: { stallAfterBytes } })
      expect(difference(await read(await storage.get(id)), first(SIZE))).toBe('none')
    }
    expect(network.happened).toHaveLength(2)
  })

  test('a reader that takes its time gets every byte', async () => {
    const { fake, storage } = await open({ idleTimeoutMs: 300 })
    const id = ids.next()
    fake.place(id, BYTES)
    const got: Buffer[] = []
    for await (const chunk of await storage.get(id)) {
      got.push(Buffer.from(chunk))
      if (got.length % 8 === 3) await new Promise((resolve) => setTimeout(resolve, 700))
    }
    expect(difference(Buffer.concat(got), BYTES)).toBe('none')
  })

  test('an object that was replaced meanwhile is not mixed with the old one', async () => {
    const { fake, network, storage } = await open()
    const id = await stored(storage)
    network.add({ of: get, times: 1, act: { cutAfterBytes: 3 * MIB } })
    const rest = await begun(storage, id)
    fake.place(id, sample(SIZE, 2))
    await expect(rest()).rejects.toBeInstanceOf(BlobDamaged)
  })

  test('a blob that is gone is missing for ranges too', async () => {
    const { storage } = await open()
    const getting = storage.get(ids.next(), { start: 0, end: 5 })
    await expect(getting).rejects.toBeInstanceOf(BlobMissing)
  })
}

function faultPromises(open: Open, { requests }: RemoteContract): void {
  const { whole, part, ending, get } = requests
  /** What stands before the service answers in its place. */
  const outages: readonly Fault['act'][] = [
    'refuse',
    { status: 503, code: 'SlowDown' },
    { status: 429, code: 'TooMany' },
    { status: 502, code: '<html><hr>' },
  ]

  test.each(outages)(
    'an outage is StoreUnavailable, nothing is lost, and afterwards all goes on: %j',
    async (act) => {
      const { fake, network, storage } = await open()
      const kept = ids.next()
      await storage.put(kept, sample(10))
      network.add({ of: /./, act })
      const calls = await Promise.allSettled([
        storage.put(ids.next(), sample(10)),
        storage.put(ids.next(), reusing(first(9 * MIB), MIB)),
        storage.get(kept),
        storage.delete([kept]),
        storage.delete([kept, ids.next()]),
        list(storage),
      ])
      for (const call of calls)
        expect(call).toMatchObject({ status: 'rejected', reason: { name: 'StoreUnavailable' } })
      network.clear()
      expect(fake.keys()).toEqual([kept])
      expect(difference(await read(await storage.get(kept)), sample(10))).toBe('none')
      await storage.put(ids.next(), sample(10))
    },
  )

  test.each<Fault['act']>(['refuse', 'dropAnswer', { status: 500, code: 'InternalError' }])(
    'a hiccup is not noticed, each call is tried again: %j',
    async (act) => {
      const { fake, network, storage } = await open()
      for (const of of [whole, part, get]) network.add({ of, times: 1, act })
      network.add({ ...ending, times: 1, act })
      const [small, large] = [ids.next(), ids.next()]
      await storage.put(small, sample(10))
      await storage.put(large, reusing(first(9 * MIB), MIB))
      expect(difference(await read(await storage.get(small)), sample(10))).toBe('none')
      expect(difference(await read(await storage.get(large)), first(9 * MIB))).toBe('none')
      expect(network.happened).toHaveLength(4)
      expect(fake.unfinished()).toBe(0)
    },
  )

  test.each<readonly [string, Pick<Fault, 'of' | 'skip'>, number]>([
    ['in one request', { of: whole }, 10],
    ['in parts', ending, 9 * MIB],
  ])('a put of which nobody hears whether it came is taken back: %s', async (_, which, size) => {
    const { fake, network, storage } = await open()
    network.add({ ...which, act: 'dropAnswer' })
    const putting = storage.put(ids.next(), size > PART ? reusing(first(size), MIB) : first(size))
    await expect(putting).rejects.toBeInstanceOf(StoreUnavailable)
    expect([fake.keys(), fake.unfinished()]).toEqual([[], 0])
  })

  test('an outage in the middle of an upload leaves nothing that can be seen, and the next put goes through', async () => {
    const { fake, network, storage } = await open()
    const id = ids.next()
    async function* breaking(): AsyncGenerator<Uint8Array> {
      yield* reusing(first(9 * MIB), MIB)
      network.add({ of: /^(PUT|POST) /, act: 'refuse' })
      yield* reusing(first(9 * MIB), MIB)
    }
    await expect(storage.put(id, breaking())).rejects.toBeInstanceOf(StoreUnavailable)
    network.clear()
    expect(fake.keys()).toEqual([])
    await storage.put(id, first(9 * MIB))
    expect(difference(await read(await storage.get(id)), first(9 * MIB))).toBe('none')
  })

  test('a part that fails ends the put while the body is still coming', async () => {
    const { fake, network, storage } = await open()
    network.add({ of: part, act: { status: 503, code: 'SlowDown' } })
    async function* endless(): AsyncGenerator<Uint8Array> {
      for (;;) yield first(MIB)
    }
    await expect(storage.put(ids.next(), endless())).rejects.toBeInstanceOf(StoreUnavailable)
    expect([fake.keys(), fake.unfinished()]).toEqual([[], 0])
  })

  test('connections are used again', async () => {
    const { fake, storage } = await open()
    for (let count = 0; count < 10; count += 1) {
      const id = await stored(storage, 2 * MIB)
      await read(await storage.get(id, { start: 5, end: 2 * MIB }))
    }
    expect(fake.connections).toBeLessThan(30)
  })
}

function proxyPromises(contract: RemoteContract): void {
  test('a proxy that the surroundings name is used', async () => {
    const fake = await contract.start()
    onTestFinished(async () => fake[Symbol.asyncDispose]())
    vi.stubEnv('HTTP_PROXY', fake.endpoint)
    onTestFinished(() => void vi.unstubAllEnvs())
    await using storage = await contract.open(fake, { endpoint: 'http://service.example' })
    const id = await stored(storage, 9 * MIB)
    expect(difference(await read(await storage.get(id)), first(9 * MIB))).toBe('none')
    expect(await list(storage)).toHaveLength(1)
  })
}

function sharingPromises(open: Open, contract: RemoteContract): void {
  test('storages with prefixes of their own do not see each other', async () => {
    const { fake, network, storage: root } = await open()
    const beside = async (prefix: string): Promise<ObjectStorage> => {
      const storage = await contract.open(fake, { endpoint: network.endpoint, prefix })
      onTestFinished(async () => storage[Symbol.asyncDispose]())
      return storage
    }
    const [one, other] = [await beside('a/'), await beside('b/')]
    const id = ids.next()
    await one.put(id, sample(1))
    await other.put(id, sample(2))
    expect(fake.keys()).toEqual([`a/${id}`, `b/${id}`])
    expect(await list(one)).toEqual([{ id, size: 1 }])
    expect(await list(root)).toEqual([])
    await one.delete([id])
    expect(await traceOf(one, id)).toBe('none')
    expect(await read(await other.get(id))).toHaveLength(2)
  })

  test('a list goes on page after page, from any id on', async () => {
    const { fake, storage } = await open({ prefix: 'p/' })
    const all = Array.from({ length: 40 }, () => ids.next())
    for (const id of all) fake.place(`p/${id}`, sample(1))
    fake.pageKeys = 7
    expect((await list(storage)).map(({ id }) => id)).toEqual(all)
    expect((await list(storage, all[9])).map(({ id }) => id)).toEqual(all.slice(10))
  })

  test('keys of others are not listed', async () => {
    const { fake, storage } = await open({ prefix: 'x-' })
    const id = ids.next()
    for (const key of ['readme', 'x-notes', `x-${id}.bak`, `x-${id}/${id}`, `y-${id}`])
      fake.place(key, sample(1))
    await storage.put(id, sample(3))
    expect(await list(storage)).toEqual([{ id, size: 3 }])
  })
}
