/** AWS's published examples: "Example calculations" of signed chunks, without and with a trailer. */
import { hash } from 'node:crypto'
import { expect, it } from 'vitest'
import type { BodyScheme } from './authenticator.ts'
import { createAuthenticator } from './open.ts'
import { anonymousBodyScheme } from './payload-hash.ts'
import { refusal, request } from './reference.fixture.ts'
import { SigV4ChunkSigner } from './sigv4-chunks.ts'
import { deriveSigningKey } from './signing-key.ts'
import { Users } from './users.ts'

const CREDENTIAL = {
  accessKeyId: 'AKIAIOSFODNN7EXAMPLE',
  secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
  userId: 'id',
  displayName: 'name',
}
const door = createAuthenticator({
  users: new Users([CREDENTIAL]),
  region: 'us-east-1',
  clock: { now: () => Date.UTC(2013, 4, 24) },
  skewMaxMs: 0,
})

function example(signature: string, headers: readonly (readonly [string, string])[]): BodyScheme {
  const names = headers.map(([name]) => name.toLowerCase()).sort()
  const authorization = `AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,SignedHeaders=${names.join(';')},Signature=${signature}`
  const sent = [...headers, ['Authorization', authorization] as const]
  const identity = door.authenticate(request('PUT', '/examplebucket/chunkObject.txt', sent))
  if (identity === undefined) throw new Error('not authenticated')
  return identity.body
}

const CHUNKS = [65536, 1024, 0].map((size) => hash('sha256', 'a'.repeat(size)))
const COMMON = [
  ['Host', 's3.amazonaws.com'],
  ['x-amz-date', '20130524T000000Z'],
  ['x-amz-storage-class', 'REDUCED_REDUNDANCY'],
  ['Content-Encoding', 'aws-chunked'],
  ['x-amz-decoded-content-length', '66560'],
] as const

it("signs the chunks of AWS's example as AWS does", () => {
  const body = example('4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9', [
    ...COMMON,
    ['x-amz-content-sha256', 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD'],
    ['Content-Length', '66824'],
  ])
  expect(body).toMatchObject({ kind: 'chunked', trailer: false })
  const { signer } = body as Extract<BodyScheme, { kind: 'chunked' }>
  expect(CHUNKS.map((sha256) => signer?.chunk(sha256))).toEqual([
    'ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648',
    '0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497',
    'b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9',
  ])
})

it("signs the chunks and the trailer of AWS's example with a trailer as AWS does", () => {
  const body = example('106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e', [
    ...COMMON,
    ['x-amz-content-sha256', 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER'],
    ['x-amz-trailer', 'x-amz-checksum-crc32c'],
  ])
  expect(body).toMatchObject({ kind: 'chunked', trailer: true })
  const { signer } = body as Extract<BodyScheme, { kind: 'chunked' }>
  expect(CHUNKS.map((sha256) => signer?.chunk(sha256))).toEqual([
    'b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2',
    '1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7',
    '2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992',
  ])
  expect(signer?.trailer(hash('sha256', 'x-amz-checksum-crc32c:sOO8/Q==\n'))).toBe(
    'd81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435',
  )
})

it('makes each signature depend on those before it', () => {
  const key = deriveSigningKey('secret', '20130524', 'us-east-1')
  const scope = { key, text: '20130524/us-east-1/s3/aws4_request' }
  const chain = (signature: string, ...chunks: string[]): string => {
    const signer = new SigV4ChunkSigner({ scope, stamp: '20130524T000000Z', signature })
    for (const chunk of chunks) signer.chunk(chunk)
    return signer.chunk('')
  }
  const all = [chain('s'), chain('t'), chain('s', 'a'), chain('s', 'a', 'b'), chain('s', 'b', 'a')]
  expect(new Set(all).size).toBe(all.length)
  expect(chain('s', 'a', 'b')).toBe(all[3])
})

it('lets chains that share a key run at the same time', () => {
  const key = deriveSigningKey('secret', '20130524', 'us-east-1')
  const seed = { scope: { key, text: 'x' }, stamp: '20130524T000000Z', signature: 's' }
  const [one, other] = [new SigV4ChunkSigner(seed), new SigV4ChunkSigner(seed)]
  expect([one.chunk('a'), one.chunk('b')]).toEqual([other.chunk('a'), other.chunk('b')])
  const first = one.chunk('c')
  expect(other.trailer('d')).not.toBe(first)
  expect(other.chunk('c')).not.toBe(first)
})

it('trusts no chunk signature of an anonymous request', () => {
  for (const tail of ['', '-TRAILER']) {
    const value = `STREAMING-AWS4-HMAC-SHA256-PAYLOAD${tail}`
    expect(refusal(() => anonymousBodyScheme(value)).code).toBe('AccessDenied')
  }
  expect(anonymousBodyScheme(undefined)).toEqual({ kind: 'unsigned' })
  expect(anonymousBodyScheme('UNSIGNED-PAYLOAD')).toEqual({ kind: 'unsigned' })
  expect(anonymousBodyScheme('STREAMING-UNSIGNED-PAYLOAD-TRAILER')).toEqual({
    kind: 'chunked',
    trailer: true,
  })
  expect(anonymousBodyScheme('A'.repeat(64))).toEqual({ kind: 'sha256', hex: 'a'.repeat(64) })
  expect(refusal(() => anonymousBodyScheme('x')).code).toBe('InvalidArgument')
})
