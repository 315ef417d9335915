import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { fetchUrl } from './fetch-url.ts'
import { Outbound } from './outbound.ts'

let server: Server
let asked: string[] = []
beforeEach(async () => {
  asked = []
  server = createServer((request, response) => {
    asked.push(request.url!)
    if (request.url === '/moved') response.writeHead(302, { location: '/it' }).end()
    else if (request.url === '/inside')
      response.writeHead(302, { location: 'http://169.254.169.254/latest' }).end()
    else if (request.url === '/round') response.writeHead(301, { location: '/round' }).end()
    else if (request.url === '/it') response.end('hello')
    else response.writeHead(404).end()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
})
afterEach(() => {
  server.closeAllConnections()
  server.close()
})

const NEVER = new AbortController().signal
const get = async (path: string, sizeMax = 100, allow = ['127.0.0.1']): Promise<string> => {
  const { port } = server.address() as AddressInfo
  const outbound = new Outbound(allow, 'torrents.allow')
  return Buffer.from(
    await fetchUrl(outbound, `http://127.0.0.1:${port}${path}`, sizeMax, NEVER),
  ).toString()
}

test('what a URL names is got, also where it has moved to', async () => {
  expect(await get('/it')).toBe('hello')
  expect(await get('/moved')).toBe('hello')
})

test('private addresses are refused, also where a public one leads there', async () => {
  await expect(get('/it', 100, [])).rejects.toThrow(/private network.*torrents\.allow/)
  expect(asked).toEqual([])
  await expect(get('/inside')).rejects.toThrow('169.254.169.254 is an address of a private network')
})

test('what is too large, not there, or never ends is an error that says so', async () => {
  await expect(get('/it', 4)).rejects.toThrow('more than 4 bytes')
  await expect(get('/none')).rejects.toThrow('the server answered 404')
  await expect(get('/round')).rejects.toThrow('redirected too often')
})
