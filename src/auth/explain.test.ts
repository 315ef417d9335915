import { describe, expect, test } from 'vitest'
import { S3Error } from '../api/error.ts'
import { ALICE, authenticator, NOW, request } from './reference.fixture.ts'
import { signRequest } from './sign.ts'

interface Change {
  readonly host?: string
  readonly path?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly removed?: string
  readonly secret?: string
  /** Of the public URL. */
  readonly publicUrl?: string
}

/** What is said to a request that was signed for `signed` and arrives changed. */
function answer(signed: Change, received: Change): S3Error | 'good' {
  const { host = 'h:9000', path = '/b/k', headers = {} } = signed
  const sent: Record<string, string> = signRequest(
    { method: 'GET', path, query: '', headers: { host, ...headers } },
    {
      credential: { ...ALICE, secretAccessKey: signed.secret ?? ALICE.secretAccessKey },
      region: 'us-east-1',
      now: NOW,
    },
  )
  const arrived = Object.entries({
    ...sent,
    ...(received.host && { host: received.host }),
    ...received.headers,
  })
  const asked = request(
    'GET',
    received.path ?? path,
    arrived.filter(([name]) => name !== received.removed),
  )
  try {
    authenticator({ publicUrl: received.publicUrl }).authenticate(asked)
    return 'good'
  } catch (error) {
    if (error instanceof S3Error && error.code === 'SignatureDoesNotMatch') return error
    throw error
  }
}

describe('a signature that does not match says why', () => {
  test.each<[string, Change, Change, string]>([
    [
      'another port',
      { host: 'h' },
      { host: 'h:9000' },
      'the line host: signed was "h", received was "h:9000"; client and gateway disagree about the port',
    ],
    [
      'a replaced host',
      { host: 's3.example.com' },
      { host: 'inside', headers: { 'x-forwarded-host': 's3.example.com' } },
      'the line host: signed was "s3.example.com", received was "inside"; a proxy has replaced',
    ],
    [
      'a path taken off',
      { path: '/s3/b/k' },
      { path: '/b/k', publicUrl: 'http://other/s3/' },
      'good',
    ],
    ['a path added', { path: '/k' }, { path: '/b/k' }, 'the first segment of the path was added'],
    [
      'a slash at the end',
      { path: '/b' },
      { path: '/b/' },
      'the slash at the end of the path was taken off',
    ],
    [
      'dot segments taken out',
      { path: '/b/c' },
      { path: '/b/a/../c' },
      'dot segments were taken out',
    ],
    [
      'slashes run together',
      { path: '/b/c' },
      { path: '/b//c' },
      'slashes of the key were run together',
    ],
    [
      'a key encoded twice',
      { path: '/b/a%2520b' },
      { path: '/b/a%20b' },
      'the key was percent-encoded twice',
    ],
    [
      'a changed header',
      { headers: { 'accept-encoding': 'identity' } },
      { headers: { 'accept-encoding': 'br' } },
      'the line accept-encoding: signed was "identity"',
    ],
    [
      'a header removed',
      { headers: { 'content-type': 'a/b' } },
      { removed: 'content-type' },
      'signed headers are missing (content-type)',
    ],
    ['another secret', { secret: 'of somebody else' }, {}, 'the secret key is another one'],
  ])('%s', (_what, signed, received, words) => {
    const said = answer(signed, received)
    expect(said === 'good' ? 'good' : said.hint).toContain(words)
  })

  test('to the client only where the client has shown that it has the secret', () => {
    const proven = answer({ host: 'h' }, { host: 'h:9000' }) as S3Error
    expect(proven.fields['Hint']).toBe(proven.hint)
    expect(proven.fields['CanonicalRequest']).toContain('host:h:9000')
    expect(proven.fields['StringToSign']).toMatch(/^AWS4-HMAC-SHA256\n/)
    const stranger = answer({ host: 'h', secret: 'guessed' }, { host: 'h:9000' }) as S3Error
    expect(stranger.hint).toBeDefined()
    expect(stranger.fields).not.toHaveProperty('Hint')
  })
})

test('what is signed for the public URL is good, and for no other', () => {
  const publicUrl = 'https://files.example.com/s3/'
  const signed = { host: 'files.example.com', path: '/s3/b/k' }
  const inside = { host: '10.0.0.5:9000', path: '/b/k' }
  expect(answer(signed, { ...inside, publicUrl })).toBe('good')
  expect(answer(signed, inside)).not.toBe('good')
  expect(answer({ ...signed, path: '/s4/b/k' }, { ...inside, publicUrl })).not.toBe('good')
  expect(answer(signed, { ...inside, path: '/b/other', publicUrl })).not.toBe('good')
})
