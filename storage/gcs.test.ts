import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import { generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { BlobDamaged, StoreFull, StoreUnavailable } from '../src/lib/store-error.ts'
import { storageContract } from './contract.ts'
import { type RemoteFake, storageRemoteContract } from './contract-remote.ts'
import { difference, ids, list, MIB, read, reusing, sample } from './contract-samples.ts'
import { FakeGcs } from './gcs.fake.ts'
import type { GcsOptions } from './gcs-client.ts'
import { openGcs } from './gcs.ts'
import { FaultyNetwork } from './remote-faults.fixture.ts'
import type { ObjectStorage } from './store.ts'

async function started(): Promise<FakeGcs> {
  const fake = await new FakeGcs().start()
  onTestFinished(async () => fake[Symbol.asyncDispose]())
  return fake
}

async function opened(fake: FakeGcs, options: Partial<GcsOptions> = {}): Promise<ObjectStorage> {
  const { bucket, endpoint } = fake
  const storage = await openGcs({ bucket, endpoint, maxAttempts: 2, ...options })
  onTestFinished(async () => storage[Symbol.asyncDispose]())
  return storage
}

storageContract('gcs', async () => opened(await started()))

class Watched extends FakeGcs implements RemoteFake {
  keys(): readonly string[] {
    return [...this.objects.keys()].toSorted()
  }

  unfinished(): number {
    return [...this.sessions.values()].filter(({ object }) => object === undefined).length
  }
}

storageRemoteContract('gcs', {
  start: () => new Watched().start(),
  open: (fake, settings) => openGcs({ bucket: (fake as Watched).bucket, ...settings }),
  requests: {
    whole: /^POST .*uploadType=media/,
    part: /^PUT .*upload_id/,
    ending: { of: /^PUT .*upload_id/, skip: 1 },
    get: /^GET .*alt=media/,
  },
})

describe('an upload in chunks', () => {
  const BYTES = sample(18 * MIB + 5)

  test.each([256 * 1024, 3 * MIB])(
    'goes on where the service stopped taking bytes, after %i of them',
    async (takenBytesMax) => {
      const fake = await started()
      fake.takenBytesMax = takenBytesMax
      const storage = await opened(fake)
      const id = ids.next()
      await storage.put(id, reusing(BYTES, MIB))
      expect(difference(await read(await storage.get(id)), BYTES)).toBe('none')
    },
  )

  test('that does not get on is an error, and leaves nothing', async () => {
    const fake = await started()
    fake.takenBytesMax = 0
    const storage = await opened(fake)
    await expect(storage.put(ids.next(), reusing(BYTES, MIB))).rejects.toThrow('no more bytes')
    expect([fake.objects.size, fake.sessions.size]).toEqual([0, 0])
  })

  test('whose beginning the service refuses is an error that keeps nothing of what was sent', async () => {
    const fake = await started()
    await using network = await FaultyNetwork.before(fake.endpoint)
    const storage = await opened(fake, { endpoint: network.endpoint })
    network.add({ of: /uploadType=resumable/, act: { status: 400, code: 'invalid' } })
    const error = await storage
      .put(ids.next(), reusing(BYTES, MIB))
      .catch((caught: unknown) => caught)
    const { config } = (error as { cause: { config: { data: unknown } } }).cause
    expect(config.data).toBe(undefined)
  })

  test('that the service has forgotten is StoreUnavailable', async () => {
    const fake = await started()
    const storage = await opened(fake)
    async function* forgotten(): AsyncGenerator<Uint8Array> {
      yield* reusing(BYTES.subarray(0, 9 * MIB), MIB)
      fake.sessions.clear()
      yield* reusing(BYTES.subarray(9 * MIB), MIB)
    }
    await expect(storage.put(ids.next(), forgotten())).rejects.toBeInstanceOf(StoreUnavailable)
  })
})

test.each([10, 9 * MIB])('a body of %i bytes that arrives damaged is not stored', async (size) => {
  const fake = await started()
  const storage = await opened(fake)
  fake.isDamaging = true
  const putting = storage.put(ids.next(), reusing(sample(size), MIB))
  await expect(putting).rejects.toThrow(/CRC32C/)
  expect(fake.objects.size).toBe(0)
})

type Call = (storage: ObjectStorage) => Promise<unknown>

test.each<[string, RegExp, Call]>([
  [
    'the beginning of an upload',
    /uploadType=resumable/,
    (storage) => storage.put(ids.next(), reusing(sample(9 * MIB), MIB)),
  ],
  ['a delete', /^DELETE /, (storage) => storage.delete([ids.next()])],
  ['a list', /^GET .*delimiter/, (storage) => list(storage)],
])('%s on which nothing moves is given up', async (_, of, call) => {
  const fake = await started()
  await using network = await FaultyNetwork.before(fake.endpoint)
  const storage = await opened(fake, { endpoint: network.endpoint, idleTimeoutMs: 200 })
  network.add({ of, act: { delayMs: 3000 } })
  const begun = Date.now()
  await expect(call(storage)).rejects.toBeInstanceOf(StoreUnavailable)
  expect(Date.now() - begun).toBeLessThan(2500)
})

test('what the service says it has stored is compared', async () => {
  const fake = await started()
  const storage = await opened(fake)
  const place = fake.place.bind(fake)
  fake.place = (name, bytes) => ({ ...place(name, bytes), crc32c: 'AAAAAA==' })
  await expect(storage.put(ids.next(), sample(10))).rejects.toBeInstanceOf(BlobDamaged)
  expect(await list(storage)).toEqual([])
})

test('no room is StoreFull', async () => {
  const fake = await started()
  await using network = await FaultyNetwork.before(fake.endpoint)
  const storage = await opened(fake, { endpoint: network.endpoint })
  network.add({ of: /^(POST|PUT) /, act: { status: 507, code: 'full' } })
  for (const body of [sample(10), reusing(sample(9 * MIB), MIB)])
    await expect(storage.put(ids.next(), body)).rejects.toBeInstanceOf(StoreFull)
})

test('an error keeps neither the body nor the token', async () => {
  const fake = await started()
  const storage = await opened(fake)
  fake.verifyKey = generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey
  const body = sample(8 * MIB)
  const before = process.cpuUsage()
  const error = await storage.put(ids.next(), body).catch((caught: unknown) => caught)
  const { user } = process.cpuUsage(before)
  const { config } = (error as { cause: { config: Record<string, unknown> } }).cause
  expect([config['data'], config['body']]).toEqual([undefined, undefined])
  expect((config['headers'] as Headers).has('authorization')).toBe(false)
  expect(user).toBeLessThan(800_000)
})

describe('opening', () => {
  function fileOf(value: unknown): string {
    const folder = mkdtempSync(join(tmpdir(), 'sluice-gcs-'))
    onTestFinished(() => rmSync(folder, { recursive: true }))
    const file = join(folder, 'credentials.json')
    writeFileSync(file, typeof value === 'string' ? value : JSON.stringify(value))
    return file
  }

  /** A service account whose tokens need nobody else. */
  function serviceAccount(privateKey: string): Record<string, string> {
    return {
      type: 'service_account',
      project_id: 'p',
      private_key_id: 'k',
      private_key: privateKey,
      client_email: 'sluice@p.example',
      client_id: '1',
      universe_domain: 'universe.example',
    }
  }

  const pair = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const pem = pair.privateKey.export({ type: 'pkcs8', format: 'pem' })

  test('the credentials of a file sign each request', async () => {
    const fake = await started()
    fake.verifyKey = pair.publicKey
    const credentialsFile = fileOf(serviceAccount(pem))
    const storage = await opened(fake, { credentialsFile })
    const id = ids.next()
    await storage.put(id, reusing(sample(9 * MIB), MIB))
    expect(difference(await read(await storage.get(id)), sample(9 * MIB))).toBe('none')
    await storage.delete([id])
    expect(await list(storage)).toEqual([])
    const scopes = new Set(fake.claims.map(({ scope }) => scope))
    expect([...scopes]).toEqual(['https://www.googleapis.com/auth/devstorage.read_write'])
  })

  test('whoever gives tokens and does not answer is not waited for', async () => {
    const fake = await started()
    const silent = createServer().listen(0, '127.0.0.1')
    await once(silent, 'listening')
    onTestFinished(() => void silent.close())
    const { port } = silent.address() as AddressInfo
    const credentialsFile = fileOf({
      type: 'external_account',
      audience:
        '//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/p',
      subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
      token_url: `http://127.0.0.1:${port}/token`,
      credential_source: { file: fileOf('a token') },
    })
    const opening = opened(fake, { credentialsFile, idleTimeoutMs: 200 })
    await expect(opening).rejects.toThrow('signing in took longer')
    await expect(opening).rejects.toBeInstanceOf(StoreUnavailable)
  })

  test('credentials of a file are not warned of on the standard error', async () => {
    const fake = await started()
    const warn = vi.spyOn(console, 'warn')
    onTestFinished(() => warn.mockRestore())
    await opened(fake, { credentialsFile: fileOf(serviceAccount(pem)) })
    expect(warn).not.toHaveBeenCalled()
  })

  test('an emulator is reached whatever the environment says, and without a sign-in', async () => {
    const fake = await started()
    vi.stubEnv('STORAGE_EMULATOR_HOST', 'http://127.0.0.1:1')
    vi.stubEnv('GOOGLE_APPLICATION_CREDENTIALS', '/nowhere/key.json')
    onTestFinished(() => void vi.unstubAllEnvs())
    const storage = await opened(fake)
    const id = ids.next()
    await storage.put(id, reusing(sample(9 * MIB), MIB))
    expect((await list(storage)).length).toBe(1)
  })

  test("another address of Google's is signed in to, as Google's own is", async () => {
    const fake = await started()
    vi.stubEnv('GOOGLE_APPLICATION_CREDENTIALS', '/nowhere/key.json')
    onTestFinished(() => void vi.unstubAllEnvs())
    const opening = opened(fake, { endpoint: 'http://storage-mine.p.googleapis.com' })
    await expect(opening).rejects.toThrow(/nowhere/)
  })

  test.each<[string, (fake: FakeGcs) => Partial<GcsOptions>, RegExp]>([
    ['no such bucket', () => ({ bucket: 'nowhere' }), /bucket nowhere .*there is no such bucket/],
    ['nobody there', () => ({ endpoint: 'http://127.0.0.1:1' }), /nobody listens there/],
    ['no credentials', () => ({}), /the credentials are not valid|wants credentials/],
    ['no file', () => ({ credentialsFile: '/nowhere/key.json' }), /mend storage.credentialsFile/],
    ['no JSON', () => ({ credentialsFile: fileOf('{') }), /mend storage.credentialsFile/],
    ['no credentials in it', () => ({ credentialsFile: fileOf({}) }), /mend storage.cred/],
    [
      'no key in it',
      () => ({ credentialsFile: fileOf(serviceAccount('no key')) }),
      /mend storage.credentialsFile/,
    ],
    [
      "another's key",
      () => {
        const other = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey
        const text = other.export({ type: 'pkcs8', format: 'pem' })
        return { credentialsFile: fileOf(serviceAccount(text)) }
      },
      /not valid any more/,
    ],
  ])('is refused in one line that says what to do: %s', async (_, options, line) => {
    const fake = await started()
    fake.verifyKey = pair.publicKey
    if (_ === 'no such bucket') fake.verifyKey = undefined
    const opening = opened(fake, options(fake))
    await expect(opening).rejects.toThrow(line)
    await expect(opening).rejects.toBeInstanceOf(StoreUnavailable)
    await opening.catch((error: Error) => expect(error.message).not.toContain('\n'))
  })

  test('is refused where a permission is lacking, and names it', async () => {
    const fake = await started()
    fake.permissions = ['get', 'list', 'create']
    await expect(opened(fake)).rejects.toThrow(/lack storage\.objects\.delete: see the roles/)
  })

  test('an outage is said as such', async () => {
    const fake = await started()
    await using network = await FaultyNetwork.before(fake.endpoint)
    network.add({ of: /./, act: { status: 503, code: 'backendError' } })
    const opening = opened(fake, { endpoint: network.endpoint })
    await expect(opening).rejects.toBeInstanceOf(StoreUnavailable)
    await expect(opening).rejects.toThrow(/503/)
  })
})
