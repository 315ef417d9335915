/** The program as a process beside a gateway: what it prints of a bucket, and what it leaves behind. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import {
  CreateBucketCommand,
  GetBucketNotificationConfigurationCommand,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type ConfigInput, configOf } from '../config.ts'
import { type Server, startServer } from '../server.ts'

const MAIN = fileURLToPath(new URL('../main.ts', import.meta.url))
const KEY = { accessKeyId: 'tester', secretAccessKey: 'a secret of tests' }
const POLL = { timeout: 20_000 }

let server: Server
let client: S3Client
let child: ChildProcess | undefined

async function start(allow: readonly string[]): Promise<void> {
  const input: ConfigInput = {
    port: 0,
    credentials: [{ ...KEY }],
    metadata: { engine: 'memory' },
    storage: { engine: 'memory' },
    webhooks: { allow: [...allow] },
  }
  server = await startServer(configOf(input))
  client = new S3Client({
    endpoint: server.url,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials: { ...KEY },
  })
  await client.send(new CreateBucketCommand({ Bucket: 'photos' }))
}

beforeEach(() => {
  child = undefined
})
afterEach(async () => {
  child?.kill('SIGKILL')
  client.destroy()
  await server.close()
})

function tail(...flags: string[]): { readonly text: () => string; readonly end: Promise<unknown> } {
  const args = [MAIN, 'notification', 'tail', '--bucket', 'photos', '--endpoint', server.url]
  child = spawn(process.execPath, [...args, ...flags], {
    env: {
      PATH: process.env['PATH'],
      SLUICE_ROOT_ACCESS_KEY: KEY.accessKeyId,
      SLUICE_ROOT_SECRET_KEY: KEY.secretAccessKey,
    },
  })
  let text = ''
  for (const stream of [child.stdout!, child.stderr!])
    stream.on('data', (chunk: Buffer) => (text += chunk.toString()))
  const end = once(child, 'close').then(([code]) => code as number)
  return { text: () => text, end }
}

async function listeners(): Promise<number> {
  const asked = new GetBucketNotificationConfigurationCommand({ Bucket: 'photos' })
  return (await client.send(asked)).QueueConfigurations?.length ?? 0
}

test('each event of the bucket is a line, and nothing stays behind', async () => {
  await start(['127.0.0.1'])
  const { text, end } = tail('--prefix', 'a/')
  await expect.poll(text, POLL).toContain('events of photos come to')
  expect(await listeners()).toBe(1)
  await client.send(new PutObjectCommand({ Bucket: 'photos', Key: 'b', Body: 'x' }))
  await client.send(new PutObjectCommand({ Bucket: 'photos', Key: 'a/1', Body: 'x' }))
  await expect.poll(text, POLL).toContain('"eventName":"ObjectCreated:Put"')
  child!.kill('SIGINT')
  expect(await end).toBe(0)
  expect(text()).toContain('"key":"a/1"')
  expect(text()).not.toContain('"key":"b"')
  expect(await listeners()).toBe(0)
})

test('a gateway that may not tell it says so', async () => {
  await start([])
  const { text, end } = tail()
  expect(await end).toBe(1)
  expect(text()).toContain('photos: InvalidArgument')
  expect(await listeners()).toBe(0)
})
