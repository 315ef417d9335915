import { createServer } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { createControl, type ControlOptions } from './app.ts'
import { fakeAuthenticator, fakeS3, SIGNED, startGate, type TestGate } from './gate.fixture.ts'
import { openGate } from './open.ts'

const options: ControlOptions = {
  ready: async () => ({ metadata: 'ok', storage: 'ok' }),
  metrics: async () => 'up 1\n',
  metricsToken: undefined,
  openapi: () => '{"openapi":"3.1.0"}',
}

async function ask(
  path: string,
  changes: Partial<ControlOptions> = {},
  headers: Record<string, string> = {},
): Promise<Response> {
  return createControl({ ...options, ...changes }).fetch(
    new Request(`http://h${path}`, { headers }),
  )
}

describe('what the control plane owns', () => {
  const { owns } = createControl(options)

  test.each(['/health', '/healthz', '/readyz', '/metrics', '/docs', '/openapi.json'])(
    '%s',
    (path) => {
      expect(owns('GET', path, undefined)).toBe(true)
      expect(owns('HEAD', path, undefined)).toBe(true)
      expect(owns('GET', `${path}?verbose`, undefined)).toBe(true)
      expect(owns('GET', path, 'Bearer x')).toBe(true)
    },
  )

  test.each([
    '/docs/',
    '/docs/x',
    '/docs-x',
    '/docsx',
    '/DOCS',
    '/d%6Fcs',
    '//docs',
    '/docs%2F',
    '/b/docs',
    '/',
    'http://h/docs',
  ])("%s is S3's", (path) => {
    expect(owns('GET', path, undefined)).toBe(false)
  })

  test.each(['PUT', 'POST', 'DELETE', 'OPTIONS'])("%s /docs is S3's", (method) => {
    expect(owns(method, '/docs', undefined)).toBe(false)
  })

  test("a signed request is S3's: it means the bucket of that name", () => {
    expect(owns('GET', '/docs', 'AWS4-HMAC-SHA256 Credential=AK')).toBe(false)
    expect(owns('GET', '/metrics', 'AWS AK:signature')).toBe(false)
    expect(owns('GET', '/docs?list-type=2&X-Amz-Signature=0', undefined)).toBe(false)
    expect(owns('GET', '/docs?AWSAccessKeyId=AK', undefined)).toBe(false)
  })
})

describe('its answers', () => {
  test('alive', async () => {
    for (const path of ['/health', '/healthz']) {
      const response = await ask(path)
      expect([response.status, await response.json()]).toEqual([200, { status: 'ok' }])
    }
  })

  test('ready only where every check is', async () => {
    expect((await ask('/readyz')).status).toBe(200)
    const asleep = await ask('/readyz', {
      ready: async () => ({ metadata: 'ok', storage: 'asleep' }),
    })
    expect(asleep.status).toBe(503)
    expect(await asleep.json()).toEqual({
      status: 'unavailable',
      checks: { metadata: 'ok', storage: 'asleep' },
    })
    const broken = await ask('/readyz', { ready: () => Promise.reject(new Error('secret')) })
    expect(broken.status).toBe(503)
    expect(await broken.text()).not.toContain('secret')
  })

  test('metrics, for whoever bears the token where there is one', async () => {
    const open = await ask('/metrics')
    expect(open.headers.get('content-type')).toContain('version=0.0.4')
    expect(await open.text()).toBe('up 1\n')
    const secured = { metricsToken: 'sesame' }
    expect((await ask('/metrics', secured)).status).toBe(401)
    expect((await ask('/metrics', secured, { authorization: 'Bearer sesamo' })).status).toBe(401)
    expect((await ask('/metrics', secured, { authorization: 'Bearer sesame' })).status).toBe(200)
  })

  test('the documentation loads nothing from elsewhere', async () => {
    const response = await ask('/docs')
    const page = await response.text()
    expect(response.headers.get('content-type')).toBe('text/html; charset=utf-8')
    expect(page).not.toMatch(/(?:src|href)\s*=\s*["'](?!#)/)
    expect(page).not.toMatch(/https?:\/\//)
    const policy = response.headers.get('content-security-policy')
    expect(policy).toMatch(
      /default-src 'none'; script-src 'sha256-[^']+'; style-src 'sha256-[^']+'/,
    )
  })

  test('the description', async () => {
    const response = await ask('/openapi.json')
    expect(response.headers.get('content-type')).toBe('application/json')
    expect(await response.json()).toEqual({ openapi: '3.1.0' })
  })
})

describe('beside S3', () => {
  let gate: TestGate
  afterEach(async () => {
    await gate[Symbol.asyncDispose]()
  })

  test('on one port, each takes its own', async () => {
    const s3 = fakeS3()
    gate = await startGate(s3)
    expect((await gate.ask('GET /health HTTP/1.1\r\nhost: h\r\n')).body).toBe('{"status":"ok"}')
    expect(await gate.ask('HEAD /docs HTTP/1.1\r\nhost: h\r\n')).toMatchObject({
      status: 200,
      body: '',
    })
    expect((await gate.ask('GET /docs/x HTTP/1.1\r\nhost: h\r\n')).body).toContain('AccessDenied')
    expect((await gate.ask('GET /docs-x HTTP/1.1\r\nhost: h\r\n')).body).toContain('AccessDenied')
    const put = `PUT /docs HTTP/1.1\r\nhost: h\r\n${SIGNED}`
    expect((await gate.ask(put)).headers['location']).toBe('/docs')
  })

  test('on a port of its own, its paths are buckets on the main one', async () => {
    gate = await startGate(fakeS3(), { controlOnMain: false })
    expect((await gate.ask('GET /health HTTP/1.1\r\nhost: h\r\n')).body).toContain('AccessDenied')
    using own = openGate({
      api: {},
      authenticator: { ...fakeAuthenticator, authenticate: () => undefined },
      control: options,
      controlOnMain: false,
      region: 'r',
      onRequest: () => {},
    })
    const server = createServer()
    own.attachControl(server)
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    const statuses = await Promise.all(
      ['/health', '/b/k'].map(async (path) => (await fetch(base + path)).status),
    )
    expect(statuses).toEqual([200, 404])
    server.closeAllConnections()
    server.close()
  })
})
