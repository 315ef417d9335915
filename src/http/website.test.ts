import { afterEach, describe, expect, test } from 'vitest'
import type { WebsiteConfiguration } from '@aws-sdk/client-s3'
import { S3Error } from '../api/error.ts'
import type { S3Api } from '../api/operations.ts'
import { SIGNED, startGate, type TestGate } from './gate.fixture.ts'
import { signedOnly } from './pipeline.ts'
import { isWebsite } from './website.ts'
import type { Answer } from './wire.fixture.ts'

let gate: TestGate
let isOpen = false

afterEach(async () => {
  if (isOpen) await gate[Symbol.asyncDispose]()
  isOpen = false
})

/** Keys and texts; a text that begins with `->` is a redirect. */
const OBJECTS: Record<string, string> = {
  'index.html': 'home',
  'docs/index.html': 'docs home',
  health: 'not the control plane',
  'a b/ü.html': 'odd',
  moved: '->/elsewhere',
  'error.html': 'our own page',
  secret: '',
}

function get(key: string | undefined): {
  ContentLength: number
  ContentType: string
  ETag: string
  Body: Buffer
} & {
  WebsiteRedirectLocation?: string
} {
  if (key === 'secret') throw new S3Error('AccessDenied')
  if (key === 'broken') throw new Error('a fault of ours')
  const text = OBJECTS[key ?? '']
  if (text === undefined) throw new S3Error('NoSuchKey', { fields: { Key: key ?? '' } })
  const Body = Buffer.from(text)
  const answer = { ContentLength: Body.length, ContentType: 'text/html', ETag: '"e"', Body }
  return text.startsWith('->') ? { ...answer, WebsiteRedirectLocation: text.slice(2) } : answer
}

const api: S3Api = {
  GetObject: async (input) => {
    if (input.IfNoneMatch === '"e"') throw new S3Error('NotModified', { headers: { etag: '"e"' } })
    return get(input.Key)
  },
  HeadObject: async (input) => {
    const { Body: _body, ...head } = get(input.Key)
    return head
  },
  PutObject: async () => ({ ETag: '"e"' }),
}

const asked: string[] = []

async function ask(
  website: WebsiteConfiguration | undefined,
  target: string,
  { method = 'GET', host = 'site.web.test:8080', headers = '' } = {},
): Promise<Answer> {
  asked.length = 0
  isOpen = true
  gate = await startGate(api, {
    domains: ['s3.test'],
    websites: {
      domains: ['web.test'],
      read: async (bucket) => {
        if (bucket === 'gone') throw new S3Error('NoSuchBucket')
        return website
      },
    },
    authorize: {
      ...signedOnly,
      check: (operation, { identity, request }) => {
        asked.push(
          `${operation} ${request.key} ${identity === undefined ? 'by nobody' : 'by somebody'}`,
        )
        return undefined
      },
      // Who may not list the bucket is not told what is missing.
      mayMiss: (_asker, { key }) => key !== 'veiled',
    },
  })
  return gate.ask(`${method} ${target} HTTP/1.1\r\nhost: ${host}\r\n${headers}`)
}

const PLAIN: WebsiteConfiguration = { IndexDocument: { Suffix: 'index.html' } }
const OWN_PAGE = { ...PLAIN, ErrorDocument: { Key: 'error.html' } }

describe('pages', () => {
  test.each([
    ['/', 'home'],
    ['/index.html?x=1', 'home'],
    ['/docs/', 'docs home'],
    ['/a%20b/%C3%BC.html', 'odd'],
    ['/health', 'not the control plane'],
  ])('%s', async (target, text) => {
    const answer = await ask(PLAIN, target)
    expect(answer).toMatchObject({ status: 200, body: text })
    expect(answer.headers['content-type']).toBe('text/html')
  })

  test('are asked for by nobody, whatever the request bears', async () => {
    expect((await ask(PLAIN, '/docs/', { headers: SIGNED })).body).toBe('docs home')
    expect(asked).toEqual(['GetObject docs/index.html by nobody'])
  })

  test('are had by HEAD and on conditions', async () => {
    expect(await ask(PLAIN, '/', { method: 'HEAD' })).toMatchObject({ status: 200, body: '' })
    await gate[Symbol.asyncDispose]()
    expect(await ask(PLAIN, '/', { headers: 'if-none-match: "e"\r\n' })).toMatchObject({
      status: 304,
      body: '',
    })
  })

  test('a folder without its slash is redirected to it, on the same host', async () => {
    const answer = await ask(PLAIN, '/docs?x=1')
    expect(answer.status).toBe(302)
    expect(answer.headers['location']).toBe('http://site.web.test:8080/docs/?x=1')
  })

  test('an object that has moved says where to', async () => {
    const answer = await ask(PLAIN, '/moved')
    expect(answer).toMatchObject({ status: 301, body: '' })
    expect(answer.headers['location']).toBe('/elsewhere')
  })

  test('the same bucket under its own name is S3 as ever', async () => {
    const answer = await ask(PLAIN, '/none', { host: 'site.s3.test', headers: SIGNED })
    expect(answer.status).toBe(404)
    expect(answer.headers['content-type']).toBe('application/xml')
  })
})

describe('errors', () => {
  test('are a page that names them', async () => {
    const answer = await ask(PLAIN, '/no<script>')
    expect(answer.status).toBe(404)
    expect(answer.headers).toMatchObject({
      'content-type': 'text/html; charset=utf-8',
      'x-amz-error-code': 'NoSuchKey',
    })
    expect(answer.body).toContain('<li>Code: NoSuchKey</li>')
    expect(answer.body).toContain('<li>Key: no&lt;script&gt;</li>')
    expect(await gate.settled(1)).toMatchObject([
      { operation: 'Website', status: 404, code: 'NoSuchKey', bucket: 'site' },
    ])
  })

  test("are the website's own document where it has one, under their own status", async () => {
    for (const [target, status] of [
      ['/none', 404],
      ['/secret', 403],
    ] as const) {
      const answer = await ask(OWN_PAGE, target, { headers: 'range: bytes=0-1\r\n' })
      expect(answer).toMatchObject({ status, body: 'our own page' })
      await gate[Symbol.asyncDispose]()
    }
    expect(await ask({ ...PLAIN, ErrorDocument: { Key: 'nowhere' } }, '/none')).toMatchObject({
      status: 404,
    })
  })

  test('what is missing is AccessDenied to who may not know', async () => {
    expect((await ask(PLAIN, '/veiled')).status).toBe(403)
  })

  test.each<[string, WebsiteConfiguration | undefined, string, string, string, number, string]>([
    [
      'a bucket that is none',
      undefined,
      '/',
      'GET',
      'site.web.test',
      404,
      'NoSuchWebsiteConfiguration',
    ],
    ['no bucket', PLAIN, '/', 'GET', 'gone.web.test', 404, 'NoSuchBucket'],
    ['a write', PLAIN, '/k', 'PUT', 'site.web.test', 405, 'MethodNotAllowed'],
    ['a form', PLAIN, '/', 'POST', 'site.web.test', 405, 'MethodNotAllowed'],
    ['a fault of ours', OWN_PAGE, '/broken', 'GET', 'site.web.test', 500, 'InternalError'],
  ])('%s', async (_what, website, target, method, host, status, code) => {
    const answer = await ask(website, target, { method, host, headers: 'content-length: 0\r\n' })
    expect(answer.status).toBe(status)
    expect(answer.body).toContain(`<li>Code: ${code}</li>`)
  })
})

describe('redirects', () => {
  const rules = (
    ...RoutingRules: NonNullable<WebsiteConfiguration['RoutingRules']>
  ): WebsiteConfiguration => ({ ...OWN_PAGE, RoutingRules })

  test.each<[string, WebsiteConfiguration, string, number, string]>([
    [
      'all of them',
      { RedirectAllRequestsTo: { HostName: 'new.test' } },
      '/a%20b?q=1',
      301,
      'http://new.test/a%20b?q=1',
    ],
    [
      'all, by https',
      { RedirectAllRequestsTo: { HostName: 'new.test', Protocol: 'https' } },
      '/',
      301,
      'https://new.test/',
    ],
    [
      'a prefix',
      rules({
        Condition: { KeyPrefixEquals: 'docs/' },
        Redirect: { ReplaceKeyPrefixWith: 'documents/' },
      }),
      '/docs/a',
      301,
      'http://site.web.test:8080/documents/a',
    ],
    [
      'to another key, with a code',
      rules({
        Condition: { KeyPrefixEquals: 'old' },
        Redirect: { ReplaceKeyWith: 'new&.html', HttpRedirectCode: '307' },
      }),
      '/old/x',
      307,
      'http://site.web.test:8080/new%26.html',
    ],
    [
      'what is missing',
      rules({
        Condition: { HttpErrorCodeReturnedEquals: '404' },
        Redirect: { HostName: 'app.test', ReplaceKeyPrefixWith: '#!/' },
      }),
      '/none',
      301,
      'http://app.test/%23!/none',
    ],
    [
      'everything',
      rules({ Redirect: { HostName: 'app.test', Protocol: 'https' } }),
      '/x',
      301,
      'https://app.test/x',
    ],
    [
      'never to a host that the path names',
      rules({ Redirect: { HttpRedirectCode: '302' } }),
      '//evil.test/x',
      302,
      'http://site.web.test:8080//evil.test/x',
    ],
  ])('%s', async (_what, website, target, status, location) => {
    const answer = await ask(website, target)
    expect([answer.status, answer.headers['location']]).toEqual([status, location])
  })

  test('a rule for errors leaves what is there, and other errors, alone', async () => {
    const website = rules({
      Condition: { HttpErrorCodeReturnedEquals: '404', KeyPrefixEquals: 'no' },
      Redirect: { HostName: 'x' },
    })
    for (const [target, status] of [
      ['/docs/', 200],
      ['/secret', 403],
      ['/other', 404],
    ] as const) {
      expect((await ask(website, target)).status).toBe(status)
      await gate[Symbol.asyncDispose]()
    }
    expect((await ask(website, '/none')).status).toBe(301)
  })
})

test.each<[string | undefined, boolean]>([
  ['a.web.test', true],
  ['A.Web.Test:80', true],
  ['a.web.test.', true],
  ['web.test', false],
  ['.web.test', false],
  ['aweb.test', false],
  ['a.web.test.evil', false],
  [undefined, false],
])('the host %s: %s', (host, expected) => {
  expect(isWebsite(host, ['web.test'])).toBe(expected)
  expect(isWebsite(host, [])).toBe(false)
})
