import { describe, expect, it } from 'vitest'
import type { SignedRequest } from './authenticator.ts'
import {
  ALICE,
  authenticator,
  byHeader,
  byQuery,
  NOW,
  refusal,
  request,
  SKEW_MAX_MS,
  STAMP,
  withHeaders,
} from './reference.fixture.ts'
import { isoSeconds, stampOf } from './request-time.ts'

const door = authenticator()
const HOST: readonly [string, string] = ['host', '127.0.0.1:9000']
const SHA = 'x-amz-content-sha256'

const withQuery = (from: SignedRequest, change: (query: string) => string): SignedRequest => ({
  ...from,
  query: change(from.query),
})
const codeOf = (sent: SignedRequest): string => refusal(() => door.authenticate(sent)).code

const bodyOf = (sent: SignedRequest): unknown => door.authenticate(sent)?.body
const anonymous = (target: string, ...headers: [string, string][]): SignedRequest =>
  request('PUT', target, [HOST, ...headers])
const ofAlgorithm = (name: string): SignedRequest =>
  withQuery(byQuery(), (query) => query.replace('AWS4-HMAC-SHA256', name))

describe('a presigned URL', () => {
  it.each(['GET', 'PUT', 'HEAD', 'DELETE', 'POST'])('names its signer: %s', (method) => {
    expect(door.authenticate(byQuery({ method, query: 'versionId=null' }))).toMatchObject({
      requester: { id: 'alice-id', displayName: 'alice' },
      accessKeyId: ALICE.accessKeyId,
      body: { kind: 'unsigned' },
    })
  })

  it('is good for one method, path, query and host alone', () => {
    const good = byQuery({ query: 'a=b' })
    expect(codeOf({ ...good, method: 'DELETE' })).toBe('SignatureDoesNotMatch')
    expect(codeOf({ ...good, path: '/bucket/other' })).toBe('SignatureDoesNotMatch')
    expect(codeOf(withHeaders(good, { host: 'other' }))).toBe('SignatureDoesNotMatch')
    expect(codeOf(withQuery(good, (query) => `${query}&acl`))).toBe('SignatureDoesNotMatch')
    expect(codeOf(withQuery(good, (query) => query.replace('a=b', 'a=c')))).toBe(
      'SignatureDoesNotMatch',
    )
    expect(codeOf(withQuery(good, (query) => query.replace('=3600', '=3601')))).toBe(
      'SignatureDoesNotMatch',
    )
  })

  it('lives as long as it says, up to seven days, and not a second more', () => {
    let now = NOW
    const ageing = authenticator({ clock: { now: () => now } })
    for (const expires of ['1', '604800']) {
      const good = byQuery({ expires })
      const ends = NOW + Number(expires) * 1000
      now = ends
      expect(ageing.authenticate(good)).toBeDefined()
      now = ends + 1
      const { code, status, message, fields } = refusal(() => ageing.authenticate(good))
      expect([code, status, message]).toEqual(['AccessDenied', 403, 'Request has expired'])
      expect(fields).toEqual({
        'X-Amz-Expires': expires,
        Expires: isoSeconds(ends),
        ServerTime: isoSeconds(now),
      })
    }
  })

  it('is not good before its time, save for the skew allowed', () => {
    expect(door.authenticate(byQuery({ stamp: stampOf(NOW + SKEW_MAX_MS) }))).toBeDefined()
    const early = byQuery({ stamp: stampOf(NOW + SKEW_MAX_MS + 1000) })
    const { code, message } = refusal(() => door.authenticate(early))
    expect([code, message]).toEqual(['AccessDenied', 'Request is not valid yet'])
  })

  it.each([
    [
      '604801',
      'AccessDenied',
      'X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than 604800 seconds',
    ],
    ['-7', 'AccessDenied', 'X-Amz-Expires must be non-negative'],
    ['0', 'AccessDenied', 'Request has expired'],
    ['1h', 'AuthorizationQueryParametersError', 'X-Amz-Expires should be a number'],
    ['1e3', 'AuthorizationQueryParametersError', 'X-Amz-Expires should be a number'],
    [
      '',
      'AuthorizationQueryParametersError',
      'Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.',
    ],
  ])('may not live for %j seconds', (expires, code, message) => {
    const refused = refusal(() => door.authenticate(byQuery({ expires })))
    expect([refused.code, refused.message]).toEqual([code, message])
  })

  it.each(['Algorithm', 'Credential', 'Date', 'Expires', 'SignedHeaders', 'Signature'])(
    'needs X-Amz-%s, once',
    (name) => {
      const good = byQuery()
      const found = new RegExp(`X-Amz-${name}=[^&]*`).exec(good.query)?.[0] ?? ''
      expect(codeOf(withQuery(good, (query) => query.replace(found, 'y=z')))).toBe(
        'AuthorizationQueryParametersError',
      )
      for (const again of [found, found.replace('-', '%2D'), found.toLowerCase()]) {
        expect(codeOf(withQuery(good, (query) => `${query}&${again}`))).toBe(
          'AuthorizationQueryParametersError',
        )
      }
    },
  )

  it.each([
    [
      'a malformed date',
      { date: '2026112x' },
      'Error parsing the X-Amz-Credential parameter; incorrect date format "2026112x"',
    ],
    [
      'another service',
      { service: 'sqs' },
      'Error parsing the X-Amz-Credential parameter; incorrect service "sqs"',
    ],
    [
      'another terminal',
      { terminal: 'aws5' },
      'Error parsing the X-Amz-Credential parameter; incorrect terminal "aws5"',
    ],
    [
      'another day',
      { date: '20261119' },
      'Invalid credential date "20261119". This date is not the same as X-Amz-Date: "20261120".',
    ],
    [
      'a missing piece',
      { terminal: '' },
      'Error parsing the X-Amz-Credential parameter; the Credential is mal-formed',
    ],
    [
      'another form of time',
      { stamp: '20261120140054' },
      'X-Amz-Date must be in the ISO8601 Long Format',
    ],
    [
      'a list of headers that is none',
      { signed: ['host', ''] },
      'Query-string authentication version 4 requires',
    ],
  ])('is refused with %s', (_, changes, fault) => {
    const { code, message } = refusal(() => door.authenticate(byQuery(changes)))
    expect(code).toBe('AuthorizationQueryParametersError')
    expect(message).toContain(fault)
  })

  it('is refused for another region than the one configured', () => {
    const { fields, message } = refusal(() =>
      authenticator({ region: 'r' }).authenticate(byQuery()),
    )
    expect(fields).toEqual({ Region: 'r' })
    expect(message).toContain("the region 'us-east-1' is wrong; expecting 'r'")
  })

  it('is refused for an unknown access key, and with another algorithm', () => {
    expect(codeOf(byQuery({ accessKeyId: 'NOBODY' }))).toBe('InvalidAccessKeyId')
    expect(codeOf(ofAlgorithm('AWS4-HMAC-SHA1'))).toBe('AuthorizationQueryParametersError')
    expect(codeOf(ofAlgorithm('AWS4-ECDSA-P256-SHA256'))).toBe('NotImplemented')
  })

  it.each([
    ['truncated', (hex: string) => hex.slice(0, 62)],
    ['of odd length', (hex: string) => hex.slice(0, 63)],
    ['upper case', (hex: string) => hex.toUpperCase()],
  ])('is refused with a signature that is %s', (_, change) => {
    const bad = withQuery(byQuery(), (query) => query.slice(0, -64) + change(query.slice(-64)))
    expect(codeOf(bad)).toBe('SignatureDoesNotMatch')
  })

  it('may not be given x-amz-* headers that it does not sign, and signs its host', () => {
    const extra = withHeaders(byQuery(), { 'X-Amz-Acl': 'public-read' })
    const { code, fields } = refusal(() => door.authenticate(extra))
    expect([code, fields]).toEqual(['AccessDenied', { HeadersNotSigned: 'x-amz-acl' }])
    const hostless = byQuery({ headers: [HOST, ['x-amz-acl', 'private']], signed: ['x-amz-acl'] })
    expect(refusal(() => door.authenticate(hostless)).fields).toEqual({ HeadersNotSigned: 'host' })
    const signed = byQuery({ headers: [HOST, ['x-amz-acl', 'private']] })
    expect(door.authenticate(signed)).toBeDefined()
    expect(codeOf(withHeaders(signed, { 'x-amz-acl': 'public-read' }))).toBe(
      'SignatureDoesNotMatch',
    )
  })
})

describe('the body of a presigned request', () => {
  const hex = 'b'.repeat(64)

  it('has the hash that was signed, in a header or in the query', () => {
    const header = byQuery({ headers: [HOST, [SHA, hex]], payloadHash: hex })
    expect(bodyOf(header)).toEqual({ kind: 'sha256', hex })
    const query = byQuery({ query: `X-Amz-Content-Sha256=${hex}`, payloadHash: hex })
    expect(bodyOf(query)).toEqual({ kind: 'sha256', hex })
    const freed = withHeaders(query, { [SHA]: 'UNSIGNED-PAYLOAD' })
    expect(bodyOf(freed)).toEqual({ kind: 'sha256', hex })
    expect(codeOf(withHeaders(header, { [SHA]: 'UNSIGNED-PAYLOAD' }))).toBe('SignatureDoesNotMatch')
  })

  it('may be framed or hashed by an unsigned header where no hash was signed', () => {
    for (const good of [byQuery(), byQuery({ query: 'X-Amz-Content-Sha256=UNSIGNED-PAYLOAD' })]) {
      const framed = (value: string): unknown => bodyOf(withHeaders(good, { [SHA]: value }))
      expect(framed('STREAMING-UNSIGNED-PAYLOAD-TRAILER')).toEqual({
        kind: 'chunked',
        trailer: true,
      })
      expect(framed('STREAMING-AWS4-HMAC-SHA256-PAYLOAD')).toMatchObject({
        kind: 'chunked',
        trailer: false,
        signer: {},
      })
      expect(framed(hex)).toEqual({ kind: 'sha256', hex })
      expect(codeOf(withHeaders(good, { [SHA]: 'nonsense' }))).toBe('InvalidArgument')
    }
  })

  it('is framed as signed where the framing was signed', () => {
    const payloadHash = 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER'
    const good = byQuery({ headers: [HOST, [SHA, payloadHash]], payloadHash })
    expect(bodyOf(good)).toMatchObject({ kind: 'chunked', trailer: true, signer: {} })
  })
})

describe('the door', () => {
  it('takes a request without any authentication for anonymous, whatever it says of its body', () => {
    expect(door.authenticate(anonymous('/b/k'))).toBeUndefined()
    expect(door.authenticate(anonymous('/b/k?x-id=PutObject&Expires=1'))).toBeUndefined()
    expect(door.authenticate(anonymous('/b/k', ['authorization', '']))).toBeUndefined()
    for (const value of ['STREAMING-AWS4-HMAC-SHA256-PAYLOAD', 'UNSIGNED-PAYLOAD', 'x']) {
      expect(door.authenticate(anonymous('/b/k', [SHA, value]))).toBeUndefined()
    }
  })

  it('takes no part of a key or of a value for authentication', () => {
    expect(door.authenticate(anonymous('/b/X-Amz-Signature=1?a=X-Amz-Signature'))).toBeUndefined()
    expect(door.authenticate(anonymous('/b/k?xSignature=1&Signatures=2'))).toBeUndefined()
  })

  it('refuses two mechanisms at once', () => {
    const authorization = byHeader().header('authorization') ?? ''
    for (const sent of [
      withHeaders(byQuery(), { authorization }),
      withHeaders(anonymous('/b/k?X-Amz-Algorithm=AWS4-HMAC-SHA256'), { authorization }),
      withHeaders(anonymous('/b/k?a=b&Signature=x'), { authorization }),
    ]) {
      const { code, message, fields } = refusal(() => door.authenticate(sent))
      expect(code).toBe('InvalidArgument')
      expect(message).toBe(
        'Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string parameter or the Authorization header should be specified',
      )
      expect(fields).toEqual({ ArgumentName: 'Authorization', ArgumentValue: authorization })
    }
  })

  it('speaks no Signature Version 2', () => {
    const whole = anonymous('/b/k?AWSAccessKeyId=A&Expires=1&Signature=x%3D')
    const { code, message } = refusal(() => door.authenticate(whole))
    expect(code).toBe('InvalidRequest')
    expect(message).toContain('Please use AWS4-HMAC-SHA256.')
    for (const query of [
      'Signature=x',
      'AWSAccessKeyId=A&Expires=1',
      'AWSAccessKeyId=A&Signature=',
    ]) {
      expect(codeOf(anonymous(`/b/k?${query}`))).toBe('AccessDenied')
    }
  })

  it('takes any single sign of a presigned URL for one', () => {
    for (const query of ['X-Amz-Algorithm', 'X-Amz-Signature=x', `a=b&X-Amz-Credential=${STAMP}`]) {
      expect(codeOf(anonymous(`/b/k?${query}`))).toBe('AuthorizationQueryParametersError')
    }
  })
})
