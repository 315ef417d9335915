import { describe, expect, test } from 'vitest'
import { MODEL } from '../api/model.gen.ts'
import { ALL_USERS, AUTHENTICATED_USERS } from './access-list.ts'
import { NEEDS } from './actions.ts'
import { allowing, askerOf, Court, OTHER, own, OWNER, session, user } from './authorize.fixture.ts'

const ALLOW = {
  Effect: 'Allow',
  Principal: '*',
  Action: 's3:GetObject',
  Resource: 'arn:aws:s3:::b/*',
}
const acl = (...grants: [string, 'id' | 'uri', string][]) => ({
  owner: ['owner', 'owner-name'] as const,
  grants,
})
const GET = { key: 'k' }

test('every operation of the model needs a right, and is asked for on what it is about', () => {
  expect(Object.keys(NEEDS).sort()).toEqual(Object.keys(MODEL.operations).sort())
  for (const [name, { on }] of Object.entries(NEEDS)) {
    const { level, word } = MODEL.operations[name]!
    if (word === undefined && name !== 'CreateBucket') expect([name, on]).toEqual([name, level])
  }
})

describe('the owner', () => {
  test.each(Object.keys(NEEDS))(
    'of a bucket without a policy is answered at once: %s',
    async (name) => {
      const court = new Court()
      expect(await court.ask(name, { by: OWNER, key: 'k' })).toBe('granted at once')
      expect(court.reads).toBe(0)
    },
  )

  test('is bound by a denial, but can always get rid of the policy', async () => {
    const court = new Court({ policy: [{ ...ALLOW, Effect: 'Deny', Action: '*', Resource: '*' }] })
    expect(await court.ask('GetObject', { by: OWNER, ...GET })).toBe('AccessDenied')
    expect(await court.ask('DeleteBucket', { by: OWNER })).toBe('AccessDenied')
    expect(await court.ask('DeleteBucketPolicy', { by: OWNER })).toBe('granted')
    expect(await court.ask('PutBucketPolicy', { by: OWNER })).toBe('granted')
    const limited = user('owner', { policies: [allowing('s3:*')] })
    expect(await court.ask('DeleteBucketPolicy', { by: limited })).toBe('AccessDenied')
  })

  test('may not read what others own in a shared bucket, unless told by its list, or the bucket owns all', async () => {
    const objects = { k: { owner: 'other' } }
    const shared = new Court({ bucket: { shared: 1 }, objects })
    expect(await shared.ask('GetObject', { by: OWNER, ...GET })).toBe('AccessDenied')
    expect(await shared.ask('PutObject', { by: OWNER, ...GET })).toBe('granted at once')
    expect(await shared.ask('DeleteObject', { by: OWNER, ...GET })).toBe('granted at once')
    expect(await shared.ask('GetObject', { by: OTHER, ...GET })).toBe('granted')
    const listed = new Court({
      bucket: { shared: 1 },
      objects: { k: { owner: 'other', acl: acl(['READ', 'id', 'owner']) } },
    })
    expect(await listed.ask('GetObject', { by: OWNER, ...GET })).toBe('granted')
    const enforced = new Court({ bucket: { shared: 1, ownership: 'BucketOwnerEnforced' }, objects })
    expect(await enforced.ask('GetObject', { by: OWNER, ...GET })).toBe('granted at once')
  })
})

describe('others', () => {
  test.each(Object.entries(NEEDS).filter(([, needs]) => needs.on !== 'root' && !needs.isFree))(
    'may do nothing with a bucket that says nothing of them: %s',
    async (name) => {
      expect(await new Court().ask(name, { by: OTHER, key: 'k' })).toBe('AccessDenied')
      expect(await new Court().ask(name, { key: 'k' })).toBe('AccessDenied')
    },
  )

  test('may do what the policy allows, and not what it denies besides', async () => {
    const deny = { ...ALLOW, Effect: 'Deny', Resource: 'arn:aws:s3:::b/secret*' }
    const court = new Court({ policy: [ALLOW, deny] })
    expect(await court.ask('GetObject', GET)).toBe('granted')
    expect(await court.ask('GetObject', { by: OTHER, ...GET })).toBe('granted')
    expect(await court.ask('GetObject', { key: 'secret/1' })).toBe('AccessDenied')
    expect(await court.ask('PutObject', GET)).toBe('AccessDenied')
    expect(await court.ask('GetObject', { ...GET, params: { versionId: 'v' } })).toBe(
      'AccessDenied',
    )
  })

  test.each([
    [{ AWS: `arn:aws:iam::${OTHER.account}:user/other-name` }, 'granted'],
    [{ AWS: `arn:aws:iam::${OTHER.account}:root` }, 'granted'],
    [{ AWS: OTHER.account }, 'granted'],
    [{ AWS: ['arn:aws:iam:::user/nobody', 'arn:aws:iam:::user/other'] }, 'granted'],
    [{ CanonicalUser: 'other' }, 'granted'],
    [{ CanonicalUser: 'another' }, 'AccessDenied'],
    [{ Service: 's3.amazonaws.com' }, 'AccessDenied'],
  ])('are named in the ways of IAM: %j', async (Principal, expected) => {
    const court = new Court({ policy: [{ ...ALLOW, Principal }] })
    expect(await court.ask('GetObject', { by: OTHER, ...GET })).toBe(expected)
    expect(await court.ask('GetObject', GET)).toBe('AccessDenied')
  })

  test('are given nothing of what is not the bucket owner’s by its policy', async () => {
    const objects = { k: { owner: 'third' }, mine: {} }
    const court = new Court({ bucket: { shared: 1 }, policy: [ALLOW], objects })
    expect(await court.ask('GetObject', { by: OTHER, ...GET })).toBe('AccessDenied')
    expect(await court.ask('GetObject', { by: OTHER, key: 'mine' })).toBe('granted')
  })

  test('need the rights for what headers ask besides', async () => {
    const put = { ...ALLOW, Action: 's3:PutObject' }
    const ask = (policy: object[], compat: 'legacy' | 'aws-2026') =>
      new Court({ policy, compat }).ask('PutObject', {
        by: OTHER,
        key: 'k',
        headers: { 'x-amz-acl': 'public-read' },
      })
    expect(await ask([put], 'legacy')).toBe('granted')
    expect(await ask([put], 'aws-2026')).toBe('AccessDenied')
    expect(await ask([{ ...put, Action: ['s3:PutObject', 's3:PutObjectAcl'] }], 'aws-2026')).toBe(
      'granted',
    )
    const denied = { ...put, Effect: 'Deny', Action: 's3:PutObjectAcl' }
    expect(await ask([put, denied], 'legacy')).toBe('AccessDenied')
  })

  test('learn that a key is not there only where they may list it', async () => {
    const list = { ...ALLOW, Action: 's3:ListBucket', Resource: 'arn:aws:s3:::b' }
    const open = new Court({
      policy: [{ ...list, Condition: { StringLike: { 's3:prefix': 'public/*' } } }],
    })
    expect(await open.ask('GetObject', { by: OTHER, key: 'public/x' })).toBe('granted')
    expect(await open.ask('GetObject', { by: OTHER, key: 'private/x' })).toBe('AccessDenied')
    const closed = new Court({ policy: [ALLOW] })
    const asker = askerOf('GetObject', { by: OTHER, key: 'x' })
    expect(await closed.authorizer.mayMiss(asker, { bucket: 'b', key: 'x' })).toBe(false)
    expect(
      closed.authorizer.mayMiss(askerOf('GetObject', { by: OWNER }), { bucket: 'b', key: 'x' }),
    ).toBeInstanceOf(Promise)
  })

  test('see and end the uploads that they began', async () => {
    const court = new Court({ uploads: { mine: 'other' } })
    const ask = (operation: string, uploadId: string) =>
      court.ask(operation, { by: OTHER, key: 'k', params: { uploadId } })
    expect(await ask('ListParts', 'mine')).toBe('granted')
    expect(await ask('AbortMultipartUpload', 'mine')).toBe('granted')
    expect(await ask('AbortMultipartUpload', 'theirs')).toBe('AccessDenied')
    expect(await court.ask('ListParts', { key: 'k', params: { uploadId: 'none' } })).toBe(
      'AccessDenied',
    )
  })
})

describe('access control lists', () => {
  const everybody = acl(['FULL_CONTROL', 'id', 'owner'], ['READ', 'uri', ALL_USERS])

  test.each([
    ['READ', 'ListObjectsV2', 'PutObject'],
    ['WRITE', 'PutObject', 'ListObjectsV2'],
    ['READ_ACP', 'GetBucketAcl', 'PutBucketAcl'],
    ['WRITE_ACP', 'PutBucketAcl', 'GetBucketAcl'],
  ])('of a bucket: %s gives %s, and not %s', async (permission, given, not) => {
    const court = new Court({ bucket: { acl: acl([permission, 'id', 'other']) } })
    expect(await court.ask(given, { by: OTHER, key: 'k' })).toBe('granted')
    expect(await court.ask(not, { by: OTHER, key: 'k' })).toBe('AccessDenied')
    expect(await court.ask(given, { by: user('third'), key: 'k' })).toBe('AccessDenied')
    expect(await court.ask('DeleteBucket', { by: OTHER })).toBe('AccessDenied')
  })

  test.each([
    ['READ', 'GetObject', 'GetObjectAcl'],
    ['READ_ACP', 'GetObjectAcl', 'GetObject'],
    ['WRITE_ACP', 'PutObjectAcl', 'PutObject'],
    ['FULL_CONTROL', 'GetObject', 'DeleteObject'],
  ])('of an object: %s gives %s, and not %s', async (permission, given, not) => {
    const court = new Court({ objects: { k: { acl: acl([permission, 'id', 'other']) } } })
    expect(await court.ask(given, { by: OTHER, ...GET })).toBe('granted')
    expect(await court.ask(not, { by: OTHER, ...GET })).toBe('AccessDenied')
  })

  test('groups mean everybody, or everybody with an account', async () => {
    const court = new Court({
      objects: {
        all: { acl: everybody },
        some: { acl: acl(['READ', 'uri', AUTHENTICATED_USERS]) },
      },
    })
    expect(await court.ask('GetObject', { key: 'all' })).toBe('granted')
    expect(await court.ask('GetObject', { key: 'some' })).toBe('AccessDenied')
    expect(await court.ask('GetObject', { by: OTHER, key: 'some' })).toBe('granted')
  })

  test('count for nothing where the bucket owns all, or ignores what is public', async () => {
    const objects = { k: { acl: acl(['READ', 'uri', ALL_USERS], ['READ', 'id', 'other']) } }
    const bucket = { acl: everybody }
    const enforced = new Court({ bucket: { ...bucket, ownership: 'BucketOwnerEnforced' }, objects })
    expect(await enforced.ask('GetObject', { by: OTHER, ...GET })).toBe('AccessDenied')
    expect(await enforced.ask('ListObjects', {})).toBe('AccessDenied')
    const ignoring = new Court({ bucket: { ...bucket, block: { ignoreAcls: 1 } }, objects })
    expect(await ignoring.ask('GetObject', GET)).toBe('AccessDenied')
    expect(await ignoring.ask('ListObjects', { by: OTHER })).toBe('AccessDenied')
    expect(await ignoring.ask('GetObject', { by: OTHER, ...GET })).toBe('granted')
  })
})

test('a public policy that is to be restricted lets in the owner’s own alone', async () => {
  const restricted = new Court({ bucket: { block: { restrict: 1 } }, policy: [ALLOW] })
  expect(await restricted.ask('GetObject', GET)).toBe('AccessDenied')
  expect(await restricted.ask('GetObject', { by: OTHER, ...GET })).toBe('AccessDenied')
  expect(await restricted.ask('GetObject', { by: OWNER, ...GET })).toBe('granted')
  const named = [{ ...ALLOW, Principal: { CanonicalUser: 'other' } }]
  const bound = new Court({ bucket: { block: { restrict: 1 } }, policy: named })
  expect(await bound.ask('GetObject', { by: OTHER, ...GET })).toBe('granted')
})

describe('users with policies of their own', () => {
  const reader = user('owner', { policies: [allowing('s3:GetObject', 'arn:aws:s3:::b/*')] })

  test('have of their account’s rights what these allow', async () => {
    const court = new Court()
    expect(await court.ask('GetObject', { by: reader, ...GET })).toBe('granted')
    expect(await court.ask('PutObject', { by: reader, ...GET })).toBe('AccessDenied')
    expect(await court.ask('CreateBucket', { by: reader, bucket: 'new' })).toBe('AccessDenied')
    expect(await court.ask('ListBuckets', { by: reader, bucket: '' })).toBe('AccessDenied')
    const creator = user('owner', { policies: [allowing('s3:CreateBucket')] })
    expect(await court.ask('CreateBucket', { by: creator, bucket: 'new' })).toBe('granted')
    const headers = { 'x-amz-acl': 'public-read' }
    expect(await court.ask('CreateBucket', { by: creator, bucket: 'new', headers })).toBe(
      'AccessDenied',
    )
  })

  test('of the bucket’s account can be let in by name, and not by the account’s', async () => {
    const named = new Court({
      policy: [{ ...ALLOW, Action: 's3:PutObject', Principal: { AWS: reader.arn } }],
    })
    expect(await named.ask('PutObject', { by: reader, ...GET })).toBe('granted')
    const whole = new Court({
      policy: [{ ...ALLOW, Action: 's3:PutObject', Principal: { AWS: reader.account } }],
    })
    expect(await whole.ask('PutObject', { by: reader, ...GET })).toBe('AccessDenied')
  })

  test('of another account need both sides', async () => {
    const stranger = user('other', { policies: [allowing('s3:GetObject')] })
    const idle = user('other', { policies: [allowing('s3:PutObject')] })
    const court = new Court({ policy: [{ ...ALLOW, Principal: { AWS: OTHER.account } }] })
    expect(await court.ask('GetObject', { by: stranger, ...GET })).toBe('granted')
    expect(await court.ask('GetObject', { by: idle, ...GET })).toBe('AccessDenied')
    expect(await new Court().ask('GetObject', { by: stranger, ...GET })).toBe('AccessDenied')
  })

  test('are bound by their own denials', async () => {
    const bound = user('owner', {
      policies: [
        allowing('s3:*'),
        own({ Effect: 'Deny', Action: 's3:DeleteObject', Resource: '*' }),
      ],
    })
    expect(await new Court().ask('DeleteObject', { by: bound, ...GET })).toBe('AccessDenied')
    expect(await new Court().ask('PutObject', { by: bound, ...GET })).toBe('granted')
    // Not even the bucket can let in whom the own account has denied it.
    const named = new Court({
      policy: [{ ...ALLOW, Action: 's3:DeleteObject', Principal: { AWS: bound.arn } }],
    })
    expect(await named.ask('DeleteObject', { by: bound, ...GET })).toBe('AccessDenied')
  })

  test('and sessions have no more than both their user and their own policies', async () => {
    const court = new Court()
    const limited = session(OWNER, allowing('s3:GetObject'))
    expect(await court.ask('GetObject', { by: limited, ...GET })).toBe('granted')
    expect(await court.ask('PutObject', { by: limited, ...GET })).toBe('AccessDenied')
    expect(await court.ask('PutObject', { by: session(OWNER), ...GET })).toBe('granted at once')
    expect(await court.ask('PutObject', { by: session(reader, allowing('s3:*')), ...GET })).toBe(
      'AccessDenied',
    )
    const named = new Court({ policy: [{ ...ALLOW, Action: '*', Principal: { AWS: OWNER.arn } }] })
    expect(await named.ask('PutObject', { by: limited, ...GET })).toBe('AccessDenied')
  })
})

test('an administrator stands in for every owner, and is bound as they are', async () => {
  const root = user('root', { isAdmin: true })
  expect(await new Court().ask('DeleteBucket', { by: root })).toBe('granted at once')
  const court = new Court({ policy: [{ ...ALLOW, Effect: 'Deny' }] })
  expect(await court.ask('GetObject', { by: root, ...GET })).toBe('AccessDenied')
  expect(await court.ask('DeleteBucketPolicy', { by: root })).toBe('granted')
})

describe('conditions', () => {
  const ask = (Condition: object, asked: object, operation = 'PutObject', objects = {}) =>
    new Court({ policy: [{ ...ALLOW, Action: 's3:*', Resource: '*', Condition }], objects }).ask(
      operation,
      {
        by: OTHER,
        key: 'k',
        ...asked,
      },
    )

  test.each([
    [{ IpAddress: { 'aws:SourceIp': '10.0.0.0/8' } }, { from: '10.9.9.9' }, { from: '11.0.0.1' }],
    [{ IpAddress: { 'aws:SourceIp': '10.0.0.0/8' } }, { from: '::ffff:10.1.1.1' }, { from: '::1' }],
    [
      { IpAddress: { 'aws:SourceIp': '2001:db8::/32' } },
      { from: '2001:db8::5' },
      { from: '2001:db9::5' },
    ],
    [{ Bool: { 'aws:SecureTransport': true } }, { isSecure: true }, { isSecure: false }],
    [{ StringLike: { 'aws:Referer': 'https://a/*' } }, { headers: { referer: 'https://a/b' } }, {}],
    [
      { StringEquals: { 's3:x-amz-acl': 'private' } },
      { headers: { 'x-amz-acl': 'private' } },
      { headers: { 'x-amz-acl': 'public-read' } },
    ],
    [
      { Null: { 's3:x-amz-server-side-encryption': 'false' } },
      { headers: { 'x-amz-server-side-encryption': 'AES256' } },
      {},
    ],
    [
      { StringEquals: { 's3:RequestObjectTag/a': '1' } },
      { headers: { 'x-amz-tagging': 'a=1&b=2' } },
      { headers: { 'x-amz-tagging': 'A=1' } },
    ],
    [
      { 'ForAllValues:StringEquals': { 's3:RequestObjectTagKeys': ['a', 'b'] } },
      { headers: { 'x-amz-tagging': 'a=1' } },
      { headers: { 'x-amz-tagging': 'a=1&c=1' } },
    ],
    [{ StringEquals: { 'aws:username': 'other-name' } }, {}, { by: user('third') }],
    [
      { ArnLike: { 'aws:PrincipalArn': `arn:aws:iam::${OTHER.account}:user/*` } },
      {},
      { by: user('third') },
    ],
    [{ StringNotEquals: { 'aws:PrincipalType': 'Anonymous' } }, {}, { by: undefined }],
    [{ DateLessThan: { 'aws:CurrentTime': '2026-11-21T00:00:00Z' } }, {}, undefined],
    [{ NumericLessThan: { 's3:signatureAge': 6000 } }, {}, undefined],
    [
      { StringEquals: { 's3:authType': 'REST-HEADER', 's3:signatureversion': 'AWS4-HMAC-SHA256' } },
      {},
      undefined,
    ],
  ] as const)('%j', async (condition, meets, fails) => {
    expect(await ask(condition, meets)).toBe('granted')
    if (fails !== undefined) expect(await ask(condition, fails)).toBe('AccessDenied')
  })

  test('of lists hear only of lists, whatever else a request says', async () => {
    const prefix = { StringEquals: { 's3:prefix': 'p' } }
    const params = { prefix: 'p' }
    expect(await ask(prefix, { params, key: undefined }, 'ListObjectsV2')).toBe('granted')
    expect(await ask(prefix, { params }, 'GetObject')).toBe('AccessDenied')
    const withAcl = { StringEquals: { 's3:x-amz-acl': 'private' } }
    const headers = { 'x-amz-acl': 'private' }
    // UploadPart has no such header: a part that bears one all the same has said nothing.
    expect(await ask(withAcl, { headers }, 'UploadPart')).toBe('AccessDenied')
  })

  test('of tags read the object, and nothing is read where none asks for them', async () => {
    const tagged = { StringEquals: { 's3:ExistingObjectTag/security': 'public' } }
    const objects = { k: { tags: { security: 'public' } }, other: { tags: { Security: 'public' } } }
    expect(await ask(tagged, {}, 'GetObject', objects)).toBe('granted')
    expect(await ask(tagged, { key: 'other' }, 'GetObject', objects)).toBe('AccessDenied')
    expect(await ask(tagged, { key: 'none' }, 'GetObject', objects)).toBe('AccessDenied')
    const court = new Court({ policy: [ALLOW] })
    await court.ask('GetObject', GET)
    await court.ask('GetObject', GET)
    expect(court.reads).toBe(1)
  })

  test('and variables stand for what the request says, literally', async () => {
    const home = new Court({
      policy: [{ ...ALLOW, Action: 's3:*', Resource: 'arn:aws:s3:::b/home/${aws:username}/*' }],
    })
    const put = (by: ReturnType<typeof user> | undefined, key: string) =>
      home.ask('PutObject', { by, key })
    expect(await put(OTHER, 'home/other-name/x')).toBe('granted')
    expect(await put(OTHER, 'home/third-name/x')).toBe('AccessDenied')
    expect(await put(undefined, 'home//x')).toBe('AccessDenied')
    const star = user('*')
    expect(await put(star, 'home/third-name/x')).toBe('AccessDenied')
    expect(await put(star, 'home/*-name/x')).toBe('granted')
  })

  test('on tags that a body brings are asked with them', async () => {
    const condition = { StringEquals: { 's3:RequestObjectTag/a': '1' } }
    expect(await ask(condition, { requestTags: { a: '1' } }, 'PutObjectTagging')).toBe('granted')
    expect(await ask(condition, { requestTags: { a: '2' } }, 'PutObjectTagging')).toBe(
      'AccessDenied',
    )
  })
})
