/** The gateway's tracker brings clients together that know nothing of each other. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createMetainfo } from '../../src/torrent/create-metainfo.ts'
import { LocalRowHasher } from '../../src/torrent/row-hasher.ts'
import { type Gateway, startGateway } from '../harness/gateway.ts'

const folder = mkdtempSync(join(tmpdir(), 'sluice-swarm-'))
const content = Buffer.alloc(3_000_000)
for (let i = 0; i < content.length; i++) content[i] = (i * 131 + (i >> 10) * 7) & 255
const torrent = join(folder, 'it.torrent')
let gateway: Gateway
const children: ChildProcess[] = []

beforeAll(async () => {
  gateway = await startGateway({
    metadata: 'memory',
    storage: 'memory',
    env: { SLUICE_TORRENT_TRACKER: 'on' },
  })
  const made = await createMetainfo(
    [
      {
        path: ['it.bin'],
        sizeBytes: content.length,
        async *read() {
          yield content
        },
      },
    ],
    {
      name: 'it.bin',
      // aria2 1.36 makes a wrong info hash of a hybrid.
      version: 'v1',
      trackers: [[`${gateway.endpoint}/announce`]],
      hasher: (options) => new LocalRowHasher(options),
    },
  )
  writeFileSync(torrent, made)
  mkdirSync(join(folder, 'seed'))
  writeFileSync(join(folder, 'seed', 'it.bin'), content)
  await becomesDone(peer('seed', join(folder, 'seed')))
})

afterAll(async () => {
  for (const child of children) child.kill()
  await gateway[Symbol.asyncDispose]()
  rmSync(folder, { recursive: true, force: true })
})

function peer(role: 'seed' | 'leech', where: string): ChildProcess {
  const script = fileURLToPath(new URL('peer.py', import.meta.url))
  const child = spawn('/usr/bin/python3', [script, role, torrent, where], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  children.push(child)
  return child
}

async function becomesDone(child: ChildProcess): Promise<void> {
  for await (const line of createInterface({ input: child.stdout! })) if (line === 'done') return
  throw new Error('the peer ended before it was done')
}

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

test('a libtorrent session finds the seed by the tracker and has everything', async () => {
  const where = join(folder, 'leech')
  mkdirSync(where)
  await becomesDone(peer('leech', where))
  expect(sha256(readFileSync(join(where, 'it.bin')))).toBe(sha256(content))
})

test('so does aria2', async () => {
  const where = join(folder, 'aria2')
  const words = ['--dir', where, '--seed-time=0', '--enable-dht=false', '--bt-enable-lpd=false']
  words.push(
    '--enable-dht6=false',
    '--bt-stop-timeout=60',

    '--quiet=true',
    '--no-conf=true',
  )
  words.push('--interface=127.0.0.1', torrent)
  const child = spawn('aria2c', words, { stdio: ['ignore', 'inherit', 'inherit'] })
  children.push(child)
  const [code] = (await once(child, 'exit')) as [number]
  expect(code).toBe(0)
  expect(sha256(readFileSync(join(where, 'it.bin')))).toBe(sha256(content))
})
