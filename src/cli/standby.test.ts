/** The commands log, standby, promote and restore, as programs beside a gateway. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import {
  CreateBucketCommand,
  GetObjectCommand,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { configOf } from '../config.ts'
import { type Server, startServer } from '../server.ts'

const MAIN = fileURLToPath(new URL('../main.ts', import.meta.url))
const KEY = { accessKeyId: 'tester', secretAccessKey: 'a secret of tests' }
const TOKEN = 'a token of tests'

let folder = ''
let running: ChildProcess[] = []
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-standby-'))
  running = []
})
afterEach(async () => {
  for (const child of running) {
    if (child.exitCode !== null || child.signalCode !== null) continue
    child.kill('SIGKILL')
    await once(child, 'exit')
  }
  rmSync(folder, { recursive: true })
})

interface Outcome {
  readonly code: number
  readonly out: string
  readonly err: string
}

interface Running {
  readonly child: ChildProcess
  readonly ended: Promise<Outcome>
  readonly out: () => string
}

/** A command on the data folder of that name, with a log. */
function start(name: string, args: readonly string[]): Running {
  const env = {
    PATH: process.env['PATH'],
    SLUICE_METADATA: 'memory',
    SLUICE_METADATA_LOG: 'segment',
  }
  const [command = '', ...rest] = args
  const words = [MAIN, command, ...rest, '--data', join(folder, name)]
  const child = spawn(process.execPath, words, { env })
  running.push(child)
  let [out, err] = ['', '']
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()))
  const ended = once(child, 'close').then(([code]) => ({ code: code as number, out, err }))
  return { child, ended, out: () => out }
}

function sluice(name: string, ...args: readonly string[]): Promise<Outcome> {
  return start(name, args).ended
}

function serve(
  name: string,
  path: string = join(folder, name, 'metadata', 'logged'),
): Promise<Server> {
  return startServer(
    configOf({
      port: 0,
      data: join(folder, name),
      credentials: [KEY],
      metadata: { engine: 'memory', log: 'segment', path },
      // Bodies stand in the rows; where they do not, both gateways have the same storage.
      storage: { engine: 'fs', path: join(folder, 'objects') },
      feed: { token: TOKEN },
    }),
  )
}

async function withClient<T>({ url }: Server, work: (client: S3Client) => Promise<T>): Promise<T> {
  const client = new S3Client({
    endpoint: url,
    region: 'us-east-1',
    credentials: { ...KEY },
    forcePathStyle: true,
    maxAttempts: 1,
  })
  try {
    return await work(client)
  } finally {
    client.destroy()
  }
}

function put(server: Server, Key: string, Body: string): Promise<unknown> {
  return withClient(server, (client) =>
    client.send(new PutObjectCommand({ Bucket: 'bkt', Key, Body })),
  )
}

function get(server: Server, Key: string): Promise<string | undefined> {
  return withClient(server, async (client) => {
    const { Body } = await client.send(new GetObjectCommand({ Bucket: 'bkt', Key }))
    return Body?.transformToString()
  })
}

async function makeBucket(server: Server): Promise<void> {
  await withClient(server, (client) => client.send(new CreateBucketCommand({ Bucket: 'bkt' })))
}

async function lastIndex(server: Server): Promise<number> {
  const headers = { authorization: `Bearer ${TOKEN}` }
  const response = await fetch(`${server.url}/changes?limit=1`, { headers })
  return Number(response.headers.get('sluice-last-index'))
}

/** Lines of a standby that has taken over everything so far. */
async function caughtUp(server: Server, { out }: Running, name: string): Promise<void> {
  const wanted = await lastIndex(server)
  const file = join(folder, name, 'metadata', 'logged', 'log', 'segment-00000001.log')
  await expect.poll(() => out(), { timeout: 15_000 }).toContain('Following')
  const has = (): boolean => readFileSync(file).includes(`last-${wanted}`)
  await put(server, `last-${wanted}`, 'x')
  await expect.poll(has, { timeout: 15_000 }).toBe(true)
}

const FEED = ['--token', TOKEN]

test('a standby is promoted: it has everything, and the gateway that it followed never writes again', async () => {
  const primary = await serve('primary')
  try {
    await makeBucket(primary)
    await put(primary, 'before', 'one')
    const standby = start('standby', ['standby', '--of', primary.url, ...FEED])
    await caughtUp(primary, standby, 'standby')
    await put(primary, 'while', 'two')
    standby.child.kill('SIGTERM')
    expect(await standby.ended).toMatchObject({ code: 0, err: '' })
    // It is behind, and promoting fetches the rest.
    await put(primary, 'behind', 'three')
    const promoted = await sluice('standby', 'promote', '--of', primary.url, ...FEED)
    expect(promoted).toMatchObject({ code: 0, err: '' })
    expect(promoted.out).toContain('Promoted in term 2')
    await expect(put(primary, 'late', 'four')).rejects.toMatchObject({
      $metadata: { httpStatusCode: 503 },
    })
    expect(await get(primary, 'behind')).toBe('three')
    const server = await serve('standby')
    try {
      for (const [key, body] of [
        ['before', 'one'],
        ['while', 'two'],
        ['behind', 'three'],
      ] as const)
        expect(await get(server, key)).toBe(body)
      await put(server, 'after', 'five')
      expect(await get(server, 'after')).toBe('five')
    } finally {
      await server.close()
    }
  } finally {
    await primary.close()
  }
  await expect(serve('primary')).rejects.toMatchObject({ name: 'StoreFenced' })
}, 180_000)

test('a gateway that is gone is replaced by force alone, and a gateway of another history is not followed', async () => {
  const primary = await serve('primary')
  await makeBucket(primary)
  await put(primary, 'k', 'v')
  const standby = start('standby', ['standby', '--of', primary.url, ...FEED])
  await caughtUp(primary, standby, 'standby')
  await primary.close()
  standby.child.kill('SIGTERM')
  await standby.ended
  const refused = await sluice('standby', 'promote', '--of', primary.url, ...FEED)
  expect(refused).toMatchObject({ code: 1, out: '' })
  expect(refused.err).toContain('--force')
  const forced = await sluice('standby', 'promote', '--force')
  expect(forced.out).toContain('Promoted in term 2')
  const server = await serve('standby')
  try {
    expect(await get(server, 'k')).toBe('v')
    await put(server, 'new', 'w')
  } finally {
    await server.close()
  }
  const again = await serve('primary')
  try {
    for (let i = 0; i < 5; i++) await put(again, 'other', `${i}`)
    const other = await sluice('standby', 'standby', '--of', again.url, ...FEED)
    expect(other.code).toBe(1)
    expect(other.err).toContain('another')
  } finally {
    await again.close()
  }
}, 180_000)

test('the log is told, dumped, verified and followed', async () => {
  const server = await serve('data')
  await makeBucket(server)
  for (const body of ['one', 'two']) await put(server, 'key', body)
  const tail = start('data', ['log', 'tail', '--url', server.url, ...FEED])
  await expect.poll(() => tail.out(), { timeout: 15_000 }).toContain('"index":2')
  await put(server, 'key', 'three')
  const last = await lastIndex(server)
  await expect.poll(() => tail.out(), { timeout: 15_000 }).toContain(`"index":${last},`)
  expect(await sluice('data', 'log', 'stat')).toMatchObject({ code: 1, out: '' })
  tail.child.kill('SIGTERM')
  expect((await tail.ended).code).toBe(0)
  expect(
    (await sluice('data', 'log', 'tail', '--url', server.url, '--token', 'wrong')).err,
  ).toContain('token')
  await server.close()

  const stat = await sluice('data', 'log', 'stat', '--json')
  expect(JSON.parse(stat.out)).toMatchObject({
    firstIndex: 1,
    lastIndex: last,
    term: 1,
    snapshots: [],
  })
  expect((await sluice('data', 'log', 'stat')).out).toContain(`entries    1 to ${last}`)
  const dump = await sluice('data', 'log', 'dump', '--after', '1', '--limit', '2')
  const lines = dump.out
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as { index: number })
  expect(lines.map(({ index }) => index)).toEqual([2, 3])
  expect(await sluice('data', 'log', 'verify')).toMatchObject({
    code: 0,
    out: `Entries 1 to ${last}: no problem.\n`,
  })
  const file = join(folder, 'data', 'metadata', 'logged', 'log', 'segment-00000001.log')
  const bytes = readFileSync(file)
  bytes[200]! ^= 1
  writeFileSync(file, bytes)
  const damaged = await sluice('data', 'log', 'verify')
  expect(damaged.code).toBe(1)
  expect(damaged.err).toContain('segment-00000001.log')
}, 180_000)

test('metadata is restored as it was at an entry, and at a time', async () => {
  const server = await serve('data')
  await makeBucket(server)
  await put(server, 'key', 'one')
  const index = await lastIndex(server)
  await new Promise((resolve) => setTimeout(resolve, 20))
  const time = new Date().toISOString()
  await new Promise((resolve) => setTimeout(resolve, 20))
  await put(server, 'key', 'two')
  await server.close()
  const at = join(folder, 'restored')
  for (const to of [String(index), time]) {
    const done = await sluice('data', 'restore', '--to', to, '--into', at)
    expect(done).toMatchObject({ code: 0, err: '' })
    expect(done.out).toContain(`as of entry ${index}`)
    const restored = await serve('elsewhere', at)
    try {
      expect(await get(restored, 'key')).toBe('one')
      await put(restored, 'key', 'three')
    } finally {
      await restored.close()
    }
    const again = await sluice('data', 'restore', '--to', to, '--into', at)
    expect(again.err).toContain('not empty')
    rmSync(at, { recursive: true })
  }
  for (const to of ['0', '999', 'yesterday'])
    expect((await sluice('data', 'restore', '--to', to, '--into', at)).code).not.toBe(0)
  expect(readdirSync(folder)).not.toContain('restored')
  const whole = await serve('data')
  expect(await get(whole, 'key')).toBe('two')
  await whole.close()
}, 180_000)
