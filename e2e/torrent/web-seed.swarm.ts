/** The torrent of an object, downloaded by stock clients that have no peer: its web seed is the object itself. */
import { type ChildProcess, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import {
  CreateBucketCommand,
  GetObjectTorrentCommand,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { ACCESS_KEY, type Gateway, SECRET_KEY, startGateway } from '../harness/gateway.ts'

const folder = mkdtempSync(join(tmpdir(), 'sluice-web-seed-'))
const content = Buffer.alloc(5_000_000)
for (let i = 0; i < content.length; i++) content[i] = (i * 131 + (i >> 10) * 7) & 255
const KEY = 'films/a film (1).bin'
const NAME = 'a film (1).bin'
const torrent = join(folder, 'it.torrent')
let gateway: Gateway
let client: S3Client
const children: ChildProcess[] = []

beforeAll(async () => {
  gateway = await startGateway()
  client = new S3Client({
    endpoint: gateway.endpoint,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials: { accessKeyId: ACCESS_KEY, secretAccessKey: SECRET_KEY },
  })
  await client.send(new CreateBucketCommand({ Bucket: 'media' }))
  // Clients without peers come as anybody.
  const input = { Bucket: 'media', Key: KEY, Body: content, ACL: 'public-read' as const }
  await client.send(new PutObjectCommand(input))
  const { Body } = await client.send(new GetObjectTorrentCommand({ Bucket: 'media', Key: KEY }))
  writeFileSync(torrent, await Body!.transformToByteArray())
})

afterAll(async () => {
  for (const child of children) child.kill()
  client.destroy()
  await gateway[Symbol.asyncDispose]()
  rmSync(folder, { recursive: true, force: true })
})

async function run(program: string, words: readonly string[]): Promise<number> {
  const child = spawn(program, words, { stdio: ['ignore', 'ignore', 'inherit'] })
  children.push(child)
  const [code] = (await once(child, 'exit')) as [number]
  return code
}

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

test('libtorrent downloads it with zero peers', async () => {
  const where = join(folder, 'libtorrent')
  mkdirSync(where)
  const script = fileURLToPath(new URL('peer.py', import.meta.url))
  expect(await run('/usr/bin/python3', [script, 'leech', torrent, where])).toBe(0)
  expect(sha256(readFileSync(join(where, NAME)))).toBe(sha256(content))
})

test('so does aria2', async () => {
  const where = join(folder, 'aria2')
  const words = ['--dir', where, '--seed-time=0', '--enable-dht=false', '--bt-enable-lpd=false']
  words.push('--enable-dht6=false', '--quiet=true', '--no-conf=true', torrent)
  expect(await run('aria2c', words)).toBe(0)
  expect(sha256(readFileSync(join(where, NAME)))).toBe(sha256(content))
})
