import { once } from 'node:events'
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, describe, expect, test } from 'vitest'
import { S3Error } from '../api/error.ts'
import type { Call } from '../api/operations.ts'
import type { Body } from '../lib/stream.ts'
import { fakeS3, readAll, SIGNED, startGate, type TestGate } from './gate.fixture.ts'

let gate: TestGate

afterEach(async () => {
  await gate[Symbol.asyncDispose]()
})

const MIB = 1024 ** 2
const put = (path: string, length: number, headers = ''): string =>
  `PUT ${path} HTTP/1.1\r\nhost: h\r\n${SIGNED}${headers}content-length: ${length}\r\n\r\n`
const get = (path: string): string => `GET ${path} HTTP/1.1\r\nhost: h\r\n${SIGNED}\r\n`

describe('Expect', () => {
  const EXPECT = 'expect: 100-continue\r\n'

  test('100 comes once the body is wanted, and then the answer', async () => {
    gate = await startGate(fakeS3())
    const wire = gate.wire().send(put('/b/k', 5, EXPECT))
    expect((await wire.answer()).status).toBe(100)
    expect((await wire.send('hello').answer()).status).toBe(200)
    expect((await wire.send(get('/b/k')).answer()).body).toBe('hello')
  })

  test.each([
    ['a false signature', put('/b/k', 5, EXPECT).replace('alice', 'mallory'), 403],
    ['an anonymous request', put('/b/k', 5, EXPECT).replace(SIGNED, ''), 403],
    ['a bucket that does not exist', put('/gone/k', 5, EXPECT), 404],
    ['a body over the limit', put('/b/k', 6 * 1024 ** 3, EXPECT), 400],
    ['a malformed checksum', put('/b/k', 5, `${EXPECT}content-md5: x\r\n`), 400],
  ])('%s is refused without asking for the body', async (_name, head, status) => {
    gate = await startGate(fakeS3())
    const wire = gate.wire().send(head)
    const answer = await wire.answer()
    expect(answer.status).toBe(status)
    // The body may come nonetheless, or not: what follows cannot be told from it.
    expect(answer.headers['connection']).toBe('close')
  })

  test('a client that sends its body nonetheless still reads the refusal', async () => {
    gate = await startGate(fakeS3())
    const wire = gate.wire().send(put('/gone/k', 500_000, EXPECT), Buffer.alloc(500_000))
    expect((await wire.answer()).status).toBe(404)
    expect(await wire.closed()).toBe('')
  })

  test.each(['', '100-Continues', 'anything'])('Expect: %j changes nothing', async (value) => {
    gate = await startGate(fakeS3())
    const wire = gate.wire().send(put('/b/k', 5, `expect: ${value}\r\n`), 'hello')
    expect((await wire.answer()).status).toBe(200)
  })
})

describe('connections', () => {
  test('pipelined requests are worked off one after the other: a GET sees the PUT before it', async () => {
    const s3 = fakeS3()
    let underWay = 0
    gate = await startGate({
      ...s3,
      async PutObject(input, call) {
        expect(++underWay).toBe(1)
        await sleep(20)
        underWay--
        return s3.PutObject!(input, call)
      },
    })
    const wire = gate.wire()
    wire.send(put('/b/k', 1), '1', put('/b/k', 1), '2', get('/b/k'))
    await wire.answer()
    await wire.answer()
    expect((await wire.answer()).body).toBe('2')
  })

  test('pipelined requests are answered in their order', async () => {
    const s3 = fakeS3()
    s3.objects.set('b/1', Buffer.from('one'))
    gate = await startGate(s3)
    const wire = gate.wire()
    wire.send(put('/b/2', 3) + 'two' + get('/b/1') + get('/b/2') + get('/b/none') + get('/b/1'))
    expect((await wire.answer()).status).toBe(200)
    expect((await wire.answer()).body).toBe('one')
    expect((await wire.answer()).body).toBe('two')
    expect((await wire.answer()).status).toBe(404)
    expect((await wire.answer()).body).toBe('one')
  })

  test('a connection that sends a hundred requests ahead is broken off', async () => {
    let asked = 0
    gate = await startGate({
      async GetObject() {
        asked++
        await sleep(20)
        return {}
      },
    })
    const wire = gate.wire().send(get('/b/k').repeat(300))
    await wire.closed()
    expect(asked).toBeLessThan(5)
  })

  test('an early refusal reads a small body away and keeps the connection', async () => {
    gate = await startGate(fakeS3())
    const wire = gate.wire()
    for (let i = 0; i < 3; i++) {
      wire.send(put('/gone/k', 300_000), Buffer.alloc(300_000))
      const answer = await wire.answer()
      expect(answer.status).toBe(404)
      expect(answer.headers['connection']).not.toBe('close')
    }
    expect((await wire.send(put('/b/k', 5), 'hello').answer()).status).toBe(200)
  })

  test('an early refusal of a large body is read by the client, then the connection closes', async () => {
    gate = await startGate(fakeS3())
    const wire = gate.wire().send(put('/gone/k', 100 * MIB), Buffer.alloc(200_000))
    const answer = await wire.answer()
    expect(answer.status).toBe(404)
    expect(answer.headers['connection']).toBe('close')
    await wire.closed()
  })

  test('a refusal in the middle of a streamed body is answered', async () => {
    gate = await startGate({
      async PutObject(input) {
        for await (const _chunk of (await input.Body!.take(0, [])) as Body) {
          throw new S3Error('InvalidRequest', { message: 'enough' })
        }
        return {}
      },
    })
    const wire = gate.wire()
    expect((await wire.send(put('/b/k', 900_000), Buffer.alloc(900_000)).answer()).status).toBe(400)
    expect((await wire.send(put('/b/k', 900_000), Buffer.alloc(900_000)).answer()).status).toBe(400)
  })

  test('a handler that takes a body and forgets it does not block the connection', async () => {
    gate = await startGate({
      async PutObject(input) {
        await input.Body!.take(0, [])
        throw new S3Error('InvalidRequest')
      },
      async GetObject() {
        return { Body: Buffer.from('x'), ContentLength: 1 }
      },
    })
    const wire = gate.wire().send(put('/b/k', 900_000), Buffer.alloc(900_000))
    expect((await wire.answer()).status).toBe(400)
    expect((await wire.send(get('/b/k')).answer()).body).toBe('x')
  })

  test('a handler that turns away while the rest comes does not block the connection', async () => {
    gate = await startGate({
      async PutObject(input) {
        for await (const _chunk of (await input.Body!.take(0, [])) as Body) break
        await sleep(60)
        throw new S3Error('InvalidRequest')
      },
      GetObject: async () => ({ Body: Buffer.from('x'), ContentLength: 1 }),
    })
    for (const rest of [10, 60_000, 70_000, 900_000]) {
      const wire = gate.wire().send(put('/b/k', 10 + rest), Buffer.alloc(10))
      await sleep(20)
      wire.send(Buffer.alloc(rest))
      expect((await wire.answer()).status).toBe(400)
      expect((await wire.send(get('/b/k')).answer()).body).toBe('x')
    }
  })

  test('a body on a GET is read away', async () => {
    const s3 = fakeS3()
    s3.objects.set('b/k', Buffer.from('hello'))
    gate = await startGate(s3)
    const head = get('/b/k').replace('\r\n\r\n', '\r\ncontent-length: 4\r\n\r\n')
    const wire = gate.wire().send(head, 'body', get('/b/k'))
    expect((await wire.answer()).body).toBe('hello')
    expect((await wire.answer()).body).toBe('hello')
  })
})

describe('clients that go away or fall silent', () => {
  test('an upload broken off stores nothing and tells the handler', async () => {
    const s3 = fakeS3()
    gate = await startGate(s3)
    for (const [i, sent] of [0, 500, 40_000].entries()) {
      const wire = gate.wire().send(put('/b/k', 50_000), Buffer.alloc(sent))
      await gate.arrived(i + 1)
      wire[Symbol.dispose]()
    }
    const entries = await gate.settled(3)
    const broken = ['IncompleteBody', true]
    expect(entries.map(({ code, isBroken }) => [code, isBroken])).toEqual([broken, broken, broken])
    expect(s3.objects.size).toBe(0)
  })

  test('a half-closed upload stores nothing', async () => {
    const s3 = fakeS3()
    gate = await startGate(s3)
    const wire = gate.wire().send(put('/b/k', 10), 'hello')
    wire.finish()
    const [entry] = await gate.settled(1)
    expect(entry).toMatchObject({ code: 'IncompleteBody' })
    await wire.closed()
    expect(s3.objects.size).toBe(0)
  })

  test('an upload without progress is RequestTimeout', async () => {
    const s3 = fakeS3()
    gate = await startGate(s3, { bodyTimeoutMs: 100 })
    for (const head of [put('/b/k', 10), put('/b/k', 10_000)]) {
      const answer = await gate.wire().send(head, 'hello').answer()
      expect(answer.status).toBe(400)
      expect(answer.headers['connection']).toBe('close')
      expect(answer.body).toContain('<Code>RequestTimeout</Code>')
    }
    expect(s3.objects.size).toBe(0)
  })

  test('an upload that makes progress takes as long as it takes', async () => {
    gate = await startGate(fakeS3(), { bodyTimeoutMs: 400 })
    const wire = gate.wire().send(put('/b/k', 8))
    for (let i = 0; i < 8; i++) {
      await sleep(100)
      wire.send('x')
    }
    expect((await wire.answer()).status).toBe(200)
  })

  test('time that the handler takes is not counted against the client', async () => {
    gate = await startGate(
      {
        async PutObject(input) {
          const body = await input.Body!.take(0, [])
          await sleep(400)
          return { ETag: String((await readAll(body)).length) }
        },
      },
      { bodyTimeoutMs: 100 },
    )
    const wire = gate.wire().send(put('/b/k', 8 * MIB), Buffer.alloc(8 * MIB))
    expect((await wire.answer()).headers['etag']).toBe(String(8 * MIB))
  })

  test('a client that does not read its answer is given up, and the body is returned', async () => {
    let isReturned = false
    async function* endless(): AsyncGenerator<Uint8Array> {
      try {
        for (;;) yield Buffer.alloc(MIB)
      } finally {
        isReturned = true
      }
    }
    gate = await startGate(
      { GetObject: async () => ({ Body: endless(), ContentLength: 1024 * MIB }) },
      { bodyTimeoutMs: 100 },
    )
    const wire = gate.wire()
    wire.pause()
    wire.send(get('/b/k'))
    const [entry] = await gate.settled(1)
    expect(entry).toMatchObject({ status: 200, isBroken: true })
    expect(isReturned).toBe(true)
  })

  test('a client that goes away returns the body and aborts the signal', async () => {
    let isReturned = false
    let call: Call | undefined
    async function* endless(): AsyncGenerator<Uint8Array> {
      try {
        for (;;) yield Buffer.alloc(MIB)
      } finally {
        isReturned = true
      }
    }
    gate = await startGate({
      async GetObject(_input, given) {
        call = given
        expect(given.signal.aborted).toBe(false)
        return { Body: endless(), ContentLength: 1024 * MIB }
      },
    })
    const wire = gate.wire().send(get('/b/k'))
    await gate.arrived(1)
    wire[Symbol.dispose]()
    const [entry] = await gate.settled(1)
    expect(entry).toMatchObject({ isBroken: true })
    expect(isReturned).toBe(true)
    expect(call!.signal.aborted).toBe(true)
  })

  test('a signal first asked for after the client went is aborted already', async () => {
    const seen: boolean[] = []
    gate = await startGate({
      async GetObject(_input, call) {
        await gate.deserted()
        seen.push(call.signal.aborted)
        return {}
      },
    })
    const wire = gate.wire().send(get('/b/k'))
    await gate.arrived(1)
    wire[Symbol.dispose]()
    await gate.settled(1)
    expect(seen).toEqual([true])
  })
})

async function* pieces(count: number, size: number): AsyncGenerator<Uint8Array> {
  const memory = Buffer.alloc(size)
  for (let i = 0; i < count; i++) yield memory.fill(i)
}

describe('streamed answers', () => {
  test('memory that is reused between chunks arrives as it was', async () => {
    gate = await startGate({
      GetObject: async () => ({ Body: pieces(40, MIB), ContentLength: 40 * MIB }),
    })
    const wire = gate.wire().send(get('/b/k'))
    const { body } = await wire.answer()
    // 0 to 39 are ASCII: one character a byte.
    expect(body).toHaveLength(40 * MIB)
    for (let i = 0; i < 40; i++) {
      const piece = body.slice(i * MIB, (i + 1) * MIB)
      expect(piece === String.fromCharCode(i).repeat(MIB)).toBe(true)
    }
    expect(await gate.settled(1)).toMatchObject([{ bytesOut: 40 * MIB, isBroken: false }])
  })

  test.each([
    ['fails midway', true],
    ['is shorter than its Content-Length', false],
  ])('a body that %s is never ended cleanly', async (_name, fails) => {
    async function* part(): AsyncGenerator<Uint8Array> {
      yield Buffer.from('half')
      await sleep(10)
      if (fails) throw new Error('disk lost')
    }
    gate = await startGate({ GetObject: async () => ({ Body: part(), ContentLength: 8 }) })
    const wire = gate.wire().send(get('/b/k'))
    await expect(wire.answer()).rejects.toThrow('closed after')
    const [entry] = await gate.settled(1)
    expect(entry).toMatchObject({ status: 200, code: 'InternalError', isBroken: true })
  })

  test('the connection serves on after a streamed answer', async () => {
    gate = await startGate({
      GetObject: async () => ({ Body: pieces(2, 10), ContentLength: 20 }),
    })
    const wire = gate.wire()
    for (let i = 0; i < 3; i++) expect((await wire.send(get('/b/k')).answer()).status).toBe(200)
  })
})

describe('what the parser refuses', () => {
  test.each([
    [
      'Content-Length beside chunked transfer',
      `PUT /b/k HTTP/1.1\r\nhost: h\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n`,
    ],
    [
      'two lengths',
      `PUT /b/k HTTP/1.1\r\nhost: h\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello`,
    ],
    ['a negative length', `PUT /b/k HTTP/1.1\r\nhost: h\r\ncontent-length: -1\r\n\r\n`],
    ['an empty length', `PUT /b/k HTTP/1.1\r\nhost: h\r\ncontent-length: \r\n\r\n`],
    ['no HTTP at all', 'SSH-2.0-OpenSSH_9.6\r\n\r\n'],
  ])('%s: 400 in XML, and the connection closes', async (_name, bytes) => {
    gate = await startGate(fakeS3())
    const wire = gate.wire().send(bytes)
    const answer = await wire.answer()
    expect(answer.status).toBe(400)
    expect(answer.body).toContain('<Code>BadRequest</Code>')
    expect(answer.body).toContain(`<RequestId>${answer.headers['x-amz-request-id']}</RequestId>`)
    expect(await wire.closed()).toBe('')
  })

  test('what follows a whole request does not cost it its answer', async () => {
    gate = await startGate(fakeS3())
    const wire = gate.wire().send(`${put('/b/k', 5)}hellononsense\r\n\r\n`)
    expect((await wire.answer()).status).toBe(200)
    expect((await wire.answer()).status).toBe(400)
    expect(await wire.closed()).toBe('')
  })

  test('nor does it where the request was one for Node', async () => {
    gate = await startGate(fakeS3())
    const wire = gate.wire().send(`${put('/b/k', 5, 'expect: anything\r\n')}hellononsense`)
    const answer = await wire.answer()
    expect(answer.status).toBe(200)
    expect(answer.headers['connection']).toBe('close')
    expect(await wire.closed()).toBe('')
  })

  test('a client that keeps its half open is not kept either', async () => {
    gate = await startGate(fakeS3())
    const socket = connect({ port: gate.port, host: '127.0.0.1', allowHalfOpen: true })
    socket.on('error', () => {}).resume()
    socket.write('nonsense\r\n\r\n')
    await once(socket, 'end')
    await gate.deserted()
    expect(gate.entries).toEqual([])
    socket.destroy()
  })

  test('a head over 32 KiB is RequestHeaderSectionTooLarge', async () => {
    gate = await startGate(fakeS3())
    const wire = gate
      .wire()
      .send(`GET /b/k HTTP/1.1\r\nhost: h\r\nx: ${'y'.repeat(40_000)}\r\n\r\n`)
    expect((await wire.answer()).body).toContain('<Code>RequestHeaderSectionTooLarge</Code>')
  })

  test('a head under it is served', async () => {
    gate = await startGate(fakeS3())
    const wire = gate
      .wire()
      .send(get('/b/k').replace('\r\n\r\n', `\r\nx: ${'y'.repeat(30_000)}\r\n\r\n`))
    expect((await wire.answer()).status).toBe(404)
  })

  test('two Host headers are refused', async () => {
    gate = await startGate(fakeS3())
    const wire = gate.wire().send(get('/b/k').replace('host: h', 'host: h\r\nhost: i'))
    expect((await wire.answer()).status).toBe(400)
  })
})
