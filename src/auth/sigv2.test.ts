import { createHmac } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import type { Authenticator, SignedRequest } from './authenticator.ts'
import { ALICE, authenticator, NOW, refusal, request } from './reference.fixture.ts'

const door: Authenticator = authenticator({ allowsVersion2: true })
const DATE = new Date(NOW).toUTCString()
const sign = (text: string, secret = ALICE.secretAccessKey): string =>
  createHmac('sha1', secret).update(text).digest('base64')

const byHeader2 = (
  text: string,
  {
    method = 'GET',
    target = '/b/k',
    headers = [['Date', DATE]] as [string, string][],
    secret = ALICE.secretAccessKey,
  } = {},
): SignedRequest =>
  request(method, target, [
    ['Host', 'h'],
    ...headers,
    ['Authorization', `AWS ${ALICE.accessKeyId}:${sign(text, secret)}`],
  ])

const code = (asked: SignedRequest, of: Authenticator = door): string =>
  refusal(() => of.authenticate(asked)).code

describe('a header of version 2', () => {
  test('may write the resource of a bucket with a slash at its end, as boto does, and of nothing else', () => {
    const of = (target: string, resource: string): SignedRequest =>
      byHeader2(`GET\n\n\n${DATE}\n${resource}`, { target })
    expect(door.authenticate(of('/b', '/b/'))).toBeDefined()
    expect(door.authenticate(of('/b?acl', '/b/?acl'))).toBeDefined()
    expect(code(of('/b/k', '/b/k/'))).toBe('SignatureDoesNotMatch')
    expect(code(of('/b', '/b//'))).toBe('SignatureDoesNotMatch')
  })

  test('names its signer, and is refused where version 2 is off', () => {
    const asked = byHeader2(`GET\n\n\n${DATE}\n/b/k`)
    expect(door.authenticate(asked)).toMatchObject({
      requester: { id: ALICE.userId },
      signatureVersion: 'AWS',
      authType: 'REST-HEADER',
      body: { kind: 'unsigned' },
    })
    expect(code(asked, authenticator())).toBe('InvalidRequest')
  })

  test('covers method, digest, type, date, the headers of S3 and the sub-resources', () => {
    const headers: [string, string][] = [
      ['Content-MD5', 'md5'],
      ['Content-Type', 'text/plain'],
      ['X-Amz-Meta-B', ' two '],
      ['x-amz-meta-a', '1'],
      ['x-amz-meta-a', '2'],
      ['x-amz-date', DATE],
    ]
    const target = '/b/k%20k?uploadId=a%2Fb&partNumber=1&x-id=UploadPart'
    const text = `PUT\nmd5\ntext/plain\n\nx-amz-date:${DATE}\nx-amz-meta-a:1,2\nx-amz-meta-b:two\n/b/k%20k?partNumber=1&uploadId=a/b`
    const asked = byHeader2(text, { method: 'PUT', target, headers })
    expect(door.authenticate(asked)?.requester.id).toBe(ALICE.userId)
    for (const other of [
      { ...asked, method: 'DELETE' },
      { ...asked, path: '/b/other' },
      { ...asked, query: asked.query.replace('partNumber=1', 'partNumber=2') },
      { ...asked, rawHeaders: [...asked.rawHeaders, 'x-amz-acl', 'public-read'] },
      { ...asked, hostedBucket: 'b' },
    ])
      expect(code({ ...other, header: (name) => asked.header(name) })).toBe('SignatureDoesNotMatch')
  })

  test('of a bucket that is a host covers its name, and is no signature of another object', () => {
    const hosted = { ...byHeader2(`GET\n\n\n${DATE}\n/b/b/k`), hostedBucket: 'b' }
    expect(door.authenticate(hosted)?.requester.id).toBe(ALICE.userId)
    const replayed = byHeader2(`GET\n\n\n${DATE}\n/b/b/k`)
    expect(code(replayed)).toBe('SignatureDoesNotMatch')
  })

  test('does not reach parameters that it never knew: anybody could have added them', () => {
    for (const parameter of [
      'retention',
      'legal-hold',
      'encryption',
      'attributes',
      'publicAccessBlock',
    ]) {
      const asked = byHeader2(`GET\n\n\n${DATE}\n/b/k`, { target: `/b/k?${parameter}` })
      expect(code(asked)).toBe('InvalidRequest')
    }
  })

  test.each([
    [
      'with another secret',
      byHeader2(`GET\n\n\n${DATE}\n/b/k`, { secret: 'other' }),
      'SignatureDoesNotMatch',
    ],
    ['without a date', byHeader2('GET\n\n\n\n/b/k', { headers: [] }), 'AccessDenied'],
    [
      'of long ago',
      byHeader2('GET\n\n\nMon, 01 Jan 2024 00:00:00 GMT\n/b/k', {
        headers: [['Date', 'Mon, 01 Jan 2024 00:00:00 GMT']],
      }),
      'RequestTimeTooSkewed',
    ],
    [
      'that is none',
      request('GET', '/b/k', [
        ['Authorization', 'AWS no colon'],
        ['Date', DATE],
      ]),
      'InvalidArgument',
    ],
    [
      'of nobody',
      request('GET', '/b/k', [
        ['Authorization', 'AWS NOBODY:c2ln'],
        ['Date', DATE],
      ]),
      'InvalidAccessKeyId',
    ],
    [
      'cut short',
      request('GET', '/b/k', [
        [
          'Authorization',
          `AWS ${ALICE.accessKeyId}:${sign(`GET\n\n\n${DATE}\n/b/k`).slice(0, 10)}`,
        ],
        ['Date', DATE],
      ]),
      'SignatureDoesNotMatch',
    ],
  ])('%s is refused', (_what, asked, expected) => {
    expect(code(asked)).toBe(expected)
  })
})

describe('a URL of version 2', () => {
  const expires = String(Math.floor(NOW / 1000) + 60)
  const url = (more = '', signed = '', at = expires): SignedRequest =>
    request(
      'GET',
      `/b/k?AWSAccessKeyId=${ALICE.accessKeyId}&Expires=${at}&Signature=${encodeURIComponent(sign(`GET\n\n\n${at}\n${signed}/b/k`))}${more}`,
      [['Host', 'h']],
    )

  test('names its signer until it expires', () => {
    expect(door.authenticate(url())).toMatchObject({ authType: 'REST-QUERY-STRING' })
    expect(code(url(), authenticator())).toBe('InvalidRequest')
    expect(code(url('', '', '1000'))).toBe('AccessDenied')
    expect(code(url('', '', 'soon'))).toBe('AccessDenied')
    expect(code(url('&Expires=99999999999'))).toBe('AccessDenied')
    expect(code(url('&x-amz-acl=public-read'))).toBe('SignatureDoesNotMatch')
    expect(
      door.authenticate(url('&x-amz-acl=public-read', 'x-amz-acl:public-read\n')),
    ).toBeDefined()
  })
})
