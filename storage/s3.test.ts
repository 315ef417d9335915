import { describe, expect, onTestFinished, test } from 'vitest'
import { BlobDamaged, BlobMissing, StoreFull, StoreUnavailable } from '../src/lib/store-error.ts'
import { storageContract } from './contract.ts'
import { difference, ids, list, MIB, read, reusing, sample, traceOf } from './contract-samples.ts'
import { FaultyNetwork } from './remote-faults.fixture.ts'
import type { S3Options } from './s3-bucket.ts'
import { EQUAL_PARTS, UploadMemory } from './remote-memory.ts'
import { partBytes } from './s3-parts.ts'
import { openS3 } from './s3.ts'
import type { ObjectStorage } from './store.ts'
import { FAKE_KEY, FakeS3 } from './s3.fake.ts'

/** Making bytes takes longer than moving them. */
const BYTES = sample(20 * MIB)
const first = (size: number): Buffer => BYTES.subarray(0, size)
const DAY_MS = 24 * 3600 * 1000
const NOW = Date.now()

async function started(): Promise<FakeS3> {
  const fake = await new FakeS3().start()
  onTestFinished(async () => fake[Symbol.asyncDispose]())
  return fake
}

async function opened(fake: FakeS3, options: Partial<S3Options> = {}): Promise<ObjectStorage> {
  const storage = await openS3(
    {
      bucket: fake.bucket,
      endpoint: fake.endpoint,
      pathStyle: true,
      accessKeyId: FAKE_KEY,
      secretAccessKey: 'a secret of nobody',
      maxAttempts: 2,
      ...options,
    },
    { now: () => NOW },
  )
  onTestFinished(async () => storage[Symbol.asyncDispose]())
  return storage
}

async function faulty(
  options: Partial<S3Options> = {},
): Promise<{ fake: FakeS3; network: FaultyNetwork; storage: ObjectStorage }> {
  const fake = await started()
  const network = await FaultyNetwork.before(fake.endpoint)
  onTestFinished(async () => network[Symbol.asyncDispose]())
  return { fake, network, storage: await opened(fake, { endpoint: network.endpoint, ...options }) }
}

storageContract('s3', async () => opened(await started()))

describe('parts', () => {
  test('a body of one part is one request, a longer one goes in parts', async () => {
    const fake = await started()
    const storage = await opened(fake)
    for (const size of [8 * MIB, 8 * MIB + 1, 17 * MIB])
      for (const announced of [undefined, size]) {
        fake.calls.length = 0
        const id = ids.next()
        const bytes = first(size)
        const options = announced === undefined ? {} : { size: announced }
        await storage.put(id, reusing(bytes, 700_000), options)
        expect(difference(await read(await storage.get(id)), bytes)).toBe('none')
        const puts = fake.calls.filter((call) => call.startsWith('PUT'))
        expect(puts).toHaveLength(Math.ceil(size / (8 * MIB)))
        expect(fake.calls.includes('POST uploads')).toBe(size > 8 * MIB)
      }
    expect(fake.uploads.size).toBe(0)
  })

  test('bytes in memory go in parts too, and every byte is where it was', async () => {
    const storage = await opened(await started())
    const bytes = first(17 * MIB + 3)
    const id = ids.next()
    expect(await storage.put(id, bytes)).toEqual({ id, size: bytes.length })
    const range = { start: 8 * MIB - 5, end: 16 * MIB + 5 }
    const got = await read(await storage.get(id, range))
    expect(difference(got, bytes.subarray(range.start, range.end))).toBe('none')
  })

  test.each([10, 9 * MIB, 19 * MIB])(
    'a body that breaks after %i bytes, or is too long, leaves no object and no upload',
    async (size) => {
      const fake = await started()
      const storage = await opened(fake)
      async function* breaking(): AsyncGenerator<Uint8Array> {
        yield* reusing(first(size), MIB)
        throw new Error('the client went away')
      }
      await expect(storage.put(ids.next(), breaking())).rejects.toThrow('went away')
      const short = storage.put(ids.next(), reusing(first(size), MIB), { size: size + 1 })
      await expect(short).rejects.toThrow('announced')
      const long = storage.put(ids.next(), reusing(first(size), MIB), { size: size - 1 })
      await expect(long).rejects.toThrow('announced')
      expect([fake.objects.size, fake.uploads.size]).toEqual([0, 0])
    },
  )

  test('an abort between parts leaves nothing', async () => {
    const fake = await started()
    const storage = await opened(fake)
    const abort = new AbortController()
    async function* stalling(): AsyncGenerator<Uint8Array> {
      yield first(18 * MIB)
      setImmediate(() => abort.abort(new Error('gone')))
      await new Promise(() => {})
    }
    const putting = storage.put(ids.next(), stalling(), { signal: abort.signal })
    await expect(putting).rejects.toThrow('gone')
    expect([fake.objects.size, fake.uploads.size]).toEqual([0, 0])
  })

  test('are as many as S3 takes, up to 5 TiB, and equal where the size is known', () => {
    const most = 5 * 1024 ** 4
    expect(partBytes(1, 100)).toBe(8 * MIB)
    expect(Math.ceil(most / partBytes(1, most))).toBeLessThanOrEqual(10_000)
    let sum = 0
    for (let number = 1; number <= 10_000; number += 1) sum += partBytes(number, undefined)
    expect(sum).toBeGreaterThanOrEqual(most)
    expect(partBytes(10_000, undefined)).toBeLessThanOrEqual(5 * 1024 ** 3)
  })

  test('MD5 goes where CRC32 is not known', async () => {
    const fake = await started()
    const storage = await opened(fake, { checksum: 'md5' })
    for (const size of [0, 10, 9 * MIB]) {
      const id = ids.next()
      await storage.put(id, reusing(first(size), 400_000))
      expect(difference(await read(await storage.get(id)), first(size))).toBe('none')
    }
  })
})

describe('memory', () => {
  const PART = 8 * MIB

  test('an upload with parts on their way waits, one without does not', async () => {
    const memory = new UploadMemory(EQUAL_PARTS)
    const lent = await Promise.all(Array.from({ length: 16 }, () => memory.take(PART, () => false)))
    let isAhead = true
    let got: Buffer | undefined
    const waiting = memory.take(PART, () => isAhead).then((buffer) => (got = buffer))
    await memory.take(PART, () => false)
    expect(got).toBeUndefined()
    // Its own parts have arrived: it is now one without.
    isAhead = false
    memory.give(lent[0]!)
    expect((await waiting).length).toBe(PART)
    expect(memory.lentBytes).toBe(17 * PART)
  })

  test('whoever waits gives up at an abort', async () => {
    const memory = new UploadMemory(EQUAL_PARTS)
    await memory.take(200 * MIB, () => false)
    const abort = new AbortController()
    const waiting = memory.take(PART, () => true, abort.signal)
    abort.abort(new Error('gone'))
    await expect(waiting).rejects.toThrow('gone')
  })
})

describe('a network with faults', () => {
  /** What stands before the service answers in its place. */
  const NO_XML = { status: 502, code: '<html><hr>' }
  const SIZE = 5 * MIB

  test('a connection that breaks is taken up at the byte that was reached', async () => {
    const { fake, network, storage } = await faulty()
    const id = ids.next()
    await storage.put(id, first(SIZE))
    for (const cutAfterBytes of [0, 1, 70_000, 1_500_000]) {
      network.add({ of: /^GET .*GetObject/, times: 3, act: { cutAfterBytes } })
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
    const { network, storage } = await faulty()
    const id = ids.next()
    await storage.put(id, first(SIZE))
    network.add({ of: /^GET /, act: { cutAfterBytes: 1000 } })
    await expect(storage.get(id)).rejects.toBeInstanceOf(StoreUnavailable)
    network.clear()
    network.add({ of: /^GET /, times: 1, act: { cutAfterBytes: 2 * MIB } })
    const body = (await storage.get(id))[Symbol.asyncIterator]()
    await body.next()
    network.add({ of: /^GET /, act: 'refuse' })
    const rest = (async () => {
      while ((await body.next()).done !== true);
    })()
    await expect(rest).rejects.toBeInstanceOf(StoreUnavailable)
  })

  test('a connection on which nothing moves is replaced', async () => {
    const { network, storage } = await faulty({ idleTimeoutMs: 200 })
    const id = ids.next()
    await storage.put(id, first(SIZE))
    for (const stallAfterBytes of [0, 1_500_000]) {
      network.add({ of: /^GET /, times: 1, act: { stallAfterBytes } })
      expect(difference(await read(await storage.get(id)), first(SIZE))).toBe('none')
    }
    expect(network.happened).toHaveLength(2)
  })

  test('a reader that takes its time gets every byte, though connections do not wait for it', async () => {
    const fake = await started()
    const storage = await opened(fake, { idleTimeoutMs: 300 })
    const id = ids.next()
    fake.objects.set(id, { bytes: BYTES, etag: '"e"' })
    const got: Buffer[] = []
    for await (const chunk of await storage.get(id)) {
      got.push(Buffer.from(chunk))
      if (got.length % 8 === 3) await new Promise((resolve) => setTimeout(resolve, 700))
    }
    expect(difference(Buffer.concat(got), BYTES)).toBe('none')
    expect(fake.calls.filter((call) => call === 'GET').length).toBeGreaterThan(3)
  })

  test('connections are used again', async () => {
    const fake = await started()
    const storage = await opened(fake)
    for (let count = 0; count < 10; count += 1) {
      const id = ids.next()
      await storage.put(id, first(2 * MIB))
      await read(await storage.get(id, { start: 5, end: 2 * MIB }))
    }
    expect(fake.connections).toBeLessThan(4)
  })

  test('an object that was replaced meanwhile is not mixed with the old one', async () => {
    const { fake, network, storage } = await faulty()
    const id = ids.next()
    await storage.put(id, first(SIZE))
    network.add({ of: /^GET /, times: 1, act: { cutAfterBytes: 3 * MIB } })
    const body = (await storage.get(id))[Symbol.asyncIterator]()
    await body.next()
    fake.objects.set(id, { bytes: sample(SIZE, 2), etag: '"another"' })
    const rest = (async () => {
      while ((await body.next()).done !== true);
    })()
    await expect(rest).rejects.toBeInstanceOf(BlobDamaged)
  })

  test('an outage is StoreUnavailable, nothing is lost, and afterwards all goes on', async () => {
    const { fake, network, storage } = await faulty()
    const kept = ids.next()
    await storage.put(kept, sample(10))
    for (const act of ['refuse' as const, { status: 503, code: 'SlowDown' }, NO_XML]) {
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
    }
    expect([...fake.objects.keys()]).toEqual([kept])
    expect(difference(await read(await storage.get(kept)), sample(10))).toBe('none')
    await storage.put(ids.next(), sample(10))
  })

  test('a hiccup is not noticed: each call is tried again', async () => {
    const { fake, network, storage } = await faulty()
    for (const act of [
      'refuse' as const,
      'dropAnswer' as const,
      { status: 500, code: 'InternalError' },
    ]) {
      const [small, large] = [ids.next(), ids.next()]
      for (const of of [/^PUT .*PutObject/, /^PUT .*partNumber=2/, /^POST .*uploadId/, /^GET /])
        network.add({ of, times: 1, act })
      await storage.put(small, sample(10))
      await storage.put(large, reusing(first(9 * MIB), MIB))
      expect(difference(await read(await storage.get(small)), sample(10))).toBe('none')
      expect(difference(await read(await storage.get(large)), first(9 * MIB))).toBe('none')
    }
    expect(network.happened).toHaveLength(12)
    expect(fake.uploads.size).toBe(0)
  })

  test.each([/^PUT .*PutObject/, /^POST .*uploadId/])(
    'a put of which nobody hears whether it came is taken back: %s',
    async (of) => {
      const { fake, network, storage } = await faulty()
      network.add({ of, act: 'dropAnswer' })
      const body = of.source.includes('PutObject') ? sample(10) : reusing(first(9 * MIB), MIB)
      await expect(storage.put(ids.next(), body)).rejects.toBeInstanceOf(StoreUnavailable)
      expect(fake.uploads.size).toBe(0)
      expect(fake.objects.size).toBe(0)
    },
  )

  test('no room is StoreFull', async () => {
    const { network, storage } = await faulty()
    network.add({ of: /^PUT /, act: { status: 507, code: 'XMinioStorageFull' } })
    for (const body of [sample(10), reusing(first(9 * MIB), MIB)])
      await expect(storage.put(ids.next(), body)).rejects.toBeInstanceOf(StoreFull)
  })

  test('a part that fails ends the put while the body is still coming', async () => {
    const { fake, network, storage } = await faulty()
    network.add({ of: /partNumber=1&/, act: { status: 503, code: 'SlowDown' } })
    async function* endless(): AsyncGenerator<Uint8Array> {
      for (;;) yield first(MIB)
    }
    await expect(storage.put(ids.next(), endless())).rejects.toBeInstanceOf(StoreUnavailable)
    expect([fake.objects.size, fake.uploads.size]).toEqual([0, 0])
  })
})

describe('a shared bucket', () => {
  test('storages with prefixes of their own do not see each other', async () => {
    const fake = await started()
    const [one, other] = [
      await opened(fake, { prefix: 'a/' }),
      await opened(fake, { prefix: 'b/' }),
    ]
    const root = await opened(fake)
    const id = ids.next()
    await one.put(id, sample(1))
    await other.put(id, sample(2))
    expect([...fake.objects.keys()]).toEqual([`a/${id}`, `b/${id}`])
    expect(await list(one)).toEqual([{ id, size: 1 }])
    expect(await list(root)).toEqual([])
    await one.delete([id])
    expect(await traceOf(one, id)).toBe('none')
    expect(await read(await other.get(id))).toHaveLength(2)
  })

  test('a list goes on page after page, from any id on', async () => {
    const fake = await started()
    const storage = await opened(fake, { prefix: 'p/' })
    const all = Array.from({ length: 40 }, () => ids.next())
    for (const id of all) fake.objects.set(`p/${id}`, { bytes: sample(1), etag: '"e"' })
    fake.pageKeys = 7
    expect((await list(storage)).map(({ id }) => id)).toEqual(all)
    expect((await list(storage, all[9])).map(({ id }) => id)).toEqual(all.slice(10))
  })

  test('keys of others are not listed', async () => {
    const fake = await started()
    const storage = await opened(fake, { prefix: 'x-' })
    const id = ids.next()
    for (const key of ['readme', 'x-notes', `x-${id}.bak`, `x-${id}/${id}`, `y-${id}`])
      fake.objects.set(key, { bytes: sample(1), etag: '"e"' })
    await storage.put(id, sample(3))
    expect(await list(storage)).toEqual([{ id, size: 3 }])
  })
})

describe('deleting', () => {
  test('key by key where the service has no other call', async () => {
    const fake = await started()
    const storage = await opened(fake)
    const all = Array.from({ length: 40 }, () => ids.next())
    await Promise.all(all.map((id) => storage.put(id, sample(1))))
    fake.knowsDeleteMany = false
    await storage.delete(all.slice(0, 30))
    await storage.delete(all.slice(30, 39))
    expect([...fake.objects.keys()]).toEqual([all[39]])
    expect(fake.calls.filter((call) => call === 'POST delete')).toHaveLength(1)
  })

  test('a key that the service keeps is an error', async () => {
    const fake = await started()
    const storage = await opened(fake)
    const all = [ids.next(), ids.next(), ids.next()]
    fake.undeletable.add(all[1]!)
    const deleting = storage.delete(all)
    await expect(deleting).rejects.toThrow(`deleting ${all[1]}: AccessDenied`)
  })
})

describe('opening', () => {
  test('ends uploads that are a day old, and leaves all others alone', async () => {
    const fake = await started()
    fake.pageKeys = 7
    const begin = async (key: string, ageMs: number): Promise<void> => {
      const id = `upload-${fake.uploads.size + 100}`
      fake.uploads.set(id, { key, initiated: new Date(NOW - ageMs), parts: new Map() })
    }
    for (let count = 0; count < 20; count += 1) await begin(`p/${ids.next()}`, 2 * DAY_MS)
    const young = `p/${ids.next()}`
    await begin(young, DAY_MS / 2)
    await begin(`q/${ids.next()}`, 2 * DAY_MS)
    await begin('p/film.mp4', 2 * DAY_MS)
    await opened(fake, { prefix: 'p/' })
    const left = [...fake.uploads.values()].map(({ key }) => key)
    expect(left.filter((key) => key.startsWith('p/'))).toEqual([young, 'p/film.mp4'])
    expect(left).toHaveLength(3)
  })

  test.each<[string, Partial<S3Options>, RegExp]>([
    ['another key', { accessKeyId: 'AKIAOTHER' }, /does not know the access key: mend storage.acc/],
    ['no such bucket', { bucket: 'nowhere' }, /the bucket nowhere .* there is no such bucket/],
    ['nobody there', { endpoint: 'http://127.0.0.1:1' }, /nobody listens there/],
    ['a directory bucket', { bucket: 'b--use1-az4--x-s3' }, /directory bucket/],
  ])('is refused in one line that says what to do: %s', async (_, options, line) => {
    const fake = await started()
    const opening = opened(fake, options)
    await expect(opening).rejects.toThrow(line)
    await expect(opening).rejects.toBeInstanceOf(StoreUnavailable)
    await opening.catch((error: Error) => expect(error.message).not.toContain('\n'))
  })

  test.each<[number, string, RegExp]>([
    [301, 'PermanentRedirect', /another region.*mend storage.region/],
    [400, 'AuthorizationHeaderMalformed', /another region/],
    [403, 'SignatureDoesNotMatch', /mend storage.secretAccessKey/],
    [403, 'AccessDenied', /docs\/storage-s3.md/],
    [403, 'RequestTimeTooSkewed', /clock/],
  ])('is refused where the service says %i %s', async (status, code, line) => {
    const fake = await started()
    await using network = await FaultyNetwork.before(fake.endpoint)
    network.add({ of: /./, act: { status, code } })
    await expect(opened(fake, { endpoint: network.endpoint })).rejects.toThrow(line)
  })
})

test('a blob that is gone is missing for ranges too', async () => {
  const storage = await opened(await started())
  await expect(storage.get(ids.next(), { start: 0, end: 5 })).rejects.toBeInstanceOf(BlobMissing)
})
