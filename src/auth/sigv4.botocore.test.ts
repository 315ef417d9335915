/** Requests as botocore signed them (recorded by botocore.fixture.py), verified here. */
import { describe, expect, it } from 'vitest'
import fixture from './botocore.fixture.json' with { type: 'json' }
import { createAuthenticator } from './open.ts'
import { refusal, request } from './reference.fixture.ts'
import { Users } from './users.ts'

const { accessKeyId, secretAccessKey, now } = fixture
const door = createAuthenticator({
  users: new Users([{ accessKeyId, secretAccessKey, userId: 'id', displayName: 'name' }]),
  region: undefined,
  clock: { now: () => now },
  skewMaxMs: 900_000,
})

describe('what botocore signs is accepted, and nothing beside it', () => {
  it('has been recorded', () => {
    expect(fixture.requests.length).toBeGreaterThan(90)
  })

  it.each(fixture.requests)('$name', ({ method, path, query, headers }) => {
    const sent = headers.map(([name, value]): [string, string] => [name ?? '', value ?? ''])
    const signed = request(method, query === '' ? path : `${path}?${query}`, sent)
    expect(door.authenticate(signed)?.accessKeyId).toBe(accessKeyId)
    for (const other of [{ path: `${path}x` }, { query: `${query}&x=y` }, { method: 'PATCH' }]) {
      expect(refusal(() => door.authenticate({ ...signed, ...other })).code).toBe(
        'SignatureDoesNotMatch',
      )
    }
  })
})
