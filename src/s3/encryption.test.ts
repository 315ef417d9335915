import { beforeEach, describe, expect, test, vi } from 'vitest'
import { MemoryStore } from '../../metadata/memory.ts'
import { MemoryStorage } from '../../storage/memory.ts'
import { underKey } from '../../storage/open.ts'
import type { S3Options } from './context.ts'
import type { EncryptionKeys } from './keyring.ts'
import { brings, bringsForSource, Encrypted, KEYS } from './encryption.fixture.ts'
import { getObjectAttributes } from './object-attributes.ts'
import { bytesOf, CALL } from './s3.fixture.ts'
import { outcome, type Parts } from './uploads.fixture.ts'

const MARK = 'a secret of 20 bytes'
const SHORT = MARK
/** Several segments of 64 KiB, none of them like another. */
const LONG = Array.from({ length: 8000 }, (_, i) => `${MARK} ${i}|`).join('')

const K1 = { ServerSideEncryption: 'aws:kms', SSEKMSKeyId: 'k1' } as const
/** Each way to write, and what reads it. */
const WAYS: Record<string, { write: object; read: object; source: object; shown: object }> = {
  'SSE-C': {
    write: brings('a'),
    read: brings('a'),
    source: bringsForSource('a'),
    shown: { SSECustomerAlgorithm: 'AES256', SSECustomerKeyMD5: brings('a').SSECustomerKeyMD5 },
  },
  'SSE-S3': {
    write: { ServerSideEncryption: 'AES256' },
    read: {},
    source: {},
    shown: { ServerSideEncryption: 'AES256' },
  },
  'SSE-KMS': {
    write: K1,
    read: {},
    source: {},
    shown: { ServerSideEncryption: 'aws:kms', SSEKMSKeyId: 'k1' },
  },
}
const NAMES = Object.keys(WAYS)

let storage: MemoryStorage
let f: Encrypted

async function open(options: Partial<S3Options> = {}, keys: EncryptionKeys = KEYS): Promise<void> {
  storage = new MemoryStorage()
  f = new Encrypted(new MemoryStore(), storage, underKey(storage), options, keys)
  await f.bucket()
}

beforeEach(() => open())

async function partsOf(id: string, bodies: readonly string[], customer: object): Promise<Parts> {
  const parts = []
  for (const [index, body] of bodies.entries()) {
    const { ETag } = await f.part(id, index + 1, body, undefined, customer)
    parts.push({ PartNumber: index + 1, ETag })
  }
  return parts
}

describe.each(NAMES)('%s', (name) => {
  const { write, read, shown } = WAYS[name]!

  test.each([
    ['in its row', SHORT],
    ['in a blob', LONG],
  ])(
    'a body %s is nowhere in clear at rest, and is read as it was written',
    async (_where, body) => {
      expect(await f.put('k', body, write)).toMatchObject(shown)
      expect((await f.atRest()).includes(MARK)).toBe(false)
      expect((await f.blobs()).length).toBe(body === LONG ? 1 : 0)
      const got = await f.get('k', read)
      expect(got).toMatchObject({ ...shown, ContentLength: body.length })
      expect((await bytesOf(got.Body)).toString()).toBe(body)
      expect(await f.head('k', read)).toMatchObject(shown)
    },
  )

  test("nothing of a client's key is kept", async () => {
    const headers = brings('a')
    await f.put('k', LONG, write)
    const rest = await f.atRest()
    for (const text of [headers.SSECustomerKey, headers.SSECustomerKeyMD5])
      for (const form of [Buffer.from(text), Buffer.from(text, 'base64')])
        expect(rest.includes(form)).toBe(false)
  })

  test('ranges are read alone, wherever they begin and end', async () => {
    await f.put('k', LONG, write)
    const get = vi.spyOn(storage, 'get')
    const last = LONG.length - 1
    for (const [start, end] of [
      [0, 0],
      [65_535, 65_536],
      [65_536, 131_071],
      [70_000, 140_001],
      [last, last],
      [1, last],
    ] as const) {
      const got = await f.get('k', { Range: `bytes=${start}-${end}`, ...read })
      expect((await bytesOf(got.Body)).toString()).toBe(LONG.slice(start, end + 1))
    }
    get.mockClear()
    await bytesOf((await f.get('k', { Range: 'bytes=0-9', ...read })).Body)
    const asked = get.mock.calls.map(([, range]) => range!.end - range!.start)
    expect(Math.max(...asked)).toBeLessThan(66_000)
  })

  test('a body of unknown length, and an empty one, come back', async () => {
    await f.put('e', '', write)
    expect(await f.text('e', read)).toBe('')
    expect(await f.head('e', read)).toMatchObject(shown)
  })

  test('parts are encrypted, and completing them moves no byte', async () => {
    const id = await f.begin(write)
    const customer = name === 'SSE-C' ? brings('a') : {}
    const parts = await partsOf(id, ['first ', LONG, SHORT], customer)
    expect((await f.atRest()).includes(MARK)).toBe(false)
    const put = vi.spyOn(storage, 'put')
    expect(await f.complete(id, parts, customer)).toMatchObject(shown)
    expect(put).not.toHaveBeenCalled()
    expect(await f.text('big', read)).toBe(`first ${LONG}${SHORT}`)
    const got = await f.get('big', { Range: 'bytes=3-30', ...read })
    expect((await bytesOf(got.Body)).toString()).toBe(`first ${LONG}`.slice(3, 31))
    expect((await bytesOf((await f.get('big', { PartNumber: 3, ...read })).Body)).toString()).toBe(
      SHORT,
    )
    expect((await f.atRest()).includes(MARK)).toBe(false)
  })

  test('a copy under the same key moves no byte', async () => {
    for (const body of [SHORT, LONG]) {
      await f.put('k', body, write)
      const put = vi.spyOn(storage, 'put')
      expect(await f.copy('b/k', 'c', { ...write, ...WAYS[name]!.source })).toMatchObject(shown)
      expect(put).not.toHaveBeenCalled()
      await f.delete('k')
      expect(await f.text('c', read)).toBe(body)
      put.mockRestore()
    }
  })
})

describe('copies', () => {
  const SOURCES = ['in clear', ...NAMES]
  const CLEAR = { write: {}, read: {}, source: {}, shown: {} }
  const TARGETS: Record<string, { write: object; read: object }> = {
    'in clear': { write: {}, read: {} },
    'SSE-C': { write: brings('b'), read: brings('b') },
    'SSE-S3': WAYS['SSE-S3']!,
    'SSE-KMS': { write: { ...K1, SSEKMSKeyId: 'k2' }, read: {} },
  }

  test.each(SOURCES.flatMap((from) => Object.keys(TARGETS).map((to) => [from, to] as const)))(
    'from %s to %s are read by what the target was given',
    async (from, to) => {
      const source = WAYS[from] ?? CLEAR
      const target = TARGETS[to]!
      for (const body of [SHORT, LONG, '']) {
        await f.put('k', body, source.write)
        await f.copy('b/k', 'c', { ...target.write, ...source.source })
        expect(await f.text('c', target.read)).toBe(body)
        await f.delete('k')
        await f.sweep().run(false)
        const isClear = to === 'in clear' && body !== ''
        expect((await f.atRest()).includes(MARK)).toBe(isClear)
        await f.delete('c')
        await f.sweep().run(false)
      }
    },
  )

  test.each(SOURCES.flatMap((from) => Object.keys(TARGETS).map((to) => [from, to] as const)))(
    'of parts from %s to %s, whole and in ranges',
    async (from, to) => {
      const source = WAYS[from] ?? CLEAR
      const { write, read } = TARGETS[to]!
      const customer = to === 'SSE-C' ? write : {}
      await f.put('k', LONG, source.write)
      await f.put('s', SHORT, source.write)
      const id = await f.begin(write)
      const parts = []
      for (const [number, key, range] of [
        [1, 'k', 'bytes=100-70000'],
        [2, 'k', undefined],
        [3, 's', 'bytes=2-7'],
      ] as const) {
        const more = { ...source.source, ...customer, ...(range && { CopySourceRange: range }) }
        const { CopyPartResult } = await f.copyPart(id, number, `b/${key}`, more)
        parts.push({ PartNumber: number, ETag: CopyPartResult!.ETag! })
      }
      await f.complete(id, parts, customer)
      await f.delete('k')
      await f.delete('s')
      await f.sweep().run(false)
      expect(await f.text('big', read)).toBe(LONG.slice(100, 70_001) + LONG + SHORT.slice(2, 8))
      expect((await f.atRest()).includes(MARK)).toBe(to === 'in clear')
    },
  )

  test('a part that is copied under the same key moves no byte, and its object is copied so again', async () => {
    const customer = brings('a')
    const write = { ...customer, ...bringsForSource('a') }
    await f.put('k', LONG, customer)
    await f.put('l', LONG, customer)
    const id = await f.begin(customer)
    const put = vi.spyOn(storage, 'put')
    const one = await f.copyPart(id, 1, 'b/k', { ...write, CopySourceRange: 'bytes=5-99999' })
    const two = await f.copyPart(id, 2, 'b/l', write)
    expect(put).not.toHaveBeenCalled()
    const own = await f.part(id, 3, SHORT, undefined, customer)
    put.mockClear()
    const etags = [one.CopyPartResult?.ETag, two.CopyPartResult?.ETag, own.ETag]
    await f.complete(
      id,
      etags.map((ETag, index) => ({ PartNumber: index + 1, ETag })),
      customer,
    )
    const text = LONG.slice(5, 100_000) + LONG + SHORT
    expect(await f.text('big', customer)).toBe(text)
    await f.copy('b/big', 'again', write)
    expect(put).not.toHaveBeenCalled()
    for (const key of ['k', 'l', 'big']) await f.delete(key)
    await f.sweep().run(false)
    expect(await f.text('again', customer)).toBe(text)
    // Bytes with two data keys make a part of their own.
    const next = await f.begin(customer)
    const mixed = await f.copyPart(next, 1, 'b/again', {
      ...write,
      CopySourceRange: 'bytes=90000-120000',
    })
    expect(put).toHaveBeenCalledOnce()
    await f.complete(next, [{ PartNumber: 1, ETag: mixed.CopyPartResult!.ETag! }], customer)
    expect(await f.text('big', customer)).toBe(text.slice(90_000, 120_001))
  })

  test('onto itself, to encrypt it, is a change', async () => {
    await f.put('k', LONG)
    await expect(f.copy('b/k', 'k')).rejects.toMatchObject({ code: 'InvalidRequest' })
    await f.copy('b/k', 'k', { ServerSideEncryption: 'AES256' })
    expect(await f.text('k')).toBe(LONG)
    await f.sweep().run(false)
    expect((await f.atRest()).includes(MARK)).toBe(false)
    await f.copy('b/k', 'k', { MetadataDirective: 'REPLACE', ServerSideEncryption: 'AES256' })
    expect(await f.text('k')).toBe(LONG)
  })
})

describe('the wrong key', () => {
  beforeEach(() => f.put('c', LONG, brings('a')))

  test.each<[string, object, string]>([
    ['none', {}, 'InvalidRequest'],
    ['another', brings('b'), 'InvalidRequest'],
  ])('%s: no reader learns anything', async (_what, read, code) => {
    expect(await outcome(f.get('c', read))).toBe(code)
    expect(await outcome(f.head('c', read))).toBe(code)
    const attributes = { Bucket: 'b', Key: 'c', ObjectAttributes: ['ETag' as const], ...read }
    expect(await outcome(getObjectAttributes(f.ctx)(attributes, CALL))).toBe(code)
    expect(await outcome(f.copy('b/c', 'd', bringsForSource('b')))).toBe('InvalidRequest')
    expect(await outcome(f.copy('b/c', 'd'))).toBe('InvalidRequest')
  })

  test('is AccessDenied as AWS has it today', async () => {
    const { metadata } = f.ctx
    const today = new Encrypted(metadata, storage, underKey(storage), { compat: 'aws-2026' })
    expect(await outcome(today.get('c', brings('b')))).toBe('AccessDenied')
    expect(await today.text('c', brings('a'))).toBe(LONG)
  })

  test('for an object that has none is refused, and not taken for nothing', async () => {
    for (const write of [{}, { ServerSideEncryption: 'AES256' }]) {
      await f.put('k', LONG, write)
      expect(await outcome(f.get('k', brings('a')))).toBe('InvalidRequest')
      expect(await outcome(f.copy('b/k', 'd', bringsForSource('a')))).toBe('InvalidRequest')
    }
  })

  test('for the parts of an upload: none, another, or one for an upload without', async () => {
    const id = await f.begin(brings('a'))
    for (const key of [{}, brings('b')]) {
      expect(await outcome(f.part(id, 1, LONG, undefined, key))).toBe('InvalidRequest')
      expect(await outcome(f.copyPart(id, 1, 'b/c', { ...key, ...bringsForSource('a') }))).toBe(
        'InvalidRequest',
      )
    }
    const parts = await partsOf(id, [LONG], brings('a'))
    for (const key of [{}, brings('b')])
      expect(await outcome(f.complete(id, parts, key))).toBe('InvalidRequest')
    const plain = await f.begin()
    expect(await outcome(f.part(plain, 1, LONG, undefined, brings('a')))).toBe('InvalidRequest')
  })
})

test.each<[string, object, string]>([
  ['no algorithm', { ...brings('a'), SSECustomerAlgorithm: undefined }, 'InvalidArgument'],
  [
    'another algorithm',
    { ...brings('a'), SSECustomerAlgorithm: 'AES192' },
    'InvalidEncryptionAlgorithmError',
  ],
  ['no key', { ...brings('a'), SSECustomerKey: undefined }, 'InvalidArgument'],
  [
    'a key of 31 bytes',
    { ...brings('a'), SSECustomerKey: Buffer.alloc(31).toString('base64') },
    'InvalidArgument',
  ],
  [
    'a key that is no Base64',
    { ...brings('a'), SSECustomerKey: '!'.repeat(44) },
    'InvalidArgument',
  ],
  ['no MD5', { ...brings('a'), SSECustomerKeyMD5: undefined }, 'InvalidArgument'],
  [
    "another key's MD5",
    { ...brings('a'), SSECustomerKeyMD5: brings('b').SSECustomerKeyMD5 },
    'InvalidArgument',
  ],
  ['SSE-C and SSE-S3', { ...brings('a'), ServerSideEncryption: 'AES256' }, 'InvalidArgument'],
  ['SSE-C and SSE-KMS', { ...brings('a'), ...K1 }, 'InvalidArgument'],
  ['a KMS key alone', { SSEKMSKeyId: 'k1' }, 'InvalidArgument'],
  [
    'a KMS key for SSE-S3',
    { ServerSideEncryption: 'AES256', SSEKMSKeyId: 'k1' },
    'InvalidArgument',
  ],
  ['no KMS key and no default', { ServerSideEncryption: 'aws:kms' }, 'InvalidArgument'],
  ['two layers', { ServerSideEncryption: 'aws:kms:dsse', SSEKMSKeyId: 'k1' }, 'InvalidArgument'],
  ['a key that is not there', { ...K1, SSEKMSKeyId: 'nobody' }, 'KMS.NotFoundException'],
  ['an ARN that is none', { ...K1, SSEKMSKeyId: 'arn:nobody' }, 'KMS.NotFoundException'],
  [
    'an ARN of no key',
    { ...K1, SSEKMSKeyId: 'arn:aws:kms:x:111111111111:key/no' },
    'KMS.NotFoundException',
  ],
  ['a disabled key', { ...K1, SSEKMSKeyId: 'off' }, 'KMS.DisabledException'],
  ['a key that goes', { ...K1, SSEKMSKeyId: 'dying' }, 'KMS.KMSInvalidStateException'],
  ['a context that is no JSON', { ...K1, SSEKMSEncryptionContext: 'e30' }, 'done'],
  ['a context that is a list', { ...K1, SSEKMSEncryptionContext: 'W10=' }, 'InvalidArgument'],
  ['a context of numbers', { ...K1, SSEKMSEncryptionContext: 'eyJhIjoxfQ==' }, 'InvalidArgument'],
])('an upload with %s: %s', async (_what, write, code) => {
  expect(await outcome(f.put('k', LONG, write))).toBe(code)
  expect(await outcome(f.begin(write))).toBe(code)
  if (code !== 'done') expect(await f.blobs()).toEqual([])
})

describe('the KMS keyring', () => {
  test('names a key by id or ARN, and shows its ARN where it has one', async () => {
    for (const SSEKMSKeyId of ['k2', 'arn:aws:kms:eu-west-1:111111111111:key/k2'])
      expect(await f.put('k', LONG, { ...K1, SSEKMSKeyId, BucketKeyEnabled: true })).toMatchObject({
        SSEKMSKeyId: 'arn:aws:kms:eu-west-1:111111111111:key/k2',
        BucketKeyEnabled: true,
      })
    expect(await f.text('k')).toBe(LONG)
  })

  test('binds what it wraps to the context: in any order of its names, and to no other', async () => {
    const context = (value: object): object => ({
      ...K1,
      SSEKMSEncryptionContext: Buffer.from(JSON.stringify(value)).toString('base64'),
    })
    await f.put('k', LONG, context({ a: '1', b: '2' }))
    expect(await f.text('k')).toBe(LONG)
    const put = vi.spyOn(storage, 'put')
    await f.copy('b/k', 'c', context({ b: '2', a: '1' }))
    expect(put).not.toHaveBeenCalled()
    await f.copy('b/k', 'c', context({ a: '2' }))
    expect(put).toHaveBeenCalledOnce()
    expect(await f.text('c')).toBe(LONG)
  })

  test('a key that is disabled later keeps its objects from being read', async () => {
    await f.put('k', LONG, K1)
    const [first, ...others] = KEYS.kms
    const g = new Encrypted(
      f.ctx.metadata,
      storage,
      underKey(storage),
      {},
      {
        ...KEYS,
        kms: [{ ...first!, state: 'disabled' }, ...others],
      },
    )
    expect(await outcome(g.get('k'))).toBe('KMS.DisabledException')
  })
})

test('a key of ours that was replaced still opens what it wrapped', async () => {
  const old = { ...KEYS, s3: [KEYS.s3[1]!] }
  const g = new Encrypted(f.ctx.metadata, storage, underKey(storage), {}, old)
  await g.put('k', LONG, { ServerSideEncryption: 'AES256' })
  expect(await f.text('k')).toBe(LONG)
  await f.copy('b/k', 'c', { ServerSideEncryption: 'AES256' })
  expect(await f.text('c')).toBe(LONG)
  const id = await f.begin({ ServerSideEncryption: 'AES256' })
  const { CopyPartResult } = await f.copyPart(id, 1, 'b/k')
  await f.complete(id, [{ PartNumber: 1, ETag: CopyPartResult!.ETag! }])
  expect(await f.text('big')).toBe(LONG)
})

test('without a key SSE-S3 is not to be had, and nothing is stored in clear instead', async () => {
  await open({}, { s3: [], kms: [] })
  expect(await outcome(f.put('k', LONG, { ServerSideEncryption: 'AES256' }))).toBe('NotImplemented')
  expect(await f.blobs()).toEqual([])
})

test('readers that choose an encryption are refused', async () => {
  await f.put('k', LONG)
  for (const method of ['AES256', 'aws:kms'])
    expect(await outcome(f.get('k', { ServerSideEncryption: method }))).toBe('InvalidArgument')
  expect(await outcome(f.head('k', { ServerSideEncryption: 'AES256' }))).toBe('InvalidArgument')
})

test('ETags are the MD5 of bytes in clear and under SSE-S3 alone', async () => {
  const plain = (await f.put('k', LONG)).ETag
  expect((await f.put('k', LONG, { ServerSideEncryption: 'AES256' })).ETag).toBe(plain)
  for (const write of [brings('a'), K1]) {
    expect((await f.put('k', LONG, write)).ETag).not.toBe(plain)
  }
  await f.put('k', LONG)
  await f.copy('b/k', 'c', K1)
  expect((await f.head('c')).ETag).not.toBe(plain)
  const id = await f.begin(K1)
  const [first, again, other] = [
    await f.part(id, 1, LONG),
    await f.part(id, 1, LONG),
    await f.part(id, 2, SHORT),
  ]
  expect(again.ETag).toBe(first.ETag)
  expect(first.ETag).toMatch(/^"[0-9a-f]{32}"$/)
  expect([plain, other.ETag]).not.toContain(first.ETag)
})

describe.each(NAMES)('appending, %s', (name) => {
  const { write, read, shown } = WAYS[name]!
  const customer = name === 'SSE-C' ? brings('a') : {}

  test('goes on under the same key, from the row and from blobs', async () => {
    let text = ''
    for (const body of [SHORT, SHORT, LONG, SHORT]) {
      const onto = text === '' ? write : { ...customer, WriteOffsetBytes: text.length }
      expect(await f.put('k', body, onto)).toMatchObject(shown)
      text += body
      expect(await f.text('k', read)).toBe(text)
    }
    const id = await f.begin(write)
    await f.complete(id, await partsOf(id, [LONG, SHORT], customer), customer)
    await f.put('big', SHORT, { ...customer, WriteOffsetBytes: LONG.length + SHORT.length })
    expect(await f.text('big', read)).toBe(LONG + SHORT + SHORT)
    await f.sweep().run(false)
    expect(await f.text('k', read)).toBe(text)
    expect((await f.atRest()).includes(MARK)).toBe(false)
  })

  test('outlives the rewriting of many small pieces', async () => {
    await f.put('k', SHORT, write)
    let text = SHORT
    for (let n = 0; n < 300; n++) {
      await f.put('k', `${MARK}${n}`, { ...customer, WriteOffsetBytes: text.length })
      text += `${MARK}${n}`
    }
    expect(await f.text('k', read)).toBe(text)
    expect((await f.atRest()).includes(MARK)).toBe(false)
  })
})

test('what cannot be appended to is refused: another key, another encryption, parts with their own keys', async () => {
  await f.put('c', SHORT, brings('a'))
  const WriteOffsetBytes = SHORT.length
  for (const key of [{}, brings('b')])
    expect(await outcome(f.put('c', 'x', { ...key, WriteOffsetBytes }))).toBe('InvalidRequest')
  await f.put('k', SHORT)
  const other = { WriteOffsetBytes, ServerSideEncryption: 'AES256' }
  expect(await outcome(f.put('k', 'x', other))).toBe('InvalidRequest')
  expect(await outcome(f.put('k', 'x', { WriteOffsetBytes, ...brings('a') }))).toBe(
    'InvalidRequest',
  )
  await f.put('l', LONG, { ServerSideEncryption: 'AES256' })
  const id = await f.begin({ ServerSideEncryption: 'AES256' })
  const { CopyPartResult } = await f.copyPart(id, 1, 'b/l')
  await f.complete(id, [{ PartNumber: 1, ETag: CopyPartResult!.ETag! }])
  expect(await outcome(f.put('big', 'x', { WriteOffsetBytes: LONG.length }))).toBe('InvalidRequest')
  expect(await f.text('big')).toBe(LONG)
})
