import { beforeEach, expect, test } from 'vitest'
import type { WebsiteConfiguration } from '@aws-sdk/client-s3'
import { MemoryStore } from '../../metadata/memory.ts'
import { MemoryStorage } from '../../storage/memory.ts'
import {
  deleteBucketWebsite,
  getBucketWebsite,
  putBucketWebsite,
  websiteOf,
} from './bucket-website.ts'
import { CALL, Fixture } from './s3.fixture.ts'

const INDEX = { IndexDocument: { Suffix: 'index.html' } }
let f: Fixture

beforeEach(async () => {
  f = new Fixture(new MemoryStore(), new MemoryStorage())
  await f.bucket()
})

const put = (website: WebsiteConfiguration): Promise<unknown> =>
  putBucketWebsite(f.ctx)({ Bucket: 'b', WebsiteConfiguration: website }, CALL)
const get = (): Promise<unknown> => getBucketWebsite(f.ctx)({ Bucket: 'b' }, CALL)

test('a website is given back as it was put, until it is deleted', async () => {
  await expect(get()).rejects.toMatchObject({ code: 'NoSuchWebsiteConfiguration' })
  const website = {
    ...INDEX,
    ErrorDocument: { Key: 'error.html' },
    RoutingRules: [
      { Condition: { KeyPrefixEquals: 'a/' }, Redirect: { ReplaceKeyPrefixWith: 'b/' } },
    ],
  }
  await put(website)
  expect(await get()).toEqual(website)
  expect(await websiteOf(f.ctx)('b')).toEqual(website)
  await deleteBucketWebsite(f.ctx)({ Bucket: 'b' }, CALL)
  await expect(get()).rejects.toMatchObject({ code: 'NoSuchWebsiteConfiguration' })
})

const rule = (Redirect: object, Condition?: object): WebsiteConfiguration => ({
  ...INDEX,
  RoutingRules: [{ Redirect, ...(Condition && { Condition }) }],
})

test.each<[string, WebsiteConfiguration, string, string]>([
  [
    'nothing',
    {},
    'InvalidArgument',
    'A value for IndexDocument Suffix must be provided if RedirectAllRequestsTo is empty',
  ],
  [
    'a path',
    { IndexDocument: { Suffix: 'a/index.html' } },
    'InvalidArgument',
    'The IndexDocument Suffix is not well formed',
  ],
  [
    'an empty suffix',
    { IndexDocument: { Suffix: '' } },
    'InvalidArgument',
    'The IndexDocument Suffix is not well formed',
  ],
  [
    'an empty error document',
    { ...INDEX, ErrorDocument: { Key: '' } },
    'InvalidArgument',
    'ErrorDocument',
  ],
  [
    'both',
    { ...INDEX, RedirectAllRequestsTo: { HostName: 'a' } },
    'InvalidArgument',
    'RedirectAllRequestsTo cannot be provided in conjunction with other Routing Rules.',
  ],
  ['no host', { RedirectAllRequestsTo: { HostName: '' } }, 'MalformedXML', 'XML'],
  [
    'another protocol',
    { RedirectAllRequestsTo: { HostName: 'a', Protocol: 'ftp' as 'http' } },
    'InvalidRequest',
    'Invalid protocol, protocol can be http or https.',
  ],
  ['an empty redirect', rule({}), 'MalformedXML', 'XML'],
  [
    'two replacements',
    rule({ ReplaceKeyWith: 'a', ReplaceKeyPrefixWith: 'b' }),
    'InvalidRequest',
    'You can only define ReplaceKeyPrefix or ReplaceKey but not both.',
  ],
  ['a code that is no redirect', rule({ HttpRedirectCode: '200' }), 'InvalidRequest', '(200)'],
  [
    'an empty condition',
    rule({ HostName: 'a' }, {}),
    'InvalidRequest',
    'Condition cannot be empty.',
  ],
  [
    'a code that is no error',
    rule({ HostName: 'a' }, { HttpErrorCodeReturnedEquals: '302' }),
    'InvalidRequest',
    '(302)',
  ],
  [
    '51 rules',
    { ...INDEX, RoutingRules: Array.from({ length: 51 }, () => ({ Redirect: { HostName: 'a' } })) },
    'InvalidRequest',
    'limited to 50',
  ],
])('%s is refused, and nothing is stored', async (_what, website, code, words) => {
  await expect(put(website)).rejects.toMatchObject({
    code,
    message: expect.stringContaining(words),
  })
  await expect(get()).rejects.toMatchObject({ code: 'NoSuchWebsiteConfiguration' })
})

test('an object redirects to a path or a URL, and to nothing else', async () => {
  for (const WebsiteRedirectLocation of ['/a', 'http://a/', 'https://a/'])
    await f.put('k', '', { WebsiteRedirectLocation })
  for (const WebsiteRedirectLocation of ['a', 'javascript:a', `/${'a'.repeat(2048)}`])
    await expect(f.put('k', '', { WebsiteRedirectLocation })).rejects.toMatchObject({
      code: 'InvalidRedirectLocation',
    })
  await expect(f.copy('b/k', 'c', { WebsiteRedirectLocation: 'x' })).rejects.toMatchObject({
    code: 'InvalidRedirectLocation',
  })
  expect(await f.head('k')).toMatchObject({ WebsiteRedirectLocation: 'https://a/' })
})
