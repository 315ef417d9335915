import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, onTestFinished, test, vi } from 'vitest'
import { azureIdentity } from './azure-identity.ts'

const SCOPE = 'https://storage.azure.com/.default'

/** Managed identities, as App Service and Container Apps tell of them; what they were asked. */
async function identities(answer: (response: ServerResponse) => void): Promise<readonly string[]> {
  const asked: string[] = []
  const server = createServer((request, response) => {
    asked.push(`${request.url} ${String(request.headers['x-identity-header'])}`)
    answer(response)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  vi.stubEnv('IDENTITY_ENDPOINT', `http://127.0.0.1:${port}/token`)
  vi.stubEnv('IDENTITY_HEADER', 'a header')
  onTestFinished(() => {
    vi.unstubAllEnvs()
    server.closeAllConnections()
    server.close()
  })
  return asked
}

test('the identity of the machine signs in, the one that is named where it has several', async () => {
  const asked = await identities((response) => {
    const expires = String(Math.round(Date.now() / 1000) + 3600)
    const token = { access_token: 'the token', expires_on: expires, token_type: 'Bearer' }
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(token))
  })
  const identity = await azureIdentity('the-client')
  expect((await identity.getToken(SCOPE))?.token).toBe('the token')
  expect(asked[0]).toMatch(/client_id=the-client.* a header$/)
})

test('one that does not answer is not waited for', async () => {
  await identities(() => {})
  const identity = await azureIdentity('another', 100)
  await expect(identity.getToken(SCOPE)).rejects.toMatchObject({ code: 'ETIMEDOUT' })
})
