import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { HttpWebhooks } from './webhooks.ts'

let server: Server
let got: { request: IncomingMessage; body: string }[] = []
let answer: { status: number; headers: Record<string, string> } | undefined
beforeEach(async () => {
  got = []
  answer = { status: 200, headers: {} }
  server = createServer((request, response) => {
    let body = ''
    request.on('data', (chunk: Buffer) => (body += chunk.toString()))
    request.on('end', () => {
      got.push({ request, body })
      if (answer !== undefined) response.writeHead(answer.status, answer.headers).end('ignored')
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
})
afterEach(() => {
  server.closeAllConnections()
  server.close()
})

const urlOf = (host = '127.0.0.1'): string =>
  `http://${host}:${(server.address() as AddressInfo).port}/hook?a=1`
const NEVER = new AbortController().signal
const hooks = (...allow: string[]): HttpWebhooks => new HttpWebhooks({ allow, timeoutMs: 500 })

test('a listed address is told, by POST and in JSON', async () => {
  for (const allow of ['127.0.0.1', '127.0.0.0/8']) {
    await hooks(allow).post(urlOf(), '{"Records":[]}', NEVER)
    const { request, body } = got.at(-1)!
    expect(request).toMatchObject({ method: 'POST', url: '/hook?a=1' })
    expect(request.headers['content-type']).toBe('application/json')
    expect(body).toBe('{"Records":[]}')
  }
  await hooks('localhost').post(urlOf('localhost'), '{}', NEVER)
  expect(got).toHaveLength(3)
})

test('private addresses are refused, however they are written, and names that lead to them', async () => {
  const check = (url: string): string | undefined => hooks().refusal(url)
  for (const host of [
    '127.0.0.1',
    '2130706433',
    '0x7f.1',
    '0177.0.0.1',
    '10.1.2.3',
    '172.31.0.1',
    '192.168.0.1',
    '169.254.169.254',
    '100.64.0.1',
    '0.0.0.0',
    '[::1]',
    '[::]',
    '[::ffff:10.0.0.1]',
    '[::ffff:a00:1]',
    '[64:ff9b::a00:1]',
    '[2002:a00:1::]',
    '[fd00::1]',
    '[fe80::1]',
  ]) {
    expect(check(`http://${host}/`), host).toContain('private network')
  }
  expect(check('https://93.184.215.14/')).toBeUndefined()
  expect(check('https://example.com/hook')).toBeUndefined()
  for (const url of [
    'ftp://example.com/',
    'file:///etc/passwd',
    'arn:aws:sqs:::q',
    '',
    'http://u:p@example.com/',
  ]) {
    expect(check(url), url).toBeDefined()
  }
  await expect(hooks().post(urlOf('localhost'), '{}', NEVER)).rejects.toThrow(/private network/)
  await expect(hooks().post(urlOf(), '{}', NEVER)).rejects.toThrow(/private network/)
  expect(got).toEqual([])
})

test('an answer that is no success, a redirection and silence are failures', async () => {
  const allowed = hooks('127.0.0.1')
  answer = { status: 500, headers: {} }
  await expect(allowed.post(urlOf(), '{}', NEVER)).rejects.toThrow('answered 500')
  answer = { status: 302, headers: { location: urlOf() } }
  await expect(allowed.post(urlOf(), '{}', NEVER)).rejects.toThrow('answered 302')
  expect(got).toHaveLength(2)
  answer = undefined
  await expect(allowed.post(urlOf(), '{}', NEVER)).rejects.toThrow(/timeout|aborted/i)
})

test('what is no network cannot be listed', () => {
  expect(() => hooks('10.0.0.0/33')).toThrow(RangeError)
  expect(() => hooks('name/8')).toThrow(RangeError)
})
