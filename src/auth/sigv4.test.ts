import { describe, expect, it } from 'vitest'
import {
  ALICE,
  authenticator,
  BOB,
  byHeader,
  NOW,
  recipe,
  refusal,
  request,
  seal,
  SKEW_MAX_MS,
  STAMP,
  withHeaders,
} from './reference.fixture.ts'
import { isoSeconds, stampOf } from './request-time.ts'

const door = authenticator()
const HOST: readonly [string, string] = ['host', '127.0.0.1:9000']
const authorizationOf = (headers = byHeader()): string => headers.header('authorization') ?? ''

describe('a request signed by its Authorization header', () => {
  it('names its signer', () => {
    expect(door.authenticate(byHeader())).toMatchObject({
      requester: { id: 'alice-id', displayName: 'alice' },
      accessKeyId: ALICE.accessKeyId,
      body: { kind: 'unsigned' },
    })
    const { accessKeyId, secretAccessKey } = BOB
    expect(door.authenticate(byHeader({ accessKeyId, secretAccessKey }))?.requester.id).toBe(
      'bob-id',
    )
  })

  it('may write its components in any order, with or without blanks after the commas', () => {
    const [credential, signedHeaders, signature] = authorizationOf()
      .slice('AWS4-HMAC-SHA256 '.length)
      .split(', ')
    for (const text of [
      `${credential},${signedHeaders},${signature}`,
      `${signature} ,  ${signedHeaders} , ${credential}`,
      `  ${signedHeaders},${signature},${credential},`,
    ]) {
      const authorization = `AWS4-HMAC-SHA256 ${text}`
      expect(door.authenticate(withHeaders(byHeader(), { authorization }))).toBeDefined()
    }
  })

  it('joins duplicate headers by a comma and folds the blanks in each', () => {
    const signed = byHeader({
      headers: [HOST, ['x-amz-meta-a', 'one two'], ['x-amz-meta-a', 'three']],
    })
    const sent = request('PUT', '/bucket/key', [
      ...pairs(withHeaders(signed, { 'x-amz-meta-a': undefined }).rawHeaders),
      ['X-Amz-Meta-A', '  one \t  two '],
      ['x-amz-meta-A', 'three'],
    ])
    expect(door.authenticate(sent)).toBeDefined()
  })

  it('may be signed beyond ASCII as the bytes on the wire or as the text they were made from', () => {
    for (const meant of ['grüße', 'voilà']) {
      const signed = byHeader({ headers: [HOST, ['x-amz-meta-a', meant]] })
      expect(door.authenticate(signed)).toBeDefined()
      const asBytes = Buffer.from(meant).toString('latin1')
      expect(door.authenticate(withHeaders(signed, { 'x-amz-meta-a': asBytes }))).toBeDefined()
    }
    const signed = byHeader({ headers: [HOST, ['x-amz-meta-a', 'grüße']] })
    const other = withHeaders(signed, { 'x-amz-meta-a': 'grüsse' })
    expect(refusal(() => door.authenticate(other)).code).toBe('SignatureDoesNotMatch')
  })

  it('may sign an oddly encoded path as S3 encodes it, or as it is sent', () => {
    const canonical = byHeader({ path: '/bucket/a%281%29%20~' })
    expect(door.authenticate({ ...canonical, path: '/bucket/a(1)%20%7e' })).toBeDefined()
    expect(door.authenticate(byHeader({ path: '/bucket/a(1)%20%7e' }))).toBeDefined()
    const bytes = byHeader({ path: '/bucket/(', headers: [HOST, ['x-amz-meta-a', 'ü']] })
    const wire = Buffer.from('ü').toString('latin1')
    expect(door.authenticate(withHeaders(bytes, { 'x-amz-meta-a': wire }))).toBeDefined()
  })

  it('may tell the time by its Date header; x-amz-date goes before', () => {
    const date = 'Fri, 20 Nov 2026 14:00:54'
    for (const zone of ['GMT', '-0000', '+0000']) {
      expect(
        door.authenticate(byHeader({ headers: [HOST, ['Date', `${date} ${zone}`]] })),
      ).toBeDefined()
    }
    const both: readonly (readonly [string, string])[] = [
      HOST,
      ['date', 'Fri, 20 Nov 2020 14:00:54 GMT'],
      ['x-amz-date', STAMP],
    ]
    expect(door.authenticate(byHeader({ headers: both }))).toBeDefined()
  })

  it('says how its body is to be read', () => {
    const hex = 'E3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'
    expect(bodyOf(hex)).toEqual({ kind: 'sha256', hex: hex.toLowerCase() })
    expect(bodyOf('UNSIGNED-PAYLOAD')).toEqual({ kind: 'unsigned' })
    expect(bodyOf('STREAMING-UNSIGNED-PAYLOAD-TRAILER')).toEqual({ kind: 'chunked', trailer: true })
    const signer = expect.objectContaining({ chunk: expect.any(Function) })
    expect(bodyOf('STREAMING-AWS4-HMAC-SHA256-PAYLOAD')).toEqual({
      kind: 'chunked',
      trailer: false,
      signer,
    })
    expect(bodyOf('STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER')).toEqual({
      kind: 'chunked',
      trailer: true,
      signer,
    })
  })

  it('keeps no memory of one request that would let in another', () => {
    const good = byHeader({ headers: [HOST, ['x-amz-meta-a', 'one']] })
    for (let again = 0; again < 3; again++) {
      expect(door.authenticate(good)).toBeDefined()
      for (const changes of [
        { 'x-amz-meta-a': 'two' },
        { host: 'other' },
        { 'x-amz-meta-a': undefined },
      ]) {
        expect(refusal(() => door.authenticate(withHeaders(good, changes))).code).toBe(
          'SignatureDoesNotMatch',
        )
      }
    }
  })
})

describe('a signature that does not match', () => {
  const good = byHeader({ query: 'acl=' })

  it('is told with all that the client needs to compare', () => {
    const { code, status, fields } = refusal(() => door.authenticate({ ...good, method: 'GET' }))
    expect([code, status]).toEqual(['SignatureDoesNotMatch', 403])
    const canonical = `GET\n/bucket/key\nacl=\nhost:127.0.0.1:9000\nx-amz-content-sha256:UNSIGNED-PAYLOAD\nx-amz-date:${STAMP}\n\nhost;x-amz-content-sha256;x-amz-date\nUNSIGNED-PAYLOAD`
    expect(Object.keys(fields)).toEqual([
      'AWSAccessKeyId',
      'StringToSign',
      'SignatureProvided',
      'StringToSignBytes',
      'CanonicalRequest',
      'CanonicalRequestBytes',
    ])
    expect(fields['AWSAccessKeyId']).toBe(ALICE.accessKeyId)
    expect(fields['CanonicalRequest']).toBe(canonical)
    expect(fields['CanonicalRequestBytes']).toMatch(/^47 45 54 0a 2f .* 41 44$/)
    expect(fields['StringToSign']).toMatch(
      /^AWS4-HMAC-SHA256\n20261120T140054Z\n20261120\/us-east-1\/s3\/aws4_request\n[0-9a-f]{64}$/,
    )
    expect(fields['StringToSignBytes']).toMatch(/^41 57 53 34 /)
    expect(fields['SignatureProvided']).toBe(authorizationOf(good).slice(-64))
    expect(JSON.stringify(fields)).not.toContain(ALICE.secretAccessKey)
  })

  it.each([
    ['another path', { path: '/bucket/kez' }],
    ['another query', { query: 'acl=&x=y' }],
    ['no query', { query: '' }],
    ['another method', { method: 'DELETE' }],
  ])('is refused: %s', (_, changes) => {
    expect(refusal(() => door.authenticate({ ...good, ...changes })).code).toBe(
      'SignatureDoesNotMatch',
    )
  })

  it.each([
    ['upper case', (hex: string) => hex.toUpperCase()],
    ['truncated', (hex: string) => hex.slice(0, 32)],
    ['of odd length', (hex: string) => hex.slice(0, 63)],
    ['longer', (hex: string) => `${hex}00`],
    [
      'of a character that is the right byte only modulo 256',
      (hex: string) => String.fromCharCode(hex.charCodeAt(0) + 0x100) + hex.slice(1),
    ],
    ['another', (hex: string) => (hex.startsWith('0') ? '1' : '0') + hex.slice(1)],
    ['another at its end', (hex: string) => hex.slice(0, 63) + (hex.endsWith('0') ? '1' : '0')],
    ['zero', () => '0'.repeat(64)],
  ])('is refused: %s', (_, change) => {
    const text = authorizationOf(good)
    const authorization = text.slice(0, -64) + change(text.slice(-64))
    const { code } = refusal(() => door.authenticate(withHeaders(good, { authorization })))
    expect(code).toBe('SignatureDoesNotMatch')
  })

  it('is refused for a wrong secret and for the secret of another', () => {
    for (const secretAccessKey of ['guess', BOB.secretAccessKey]) {
      expect(refusal(() => door.authenticate(byHeader({ secretAccessKey }))).code).toBe(
        'SignatureDoesNotMatch',
      )
    }
  })
})

describe('an Authorization header is refused', () => {
  it('for an unknown access key, whatever its signature', () => {
    const { code, status, fields } = refusal(() =>
      door.authenticate(byHeader({ accessKeyId: 'NOBODY', secretAccessKey: '' })),
    )
    expect([code, status, fields]).toEqual([
      'InvalidAccessKeyId',
      403,
      { AWSAccessKeyId: 'NOBODY' },
    ])
  })

  it.each([
    ['Credential', 'missing Credential.'],
    ['SignedHeaders', 'missing SignedHeaders.'],
    ['Signature', 'missing Signature.'],
  ])('without %s', (name, fault) => {
    const whole = authorizationOf()
    for (const pattern of [new RegExp(`${name}=[^,]*(, )?`), new RegExp(`(?<=${name}=)[^,]*`)]) {
      const authorization = whole.replace(pattern, '')
      const { code, status, message } = refusal(() =>
        door.authenticate(withHeaders(byHeader(), { authorization })),
      )
      expect([code, status]).toEqual(['AuthorizationHeaderMalformed', 400])
      expect(message).toBe(`The authorization header is malformed; ${fault}`)
    }
  })

  it('where a component is there twice or is none', () => {
    const whole = authorizationOf()
    const [credential, signedHeaders, signature] = whole.slice(17).split(', ')
    for (const again of [credential, signedHeaders, signature]) {
      const authorization = `${whole}, ${again}`
      const { code } = refusal(() => door.authenticate(withHeaders(byHeader(), { authorization })))
      expect(code).toBe('AuthorizationHeaderMalformed')
    }
    for (const more of [', Signature=00', ', Nonsense=1', ', x']) {
      const { code } = refusal(() =>
        door.authenticate(withHeaders(byHeader(), { authorization: whole + more })),
      )
      expect(code).toBe('AuthorizationHeaderMalformed')
    }
  })

  it('where the list of signed headers is none', () => {
    for (const list of ['host;;x-amz-date', ';', 'host;host', `host${';h'.repeat(300)}`]) {
      const authorization = authorizationOf().replace(
        /SignedHeaders=[^,]*/,
        `SignedHeaders=${list}`,
      )
      const { message } = refusal(() =>
        door.authenticate(withHeaders(byHeader(), { authorization })),
      )
      expect(message).toContain('the SignedHeaders component is malformed.')
    }
  })

  it.each([
    ['a malformed date', { date: '2026112' }, 'incorrect date format "2026112"'],
    [
      'another service',
      { service: 'sqs' },
      'incorrect service "sqs". This endpoint belongs to "s3".',
    ],
    ['another terminal', { terminal: 'aws5' }, 'incorrect terminal "aws5"'],
    [
      'another day',
      { date: '20261119' },
      'Invalid credential date "20261119". This date is not the same as X-Amz-Date: "20261120".',
    ],
    ['a missing piece', { terminal: '' }, 'the Credential is mal-formed'],
    ['a piece too many', { terminal: 'aws4_request/' }, 'the Credential is mal-formed'],
    ['an access key with a slash', { accessKeyId: 'a/b' }, 'the Credential is mal-formed'],
    ['an empty access key', { accessKeyId: '' }, 'the Credential is mal-formed'],
  ])('for a credential with %s', (_, changes, fault) => {
    const { code, message } = refusal(() => door.authenticate(byHeader(changes)))
    expect(code).toBe('AuthorizationHeaderMalformed')
    expect(message).toContain(`The authorization header is malformed; ${fault}`)
  })

  it('for another region than the one configured, which it then names', () => {
    const strict = authenticator({ region: 'eu-north-1' })
    expect(strict.authenticate(byHeader({ region: 'eu-north-1' }))).toBeDefined()
    const { code, message, fields } = refusal(() => strict.authenticate(byHeader()))
    expect(code).toBe('AuthorizationHeaderMalformed')
    expect(message).toBe(
      "The authorization header is malformed; the region 'us-east-1' is wrong; expecting 'eu-north-1'",
    )
    expect(fields).toEqual({ Region: 'eu-north-1' })
    expect(door.authenticate(byHeader({ region: 'anywhere' }))).toBeDefined()
  })

  it('where there are two of them', () => {
    const good = byHeader()
    const twice = {
      ...good,
      rawHeaders: [...good.rawHeaders, 'AUTHORIZATION', 'AWS4-HMAC-SHA256 Credential=x'],
    }
    expect(refusal(() => door.authenticate(twice)).code).toBe('InvalidArgument')
  })

  it.each([
    [
      'AWS AKIDEXAMPLE:FWeDfwojDSdS2Ztmpfeubhd9isU=',
      'InvalidRequest',
      'The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.',
    ],
    [
      'AWS HAHAHA',
      'InvalidArgument',
      'AWS authorization header is invalid.  Expected AwsAccessKeyId:signature',
    ],
    ['Bearer abc', 'InvalidArgument', 'Unsupported Authorization Type'],
    ['x', 'InvalidArgument', 'Unsupported Authorization Type'],
    ['AWS4-HMAC-SHA256x Credential=a', 'InvalidArgument', 'Unsupported Authorization Type'],
    ['aws4-hmac-sha256 Credential=a', 'InvalidArgument', 'Unsupported Authorization Type'],
    [
      'AWS4-HMAC-SHA256',
      'AuthorizationHeaderMalformed',
      'The authorization header is malformed; the authorization header requires three components: Credential, SignedHeaders, and Signature.',
    ],
    [
      'AWS4-ECDSA-P256-SHA256 Credential=a',
      'NotImplemented',
      'Signatures of AWS4-ECDSA-P256-SHA256 are not supported. Please use AWS4-HMAC-SHA256.',
    ],
  ])('when it is %j', (authorization, code, message) => {
    const refused = refusal(() => door.authenticate(withHeaders(byHeader(), { authorization })))
    expect([refused.code, refused.message]).toEqual([code, message])
    const echoed = { ArgumentName: 'Authorization', ArgumentValue: authorization }
    expect(refused.fields).toEqual(code === 'InvalidArgument' ? echoed : {})
  })
})

describe('a well-signed request is refused', () => {
  it('when its clock is off by more than the skew allowed, either way', () => {
    for (const off of [-SKEW_MAX_MS - 1000, SKEW_MAX_MS + 1000]) {
      const stamp = stampOf(NOW + off)
      const { code, status, fields } = refusal(() => door.authenticate(byHeader({ stamp })))
      expect([code, status]).toEqual(['RequestTimeTooSkewed', 403])
      expect(fields).toEqual({
        RequestTime: stamp,
        ServerTime: isoSeconds(NOW),
        MaxAllowedSkewMilliseconds: '900000',
      })
    }
    for (const off of [-SKEW_MAX_MS, SKEW_MAX_MS]) {
      expect(door.authenticate(byHeader({ stamp: stampOf(NOW + off) }))).toBeDefined()
    }
  })

  it('once its time is over, though it was good before', () => {
    let now = NOW
    const ageing = authenticator({ clock: { now: () => now } })
    const good = byHeader()
    expect(ageing.authenticate(good)).toBeDefined()
    now += SKEW_MAX_MS + 1
    expect(refusal(() => ageing.authenticate(good)).code).toBe('RequestTimeTooSkewed')
  })

  it('without a date, or with one that is none', () => {
    const undated = seal(recipe({ headers: [HOST, ['x-amz-content-sha256', 'UNSIGNED-PAYLOAD']] }))
    const dated = (...values: string[]): typeof undated =>
      byHeader({ headers: [HOST, ...values.map((value) => ['x-amz-date', value] as const)] })
    for (const bad of [undated, dated('yesterday'), dated(''), dated(STAMP, STAMP)]) {
      const { code, message } = refusal(() => door.authenticate(bad))
      expect(code).toBe('AccessDenied')
      expect(message).toBe('AWS authentication requires a valid Date or x-amz-date header')
    }
  })

  it('when it bears x-amz-* headers that are not signed, or does not sign its host', () => {
    const extra = withHeaders(byHeader(), { 'X-Amz-Acl': 'public-read', 'x-amz-meta-a': '1' })
    const { code, status, message, fields } = refusal(() => door.authenticate(extra))
    expect([code, status]).toEqual(['AccessDenied', 403])
    expect(message).toBe('There were headers present in the request which were not signed')
    expect(fields).toEqual({ HeadersNotSigned: 'x-amz-acl, x-amz-meta-a' })

    const hostless = byHeader({ signed: ['x-amz-content-sha256', 'x-amz-date'] })
    expect(refusal(() => door.authenticate(hostless)).fields).toEqual({ HeadersNotSigned: 'host' })
    const undated = byHeader({ signed: ['host', 'x-amz-content-sha256'] })
    expect(refusal(() => door.authenticate(undated)).fields).toEqual({
      HeadersNotSigned: 'x-amz-date',
    })
    const unhashed = byHeader({ signed: ['host', 'x-amz-date'] })
    expect(refusal(() => door.authenticate(unhashed)).fields).toEqual({
      HeadersNotSigned: 'x-amz-content-sha256',
    })
  })

  it('but may bear headers without a meaning to S3 unsigned', () => {
    const extra = { 'user-agent': 'x', 'x-amzn-trace-id': 'Root=1', 'x-forwarded-for': '::1' }
    expect(door.authenticate(withHeaders(byHeader(), extra))).toBeDefined()
  })

  it('without x-amz-content-sha256', () => {
    const { code, message } = refusal(() =>
      door.authenticate(seal(recipe({ headers: [HOST, ['x-amz-date', STAMP]] }))),
    )
    expect(code).toBe('InvalidRequest')
    expect(message).toBe('Missing required header for this request: x-amz-content-sha256')
  })

  it('when x-amz-content-sha256 is none of the values that it may have', () => {
    for (const payloadHash of [
      '',
      'x',
      'abcd',
      'g'.repeat(64),
      '0'.repeat(63),
      '0'.repeat(65),
      '@'.repeat(64),
      'unsigned-payload',
      'STREAMING-',
      'STREAMING-UNSIGNED-PAYLOAD',
      'UNSIGNED-PAYLOAD,UNSIGNED-PAYLOAD',
    ]) {
      const { code, status, message, fields } = refusal(() =>
        door.authenticate(byHeader({ payloadHash })),
      )
      expect([code, status]).toEqual(['InvalidArgument', 400])
      expect(message).toMatch(
        /^x-amz-content-sha256 must be UNSIGNED-PAYLOAD, .* or a valid sha256 value\.$/,
      )
      expect(fields).toEqual({ ArgumentName: 'x-amz-content-sha256', ArgumentValue: payloadHash })
    }
    for (const tail of ['', '-TRAILER']) {
      const payloadHash = `STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD${tail}`
      const { code, status } = refusal(() => door.authenticate(byHeader({ payloadHash })))
      expect([code, status]).toEqual(['NotImplemented', 501])
    }
  })

  it('when it says x-amz-content-sha256 twice', () => {
    const value = 'UNSIGNED-PAYLOAD'
    const name = 'x-amz-content-sha256'
    const twice = byHeader({ headers: [HOST, [name, value], [name, value]] })
    expect(refusal(() => door.authenticate(twice)).code).toBe('InvalidArgument')
  })
})

function bodyOf(payloadHash: string): unknown {
  return door.authenticate(byHeader({ payloadHash }))?.body
}

function pairs(flat: readonly string[]): (readonly [string, string])[] {
  return flat.flatMap((name, at) => (at % 2 === 0 ? [[name, flat[at + 1] ?? ''] as const] : []))
}
