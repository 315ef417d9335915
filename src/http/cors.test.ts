import { afterEach, describe, expect, test } from 'vitest'
import type { CORSRule } from '@aws-sdk/client-s3'
import { S3Error } from '../api/error.ts'
import { matches } from './cors.ts'
import { fakeS3, SIGNED, startGate, type TestGate } from './gate.fixture.ts'
import type { Answer } from './wire.fixture.ts'

let gate: TestGate | undefined

afterEach(async () => {
  await gate?.[Symbol.asyncDispose]()
  gate = undefined
})

const RULES: readonly CORSRule[] = [
  { AllowedMethods: ['GET', 'HEAD'], AllowedOrigins: ['https://*.example.com'], MaxAgeSeconds: 30 },
  {
    AllowedMethods: ['PUT'],
    AllowedOrigins: ['https://app.test'],
    AllowedHeaders: ['Content-*', 'x-amz-meta-a'],
    ExposeHeaders: ['ETag', 'x-amz-version-id'],
  },
  { AllowedMethods: ['DELETE'], AllowedOrigins: ['*'], AllowedHeaders: ['*'] },
]

async function ask(head: string, headers: Record<string, string>, signed = false): Promise<Answer> {
  gate ??= await startGate(fakeS3(), {
    cors: async (bucket) => {
      if (bucket === 'gone') throw new S3Error('NoSuchBucket')
      return bucket === 'b' ? RULES : undefined
    },
  })
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  return gate.ask(`${head} HTTP/1.1\r\nhost: h\r\n${signed ? SIGNED : ''}${lines.join('')}`)
}

const asks = (origin: string, method: string, headers?: string): Record<string, string> => ({
  origin,
  'access-control-request-method': method,
  ...(headers !== undefined && { 'access-control-request-headers': headers }),
})

describe('a preflight', () => {
  test('is answered without a signature, with what the rule allows', async () => {
    const answer = await ask(
      'OPTIONS /b/k',
      asks('https://app.test', 'PUT', 'content-type, X-Amz-Meta-A'),
    )
    expect(answer).toMatchObject({ status: 200, body: '' })
    expect(answer.headers).toMatchObject({
      'access-control-allow-origin': 'https://app.test',
      'access-control-allow-methods': 'PUT',
      'access-control-allow-headers': 'content-type, x-amz-meta-a',
      'access-control-expose-headers': 'ETag, x-amz-version-id',
      'access-control-allow-credentials': 'true',
      vary: 'Origin, Access-Control-Request-Headers, Access-Control-Request-Method',
    })
    expect(answer.headers).not.toHaveProperty('access-control-max-age')
  })

  test('of a rule for all origins tells no origin and lets no cookies through', async () => {
    const { headers } = await ask('OPTIONS /b', asks('https://evil.test', 'DELETE', 'anything'))
    expect(headers['access-control-allow-origin']).toBe('*')
    expect(headers).not.toHaveProperty('access-control-allow-credentials')
  })

  test.each([
    ['a method that no rule has for the origin', asks('https://app.test', 'GET')],
    ['a header that no rule has', asks('https://app.test', 'PUT', 'content-type, x-amz-acl')],
    ['an origin that only begins alike', asks('https://app.test.evil', 'PUT')],
    ['an origin that only ends alike', asks('https://.example.com.evil', 'GET')],
  ])('%s is AccessForbidden', async (_what, headers) => {
    const answer = await ask('OPTIONS /b/k', headers)
    expect(answer.status).toBe(403)
    expect(answer.body).toContain('<Code>AccessForbidden</Code>')
    expect(answer.body).toContain('<ResourceType>OBJECT</ResourceType>')
    expect(answer.headers).not.toHaveProperty('access-control-allow-origin')
  })

  test.each<[string, string, Record<string, string>, string]>([
    [
      'of no origin',
      'b',
      { 'access-control-request-method': 'GET' },
      'Origin request header needed',
    ],
    ['of no method', 'b', { origin: 'https://a' }, 'Invalid Access-Control-Request-Method: null'],
    ['of no method of S3', 'b', asks('https://a', 'PATCH'), 'Request-Method: PATCH'],
    ['to no bucket', 'gone', asks('https://a', 'GET'), 'CORSResponse: Bucket not found'],
    ['without rules', 'plain', asks('https://a', 'GET'), 'CORS is not enabled for this bucket'],
  ])('%s says what is missing', async (_what, bucket, headers, words) => {
    const answer = await ask(`OPTIONS /${bucket}/k`, headers)
    expect([400, 403]).toContain(answer.status)
    expect(answer.body).toContain(words)
  })
})

describe('an actual answer', () => {
  test('bears the headers where a rule has its origin and method, errors too', async () => {
    for (const [head, signed, status] of [
      ['GET /b/none', true, 404],
      ['GET /b/none', false, 403],
    ] as const) {
      const answer = await ask(head, { origin: 'https://x.example.com' }, signed)
      expect(answer.status).toBe(status)
      expect(answer.headers).toMatchObject({
        'access-control-allow-origin': 'https://x.example.com',
        'access-control-allow-methods': 'GET, HEAD',
        'access-control-max-age': '30',
      })
    }
  })

  test('bears nothing but Vary for an origin that is not let in, and is the same otherwise', async () => {
    const { headers, status } = await ask('GET /b/none', { origin: 'https://evil.test' }, true)
    expect(status).toBe(404)
    expect(headers).not.toHaveProperty('access-control-allow-origin')
    expect(headers['vary']).toContain('Origin')
  })

  test('of a bucket without rules, or without an Origin, bears nothing', async () => {
    for (const [path, headers] of [
      ['/plain/k', { origin: 'https://app.test' }],
      ['/b/k', {}],
      ['/gone/k', { origin: 'https://app.test' }],
    ] as const) {
      const answer = await ask(`GET ${path}`, headers, true)
      expect(answer.headers).not.toHaveProperty('access-control-allow-origin')
      expect(answer.headers).not.toHaveProperty('vary')
    }
  })
})

test.each([
  ['*', '', true],
  ['a*b', 'ab', true],
  ['a*b', 'axxb', true],
  ['aba*ba', 'aba', false],
  ['a*', 'ba', false],
  ['abc', 'abc', true],
  ['abc', 'ABC', false],
])('the pattern %s for %s: %s', (pattern, text, expected) => {
  expect(matches(pattern, text)).toBe(expected)
})
