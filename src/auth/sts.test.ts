import { createHash, createHmac } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { S3Error } from '../api/error.ts'
import type { SignedRequest } from './authenticator.ts'
import { ALICE, authenticator, BOB, NOW, request, STAMP } from './reference.fixture.ts'
import { signRequest } from './sign.ts'
import { issue, openToken, type TemporaryCredentials } from './temporary.ts'
import { Users } from './users.ts'

const users = new Users([ALICE, BOB])
let now = NOW
const door = authenticator({ users, clock: { now: () => now } })
const codeOf = (act: () => unknown): string => {
  try {
    act()
    return 'done'
  } catch (error) {
    if (error instanceof S3Error) return error.code
    throw error
  }
}

/** A call as botocore signs it: the body's hash in no header. */
function call(
  form: Record<string, string>,
  service = 'sts',
  body = new URLSearchParams(form).toString(),
): [SignedRequest, Uint8Array] {
  const hmac = (key: string | Buffer, text: string): Buffer =>
    createHmac('sha256', key).update(text).digest()
  const sha = (text: string): string => createHash('sha256').update(text).digest('hex')
  const canonical = `POST\n/\n\nhost:h\nx-amz-date:${STAMP}\n\nhost;x-amz-date\n${sha(new URLSearchParams(form).toString())}`
  const scope = `20261120/us-east-1/${service}/aws4_request`
  const key = hmac(
    hmac(hmac(hmac(`AWS4${ALICE.secretAccessKey}`, '20261120'), 'us-east-1'), service),
    'aws4_request',
  )
  const signature = hmac(key, `AWS4-HMAC-SHA256\n${STAMP}\n${scope}\n${sha(canonical)}`).toString(
    'hex',
  )
  const asked = request('POST', '/', [
    ['host', 'h'],
    ['x-amz-date', STAMP],
    [
      'authorization',
      `AWS4-HMAC-SHA256 Credential=${ALICE.accessKeyId}/${scope}, SignedHeaders=host;x-amz-date, Signature=${signature}`,
    ],
  ])
  return [asked, Buffer.from(body)]
}

const ROLE = {
  Action: 'AssumeRole',
  RoleArn: 'arn:aws:iam::123456789012:role/any',
  RoleSessionName: 'job-1',
}
const LIMITS = JSON.stringify({
  Statement: { Effect: 'Allow', Action: 's3:GetObject', Resource: '*' },
})

/** A request of S3 signed with temporary credentials. */
function s3Request({
  accessKeyId,
  secretAccessKey,
  sessionToken,
}: Pick<TemporaryCredentials, 'accessKeyId' | 'secretAccessKey'> & {
  sessionToken?: string
}): SignedRequest {
  const headers: Record<string, string> = { host: 'h' }
  if (sessionToken !== undefined) headers['x-amz-security-token'] = sessionToken
  const sent = signRequest(
    { method: 'GET', path: '/b/k', query: '', headers },
    { credential: { accessKeyId, secretAccessKey }, region: 'us-east-1', now },
  )
  return request('GET', '/b/k', Object.entries(sent))
}

describe('temporary credentials', () => {
  const { credentials } = door.answerSts(...call({ ...ROLE, Policy: LIMITS }))

  test('are their user’s, limited by their policy', () => {
    const identity = door.authenticate(s3Request(credentials))
    expect(identity?.requester.id).toBe(ALICE.userId)
    expect(identity?.user.session).toMatchObject({ name: 'job-1', policies: [{}] })
    expect(identity?.user.isWhole).toBe(false)
    const plain = door.answerSts(...call({ Action: 'GetSessionToken' })).credentials
    expect(door.authenticate(s3Request(plain))?.user.isWhole).toBe(true)
  })

  test('are nothing without their token, with another one, or with one for a lasting key', () => {
    const { accessKeyId, secretAccessKey, sessionToken } = credentials
    // Verified before, so that a kept scope could be taken by mistake.
    expect(door.authenticate(s3Request(credentials))).toBeDefined()
    expect(codeOf(() => door.authenticate(s3Request({ accessKeyId, secretAccessKey })))).toBe(
      'InvalidAccessKeyId',
    )
    const other = door.answerSts(...call(ROLE)).credentials
    const mixed = { accessKeyId, secretAccessKey, sessionToken: other.sessionToken }
    expect(codeOf(() => door.authenticate(s3Request(mixed)))).toBe('InvalidToken')
    expect(codeOf(() => door.authenticate(s3Request({ ...ALICE, sessionToken })))).toBe(
      'InvalidToken',
    )
    expect(
      codeOf(() => door.authenticate(s3Request({ ...credentials, secretAccessKey: 'guessed' }))),
    ).toBe('SignatureDoesNotMatch')
    for (const token of [
      '',
      'x',
      'x.y',
      `${sessionToken}x`,
      sessionToken.slice(1),
      `.${sessionToken}`,
    ]) {
      const said = codeOf(() =>
        door.authenticate(s3Request({ ...credentials, sessionToken: token })),
      )
      expect([token, said]).toEqual([token, token === '' ? 'InvalidAccessKeyId' : 'InvalidToken'])
    }
  })

  test('cannot be widened: what the token says is sealed', () => {
    const [text = '', mark = ''] = credentials.sessionToken.split('.')
    const claims = JSON.parse(Buffer.from(text, 'base64url').toString()) as Record<string, unknown>
    for (const change of [{ s: undefined }, { e: NOW * 2 }, { p: BOB.accessKeyId }]) {
      const forged = Buffer.from(JSON.stringify({ ...claims, ...change })).toString('base64url')
      const sessionToken = `${forged}.${mark}`
      expect(codeOf(() => door.authenticate(s3Request({ ...credentials, sessionToken })))).toBe(
        'InvalidToken',
      )
    }
  })

  test('end at their time, and with the access key that made them', () => {
    now = credentials.expiresMs - 1
    expect(codeOf(() => door.authenticate(s3Request(credentials)))).toBe('done')
    now = credentials.expiresMs
    expect(codeOf(() => door.authenticate(s3Request(credentials)))).toBe('ExpiredToken')
    now = NOW
    users.replace([BOB])
    expect(codeOf(() => door.authenticate(s3Request(credentials)))).toBe('InvalidToken')
    users.replace([{ ...ALICE, secretAccessKey: 'changed' }])
    expect(codeOf(() => door.authenticate(s3Request(credentials)))).toBe('InvalidToken')
    users.replace([ALICE, BOB])
    expect(codeOf(() => door.authenticate(s3Request(credentials)))).toBe('done')
  })
})

test.each<[string, Record<string, string>, string]>([
  ['another action', { Action: 'AssumeRoleWithSAML' }, 'InvalidArgument'],
  ['no session name', { ...ROLE, RoleSessionName: '' }, 'InvalidArgument'],
  ['no role', { ...ROLE, RoleArn: 'x' }, 'InvalidArgument'],
  ['a policy that is none', { ...ROLE, Policy: '{}' }, 'MalformedPolicy'],
  ['a policy that is too long', { ...ROLE, Policy: LIMITS.padEnd(2049) }, 'InvalidArgument'],
  ['too short a time', { ...ROLE, DurationSeconds: '899' }, 'InvalidArgument'],
  ['too long a time', { ...ROLE, DurationSeconds: '43201' }, 'InvalidArgument'],
  ['no number', { ...ROLE, DurationSeconds: '1e4' }, 'InvalidArgument'],
])('a call with %s is refused', (_what, form, expected) => {
  expect(codeOf(() => door.answerSts(...call(form)))).toBe(expected)
})

test('calls are signed for the service, and for their body', () => {
  expect(codeOf(() => door.answerSts(...call(ROLE, 's3')))).toBe('AuthorizationHeaderMalformed')
  expect(codeOf(() => door.answerSts(...call(ROLE, 'sts', 'Action=GetSessionToken')))).toBe(
    'SignatureDoesNotMatch',
  )
  const [asked, body] = call(ROLE)
  expect(codeOf(() => door.answerSts(asked, body))).toBe('done')
  // What is signed for one service is no signature for the other.
  const lasting = request('GET', '/', [])
  expect(codeOf(() => door.answerSts(lasting, body))).toBe('AccessDenied')
})

test('a session makes no sessions', () => {
  const { credentials } = door.answerSts(...call(ROLE))
  const [asked, body] = call(ROLE)
  const withToken = {
    ...asked,
    header: (name: string) =>
      name === 'x-amz-security-token' ? credentials.sessionToken : asked.header(name),
  }
  expect(codeOf(() => door.answerSts(withToken, body))).toBe('AccessDenied')
})

test('tokens of one owner open with no other', () => {
  const alice = users.owner(ALICE.accessKeyId)!
  const settings = { name: 'n', issuedMs: 0, expiresMs: 1, policy: undefined }
  const { sessionToken } = issue(ALICE.accessKeyId, alice, settings)
  expect(openToken(sessionToken, () => alice).owner.user.requester.id).toBe(ALICE.userId)
  expect(codeOf(() => openToken(sessionToken, () => users.owner(BOB.accessKeyId)))).toBe(
    'InvalidToken',
  )
})
