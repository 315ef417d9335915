/** aws4 and the AWS SDK's presigner as oracles: whatever they sign is accepted, however it is sent. */
import { createRequire } from 'node:module'
import { GetObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3'
import { getSignedUrl } from '@aws-sdk/s3-request-presigner'
import * as fc from 'fast-check'
import { expect, it } from 'vitest'
import type { SignedRequest } from './authenticator.ts'
import { percentDecoded } from './canonical.ts'
import { ALICE, authenticator, NOW, refusal, request, STAMP } from './reference.fixture.ts'
import { signRequest } from './sign.ts'

interface Aws4Request {
  readonly service: 's3'
  readonly region: string
  readonly method: string
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly signQuery?: boolean
}
interface Aws4 {
  sign(
    request: Aws4Request,
    credential: { accessKeyId: string; secretAccessKey: string },
  ): { path: string; headers: Record<string, string> }
}
const aws4 = createRequire(import.meta.url)('aws4') as Aws4

const door = authenticator()
const method = fc.constantFrom('GET', 'PUT', 'HEAD', 'DELETE', 'POST')
const region = fc.constantFrom('us-east-1', 'eu-central-1', 'aws-global', 'x')
/** Keys of all sorts; aws4 drops segments that are a single dot. */
const key = fc
  .array(fc.oneof(fc.string({ unit: 'grapheme' }), fc.constantFrom('..', '', '+', '%2F', '~*')), {
    minLength: 1,
    maxLength: 5,
  })
  .map((segments) => segments.filter((segment) => segment !== '.').join('/'))
const parameterName = fc
  .string({ unit: 'grapheme', minLength: 1, maxLength: 12 })
  .filter((name) => !name.startsWith('X-Amz-') && name !== 'Signature' && name !== 'AWSAccessKeyId')
  // aws4 keeps parameters as members of an object and loses this one.
  .filter((name) => name !== '__proto__')
const parameters = fc.uniqueArray(fc.tuple(parameterName, fc.string({ unit: 'grapheme' })), {
  maxLength: 6,
  selector: ([name]) => name,
})
const headers = fc.dictionary(
  fc.stringMatching(/^x-amz-meta-[a-z0-9-]{1,12}$|^content-[a-z]{1,8}$/),
  fc.stringMatching(/^[ -~]{0,40}$/),
  { maxKeys: 6, noNullPrototype: true },
)
const payloadHash = fc.constantFrom('UNSIGNED-PAYLOAD', 'a'.repeat(64))

const strictly = (text: string): string =>
  encodeURIComponent(text).replace(
    /[!'()*]/g,
    (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`,
  )
const pathOf = (name: string): string => `/bucket/${name.split('/').map(strictly).join('/')}`
const queryOf = (pairs: readonly (readonly [string, string])[]): string =>
  pairs.map(([name, value]) => `${strictly(name)}=${strictly(value)}`).join('&')
const target = (path: string, query: string): string => (query === '' ? path : `${path}?${query}`)

const lower = (text: string): string => text.replace(/%../g, (escape) => escape.toLowerCase())

function tampered(signed: SignedRequest): SignedRequest {
  return { ...signed, path: `${signed.path}x` }
}

it('accepts what aws4 signs by header', () => {
  const cases = fc.record({ method, region, key, parameters, headers, payloadHash })
  fc.assert(
    fc.property(cases, ({ key, parameters, headers, payloadHash, ...rest }) => {
      const path = target(pathOf(key), queryOf(parameters))
      const own = {
        Host: '127.0.0.1:9000',
        'X-Amz-Date': STAMP,
        'X-Amz-Content-Sha256': payloadHash,
      }
      const signed = aws4.sign(
        { service: 's3', ...rest, path, headers: { ...headers, ...own } },
        ALICE,
      )
      const sent = request(rest.method, path, Object.entries(signed.headers))
      expect(door.authenticate(sent)?.accessKeyId).toBe(ALICE.accessKeyId)
      expect(refusal(() => door.authenticate(tampered(sent))).code).toBe('SignatureDoesNotMatch')
    }),
    { numRuns: 400 },
  )
})

it('accepts what aws4 presigns', () => {
  fc.assert(
    fc.property(fc.record({ method, region, key, parameters }), ({ key, parameters, ...rest }) => {
      const query = queryOf([...parameters, ['X-Amz-Date', STAMP], ['X-Amz-Expires', '60']])
      const path = target(pathOf(key), query)
      const headers = { Host: 'bucket.example.test:443' }
      const signed = aws4.sign({ service: 's3', ...rest, path, headers, signQuery: true }, ALICE)
      const sent = request(rest.method, signed.path, [['host', headers.Host]])
      expect(door.authenticate(sent)?.body).toEqual({ kind: 'unsigned' })
      expect(refusal(() => door.authenticate(tampered(sent))).code).toBe('SignatureDoesNotMatch')
    }),
    { numRuns: 200 },
  )
})

it('accepts what signRequest signs, sent with its escapes in lower case, unescaped, or in another order', () => {
  const cases = fc.record({ method, region, key, parameters, headers, payloadHash })
  fc.assert(
    fc.property(cases, ({ method, region, key, parameters, headers, payloadHash }) => {
      const path = pathOf(key)
      const query = queryOf(parameters)
      const signed = signRequest(
        { method, path, query, headers: { ...headers, host: 'h:1' }, payloadHash },
        { credential: ALICE, region, now: NOW },
      )
      const sent = Object.entries(signed).toReversed()
      const bare = percentDecoded(path).replaceAll('%', '%25')
      for (const [wirePath, wireQuery] of [
        [path, query],
        [lower(path), query.split('&').toReversed().map(lower).join('&')],
        [bare, query.replaceAll('%2F', '/').replaceAll('%3A', ':')],
      ] as const) {
        const wire = request(method, target('', ''), sent)
        expect(door.authenticate({ ...wire, path: wirePath, query: wireQuery })).toBeDefined()
      }
    }),
    { numRuns: 200 },
  )
})

it('accepts what the AWS SDK for JavaScript presigns', async () => {
  const client = new S3Client({
    endpoint: 'http://127.0.0.1:9000',
    forcePathStyle: true,
    region: 'us-east-1',
    credentials: ALICE,
  })
  const options = { expiresIn: 604_800, signingDate: new Date(NOW) }
  const input = { Bucket: 'b', Key: 'ä/../ö +(1)', Metadata: { a: 'b' }, ContentType: 'text/plain' }
  for (const [method, url] of [
    ['GET', await getSignedUrl(client, new GetObjectCommand(input), options)],
    ['PUT', await getSignedUrl(client, new PutObjectCommand(input), options)],
  ] as const) {
    const wire = url.slice('http://127.0.0.1:9000'.length)
    const sent = request(method, wire, [['Host', '127.0.0.1:9000']])
    expect(door.authenticate(sent)?.body).toEqual({ kind: 'unsigned' })
    expect(refusal(() => door.authenticate(tampered(sent))).code).toBe('SignatureDoesNotMatch')
  }
})
