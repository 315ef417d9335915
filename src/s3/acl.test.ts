import { expect, test } from 'vitest'
import { MemoryStore } from '../../metadata/memory.ts'
import { MemoryStorage } from '../../storage/memory.ts'
import { underKey } from '../../storage/under-key.ts'
import type { Output } from '../api/operations.ts'
import { aclFromHeaders } from './acl.ts'
import { getBucketAcl, putBucketAcl } from './bucket-acl.ts'
import { getObjectAcl, putObjectAcl } from './object-acl.ts'
import { CALL, Fixture } from './s3.fixture.ts'
import { Encrypted } from './encryption.fixture.ts'

const ALL = 'http://acs.amazonaws.com/groups/global/AllUsers'
const OWNER = { ID: 'owner-id', DisplayName: 'Owner' }
const OWN = { Grantee: { Type: 'CanonicalUser', ...OWNER }, Permission: 'FULL_CONTROL' }
const PUBLIC = { Grantee: { Type: 'Group', URI: ALL }, Permission: 'READ' }

async function opened(): Promise<Fixture> {
  const fixture = new Fixture(new MemoryStore(), new MemoryStorage())
  await fixture.bucket()
  return fixture
}

function aclOf(f: Fixture, more: object = {}): Promise<Output<'GetObjectAcl'>> {
  return getObjectAcl(f.ctx)({ Bucket: 'b', Key: 'k', ...more }, CALL)
}

function setAcl(f: Fixture, input: object): Promise<unknown> {
  return putObjectAcl(f.ctx)({ Bucket: 'b', Key: 'k', ...input }, CALL)
}

test('without a word of access the owner alone has control', async () => {
  const f = await opened()
  await f.put('k', 'x')
  expect(await aclOf(f)).toEqual({ Owner: OWNER, Grants: [OWN] })
  await f.put('k', 'x', { ACL: 'private' })
  expect(await aclOf(f)).toEqual({ Owner: OWNER, Grants: [OWN] })
  const bucket = await getBucketAcl(f.ctx)({ Bucket: 'b' }, CALL)
  expect(bucket).toEqual({ Owner: OWNER, Grants: [OWN] })
})

test('canned lists are kept as the grants that they stand for', async () => {
  const f = await opened()
  await f.put('k', 'x', { ACL: 'public-read' })
  expect(await aclOf(f)).toEqual({ Owner: OWNER, Grants: [PUBLIC, OWN] })
  await putBucketAcl(f.ctx)({ Bucket: 'b', ACL: 'public-read' }, CALL)
  expect((await getBucketAcl(f.ctx)({ Bucket: 'b' }, CALL)).Grants).toEqual([PUBLIC, OWN])
  await putBucketAcl(f.ctx)({ Bucket: 'b', ACL: 'private' }, CALL)
  expect((await getBucketAcl(f.ctx)({ Bucket: 'b' }, CALL)).Grants).toEqual([OWN])
  await f.put('still', 'writable')
})

test("the bucket's owner is let in where the object is another's", () => {
  const other = ['other', 'Other'] as const
  const acl = aclFromHeaders({ ACL: 'bucket-owner-full-control' }, other, ['owner', 'Owner'])
  expect(acl).toEqual({
    owner: other,
    grants: [
      ['FULL_CONTROL', 'id', 'other', 'Other'],
      ['FULL_CONTROL', 'id', 'owner', 'Owner'],
    ],
  })
})

test('grant headers name users, groups and addresses', async () => {
  const f = await opened()
  await f.put('k', 'x', {
    GrantRead: `id="u1", uri=${ALL}`,
    GrantFullControl: 'emailAddress="known@example.com"',
  })
  const user = (ID: string, DisplayName: string): object => ({
    Grantee: { Type: 'CanonicalUser', ID, DisplayName },
  })
  expect((await aclOf(f)).Grants).toEqual([
    PUBLIC,
    { ...user('u1', 'name of u1'), Permission: 'READ' },
    { ...user('known', 'Known'), Permission: 'FULL_CONTROL' },
  ])
})

test('AWS of today shows a list in its own order, and has no use for WRITE on an object', async () => {
  const f = asAwsToday()
  await f.bucket()
  await f.put('k', 'x', { ACL: 'public-read' })
  expect((await aclOf(f)).Grants).toEqual([OWN, PUBLIC])
  await f.put('k', 'x', { GrantWrite: 'id=u1', GrantRead: 'id=u1' })
  expect((await aclOf(f)).Grants?.map(({ Permission }) => Permission)).toEqual(['READ'])
})

test('who is nobody can be granted nothing', async () => {
  const f = await opened()
  await expect(f.put('k', 'x', { GrantRead: 'id=nobody' })).rejects.toMatchObject({
    code: 'InvalidArgument',
    message: 'Invalid id',
  })
  await expect(f.put('k', 'x', { GrantRead: 'emailAddress=a@b.c' })).rejects.toMatchObject({
    code: 'UnresolvableGrantByEmailAddress',
  })
})

test('headers that make no sense are refused', () => {
  const who = ['i', 'n'] as const
  const make = (input: object) => () => aclFromHeaders(input, who, who)
  const invalid = expect.objectContaining({ code: 'InvalidArgument' })
  expect(make({ ACL: 'public' })).toThrow(invalid)
  expect(make({ GrantRead: 'u1' })).toThrow(invalid)
  expect(make({ GrantRead: 'id=""' })).toThrow(invalid)
  expect(make({ GrantRead: 'uri="http://example.com"' })).toThrow(invalid)
  expect(make({ ACL: 'private', GrantRead: 'id=u' })).toThrow(
    expect.objectContaining({
      code: 'InvalidRequest',
      message: 'Specifying both Canned ACLs and Header Grants is not allowed',
    }),
  )
  const many = Array.from({ length: 101 }, (_, n) => `id=u${n}`).join(',')
  expect(make({ GrantRead: many })).toThrow(expect.objectContaining({ code: 'MalformedACLError' }))
})

test('a document replaces the list, and nothing else of the object', async () => {
  const f = await opened()
  await f.put('k', 'a body that does not fit into its row', { Metadata: { a: 'b' } })
  const before = await f.head('k')
  f.clock.time += 60_000
  await setAcl(f, { AccessControlPolicy: { Owner: OWNER, Grants: [OWN, PUBLIC] } })
  expect((await aclOf(f)).Grants).toEqual([PUBLIC, OWN])
  expect(await f.head('k')).toEqual(before)
  await setAcl(f, { AccessControlPolicy: { Owner: OWNER, Grants: [] } })
  expect((await aclOf(f)).Grants).toEqual([])
  expect(await f.text('k')).toBe('a body that does not fit into its row')
})

function policy(AccessControlPolicy: object): object {
  return { AccessControlPolicy }
}

test('documents that are not whole, or give ownership away, are refused', async () => {
  const f = await opened()
  await f.put('k', 'x')
  for (const [input, code] of [
    [policy({ Grants: [] }), 'MalformedACLError'],
    [policy({ Owner: { ID: 'thief' }, Grants: [] }), 'AccessDenied'],
    [policy({ Owner: OWNER, Grants: [{ Permission: 'READ' }] }), 'MalformedACLError'],
    [policy({ Owner: OWNER, Grants: [{ ...PUBLIC, Permission: 'FLY' }] }), 'MalformedACLError'],
    [
      policy({
        Owner: OWNER,
        Grants: [{ Grantee: { Type: 'Group', ID: 'x' }, Permission: 'READ' }],
      }),
      'MalformedACLError',
    ],
    [{ ACL: 'private', ...policy({ Owner: OWNER, Grants: [] }) }, 'UnexpectedContent'],
    [{}, 'MissingSecurityHeader'],
  ] as const) {
    await expect(setAcl(f, input)).rejects.toMatchObject({ code })
  }
})

test('the list belongs to one version, and a missing one is said so', async () => {
  const f = await opened()
  await f.bucket('b', 'Enabled')
  const { VersionId } = await f.put('k', 'old')
  await f.put('k', 'new')
  await setAcl(f, { ACL: 'public-read', VersionId })
  expect((await aclOf(f)).Grants).toEqual([OWN])
  expect((await aclOf(f, { VersionId })).Grants).toEqual([PUBLIC, OWN])
  expect(await f.text('k', { VersionId })).toBe('old')
  await expect(setAcl(f, { ACL: 'private', Key: 'none' })).rejects.toMatchObject({
    code: 'NoSuchKey',
  })
  await f.delete('k')
  await expect(setAcl(f, { ACL: 'private' })).rejects.toMatchObject({ code: 'NoSuchKey' })
})

/** AWS of today encrypts everything, so there have to be keys. */
function asAwsToday(): Encrypted {
  const storage = new MemoryStorage()
  return new Encrypted(new MemoryStore(), storage, underKey(storage), { compat: 'aws-2026' })
}
