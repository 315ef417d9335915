import { createHmac } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import type { Authenticator, FormGrant } from './authenticator.ts'
import { createAuthenticator } from './open.ts'
import { deriveSigningKey } from './signing-key.ts'
import { Users } from './users.ts'

const NOW = Date.UTC(2026, 10, 20, 12)
const SECRET = 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY'
const KEY = 'AKIAIOSFODNN7EXAMPLE'
const CREDENTIAL = `${KEY}/20261120/us-east-1/s3/aws4_request`
const ALICE = { id: 'alice-id', displayName: 'Alice' }

const authenticator = (allowsVersion2 = true): Authenticator =>
  createAuthenticator({
    users: new Users([
      { accessKeyId: KEY, secretAccessKey: SECRET, userId: ALICE.id, displayName: 'Alice' },
    ]),
    region: undefined,
    clock: { now: () => NOW },
    skewMaxMs: 900_000,
    allowsVersion2,
  })

const EXPIRATION = '2026-11-20T12:00:01Z'
const OPEN = [
  { bucket: 'b' },
  ['starts-with', '$key', 'u/'],
  ['starts-with', '$x-amz-credential', ''],
]
const DATED = [
  ...OPEN,
  ['eq', '$x-amz-date', '20261120T115900Z'],
  { 'x-amz-algorithm': 'AWS4-HMAC-SHA256' },
]

function encode(policy: unknown): string {
  return Buffer.from(typeof policy === 'string' ? policy : JSON.stringify(policy)).toString(
    'base64',
  )
}

function form4(
  conditions: unknown,
  more: Record<string, string> = {},
  expiration: unknown = EXPIRATION,
): Record<string, string> {
  const policy = encode({ expiration, conditions })
  const signature = deriveSigningKey(SECRET, '20261120', 'us-east-1').sign(policy)
  return {
    key: 'u/k',
    policy,
    'x-amz-algorithm': 'AWS4-HMAC-SHA256',
    'x-amz-credential': CREDENTIAL,
    'x-amz-date': '20261120T115900Z',
    'x-amz-signature': signature,
    ...more,
  }
}

function form2(policy: string, more: Record<string, string> = {}): Record<string, string> {
  const signature = createHmac('sha1', SECRET).update(policy).digest('base64')
  return { key: 'u/k', policy, awsaccesskeyid: KEY, signature, ...more }
}

function ask(
  fields: Record<string, string>,
  bucket = 'b',
  allowsVersion2 = true,
): FormGrant | undefined {
  return authenticator(allowsVersion2).authenticateForm({
    bucket,
    fields: new Map(Object.entries(fields)),
  })
}

function refusal(fields: Record<string, string>, bucket = 'b'): { code: string; message: string } {
  try {
    ask(fields, bucket)
  } catch (error) {
    const { code, message } = error as { code: string; message: string }
    return { code, message }
  }
  throw new Error('the form was let through')
}

describe('the signature', () => {
  test('of version 4 tells who signed the policy', () => {
    const grant = ask(form4([...DATED, ['content-length-range', 1, '10']]))
    expect(grant).toMatchObject({ identity: { requester: ALICE }, bounds: { min: 1, max: 10 } })
  })

  test('of version 2 does so where that version is spoken, and only there', () => {
    const fields = form2(encode({ expiration: EXPIRATION, conditions: OPEN }))
    expect(ask(fields)).toMatchObject({
      identity: { requester: ALICE },
      bounds: { min: 0, max: Infinity },
    })
    expect(() => ask(fields, 'b', false)).toThrow(/not supported/)
  })

  test('a form with neither policy nor signature is anonymous', () => {
    expect(ask({ key: 'k', acl: 'public-read' })).toBeUndefined()
  })

  test.each<[string, Record<string, string>, string]>([
    [
      'another policy',
      { policy: encode({ expiration: EXPIRATION, conditions: [] }) },
      'SignatureDoesNotMatch',
    ],
    ['another signature', { 'x-amz-signature': '0'.repeat(64) }, 'SignatureDoesNotMatch'],
    ['a short signature', { 'x-amz-signature': '0' }, 'SignatureDoesNotMatch'],
    ['nobody', { 'x-amz-credential': CREDENTIAL.replace(KEY, 'NOBODY') }, 'InvalidAccessKeyId'],
    ['another day', { 'x-amz-date': '20261121T000000Z' }, 'AuthorizationQueryParametersError'],
    ['no algorithm of ours', { 'x-amz-algorithm': 'none' }, 'AuthorizationQueryParametersError'],
    ['an empty signature', { 'x-amz-signature': '' }, 'InvalidArgument'],
  ])('%s is refused', (_what, more, code) => {
    expect(refusal(form4(DATED, more)).code).toBe(code)
  })

  test.each(['policy', 'x-amz-credential', 'x-amz-signature', 'x-amz-algorithm', 'x-amz-date'])(
    'a form without %s is told so',
    (name) => {
      const { [name]: _gone, ...fields } = form4(DATED)
      expect(refusal(fields).message).toMatch(/^Bucket POST must contain a field named '/)
    },
  )

  test('of version 2 a wrong, a cut and a missing signature are refused', () => {
    const fields = form2(encode({ expiration: EXPIRATION, conditions: OPEN }))
    const { signature = '', ...unsigned } = fields
    expect(refusal({ ...fields, signature: signature.slice(4) }).code).toBe('SignatureDoesNotMatch')
    expect(refusal({ ...fields, signature: `AAAA${signature.slice(4)}` }).code).toBe(
      'SignatureDoesNotMatch',
    )
    expect(refusal(unsigned).message).toContain("'Signature'")
    expect(refusal({ ...fields, awsaccesskeyid: 'foo' }).code).toBe('InvalidAccessKeyId')
  })
})

describe('the policy', () => {
  const checked = (conditions: unknown[], more: Record<string, string> = {}, bucket = 'b') =>
    refusal(form4([...DATED, ...conditions], more), bucket)

  test.each<[string, unknown[], Record<string, string>, string]>([
    ['another key', [], { key: 'v/k' }, '["starts-with", "$key", "u/"]'],
    ['another value', [{ acl: 'private' }], { acl: 'public-read' }, '["eq", "$acl", "private"]'],
    [
      'a value in other case',
      [['eq', '$acl', 'Private']],
      { acl: 'private' },
      '["eq", "$acl", "Private"]',
    ],
    ['a field that is missing', [['eq', '$acl', 'private']], {}, '["eq", "$acl", "private"]'],
    [
      'a name without its sign',
      [['eq', 'acl', 'private']],
      { acl: 'private' },
      '["eq", "acl", "private"]',
    ],
    [
      'one type of two',
      [['starts-with', '$Content-Type', 'image/']],
      { 'content-type': 'image/png,text/html' },
      '"$Content-Type"',
    ],
    [
      'sizes that are none',
      [['content-length-range', 'test', '10']],
      {},
      '["content-length-range", "test", "10"]',
    ],
  ])('%s is denied, and the condition named', (_what, conditions, more, words) => {
    const { code, message } = checked(conditions, more)
    expect(code).toBe('AccessDenied')
    expect(message).toContain(`Policy Condition failed: ${words.startsWith('[') ? words : '['}`)
    expect(message).toContain(words)
  })

  test('every field must be covered, the bucket too; what signs and what is to be ignored need not', () => {
    expect(checked([], { 'x-amz-meta-a': '1', acl: 'private' }).message).toBe(
      'Invalid according to Policy: Extra input fields: x-amz-meta-a, acl',
    )
    expect(refusal(form4(DATED.slice(1))).message).toContain('Extra input fields: bucket')
    expect(ask(form4(DATED, { 'x-ignore-a': '1', 'x-amz-checksum-crc32': '' }))).toBeDefined()
  })

  test('is for its bucket, whatever the form says of it', () => {
    expect(refusal(form4(DATED, { bucket: 'b' }), 'c').message).toContain('["eq", "$bucket", "b"]')
  })

  test('names and operators are in any case, ranges narrow each other', () => {
    const conditions = [
      ...DATED,
      { AcL: 'private' },
      ['Starts-With', '$Content-TYPE', ''],
      ['content-length-range', 0, 100],
      ['CONTENT-length-range', 10, 1000],
    ]
    expect(ask(form4(conditions, { acl: 'private', 'content-type': '' }))?.bounds).toEqual({
      min: 10,
      max: 100,
    })
  })

  test('ends at its expiration', () => {
    expect(refusal(form4(DATED, {}, '2026-11-20T12:00:00Z'))).toEqual({
      code: 'AccessDenied',
      message: 'Invalid according to Policy: Policy expired.',
    })
  })

  test.each<[string, unknown]>([
    ['no JSON', '{'],
    ['no UTF-8', Buffer.from([0x22, 0xff, 0x22]).toString('latin1')],
    ['a list', []],
    ['null', 'null'],
    ['no expiration', { conditions: [] }],
    ['a time of another form', { expiration: '2026-11-20 12:00:01+00:00', conditions: [] }],
    ['a time that is none', { expiration: '2026-13-40T12:00:01Z', conditions: [] }],
    ['expiration in other case', { EXPIRATION, conditions: [] }],
    ['no conditions', { expiration: EXPIRATION }],
    ['conditions in other case', { expiration: EXPIRATION, CONDITIONS: [] }],
    ['conditions of another kind', { expiration: EXPIRATION, conditions: {} }],
    ['an empty condition', { expiration: EXPIRATION, conditions: [{}] }],
    ['two in one', { expiration: EXPIRATION, conditions: [{ bucket: 'b', key: 'k' }] }],
    ['a number', { expiration: EXPIRATION, conditions: [1] }],
    ['a value of another kind', { expiration: EXPIRATION, conditions: [{ bucket: 1 }] }],
    [
      'an operator of another kind',
      { expiration: EXPIRATION, conditions: [['ends-with', '$key', 'k']] },
    ],
    ['one size', { expiration: EXPIRATION, conditions: [['content-length-range', 0]] }],
    ['a negative size', { expiration: EXPIRATION, conditions: [['content-length-range', -1, 0]] }],
    [
      'sizes the wrong way round',
      { expiration: EXPIRATION, conditions: [['content-length-range', 2, 1]] },
    ],
  ])('%s is InvalidPolicyDocument', (_what, policy) => {
    const text =
      typeof policy === 'string' && policy.startsWith('"')
        ? Buffer.from(policy, 'latin1').toString('base64')
        : encode(policy)
    expect(refusal(form2(text)).code).toBe('InvalidPolicyDocument')
  })
})
