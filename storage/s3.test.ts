import { describe, expect, onTestFinished, test } from 'vitest'
import { StoreFull, StoreUnavailable } from '../src/lib/store-error.ts'
import { storageContract } from './contract.ts'
import { type RemoteFake, storageRemoteContract } from './contract-remote.ts'
import { difference, ids, MIB, read, reusing, sample } from './contract-samples.ts'
import { FaultyNetwork } from './remote-faults.fixture.ts'
import type { S3Options } from './s3-bucket.ts'
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

class Watched extends FakeS3 implements RemoteFake {
  keys(): readonly string[] {
    return [...this.objects.keys()].toSorted()
  }

  unfinished(): number {
    return this.uploads.size
  }

  place(key: string, bytes: Buffer): void {
    this.objects.set(key, { bytes, etag: `"${this.objects.size}-${bytes[0]}"` })
  }
}

storageRemoteContract('s3', {
  start: () => new Watched().start(),
  open: (fake, settings) =>
    openS3(
      {
        bucket: (fake as Watched).bucket,
        pathStyle: true,
        accessKeyId: FAKE_KEY,
        secretAccessKey: 'a secret of nobody',
        ...settings,
      },
      { now: () => NOW },
    ),
  requests: {
    whole: /^PUT .*PutObject/,
    part: /^PUT .*partNumber=2/,
    ending: { of: /^POST .*uploadId/ },
    get: /^GET .*GetObject/,
  },
})

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

test('no room is StoreFull', async () => {
  const { network, storage } = await faulty()
  network.add({ of: /^PUT /, act: { status: 507, code: 'XMinioStorageFull' } })
  for (const body of [sample(10), reusing(first(9 * MIB), MIB)])
    await expect(storage.put(ids.next(), body)).rejects.toBeInstanceOf(StoreFull)
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
