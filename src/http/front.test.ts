import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, expect, test } from 'vitest'
import { Front } from './front.ts'
import { Wire } from './wire.fixture.ts'

const KEEP_ALIVE_MS = 400

interface Setup extends AsyncDisposable {
  readonly seen: string[]
  wire(): Wire
  closeIdle(): void
}

/** The front tells `front GET /x`, Node behind it `node GET /x`. */
async function setUp(delayMs = 0): Promise<Setup> {
  const seen: string[] = []
  const front = new Front({
    isOurs: ({ url }) => !url.startsWith('/health'),
    serve(request, response, _head, ask) {
      let size = 0
      ask?.()
      request.on('data', (chunk) => (size += chunk.length))
      const answer = (): void => {
        seen.push(`front ${request.method} ${request.url}`)
        const body = `front ${size}`
        response.writeHead(200, ['content-length', String(body.length)])
        response.end(body)
      }
      request.on('end', () => setTimeout(answer, delayMs))
    },
    refuseBroken: (socket) => socket.destroy(),
  })
  const server = createServer({ keepAliveTimeout: KEEP_ALIVE_MS }, (request, response) => {
    seen.push(`node ${request.method} ${request.url}`)
    request.resume().on('end', () => response.end('node'))
  })
  front.attach(server)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const wires: Wire[] = []
  return {
    seen,
    wire() {
      const wire = new Wire(port)
      wires.push(wire)
      return wire
    },
    closeIdle: () => server.closeIdleConnections(),
    async [Symbol.asyncDispose]() {
      for (const wire of wires) wire[Symbol.dispose]()
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
      front[Symbol.dispose]()
    },
  }
}

let setup: Setup

afterEach(() => setup[Symbol.asyncDispose]())

const get = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: h\r\n\r\n`
const put = (path: string, length: number): string =>
  `PUT ${path} HTTP/1.1\r\nHost: h\r\nContent-Length: ${length}\r\n\r\n`

test('plain requests, one after the other, never come to Node', async () => {
  setup = await setUp()
  const wire = setup.wire()
  for (let i = 0; i < 5; i++) {
    expect((await wire.send(get('/a')).answer()).body).toBe('front 0')
    expect((await wire.send(put('/a', 5), 'hello').answer()).body).toBe('front 5')
    wire.send(put('/a', 900_000), Buffer.alloc(900_000))
    expect((await wire.answer()).body).toBe('front 900000')
  }
  expect(setup.seen.every((line) => line.startsWith('front'))).toBe(true)
})

test('what is not ours goes to Node, and the connection stays there', async () => {
  setup = await setUp()
  const wire = setup.wire()
  expect((await wire.send(get('/a')).answer()).body).toBe('front 0')
  expect((await wire.send(get('/health')).answer()).body).toBe('node')
  expect((await wire.send(get('/a')).answer()).body).toBe('node')
})

test('a head in pieces, and a body in chunks, go to Node with all that came', async () => {
  setup = await setUp()
  const wire = setup.wire()
  expect((await wire.send(put('/a', 1), 'x').answer()).body).toBe('front 1')
  wire.send('GET /pieces HTTP/1.1\r\nHo')
  await sleep(20)
  expect((await wire.send('st: h\r\n\r\n').answer()).body).toBe('node')
  const other = setup.wire()
  other.send(
    'PUT /c HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n',
  )
  expect((await other.answer()).body).toBe('node')
  expect(setup.seen).toEqual(['front PUT /a', 'node GET /pieces', 'node PUT /c'])
})

test('requests that are sent ahead are answered in their order', async () => {
  setup = await setUp(20)
  const wire = setup.wire()
  wire.send(`${put('/1', 3)}abc${get('/2')}${put('/3', 2)}xy`)
  expect((await wire.answer()).body).toBe('front 3')
  expect((await wire.answer()).body).toBe('node')
  expect((await wire.answer()).body).toBe('node')
  expect(setup.seen).toEqual(['front PUT /1', 'node GET /2', 'node PUT /3'])
})

test('100 Continue is sent once the body is asked for', async () => {
  setup = await setUp()
  const head = 'PUT /e HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n'
  const wire = setup.wire().send(head)
  expect((await wire.answer()).status).toBe(100)
  expect((await wire.send('ab').answer()).body).toBe('front 2')
})

test('an idle connection is closed after its time, one that is used is not', async () => {
  setup = await setUp()
  const idle = setup.wire().send(get('/a'))
  const used = setup.wire()
  await idle.answer()
  const closed = idle.closed()
  let isClosed = false
  void closed.then(() => (isClosed = true))
  while (!isClosed) {
    await used.send(get('/a')).answer()
    await sleep(20)
  }
  expect((await used.send(get('/a')).answer()).body).toBe('front 0')
})

test('closing idle connections leaves those that are being answered', async () => {
  setup = await setUp(50)
  const idle = setup.wire().send(get('/a'))
  await idle.answer()
  const busy = setup.wire().send(get('/b'))
  await sleep(20)
  setup.closeIdle()
  expect(await idle.closed()).toBe('')
  expect((await busy.answer()).body).toBe('front 0')
})
