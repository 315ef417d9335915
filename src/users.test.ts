/** Users while the gateway runs: made, limited, changed and taken away over the wire, and kept. */
import { mkdtemp, rm } from 'node:fs/promises'
import { createHash } from 'node:crypto'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { signRequest } from './auth/sign.ts'
import { configOf, type ConfigInput } from './config.ts'
import { type Server, startServer } from './server.ts'

const ROOT = {
  accessKeyId: 'rootkey',
  secretAccessKey: 'root secret key',
  displayName: 'boss',
  admin: true,
}
const PLAIN = { accessKeyId: 'plainkey', secretAccessKey: 'plain secret key', displayName: 'plain' }
type Key = Pick<typeof ROOT, 'accessKeyId' | 'secretAccessKey'>

const servers: Server[] = []
const folders: string[] = []
afterEach(async () => {
  for (const server of servers.splice(0)) await server.close()
  for (const folder of folders.splice(0)) await rm(folder, { recursive: true })
})

async function start(more: ConfigInput = {}): Promise<Server> {
  const server = await startServer(
    configOf({
      port: 0,
      credentials: [ROOT, PLAIN],
      metadata: { engine: 'memory' },
      storage: { engine: 'memory' },
      policies: {
        read: {
          Version: '2012-10-17',
          Statement: [{ Effect: 'Allow', Action: 's3:GetObject', Resource: '*' }],
        },
      },
      groups: { readers: { policies: ['read'] } },
      ...more,
    }),
  )
  servers.push(server)
  return server
}

async function ask(
  { url }: Server,
  key: Key | undefined,
  method: string,
  path: string,
  body = '',
): Promise<{ status: number; text: string }> {
  const payloadHash = createHash('sha256').update(body).digest('hex')
  const headers: Record<string, string> =
    key === undefined
      ? {}
      : signRequest(
          { method, path, query: '', headers: { host: new URL(url).host }, payloadHash },
          { credential: key, region: 'us-east-1', now: Date.now() },
        )
  delete headers['host']
  const answer = await fetch(url + path, { method, headers, ...(body !== '' && { body }) })
  return { status: answer.status, text: await answer.text() }
}

const put = (server: Server, name: string, user: object, by: Key = ROOT) =>
  ask(server, by, 'PUT', `/_admin/users/${name}`, JSON.stringify(user))

test('a user made now may sign now, has what its policies give, and is gone once taken away', async () => {
  const server = await start({ buckets: ['shelf'] })
  expect((await ask(server, ROOT, 'PUT', '/shelf/k', 'x')).status).toBe(200)
  const made = await put(server, 'newkey', { displayName: 'boss', groups: ['readers'] })
  expect(made.status).toBe(200)
  const key = JSON.parse(made.text) as Key
  expect(key.secretAccessKey.length).toBeGreaterThan(20)
  expect((await ask(server, key, 'GET', '/shelf/k')).text).toBe('x')
  expect((await ask(server, key, 'PUT', '/shelf/k', 'y')).status).toBe(403)
  expect(
    (
      await put(server, 'newkey', {
        policy: { Statement: { Effect: 'Allow', Action: '*', Resource: '*' } },
      })
    ).text,
  ).toBe('{"accessKeyId":"newkey"}')
  expect((await ask(server, key, 'PUT', '/shelf/k', 'y')).status).toBe(200)
  const listed = await ask(server, ROOT, 'GET', '/_admin/users')
  expect(listed.text).toContain('"accessKeyId":"newkey"')
  for (const { secretAccessKey } of [key, ROOT, PLAIN])
    expect(listed.text).not.toContain(secretAccessKey)
  expect((await ask(server, ROOT, 'DELETE', '/_admin/users/newkey')).status).toBe(204)
  expect((await ask(server, key, 'GET', '/shelf/k')).text).toContain('InvalidAccessKeyId')
  expect((await ask(server, ROOT, 'DELETE', '/_admin/users/newkey')).status).toBe(404)
})

test('nobody but an administrator comes near', async () => {
  const server = await start()
  for (const by of [undefined, PLAIN, { ...ROOT, secretAccessKey: 'guessed secret' }]) {
    for (const [method, path] of [
      ['GET', 'users'],
      ['PUT', 'users/mine'],
      ['DELETE', 'users/plainkey'],
      ['GET', 'metrics'],
    ] as const) {
      const { status } = await ask(
        server,
        by,
        method,
        `/_admin/${path}`,
        method === 'PUT' ? '{"displayName":"x","admin":true}' : '',
      )
      expect([method, path, status]).toEqual([method, path, 403])
    }
  }
  const { text } = await ask(server, ROOT, 'GET', '/_admin/users')
  expect(text).not.toContain('mine')
})

test('what makes no sense is refused, and nothing is kept of it', async () => {
  const server = await start()
  for (const [name, user] of [
    ['ab', { displayName: 'x' }],
    ['ASIAKEY', { displayName: 'x' }],
    ['key', {}],
    ['key', []],
    ['key', { displayName: '' }],
    ['key', { displayName: 'x', secretAccessKey: 'short' }],
    ['key', { displayName: 'x', colour: 'red' }],
    ['key', { displayName: 'x', policies: ['none'] }],
    ['key', { displayName: 'x', groups: ['none'] }],
    ['key', { displayName: 'x', policy: {} }],
    ['key', { displayName: 'x', admin: 'yes' }],
    ['key', { displayName: 'x', constructor: 1 }],
  ] as const)
    expect((await put(server, name, user)).status, JSON.stringify(user)).toBe(400)
  expect((await put(server, 'rootkey', { displayName: 'x' })).status).toBe(409)
  expect((await ask(server, ROOT, 'DELETE', '/_admin/users/plainkey')).status).toBe(409)
  expect((await ask(server, ROOT, 'PUT', '/_admin/users/key', 'no json')).status).toBe(400)
  expect((await ask(server, ROOT, 'GET', '/_admin/users')).text).not.toContain('administration')
})

test('users outlive the gateway that made them', async () => {
  const data = await mkdtemp(join(tmpdir(), 'sluice-users-'))
  folders.push(data)
  const kept = { data, metadata: { engine: 'sqlite' }, storage: { engine: 'fs' } } as const
  const first = await start(kept)
  const key = JSON.parse((await put(first, 'newkey', { displayName: 'new' })).text) as Key
  await first.close()
  servers.length = 0
  const second = await start(kept)
  expect((await ask(second, key, 'PUT', '/theirs')).status).toBe(200)
  expect((await ask(second, PLAIN, 'GET', '/theirs')).status).toBe(403)
})

test('STS is spoken at the root, in its own words', async () => {
  const server = await start()
  const form = { method: 'POST', headers: { 'content-type': 'application/x-www-form-urlencoded' } }
  const answer = await fetch(server.url, { ...form, body: 'Action=GetSessionToken' })
  expect(answer.status).toBe(403)
  expect(await answer.text()).toContain('<Error><Type>Sender</Type><Code>AccessDenied</Code>')
})
