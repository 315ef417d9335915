/**
 * Every operation, with every way to announce a body, by people who have no business here: a signature that
 * is made up for a key that exists or does not, in the header or in the query, and none at all. All of them are
 * refused before any handler hears of them.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { MODEL } from '../api/model.gen.ts'
import { readShape } from '../api/model.ts'
import type { S3Api } from '../api/operations.ts'
import { Authorizer } from '../auth/authorize.ts'
import { createAuthenticator } from '../auth/open.ts'
import { stampOf } from '../auth/request-time.ts'
import { Users } from '../auth/users.ts'
import { startGate, type TestGate } from './gate.fixture.ts'

const KEY = {
  accessKeyId: 'KNOWNKEY',
  secretAccessKey: 'secret',
  userId: 'owner',
  displayName: 'o',
}
const reached: string[] = []
const stamp = stampOf(Date.now())
let gate: TestGate

beforeAll(async () => {
  const clock = { now: () => Date.now() }
  const api = Object.fromEntries(
    Object.keys(MODEL.operations).map((name) => [
      name,
      async () => {
        reached.push(name)
        return {}
      },
    ]),
  ) as S3Api
  const options = { region: undefined, clock, skewMaxMs: 900_000, allowsVersion2: true }
  gate = await startGate(api, {
    authenticator: createAuthenticator({ users: new Users([KEY]), ...options }),
    authorize: new Authorizer({
      facts: {
        bucket: () => ({ owner: ['owner', 'o'] }),
        policy: async () => undefined,
        object: async () => undefined,
        initiator: async () => undefined,
      },
      clock,
      region: 'r',
      compat: 'aws-2026',
    }),
  })
})
afterAll(() => gate[Symbol.asyncDispose]())

const MODES = [
  'UNSIGNED-PAYLOAD',
  'STREAMING-UNSIGNED-PAYLOAD-TRAILER',
  'STREAMING-AWS4-HMAC-SHA256-PAYLOAD',
  'STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER',
  'STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD',
  'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
  'garbage',
  undefined,
]

const CLAIMS: Readonly<Record<string, (key: string) => { headers?: string; query?: string }>> = {
  'a header': (key) => ({
    headers: `authorization: AWS4-HMAC-SHA256 Credential=${key}/${stamp.slice(0, 8)}/us-east-1/s3/aws4_request, SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature=${'0'.repeat(64)}\r\n`,
  }),
  'a query': (key) => ({
    query: `X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=${key}%2F${stamp.slice(0, 8)}%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=${stamp}&X-Amz-Expires=60&X-Amz-SignedHeaders=host&X-Amz-Signature=${'0'.repeat(64)}`,
  }),
  'version 2': (key) => ({ headers: `authorization: AWS ${key}:c2lnbmF0dXJlIG1hZGUgdXA=\r\n` }),
  nothing: () => ({}),
}

/** What of a request makes it that operation. */
function shapeOf(name: string): { method: string; path: string; query: string; headers: string } {
  const { method, level, word, query, input = '' } = MODEL.operations[name]!
  const { members } = readShape(MODEL.shapes[input] ?? '')
  const required = Object.values(members).filter((member) => member.required)
  const params = required.flatMap(({ place, wire }) => (place === 'query' ? [`${wire}=1`] : []))
  const headers = required.flatMap(({ place, wire }) =>
    place === 'header' ? [`${wire}: b/k\r\n`] : [],
  )
  const path =
    word === undefined ? { root: '/', bucket: '/bucket', key: '/bucket/k' }[level] : `/${word}`
  const all = [...(query === '' ? [] : query.split('&')), ...params]
  return { method, path, query: all.join('&'), headers: headers.join('') }
}

/** Who has no name may be shown an empty list. */
const OPEN = new Set(['ListBuckets nothing'])

describe.each(Object.entries(CLAIMS))('by %s', (claim, make) => {
  test.each(Object.keys(MODEL.operations))('%s', async (name) => {
    const { method, path, query, headers } = shapeOf(name)
    for (const key of claim === 'nothing' ? ['-'] : [KEY.accessKeyId, 'NOBODY']) {
      for (const mode of MODES) {
        const claimed = make(key)
        const whole = [query, claimed.query].filter(Boolean).join('&')
        const hash = mode === undefined ? '' : `x-amz-content-sha256: ${mode}\r\n`
        const date = claim === 'a query' ? '' : `x-amz-date: ${stamp}\r\n`
        const target = whole === '' ? path : `${path}?${whole}`
        const head = `${method} ${target} HTTP/1.1\r\nhost: h\r\n${headers}${hash}${date}${claimed.headers ?? ''}content-length: 5\r\n`
        reached.length = 0
        const { status } = await gate.ask(head, 'hello')
        if (OPEN.has(`${name} ${claim}`)) continue
        expect(reached, `${name} ${mode} ${key}`).toEqual([])
        // 501: a scheme of signatures that is known and not spoken.
        expect([400, 403, 501], `${name} ${mode} ${key}: ${status}`).toContain(status)
      }
    }
  })
})
