import { once } from 'node:events'
import { Agent, createServer, get, type IncomingMessage } from 'node:http'
import { Agent as TlsAgent, get as getTls } from 'node:https'
import type { AddressInfo } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { proxyFor } from './proxy.ts'

/** What a proxy was asked for; it answers each request itself, and tunnels nothing. */
async function startProxy(): Promise<{ readonly url: string; readonly asked: string[] }> {
  const asked: string[] = []
  const server = createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`)
    response.writeHead(204).end()
  })
  server.on('connect', (request, socket) => {
    asked.push(`CONNECT ${request.url}`)
    socket.end('HTTP/1.1 403 Forbidden\r\n\r\n')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked }
}

test('a service is reached by the proxy that the surroundings name', async () => {
  const { url, asked } = await startProxy()
  const env = { HTTP_PROXY: url, https_proxy: url, NO_PROXY: 'inside.example' }
  const plain = new Agent(proxyFor('http://service.example', env))
  const [answer] = (await once(get('http://service.example/b', { agent: plain }), 'response')) as [
    IncomingMessage,
  ]
  expect(answer.statusCode).toBe(204)
  const secure = new TlsAgent(proxyFor('https://service.example', env))
  const refused = once(getTls('https://service.example/b', { agent: secure }), 'response')
  await expect(refused).rejects.toThrow('tunnel')
  expect(asked).toEqual(['GET http://service.example/b', 'CONNECT service.example:443'])
})

test('hosts that are left out, and this machine, are reached without', async () => {
  const { url, asked } = await startProxy()
  const service = await startProxy()
  const env = { HTTP_PROXY: url, NO_PROXY: 'localhost' }
  const agent = new Agent(proxyFor(service.url, env))
  await once(get(service.url, { agent }), 'response')
  const { port } = new URL(service.url)
  const named = new Agent({ ...proxyFor(undefined, env), family: 4 })
  await once(get(`http://localhost:${port}/`, { agent: named }), 'response')
  expect([asked.length, service.asked.length]).toEqual([0, 2])
  for (const here of ['http://localhost:1', 'https://127.0.0.2', 'http://[::1]:9000'])
    expect(proxyFor(here, env)).toEqual({})
})
