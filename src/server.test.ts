import { execFileSync } from 'node:child_process'
import { hash } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { get, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { signRequest } from './auth/sign.ts'
import { askSigned, type Target } from './cli/signed-request.ts'
import { type ConfigInput, configOf } from './config.ts'
import { StoreLocked } from './lib/store-error.ts'
import { StartError } from './listen.ts'
import { type Server, startServer } from './server.ts'

let folder = ''
let servers: Server[] = []
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-server-'))
})
afterEach(async () => {
  for (const server of servers) await server.close()
  servers = []
  rmSync(folder, { recursive: true })
})

const KEY = { accessKeyId: 'tester', secretAccessKey: 'a secret of tests' }
const MEMORY: ConfigInput = { metadata: { engine: 'memory' }, storage: { engine: 'memory' } }

async function start(input: ConfigInput = {}): Promise<Server> {
  const config = configOf({ port: 0, data: folder, credentials: [KEY], ...input })
  const server = await startServer(config)
  servers.push(server)
  return server
}

function targetOf({ url, credentials }: Server, region = 'us-east-1'): Target {
  return { endpoint: url, region, credential: credentials[0]! }
}

async function textOf(url: string): Promise<{ status: number; text: string }> {
  const answer = await fetch(url)
  return { status: answer.status, text: await answer.text() }
}

async function gauge(server: Server, name: string): Promise<number> {
  const { text } = await textOf(`${server.url}/metrics`)
  return Number(new RegExp(`^${name} (.*)$`, 'm').exec(text)?.[1])
}

test('what was put is got again, and again after a restart', async () => {
  const first = await start()
  await askSigned(targetOf(first), 'PUT', '/bucket')
  await askSigned(targetOf(first), 'PUT', '/bucket/small', 'small')
  await askSigned(targetOf(first), 'PUT', '/bucket/large', 'x'.repeat(200_000))
  expect(await first.close()).toBe(true)
  const second = await start()
  expect((await askSigned(targetOf(second), 'GET', '/bucket/small')).body.toString()).toBe('small')
  expect((await askSigned(targetOf(second), 'GET', '/bucket/large')).body).toHaveLength(200_000)
})

/** Resolves to the status. */
async function putEncrypted(server: Server, path: string, body: string): Promise<number> {
  const { credential, endpoint, region } = targetOf(server)
  const asked = {
    host: new URL(endpoint).host,
    'content-length': String(body.length),
    'x-amz-server-side-encryption': 'AES256',
  }
  const payloadHash = hash('sha256', body)
  const headers = signRequest(
    { method: 'PUT', path, query: '', headers: asked, payloadHash },
    { credential, region, now: Date.now() },
  )
  return (await fetch(endpoint + path, { method: 'PUT', headers, body })).status
}

test("what the folder's own key encrypts is in no file in clear, and stays readable once keys are configured", async () => {
  const mark = 'a secret on the disk'
  const bodies = { small: mark, large: `${mark} `.repeat(10_000) }
  const first = await start()
  await askSigned(targetOf(first), 'PUT', '/bucket')
  for (const [key, body] of Object.entries(bodies))
    expect(await putEncrypted(first, `/bucket/${key}`, body)).toBe(200)
  await first.close()
  const files = readdirSync(folder, { recursive: true, withFileTypes: true })
  const bytes = files
    .filter((file) => file.isFile())
    .map((file) => readFileSync(join(file.parentPath, file.name)))
  expect(Buffer.concat(bytes).includes(mark)).toBe(false)
  const keys = [{ id: 'configured', key: Buffer.alloc(32, 1).toString('base64') }]
  const second = await start({ encryption: { keys } })
  for (const [key, body] of Object.entries(bodies))
    expect((await askSigned(targetOf(second), 'GET', `/bucket/${key}`)).body.toString()).toBe(body)
})

test('without credentials in the configuration, those of the data folder are made, and stay', async () => {
  const first = await start({ credentials: [] })
  expect(first.credentialsFile).toBe(join(folder, 'credentials.json'))
  expect((await askSigned(targetOf(first), 'GET', '/')).status).toBe(200)
  await first.close()
  const second = await start({ credentials: [] })
  expect(second.credentials).toEqual(first.credentials)
})

test('in memory with credentials of its own, the disk is not touched', async () => {
  const data = join(folder, 'never')
  await start({ ...MEMORY, data })
  await expect(start({ ...MEMORY, data })).resolves.toBeDefined()
  expect(() => rmSync(data, { recursive: true })).toThrow(/ENOENT/)
})

test('a second gateway on the same folder is refused, and may come once the first has closed', async () => {
  const first = await start()
  await expect(start()).rejects.toThrow(StoreLocked)
  await first.close()
  await start()
})

test('a taken port is told with what to do, and leaves nothing locked behind', async () => {
  const first = await start(MEMORY)
  const port = Number(new URL(first.url).port)
  await expect(start({ port })).rejects.toThrow(
    new StartError(
      `port ${port} on 127.0.0.1 is taken by another program: stop it, or choose another port with --port`,
    ),
  )
  await start()
})

test('signatures may name any region, unless one was set', async () => {
  const status = async (server: Server, region: string): Promise<number> =>
    (await askSigned(targetOf(server, region), 'GET', '/')).status
  const free = await start(MEMORY)
  expect(await status(free, 'mars-north-1')).toBe(200)
  const bound = await start({ ...MEMORY, region: 'eu-central-1' })
  expect(await status(bound, 'eu-central-1')).toBe(200)
  expect(await status(bound, 'mars-north-1')).toBe(400)
})

test('declared buckets are made once, in the region, and belong to the first credential', async () => {
  const buckets = ['one-bucket', 'other-bucket']
  const first = await start({ buckets, region: 'eu-central-1' })
  const list = async (server: Server): Promise<string> =>
    (await askSigned(targetOf(server, 'eu-central-1'), 'GET', '/')).body.toString()
  for (const bucket of buckets) expect(await list(first)).toContain(`<Name>${bucket}</Name>`)
  await askSigned(targetOf(first, 'eu-central-1'), 'PUT', '/one-bucket/kept', 'kept')
  await first.close()
  const second = await start({ buckets, region: 'eu-central-1' })
  const kept = await askSigned(targetOf(second, 'eu-central-1'), 'GET', '/one-bucket/kept')
  expect(kept.body.toString()).toBe('kept')
  await second.close()
  const credentials = [{ ...KEY, displayName: 'somebody else' }]
  await expect(start({ buckets, region: 'eu-central-1', credentials })).rejects.toThrow(StartError)
})

test('the gauges count buckets and objects at once, and after a restart', async () => {
  const first = await start()
  const target = targetOf(first)
  await askSigned(target, 'PUT', '/bucket')
  for (const key of ['a', 'b', 'c', 'a']) await askSigned(target, 'PUT', `/bucket/${key}`, key)
  await askSigned(target, 'DELETE', '/bucket/b')
  await askSigned(target, 'DELETE', '/bucket/none')
  expect(await gauge(first, 'sluice_objects')).toBe(2)
  expect(await gauge(first, 'sluice_buckets')).toBe(1)
  await first.close()
  const second = await start()
  await expect.poll(() => gauge(second, 'sluice_objects')).toBe(2)
  await askSigned(targetOf(second), 'DELETE', '/bucket/a')
  expect(await gauge(second, 'sluice_objects')).toBe(1)
})

test('requests are counted by operation and status, errors by code, bytes both ways', async () => {
  const server = await start(MEMORY)
  const target = targetOf(server)
  await askSigned(target, 'PUT', '/bucket')
  await askSigned(target, 'PUT', '/bucket/key', '12345')
  await askSigned(target, 'GET', '/bucket/key')
  await askSigned(target, 'GET', '/bucket/none')
  const { text } = await textOf(`${server.url}/metrics`)
  const lines = text.split('\n')
  expect(lines).toContain('sluice_requests_total{operation="GetObject",status="200"} 1')
  expect(lines).toContain('sluice_requests_total{operation="GetObject",status="404"} 1')
  expect(lines).toContain('sluice_request_seconds_count{operation="GetObject"} 2')
  expect(lines).toContain('sluice_request_bytes_total{operation="PutObject"} 5')
  expect(lines).toContain('sluice_errors_total{code="NoSuchKey"} 1')
  expect(text).toMatch(/^nodejs_eventloop_lag_seconds /m)
})

test('with a control port, health and metrics are there alone, and their paths are buckets on the other', async () => {
  const server = await start({ ...MEMORY, control: { port: 0 } })
  expect((await textOf(`${server.controlUrl}/readyz`)).status).toBe(200)
  expect((await textOf(`${server.controlUrl}/metrics`)).text).toContain('sluice_objects')
  expect((await textOf(`${server.controlUrl}/bucket`)).status).toBe(404)
  const { status, text } = await textOf(`${server.url}/metrics`)
  expect([status, text]).toEqual([404, expect.stringContaining('<Code>NoSuchBucket</Code>')])
})

test('metrics ask for their token where one is configured', async () => {
  const server = await start({ ...MEMORY, metrics: { auth: 'token', token: 'sesame-sesame' } })
  expect((await textOf(`${server.url}/metrics`)).status).toBe(401)
  const headers = { authorization: 'Bearer sesame-sesame' }
  expect((await fetch(`${server.url}/metrics`, { headers })).status).toBe(200)
})

/** A PUT whose last bytes are sent by `finish`; resolves once the server has begun to read it. */
async function slowPut(
  server: Server,
): Promise<{ finish(): void; status: Promise<number | string> }> {
  const { credential, endpoint, region } = targetOf(server)
  const { host } = new URL(endpoint)
  const [begin, end] = ['x'.repeat(100_000), 'the end']
  const headers = signRequest(
    {
      method: 'PUT',
      path: '/bucket/slow',
      query: '',
      headers: {
        host,
        'content-length': String(begin.length + end.length),
        expect: '100-continue',
      },
      payloadHash: hash('sha256', begin + end),
    },
    { credential, region, now: Date.now() },
  )
  const put = request(`${endpoint}/bucket/slow`, { method: 'PUT', headers })
  const status = new Promise<number | string>((resolve) => {
    put.on('response', (answer) => resolve(answer.resume().statusCode ?? 0))
    put.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? ''))
  })
  put.flushHeaders()
  await once(put, 'continue')
  put.write(begin)
  return { finish: () => void put.end(end), status }
}

test('closing waits for requests under way, refuses new ones, and loses nothing', async () => {
  const server = await start({ buckets: ['bucket'] })
  const put = await slowPut(server)
  const closed = server.close()
  const refused = await new Promise((resolve) => {
    get(`${server.url}/healthz`, { agent: false }, (answer) => resolve(answer.statusCode)).on(
      'error',
      (error: NodeJS.ErrnoException) => resolve(error.code),
    )
  })
  expect(refused).toBe('ECONNREFUSED')
  put.finish()
  expect(await put.status).toBe(200)
  expect(await closed).toBe(true)
  const again = await start()
  expect((await askSigned(targetOf(again), 'GET', '/bucket/slow')).body).toHaveLength(100_007)
})

test('closing cuts off what takes longer than it may, and says so', async () => {
  const server = await start({ buckets: ['bucket'], shutdownTimeout: '200ms' })
  const put = await slowPut(server)
  const started = performance.now()
  expect(await server.close()).toBe(false)
  expect(performance.now() - started).toBeLessThan(2000)
  expect(await put.status).toBe('ECONNRESET')
})

test('an idle connection does not hold up the end', async () => {
  const server = await start(MEMORY)
  await fetch(`${server.url}/healthz`)
  const started = performance.now()
  expect(await server.close()).toBe(true)
  expect(performance.now() - started).toBeLessThan(1000)
})

function makeCertificate(name: string): { cert: string; key: string } {
  const files = { cert: join(folder, 'cert.pem'), key: join(folder, 'key.pem') }
  const words = `req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=${name}`
  execFileSync('openssl', [...words.split(' '), '-keyout', files.key, '-out', files.cert], {
    stdio: 'ignore',
  })
  return files
}

async function certificateName({ url }: Server): Promise<unknown> {
  const { hostname, port } = new URL(url)
  const socket: TLSSocket = connectTls({
    host: hostname,
    port: Number(port),
    rejectUnauthorized: false,
  })
  await once(socket, 'secureConnect')
  const name: unknown = socket.getPeerCertificate().subject.CN
  socket.destroy()
  return name
}

test('with TLS, a new certificate is taken up without a restart, and a broken one is not', async () => {
  const tls = makeCertificate('first')
  const server = await start({ ...MEMORY, tls })
  expect(server.url).toMatch(/^https:/)
  expect((await askSigned(targetOf(server), 'GET', '/')).status).toBe(200)
  expect(await certificateName(server)).toBe('first')
  makeCertificate('second')
  server.reloadTls()
  expect(await certificateName(server)).toBe('second')
  writeFileSync(tls.cert, 'broken')
  expect(() => server.reloadTls()).toThrow(/PEM/)
  expect(await certificateName(server)).toBe('second')
})

test('a certificate that is not there is told in one line', async () => {
  const tls = { cert: join(folder, 'no.pem'), key: join(folder, 'no.key') }
  await expect(start({ ...MEMORY, tls })).rejects.toThrow(`${tls.cert} cannot be read (ENOENT)`)
})
