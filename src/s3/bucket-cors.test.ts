import { beforeEach, expect, test } from 'vitest'
import type { CORSRule } from '@aws-sdk/client-s3'
import { MemoryStore } from '../../metadata/memory.ts'
import { MemoryStorage } from '../../storage/memory.ts'
import { corsRules, deleteBucketCors, getBucketCors, putBucketCors } from './bucket-cors.ts'
import { CALL, Fixture } from './s3.fixture.ts'

const RULE: CORSRule = { AllowedMethods: ['GET'], AllowedOrigins: ['https://*.test'] }
let f: Fixture

beforeEach(async () => {
  f = new Fixture(new MemoryStore(), new MemoryStorage())
  await f.bucket()
})

const put = (rules: CORSRule[] | undefined, more: object = {}): Promise<unknown> =>
  putBucketCors(f.ctx)({ Bucket: 'b', CORSConfiguration: { CORSRules: rules }, ...more }, CALL)
const get = (): Promise<unknown> => getBucketCors(f.ctx)({ Bucket: 'b' }, CALL)

test('rules are given back as they were put, until they are deleted', async () => {
  await expect(get()).rejects.toMatchObject({ code: 'NoSuchCORSConfiguration' })
  const rules = [{ ...RULE, ID: 'one', AllowedHeaders: ['*'], MaxAgeSeconds: 0 }, RULE]
  await put(rules)
  expect(await get()).toEqual({ CORSRules: rules })
  expect(await corsRules(f.ctx)('b')).toEqual(rules)
  await deleteBucketCors(f.ctx)({ Bucket: 'b' }, CALL)
  await expect(get()).rejects.toMatchObject({ code: 'NoSuchCORSConfiguration' })
  expect(await corsRules(f.ctx)('b')).toBeUndefined()
})

test.each<[string, CORSRule[] | undefined, string, string]>([
  ['none', undefined, 'MalformedXML', 'XML'],
  ['no rule', [], 'MalformedXML', 'XML'],
  ['no method', [{ ...RULE, AllowedMethods: undefined }], 'MalformedXML', 'XML'],
  ['no origin', [{ ...RULE, AllowedOrigins: [] }], 'MalformedXML', 'XML'],
  ['101 rules', Array.from({ length: 101 }, () => RULE), 'InvalidRequest', '100 rules'],
  [
    'an unknown method',
    [RULE, { ...RULE, AllowedMethods: ['GET', 'MYMETHOD'] }],
    'InvalidRequest',
    'Found unsupported HTTP method in CORS config. Unsupported method is MYMETHOD',
  ],
  ['two wildcards', [{ ...RULE, AllowedOrigins: ['*.*'] }], 'InvalidRequest', 'one wildcard'],
  ['two in a header', [{ ...RULE, AllowedHeaders: ['x-*-*'] }], 'InvalidRequest', 'one wildcard'],
  ['an exposed wildcard', [{ ...RULE, ExposeHeaders: ['x-*'] }], 'InvalidRequest', 'ExposeHeader'],
  ['a long id', [{ ...RULE, ID: 'x'.repeat(256) }], 'InvalidRequest', '255'],
])('%s is refused, and nothing is stored', async (_what, rules, code, words) => {
  await expect(put(rules)).rejects.toMatchObject({ code, message: expect.stringContaining(words) })
  await expect(get()).rejects.toMatchObject({ code: 'NoSuchCORSConfiguration' })
})

test("another's bucket is left alone", async () => {
  await expect(put([RULE], { ExpectedBucketOwner: 'somebody' })).rejects.toMatchObject({
    code: 'AccessDenied',
  })
})
