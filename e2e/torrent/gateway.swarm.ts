/**
 * The main job, from end to end: a real folder, seeded by libtorrent, is downloaded into a bucket by the
 * gateway and read with aws-cli, while it comes and afterwards; on each engine that is there.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterEach, describe, expect, test } from 'vitest'
import { type Gateway, startGateway } from '../harness/gateway.ts'
import { awsEnvironment, succeed } from '../harness/shell.ts'
import { readMetainfo } from '../../src/torrent/read-metainfo.ts'
import { hasNative } from '../../src/torrent/libtorrent/native.ts'

const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url))
const MIB = 1024 ** 2
const SIZES = {
  'film.mkv': 12 * MIB + 12_345,
  'extras/notes.txt': 5000,
  'extras/scene.bin': 2 * MIB,
}
const SECONDS = 1000

const ENGINES = ['libtorrent', 'webtorrent'].filter((name) => name !== 'libtorrent' || hasNative())

const children: ChildProcess[] = []
const gateways: Gateway[] = []
const folders: string[] = []
afterEach(async () => {
  for (const child of children.splice(0)) child.kill()
  for (const gateway of gateways.splice(0)) await gateway[Symbol.asyncDispose]()
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true })
})

function temporary(): string {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-torrents-'))
  folders.push(folder)
  return folder
}

interface Seed {
  readonly folder: string
  readonly torrent: string
  readonly peer: string
  readonly bytes: (path: string) => Buffer
}

/** `rate`: bytes a second; 0: no bound. */
async function seed(version: string, rate: number): Promise<Seed> {
  const where = temporary()
  const folder = join(where, 'show')
  for (const [path, size] of Object.entries(SIZES)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true })
    const bytes = randomBytes(size)
    const text = bytes.toString('hex').slice(0, size)
    writeFileSync(join(folder, path), path.endsWith('.txt') ? text : bytes)
  }
  const torrent = join(where, 'show.torrent')
  const script = fileURLToPath(new URL('seed.py', import.meta.url))
  const words = [script, version, folder, torrent, String(256 * 1024), String(rate)]
  const child = spawn('/usr/bin/python3', words, { stdio: ['pipe', 'pipe', 'inherit'] })
  children.push(child)
  for await (const port of createInterface({ input: child.stdout }))
    return {
      folder,
      torrent,
      peer: `127.0.0.1:${port}`,
      bytes: (path) => readFileSync(join(folder, path)),
    }
  throw new Error('the seed has ended')
}

interface Start {
  readonly dataDir?: string
  readonly port?: number
  readonly env?: Readonly<Record<string, string>>
}

async function gatewayWith(engine: string, { env, ...start }: Start = {}): Promise<Gateway> {
  const gateway = await startGateway({
    ...start,
    env: {
      SLUICE_TORRENTS_ENGINE: engine,
      SLUICE_TORRENTS_HOST: '127.0.0.1',
      SLUICE_TORRENTS_PORT: '0',
      SLUICE_TORRENTS_READ_TIMEOUT: '20s',
      SLUICE_BUCKETS: 'media',
      ...env,
    },
  })
  gateways.push(gateway)
  return gateway
}

function sluice(gateway: Gateway, ...words: readonly string[]): Promise<string> {
  const command = [process.execPath, MAIN, 'torrent', ...words, '--endpoint', gateway.endpoint]
  return succeed(command, { env: awsEnvironment(gateway) })
}

function aws(gateway: Gateway, ...words: readonly string[]): Promise<string> {
  const command = ['/usr/bin/aws', '--endpoint-url', gateway.endpoint, ...words]
  return succeed(command, { env: awsEnvironment(gateway) })
}

interface Listed {
  readonly id: string
  readonly state: string
  readonly pieces: number
  readonly pieceCount: number
  readonly filesDone: number
}

async function listed(gateway: Gateway): Promise<Listed> {
  return (JSON.parse(await sluice(gateway, 'ls', '--json')) as readonly Listed[])[0]!
}

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

function idOf({ torrent }: Seed): string {
  return readMetainfo(readFileSync(torrent)).info.hashes.v1!.toString('hex')
}

async function expectWhole(gateway: Gateway, { bytes }: Seed, prefix: string): Promise<void> {
  const where = temporary()
  await aws(
    gateway,
    's3',
    'cp',
    '--only-show-errors',
    '--recursive',
    `s3://media/${prefix}show`,
    where,
  )
  for (const path of Object.keys(SIZES))
    expect(sha256(readFileSync(join(where, path))), path).toBe(sha256(bytes(path)))
}

describe.each(ENGINES)('%s', (engine) => {
  test.each(engine === 'webtorrent' ? ['v1', 'hybrid'] : ['v1', 'v2', 'hybrid'])(
    'a folder that libtorrent seeds (%s) is downloaded and read back by two commands',
    async (version) => {
      const seeded = await seed(version, 0)
      const gateway = await gatewayWith(engine)
      const words = ['--bucket', 'media', '--prefix', 'in', '--peer', seeded.peer, '--wait']
      expect(await sluice(gateway, 'add', seeded.torrent, ...words)).toContain('Done: show')
      await expectWhole(gateway, seeded, 'in/')
      const { id, state } = await listed(gateway)
      expect(state).toBe('seeding')
      expect(await sluice(gateway, 'scrub', id)).toContain('Nothing is wrong')
      await sluice(gateway, 'rm', id)
      expect(await sluice(gateway, 'ls')).toContain('No torrents')
      await expectWhole(gateway, seeded, 'in/')
      // Nothing of the torrent stays beside the objects.
      const keys = await aws(gateway, 's3', 'ls', '--recursive', 's3://media/')
      expect(
        keys
          .trim()
          .split('\n')
          .filter((line) => !line.includes('/root/')),
      ).toHaveLength(3)
    },
  )

  test('aws-cli copies a file while it is downloaded, and a range of its end comes long before the rest', async () => {
    const seeded = await seed('v1', 2 * MIB)
    const gateway = await gatewayWith(engine)
    const words = ['--bucket', 'media', '--prefix', 'in', '--peer', seeded.peer]
    await sluice(gateway, 'add', seeded.torrent, ...words)
    const film = seeded.bytes('film.mkv')
    const object = ['s3api', 'get-object', '--bucket', 'media', '--key', 'in/show/film.mkv']
    const part = join(temporary(), 'part')
    await expect
      .poll(() => aws(gateway, 's3api', 'head-object', '--bucket', 'media', '--key', object[5]!), {
        timeout: 20 * SECONDS,
      })
      .toContain(String(film.length))
    await aws(gateway, ...object, '--range', 'bytes=-1000', part)
    expect(readFileSync(part).equals(film.subarray(-1000))).toBe(true)
    expect((await listed(gateway)).pieces).toBeLessThan(45)
    const copy = join(temporary(), 'film.mkv')
    await aws(gateway, 's3', 'cp', '--only-show-errors', 's3://media/in/show/film.mkv', copy)
    expect(sha256(readFileSync(copy))).toBe(sha256(film))
    await expect
      .poll(async () => (await listed(gateway)).filesDone, { timeout: 60 * SECONDS })
      .toBe(3)
    await expectWhole(gateway, seeded, 'in/')
  })

  test('after kill -9 in the middle of a download it goes on with every piece that it had', async () => {
    const seeded = await seed('v1', MIB)
    const dataDir = temporary()
    const first = await gatewayWith(engine, { dataDir })
    const words = ['--bucket', 'media', '--prefix', 'in', '--peer', seeded.peer]
    await sluice(first, 'add', seeded.torrent, ...words)
    await expect
      .poll(async () => (await listed(first)).pieces, { timeout: 30 * SECONDS })
      .toBeGreaterThan(15)
    const before = await listed(first)
    expect(before.pieces).toBeLessThan(before.pieceCount)
    await first.kill()
    const second = await gatewayWith(engine, { dataDir, port: first.port })
    const after = await listed(second)
    expect(after.pieces).toBeGreaterThanOrEqual(before.pieces)
    await expect
      .poll(async () => (await listed(second)).state, { timeout: 60 * SECONDS })
      .toBe('seeding')
    await expectWhole(second, seeded, 'in/')
  })

  test('a magnet link is downloaded, and a file of it streamed to standard output', async () => {
    const seeded = await seed('v1', 0)
    const gateway = await gatewayWith(engine)
    const link = `magnet:?xt=urn:btih:${idOf(seeded)}&x.pe=${seeded.peer}`
    await sluice(gateway, 'add', link, '--bucket', 'media', '--wait')
    const text = await sluice(gateway, 'stream', 'show', 'extras/notes.txt')
    expect(text).toBe(seeded.bytes('extras/notes.txt').toString())
    await expectWhole(gateway, seeded, '')
    await sluice(gateway, 'rm', 'show', '--data')
    expect(await aws(gateway, 's3', 'ls', '--recursive', 's3://media/')).toBe('')
  })

  test('a magnet link that is put into the watched folder is downloaded beside it', async () => {
    const seeded = await seed('v1', 0)
    const gateway = await gatewayWith(engine, { env: { SLUICE_TORRENTS_WATCH: 'media/inbox' } })
    const link = join(temporary(), 'link')
    writeFileSync(link, `magnet:?xt=urn:btih:${idOf(seeded)}&x.pe=${seeded.peer}\n`)
    await aws(gateway, 's3', 'cp', '--only-show-errors', link, 's3://media/inbox/it.magnet')
    const status = 's3://media/inbox/it.magnet.status.json'
    const state = (): Promise<string> => aws(gateway, 's3', 'cp', status, '-').catch(String)
    await expect.poll(state, { timeout: 60 * SECONDS }).toContain('"state": "done"')
    await expectWhole(gateway, seeded, 'inbox/it/')
  })

  test('a flipped bit of what is stored is never served: the file is got from the swarm again', async () => {
    const seeded = await seed('v1', 0)
    const key = join(temporary(), 'key')
    writeFileSync(key, randomBytes(32).toString('base64'))
    const dataDir = temporary()
    const gateway = await gatewayWith(engine, { dataDir, env: { SLUICE_SEAL_KEY_FILE: key } })
    const words = ['--bucket', 'media', '--prefix', 'in', '--peer', seeded.peer, '--wait']
    await sluice(gateway, 'add', seeded.torrent, ...words)
    await expectWhole(gateway, seeded, 'in/')
    flipBit(join(dataDir, 'objects'))
    const copy = join(temporary(), 'film.mkv')
    await aws(gateway, 's3', 'cp', '--only-show-errors', 's3://media/in/show/film.mkv', copy)
    expect(sha256(readFileSync(copy))).toBe(sha256(seeded.bytes('film.mkv')))
    await expect
      .poll(async () => (await listed(gateway)).filesDone, { timeout: 60 * SECONDS })
      .toBe(3)
    expect(await sluice(gateway, 'scrub', 'show')).toContain('Nothing is wrong')
    await expectWhole(gateway, seeded, 'in/')
  })
})

/** In the middle of the largest blob. */
function flipBit(folder: string): void {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
  const largest = files.toSorted((a, b) => statSync(b).size - statSync(a).size)[0]!
  const bytes = readFileSync(largest)
  bytes[bytes.length >> 1]! ^= 1
  writeFileSync(largest, bytes)
}

test('a torrent of objects is made and verified by the commands', async () => {
  const gateway = await startGateway({ env: { SLUICE_BUCKETS: 'media' } })
  gateways.push(gateway)
  const folder = join(temporary(), 'show')
  mkdirSync(folder)
  writeFileSync(join(folder, 'a.bin'), randomBytes(300_000))
  writeFileSync(join(folder, 'b.bin'), randomBytes(5))
  await aws(gateway, 's3', 'cp', '--only-show-errors', '--recursive', folder, 's3://media/x/show/')
  const out = join(temporary(), 'show.torrent')
  const made = await sluice(gateway, 'create', 's3://media/x/show/', '--out', out)
  expect(made).toContain('2 files (293.0 KiB)')
  expect(readMetainfo(readFileSync(out)).info.name).toBe('show')
  expect(await sluice(gateway, 'verify', out, 's3://media/x/show/')).toContain('Nothing differs')
  writeFileSync(join(folder, 'b.bin'), randomBytes(5))
  await aws(gateway, 's3', 'cp', '--only-show-errors', '--recursive', folder, 's3://media/x/show/')
  await expect(sluice(gateway, 'verify', out, 's3://media/x/show/')).rejects.toThrow(
    'has other bytes: b.bin',
  )
})
