import { beforeEach, describe, expect, test, vi } from 'vitest'
import type { ServerSideEncryptionRule } from '@aws-sdk/client-s3'
import { MemoryStore } from '../../metadata/memory.ts'
import { MemoryStorage } from '../../storage/memory.ts'
import { underKey } from '../../storage/open.ts'
import {
  deleteBucketEncryption,
  getBucketEncryption,
  putBucketEncryption,
} from './bucket-encryption.ts'
import type { S3Options } from './context.ts'
import { brings, bringsForSource, Encrypted, KEYS } from './encryption.fixture.ts'
import { CALL } from './s3.fixture.ts'
import { updateObjectEncryption } from './update-encryption.ts'
import { outcome } from './uploads.fixture.ts'

const LONG = 'a secret of many bytes, '.repeat(1000)
const ARN = 'arn:aws:kms:eu-west-1:111111111111:key/k2'
let f: Encrypted
let storage: MemoryStorage

async function open(options: Partial<S3Options> = {}, kmsDefault?: string): Promise<void> {
  storage = new MemoryStorage()
  const keys = { ...KEYS, ...(kmsDefault !== undefined && { kmsDefault }) }
  f = new Encrypted(new MemoryStore(), storage, underKey(storage), options, keys)
  await f.bucket()
}

beforeEach(() => open())

const put = (...rules: ServerSideEncryptionRule[]): Promise<unknown> =>
  putBucketEncryption(f.ctx)(
    { Bucket: 'b', ServerSideEncryptionConfiguration: { Rules: rules } },
    CALL,
  )
const get = (): Promise<unknown> => getBucketEncryption(f.ctx)({ Bucket: 'b' }, CALL)
const by = (SSEAlgorithm: string, KMSMasterKeyID?: string): ServerSideEncryptionRule => ({
  ApplyServerSideEncryptionByDefault: {
    SSEAlgorithm: SSEAlgorithm as 'AES256',
    ...(KMSMasterKeyID !== undefined && { KMSMasterKeyID }),
  },
})

test('the default is given back as it was put, until it is deleted', async () => {
  expect(await outcome(get())).toBe('ServerSideEncryptionConfigurationNotFoundError')
  const rule = { ...by('aws:kms', 'k1'), BucketKeyEnabled: true }
  await put(rule)
  expect(await get()).toEqual({ ServerSideEncryptionConfiguration: { Rules: [rule] } })
  await deleteBucketEncryption(f.ctx)({ Bucket: 'b' }, CALL)
  expect(await outcome(get())).toBe('ServerSideEncryptionConfigurationNotFoundError')
})

test.each<[string, ServerSideEncryptionRule[], string]>([
  ['no rule', [], 'MalformedXML'],
  ['two rules', [by('AES256'), by('AES256')], 'MalformedXML'],
  ['an empty rule', [{}], 'MalformedXML'],
  ['an unknown algorithm', [by('aes:kms')], 'MalformedXML'],
  ['two layers', [by('aws:kms:dsse')], 'NotImplemented'],
  ['a KMS key for AES256', [by('AES256', 'k1')], 'InvalidArgument'],
  [
    'an unknown block',
    [{ BlockedEncryptionTypes: { EncryptionType: ['x' as 'NONE'] } }],
    'MalformedXML',
  ],
])('%s is %s', async (_what, rules, code) => {
  expect(await outcome(put(...rules))).toBe(code)
  expect(await outcome(get())).toBe('ServerSideEncryptionConfigurationNotFoundError')
})

describe('uploads that say nothing', () => {
  test('are encrypted by the default: objects, parts, copies', async () => {
    await put({ ...by('aws:kms', 'k2'), BucketKeyEnabled: true })
    const shown = { ServerSideEncryption: 'aws:kms', SSEKMSKeyId: ARN, BucketKeyEnabled: true }
    expect(await f.put('k', LONG)).toMatchObject(shown)
    expect(await f.copy('b/k', 'c')).toMatchObject(shown)
    const id = await f.begin()
    expect(await f.part(id, 1, LONG)).toMatchObject(shown)
    const { ETag } = await f.part(id, 1, LONG)
    expect(await f.complete(id, [{ PartNumber: 1, ETag }])).toMatchObject(shown)
    for (const key of ['k', 'c', 'big']) expect(await f.text(key)).toBe(LONG)
    expect((await f.atRest()).includes('secret')).toBe(false)
  })

  test('what an upload says goes before the default', async () => {
    await put(by('aws:kms', 'k2'))
    expect(await f.put('k', LONG, { ServerSideEncryption: 'AES256' })).toMatchObject({
      ServerSideEncryption: 'AES256',
    })
    expect(await f.put('k', LONG, brings('a'))).not.toHaveProperty('ServerSideEncryption')
    const own = { ServerSideEncryption: 'aws:kms', SSEKMSKeyId: 'k1' }
    expect(await f.put('k', LONG, own)).toMatchObject(own)
    expect(await f.put('k', LONG, { ServerSideEncryption: 'aws:kms' })).toMatchObject({
      SSEKMSKeyId: ARN,
    })
  })

  test('a default key of the gateway stands in where nobody names one', async () => {
    await put(by('aws:kms'))
    expect(await outcome(f.put('k', LONG))).toBe('InvalidArgument')
    await open({}, 'k1')
    await put(by('aws:kms'))
    expect(await f.put('k', LONG)).toMatchObject({ SSEKMSKeyId: 'k1' })
  })

  test('keys of clients can be blocked', async () => {
    await put({ ...by('AES256'), BlockedEncryptionTypes: { EncryptionType: ['SSE-C'] } })
    expect(await outcome(f.put('k', LONG, brings('a')))).toBe('AccessDenied')
    expect(await outcome(f.begin(brings('a')))).toBe('AccessDenied')
    await put({ ...by('AES256'), BlockedEncryptionTypes: { EncryptionType: ['NONE'] } })
    expect(await outcome(f.put('k', LONG, brings('a')))).toBe('done')
  })

  test('as AWS has it today all are encrypted, and keys of clients blocked, unless the bucket says otherwise', async () => {
    await open({ compat: 'aws-2026' })
    expect(await f.put('k', LONG)).toMatchObject({ ServerSideEncryption: 'AES256' })
    expect(await outcome(f.put('k', LONG, brings('a')))).toBe('AccessDenied')
    expect(await get()).toMatchObject({
      ServerSideEncryptionConfiguration: { Rules: [by('AES256')] },
    })
    await put({ BlockedEncryptionTypes: { EncryptionType: ['NONE'] } })
    expect(await outcome(f.put('k', LONG, brings('a')))).toBe('done')
    expect(await f.put('k', LONG)).toMatchObject({ ServerSideEncryption: 'AES256' })
  })
})

describe('UpdateObjectEncryption', () => {
  const update = (
    Key: string,
    KMSKeyArn: string | undefined,
    more: object = {},
  ): Promise<unknown> =>
    updateObjectEncryption(f.ctx)(
      { Bucket: 'b', Key, ObjectEncryption: { SSEKMS: { KMSKeyArn } }, ...more },
      CALL,
    )

  test('puts an object under another key, with all its parts, and moves no byte', async () => {
    const s3 = { ServerSideEncryption: 'AES256' as const }
    for (const [key, body] of [
      ['short', 'secret'],
      ['long', LONG],
    ] as const)
      await f.put(key, body, s3)
    const id = await f.begin(s3)
    const { CopyPartResult } = await f.copyPart(id, 1, 'b/long')
    const { ETag } = await f.part(id, 2, LONG)
    await f.complete(id, [
      { PartNumber: 1, ETag: CopyPartResult!.ETag! },
      { PartNumber: 2, ETag },
    ])
    const call = vi.spyOn(storage, 'put')
    for (const [key, body] of [
      ['short', 'secret'],
      ['long', LONG],
      ['big', LONG + LONG],
    ] as const) {
      const before = await f.head(key)
      expect(await update(key, ARN)).toEqual({})
      const after = await f.head(key)
      expect(after).toEqual({ ...before, ServerSideEncryption: 'aws:kms', SSEKMSKeyId: ARN })
      expect(await f.text(key)).toBe(body)
      expect(await outcome(update(key, 'k1'))).toBe('done')
      expect(await f.text(key)).toBe(body)
    }
    expect(call).not.toHaveBeenCalled()
  })

  test('of a version changes that version alone', async () => {
    await f.bucket('b', 'Enabled')
    const { VersionId } = await f.put('k', LONG, { ServerSideEncryption: 'AES256' })
    await f.put('k', 'secret', { ServerSideEncryption: 'AES256' })
    await update('k', 'k1', { VersionId })
    expect(await f.head('k', { VersionId })).toMatchObject({ SSEKMSKeyId: 'k1' })
    expect(await f.text('k', { VersionId })).toBe(LONG)
    expect(await f.head('k')).toMatchObject({ ServerSideEncryption: 'AES256' })
  })

  test.each<[string, object, string | undefined, string]>([
    ['in clear', {}, 'k1', 'InvalidRequest'],
    ["under a client's key", brings('a'), 'k1', 'InvalidRequest'],
    ['to no key', { ServerSideEncryption: 'AES256' }, undefined, 'MalformedXML'],
    [
      'to a key that is not there',
      { ServerSideEncryption: 'AES256' },
      'nobody',
      'KMS.NotFoundException',
    ],
    ['to a disabled key', { ServerSideEncryption: 'AES256' }, 'off', 'KMS.DisabledException'],
  ])('of an object %s is refused', async (_what, write, key, code) => {
    await f.put('k', LONG, write)
    const before = await f.ctx.metadata.get('b', 'object', 'k')
    expect(await outcome(update('k', key))).toBe(code)
    expect(await f.ctx.metadata.get('b', 'object', 'k')).toEqual(before)
  })
})

test('a source whose bucket has a default is copied by the default of its target', async () => {
  await f.put('k', LONG, brings('a'))
  await put(by('AES256'))
  expect(await f.copy('b/k', 'c', bringsForSource('a'))).toMatchObject({
    ServerSideEncryption: 'AES256',
  })
  expect(await f.text('c')).toBe(LONG)
})
