/** What a log's server does with clients that go wrong, stay, go, or ask for more than they take. */
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import { allFrom, entriesFrom, entryAt } from './contract-calls.ts'
import { errorOf, SimulatedDisk } from './disk.fixture.ts'
import { FrameReader } from './frame-reader.ts'
import { openInMemory } from './memory.ts'
import { openSegments } from './segment.ts'
import { LogServer, type LogServerOptions } from './serve.ts'
import { SocketPlace } from './socket-place.ts'
import { connectLog, Wire } from './socket-client.fixture.ts'
import type { LogEntry, StorageEngine } from './store.ts'
import {
  CALL,
  CODE,
  decodeError,
  entriesSize,
  FRAME_BYTES_MAX,
  FrameBody,
  PROTOCOL_MAGIC,
  writeEntries,
  writeU64,
} from './wire.ts'

function newFolder(): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'sluice-log-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

async function serving(
  engine: StorageEngine = openInMemory(),
  options: Partial<LogServerOptions> = {},
): Promise<string> {
  const socket = path.join(newFolder(), 'socket')
  const place = await SocketPlace.hold(socket)
  const server = await LogServer.open({ engine, place, handoverMs: 50, ...options })
  onTestFinished(async () => {
    await server[Symbol.asyncDispose]()
    place[Symbol.dispose]()
    await engine[Symbol.asyncDispose]()
  })
  return socket
}

/** A frame, as bytes; `length` where it lies about it. */
function frame(id: number, call: number, body: Buffer, length: number = 5 + body.length): Buffer {
  const bytes = Buffer.alloc(9 + body.length)
  bytes.writeUInt32LE(length, 0)
  bytes.writeUInt32LE(id, 4)
  bytes[8] = call
  body.copy(bytes, 9)
  return bytes
}

const HELLO = frame(1, CALL.HELLO, Buffer.concat([Buffer.from(PROTOCOL_MAGIC), u32(1)]))

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(value)
  return bytes
}

function u64(value: number): Buffer {
  const bytes = Buffer.alloc(8)
  writeU64(bytes, value, 0)
  return bytes
}

function persist(id: number, entries: readonly LogEntry[]): Buffer {
  const body = Buffer.alloc(entriesSize(entries))
  writeEntries(body, entries, 0)
  return frame(id, CALL.PERSIST, body)
}

interface Reply {
  readonly id: number
  readonly code: number
  readonly body: FrameBody
}

/** All that the server says until it ends the connection. */
async function repliesTo(socket: string, bytes: Buffer, endsItself: boolean): Promise<Reply[]> {
  const client = connect({ path: socket, allowHalfOpen: true })
  client.write(bytes)
  if (!endsItself) client.end()
  const reader = new FrameReader(FRAME_BYTES_MAX)
  for await (const chunk of client) reader.push(chunk as Buffer)
  client.destroy()
  const replies: Reply[] = []
  for (let reply = reader.next(); reply; reply = reader.next())
    replies.push({ id: reply.readUInt32LE(0), code: reply[4]!, body: new FrameBody(reply, 5) })
  return replies
}

function errorIn({ code, body }: Reply): Error {
  return decodeError(code, body)
}

test.each<[string, Buffer, number, number, RegExp]>([
  [
    'another version',
    frame(7, CALL.HELLO, Buffer.concat([Buffer.from(PROTOCOL_MAGIC), u32(9)])),
    CODE.BAD_VERSION,
    7,
    /Version 9 .* version 1 is/,
  ],
  ['another protocol', Buffer.from('GET / HTTP/1.1\r\n\r\n'), CODE.TOO_LARGE, 0, /may have 64/],
  ['no HELLO', frame(3, CALL.STATE, Buffer.alloc(0)), CODE.BAD_FRAME, 3, /begins with HELLO/],
  ['another magic', frame(3, CALL.HELLO, Buffer.alloc(12)), CODE.BAD_FRAME, 3, /begins with HELLO/],
  ['a frame that is none', u32(4), CODE.BAD_FRAME, 0, /4 bytes is none/],
])('a client that begins with %s is told so, and sent away', async (_, bytes, code, id, text) => {
  const replies = await repliesTo(await serving(), bytes, true)
  expect(replies.map((reply) => [reply.id, reply.code])).toEqual([[id, code]])
  expect(errorIn(replies[0]!).message).toMatch(text)
})

const TWO_HALVES = persist(5, entriesFrom(1, 4))

test.each<[string, Buffer, number, number]>([
  ['a length beyond the bound', u32(FRAME_BYTES_MAX + 1), 0, CODE.TOO_LARGE],
  ['a length of nothing', u32(0), 0, CODE.BAD_FRAME],
  [
    'entries that end in the midst',
    frame(5, CALL.PERSIST, TWO_HALVES.subarray(9, -3)),
    5,
    CODE.BAD_FRAME,
  ],
  ['numbers that end in the midst', frame(5, CALL.TRUNCATE, Buffer.alloc(7)), 5, CODE.BAD_FRAME],
  ['bytes that no call has', frame(5, CALL.RESET, Buffer.alloc(1)), 5, CODE.BAD_FRAME],
  ['more behind a number', frame(5, CALL.TRUNCATE, Buffer.alloc(9)), 5, CODE.BAD_FRAME],
  [
    'a vote that is neither there nor absent',
    frame(5, CALL.SAVE_HARD_STATE, Buffer.alloc(9, 2)),
    5,
    CODE.BAD_FRAME,
  ],
])(
  '%s: what came before is answered, the rest is not touched, and the next client is served',
  async (_, bytes, id, code) => {
    const engine = openInMemory()
    const socket = await serving(engine)
    const before = persist(4, [entryAt(1)])
    const behind = persist(6, [entryAt(2)])
    const replies = await repliesTo(socket, Buffer.concat([HELLO, before, bytes, behind]), true)
    const told = replies.map((reply) => [reply.id, reply.code])
    expect(told).toHaveLength(3)
    expect(told).toContainEqual([4, CODE.DONE])
    expect(told).toContainEqual([id, code])
    await using client = await connectLog(socket)
    expect(await allFrom(client)).toEqual([entryAt(1)])
  },
)

test('a call that is not known is refused, and the connection goes on', async () => {
  const wire = new Wire(await serving())
  await wire.greet()
  await expect(wire.call(200)).rejects.toMatchObject({ code: CODE.UNKNOWN_CALL })
  await expect(wire.call(CALL.STATE)).resolves.toBeDefined()
  await wire.close()
})

test('numbers beyond 2^53 - 1 are refused as any engine does', async () => {
  const wire = new Wire(await serving())
  await wire.greet()
  const beyond = Buffer.from([0, 0, 0, 0, 0, 0, 0x20, 0])
  await expect(wire.call(CALL.TRUNCATE, beyond)).rejects.toThrow(RangeError)
  await expect(wire.call(CALL.PURGE, Buffer.concat([u64(1), beyond]))).rejects.toThrow(RangeError)
  const none = Buffer.concat([Buffer.alloc(8), Buffer.from([1, 0xff])])
  await expect(wire.call(CALL.SAVE_HARD_STATE, none)).rejects.toThrow(RangeError)
  await wire.close()
})

test('calls that come in one piece, or byte by byte, are carried out in order', async () => {
  const socket = await serving()
  const calls = Buffer.concat([
    HELLO,
    ...Array.from({ length: 50 }, (_, i) => persist(2 + i, entriesFrom(1 + i * 3, 3))),
    frame(60, CALL.TRUNCATE, u64(100)),
    persist(61, [entryAt(100, 2)]),
  ])
  const whole = await repliesTo(socket, calls, false)
  expect(whole.map(({ code }) => code)).toEqual(Array.from({ length: 53 }, () => CODE.DONE))
  {
    await using client = await connectLog(socket)
    expect(await allFrom(client)).toEqual([...entriesFrom(1, 99), entryAt(100, 2)])
    await client.log.reset()
  }
  const client = connect(socket)
  let answered = 0
  client.on('data', (chunk: Buffer) => (answered += chunk.length))
  const size = calls.length
  for (let at = 0; at < size; at += 7) {
    client.write(calls.subarray(at, at + 7))
    await new Promise((resolve) => setImmediate(resolve))
  }
  client.end()
  await once(client, 'close')
  expect(answered).toBeGreaterThan(52 * 49)
  await using again = await connectLog(socket)
  expect(await allFrom(again)).toEqual([...entriesFrom(1, 99), entryAt(100, 2)])
})

test('the terms of many entries are told in a few words', async () => {
  const socket = await serving()
  const wire = new Wire(socket)
  await wire.greet()
  for (let term = 1; term <= 5; term++) {
    const entries = Array.from({ length: 20_000 }, (_, i): LogEntry => {
      return { index: (term - 1) * 20_000 + i + 1, term, kind: 1, payload: Uint8Array.of(1) }
    })
    const body = Buffer.alloc(entriesSize(entries))
    writeEntries(body, entries, 0)
    await wire.call(CALL.PERSIST, body)
  }
  await wire.call(CALL.PURGE, Buffer.concat([u64(30_000), u64(2)]))
  const read = async (from: number): Promise<number[]> => {
    const body = await wire.call(CALL.TERMS, Buffer.concat([u64(from), u64(1_000_000)]))
    return Array.from({ length: body.left / 8 }, () => body.u64())
  }
  expect(await read(1)).toEqual([95_535, 30_000, 2, 40_001, 3, 60_001, 4, 80_001, 5])
  expect(await read(95_536)).toEqual([100_000, 95_536, 5])
  expect(await read(100_001)).toEqual([100_000])
  await wire.close()
})

test('a second client is refused while the first one stays, and welcomed when it goes', async () => {
  const socket = await serving()
  const first = await connectLog(socket)
  await expect(connectLog(socket)).rejects.toMatchObject({ name: 'StoreLocked' })
  await first.log.persistEntries([entryAt(1)])
  const waiting = connectLog(socket)
  await first[Symbol.asyncDispose]()
  await using second = await waiting
  expect(second.log.lastIndex()).toBe(1)
})

test('a client that is killed leaves its calls done, and the next one finds the log at rest', async () => {
  const disk = new SimulatedDisk()
  const engine = await openSegments({ path: '/log', disk })
  const socket = await serving(engine, { handoverMs: 5000 })
  const slow = Promise.withResolvers<void>()
  const datasync = disk.datasync.bind(disk)
  disk.datasync = async (fd) => {
    await slow.promise
    return datasync(fd)
  }
  const client = connect(socket)
  client.write(Buffer.concat([HELLO, persist(2, entriesFrom(1, 5))]))
  await once(client, 'data')
  await sleep(20)
  client.destroy()
  let isWelcome = false
  const next = connectLog(socket).finally(() => (isWelcome = true))
  await sleep(50)
  expect(isWelcome).toBe(false)
  slow.resolve()
  await using log = await next
  expect(log.log.lastIndex()).toBe(5)
})

test('who comes and goes while another is there leaves nothing behind', async () => {
  const socket = await serving(openInMemory(), { handoverMs: 100 })
  const first = await connectLog(socket)
  const impatient = connect(socket)
  impatient.write(HELLO)
  await sleep(20)
  impatient.destroy()
  await sleep(20)
  await first[Symbol.asyncDispose]()
  await using client = await connectLog(socket)
  await client.log.persistEntries([entryAt(1)])
  expect(client.log.lastIndex()).toBe(1)
})

test('a client that says nothing is sent away', async () => {
  const socket = await serving(openInMemory(), { patienceMs: 30 })
  const client = connect(socket)
  await expect(once(client, 'close')).resolves.toBeDefined()
})

/** A client that asks for far more than it takes. */
async function greedy(socket: string): Promise<Socket> {
  const client = connect(socket)
  const asked = Buffer.concat([u64(1), u64(16), u32(0)])
  const calls = Array.from({ length: 2000 }, (_, i) => frame(2 + i, CALL.ENTRIES, asked))
  client.write(Buffer.concat([HELLO, ...calls]))
  await once(client, 'connect')
  return client
}

async function withEntries(patienceMs: number): Promise<string> {
  const engine = openInMemory()
  const payload = new Uint8Array(64 * 1024)
  for (let index = 1; index <= 16; index++)
    await engine.log.persistEntries([{ index, term: 1, kind: 1, payload }])
  return serving(engine, { patienceMs })
}

test('a client that asks and does not read costs some megabytes, and is cut off in the end', async () => {
  const socket = await withEntries(200)
  const before = process.memoryUsage().arrayBuffers
  const client = await greedy(socket)
  await sleep(100)
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(64 * 1024 * 1024)
  await sleep(600)
  await using next = await connectLog(socket)
  expect(next.log.lastIndex()).toBe(16)
  client.destroy()
})

test('a client that reads late is answered all of it', async () => {
  const client = await greedy(await withEntries(30_000))
  await sleep(50)
  let bytes = 0
  let chunks = 0
  client.on('data', (chunk: Buffer) => {
    bytes += chunk.length
    chunks++
    if (bytes > 2000 * 1024 * 1024) client.end()
  })
  await once(client, 'close')
  expect(chunks).toBeGreaterThan(0)
  expect(bytes).toBeGreaterThan(2000 * (16 * (64 * 1024 + 24) + 9))
})

test('errors come as what they are: a disk that is full, that fails, and bytes that are damaged', async () => {
  const disk = new SimulatedDisk()
  const engine = await openSegments({ path: '/log', disk })
  await using client = await connectLog(await serving(engine))
  const { log, meta } = client
  await log.persistEntries(entriesFrom(1, 5))
  disk.fail = (call) => (call === 'write' ? errorOf('ENOSPC') : undefined)
  await expect(log.persistEntries([entryAt(6)])).rejects.toMatchObject({ name: 'StoreFull' })
  disk.fail = () => undefined
  await log.persistEntries([entryAt(6)])
  disk.bytesOf('/log/segment-00000001.log')[100]! ^= 1
  const corrupt = { name: 'LogCorrupt', segment: '/log/segment-00000001.log', offset: 64 }
  await expect(log.entry(1)).rejects.toMatchObject({
    ...corrupt,
    message: '/log/segment-00000001.log, at 64: entry 1 is damaged',
  })
  const problems: unknown[] = []
  for await (const problem of log.verify()) problems.push(problem)
  expect(problems).toEqual([
    { where: '/log/segment-00000001.log', at: 64, message: 'a record is damaged' },
  ])
  const waiting = log.waitDurable(7).catch((error: unknown) => error)
  disk.fail = (call) => (call === 'datasync' ? errorOf('EIO') : undefined)
  await expect(log.persistEntries([entryAt(7)])).rejects.toMatchObject({ name: 'StorePoisoned' })
  expect(await waiting).toMatchObject({ name: 'StorePoisoned' })
  await expect(meta.saveHardState({ term: 1 })).rejects.toMatchObject({ name: 'StorePoisoned' })
})

test('a server that stops answers what it has, says why it ends, and takes nothing more', async () => {
  const engine = openInMemory()
  const socket = path.join(newFolder(), 'socket')
  using place = await SocketPlace.hold(socket)
  const server = await LogServer.open({ engine, place })
  const client = await connectLog(socket)
  const waiting = client.log.waitDurable(9).catch((error: unknown) => error)
  const call = client.log.persistEntries([entryAt(1)])
  await call
  await server[Symbol.asyncDispose]()
  expect(await waiting).toMatchObject({ name: 'StoreClosed', message: 'The server is stopped' })
  await expect(client.log.flush()).rejects.toMatchObject({ name: 'StoreClosed' })
  await expect(connectLog(socket)).rejects.toMatchObject({ name: 'StoreClosed' })
  expect(engine.log.lastIndex()).toBe(1)
})
