import { expect, it } from 'vitest'
import { BoundedMap } from '../lib/bounded-map.ts'
import { Keyring } from './credentials.ts'
import {
  ALICE,
  authenticator,
  BOB,
  byHeader,
  NOW,
  refusal,
  withHeaders,
} from './reference.fixture.ts'
import { HEADER_WORDING } from './refusal.ts'
import { parseRequestTime, parseStamp, stampOf } from './request-time.ts'
import { HeaderList } from './signed-headers.ts'
import { Trust } from './trust.ts'
import { Users } from './users.ts'

const start =
  (...accessKeyIds: string[]) =>
  (): unknown =>
    new Users(accessKeyIds.map((accessKeyId) => ({ ...ALICE, accessKeyId })))

it('an access key that is given twice, empty, or not to be told from the rest of a header is refused at the start', () => {
  expect(start('A', 'B')).not.toThrow()
  expect(start('A', 'B', 'A')).toThrow('the access key A is given twice')
  for (const bad of ['a/b', '', 'a,b', 'a=b', 'a b', 'ä', 'a'.repeat(129)]) {
    expect(start(bad)).toThrow('is not usable')
  }
  expect(() => new Users([{ ...ALICE, secretAccessKey: '' }])).toThrow('has no secret')
})

it('an error about a credential never tells its secret', () => {
  const credentials = [ALICE, ALICE]
  expect(() => new Users(credentials)).toThrow(
    expect.objectContaining({ message: expect.not.stringContaining(ALICE.secretAccessKey) }),
  )
})

it('a scope is kept once it has verified, and not before', () => {
  const keyring = new Keyring(new Users([ALICE]), undefined)
  const text = 'AKIDEXAMPLE/20261120/us-east-1/s3/aws4_request'
  const first = keyring.resolve(text, HEADER_WORDING, undefined)
  expect(keyring.resolve(text, HEADER_WORDING, undefined)).not.toBe(first)
  keyring.keep(first)
  expect(keyring.resolve(text, HEADER_WORDING, undefined)).toBe(first)
})

it('a key that is replaced or taken away counts no more, at once', () => {
  const users = new Users([ALICE, BOB])
  const door = authenticator({ users })
  expect(door.authenticate(byHeader())?.requester.id).toBe(ALICE.userId)
  users.replace([{ ...ALICE, secretAccessKey: 'another secret' }, BOB])
  expect(refusal(() => door.authenticate(byHeader())).code).toBe('SignatureDoesNotMatch')
  users.replace([BOB])
  expect(refusal(() => door.authenticate(byHeader())).code).toBe('InvalidAccessKeyId')
  expect(() => users.replace([BOB, BOB])).toThrow('twice')
  expect(users.owner(BOB.accessKeyId)?.user.requester.id).toBe(BOB.userId)
})

it('what has verified is at hand for the next request', () => {
  const keyring = new Keyring(new Users([ALICE]), undefined)
  const trust = new Trust(keyring, { now: () => NOW }, 0)
  const scope = keyring.resolve(
    'AKIDEXAMPLE/20261120/us-east-1/s3/aws4_request',
    HEADER_WORDING,
    undefined,
  )
  const list = new HeaderList('host', ['host'])
  trust.identity(scope, list, { kind: 'unsigned' }, 'REST-HEADER', NOW)
  expect(keyring.resolve(scope.credential, HEADER_WORDING, undefined)).toBe(scope)
  expect(trust.headerList('host')).toBe(list)
})

it('an unknown access key has a key that is made anew for each authenticator', () => {
  const text = 'NOBODY/20261120/us-east-1/s3/aws4_request'
  const signatures = [1, 2].map(() => {
    const scope = new Keyring(new Users([ALICE]), undefined).resolve(
      text,
      HEADER_WORDING,
      undefined,
    )
    expect(scope.user).toBeUndefined()
    return scope.key.sign('x')
  })
  expect(signatures[0]).not.toBe(signatures[1])
})

it('a bounded map forgets the oldest entry, and only for a new one', () => {
  const map = new BoundedMap<number>(2)
  map.set('a', 1)
  map.set('b', 2)
  map.set('b', 3)
  expect([map.get('a'), map.get('b'), map.size]).toEqual([1, 3, 2])
  map.set('c', 4)
  expect([map.get('a'), map.get('b'), map.get('c'), map.size]).toEqual([undefined, 3, 4, 2])
})

it('a list of headers reads each request anew, however the ones before were laid out', () => {
  const list = new HeaderList('host;x-amz-date', ['host', 'x-amz-date'])
  const read = (...raw: string[]): unknown => list.read(raw, '')
  for (let again = 0; again < 2; again++) {
    expect(read('Host', 'a', 'X-Amz-Date', 'b', 'Via', 'c', 'x-amz-acl', 'd')).toEqual({
      values: ['a', 'b'],
      unsigned: ['x-amz-acl'],
      authorizations: 0,
    })
    expect(
      read(
        'x-amz-date',
        'b',
        'Authorization',
        'e',
        'host',
        'a',
        'X-Amz-Acl',
        'd',
        'x-amz-acl',
        'd',
      ),
    ).toEqual({
      values: ['a', 'b'],
      unsigned: ['x-amz-acl'],
      authorizations: 1,
    })
    expect(read('Host', 'a')).toEqual({ values: ['a', undefined], unsigned: [], authorizations: 0 })
  }
})

it('a time is read to the second, and only where it is one', () => {
  expect(parseStamp('20261120T140054Z')).toBe(NOW)
  expect(stampOf(NOW)).toBe('20261120T140054Z')
  for (const text of [
    '',
    '20261120T140054',
    '20261320T140054Z',
    '20261100T140054Z',
    '20261132T140054Z',
    '20260431T140054Z',
    '20261120T240054Z',
    '20261120T146054Z',
    '20261120T140061Z',
    '2026112aT140054Z',
    '20261120t140054Z',
    '20261120T140054z',
    ' 2026112T140054Z',
    '0x261120T140054Z',
    '2026-11-20T14:00',
  ]) {
    expect([text, parseRequestTime(text)]).toEqual([text, undefined])
  }
  for (const zone of ['GMT', 'UTC', '+0000', '-0000']) {
    const time = parseRequestTime(`Fri, 20 Nov 2026 14:00:54 ${zone}`)
    expect(time).toEqual({ stamp: '20261120T140054Z', ms: NOW })
  }
  expect(parseRequestTime('Fri, 20 Nov 2026 15:00:54 +0100')?.ms).toBe(NOW)
  for (const text of [
    'Fri, 20 Nov 2026 14:00:54',
    'Fri, 20 Xyz 2026 14:00:54 GMT',
    '2026',
    String(NOW),
    '20 November 2026',
  ]) {
    expect([text, parseRequestTime(text)]).toEqual([text, undefined])
  }
})

it('a request remembered is no help to one that is not', () => {
  const door = authenticator()
  expect(door.authenticate(byHeader())).toBeDefined()
  const bare = withHeaders(byHeader({ secretAccessKey: 'x' }), {})
  expect(refusal(() => door.authenticate(bare)).code).toBe('SignatureDoesNotMatch')
  expect(door.authenticate(withHeaders(byHeader(), { authorization: undefined }))).toBeUndefined()
})
