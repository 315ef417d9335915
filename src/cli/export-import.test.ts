/** The commands export and import as programs: between engines, by file and by pipe. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import {
  CompleteMultipartUploadCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  GetObjectCommand,
  ListBucketsCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openMetadata } from '../../metadata/open.ts'
import { type ConfigInput, configOf } from '../config.ts'
import { SILENT } from '../lib/meter.ts'
import { writeImport } from '../maintain/import-state.ts'
import { startServer } from '../server.ts'
import { understand } from './commands.ts'
import { exportAll } from './export.ts'
import { importAll } from './import.ts'

const MAIN = fileURLToPath(new URL('../main.ts', import.meta.url))
const KEY = { accessKeyId: 'tester', secretAccessKey: 'a secret of tests' }

let folder = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-export-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

interface Outcome {
  readonly code: number
  readonly out: Buffer
  readonly err: string
}

async function sluice(
  args: readonly string[],
  input: Uint8Array = new Uint8Array(0),
): Promise<Outcome> {
  const child = spawn(process.execPath, [MAIN, ...args], { env: { PATH: process.env['PATH'] } })
  const [out, err]: [Buffer[], Buffer[]] = [[], []]
  child.stdout.on('data', (chunk: Buffer) => out.push(chunk))
  child.stderr.on('data', (chunk: Buffer) => err.push(chunk))
  // A command that refuses does not read.
  child.stdin.on('error', () => {})
  child.stdin.end(input)
  const [code] = (await once(child, 'close')) as [number]
  return { code, out: Buffer.concat(out), err: Buffer.concat(err).toString() }
}

/** The same objects, with other metadata. */
async function withGateway<T>(
  metadata: string,
  work: (client: S3Client) => Promise<T>,
): Promise<T> {
  const engine = metadata as NonNullable<ConfigInput['metadata']>['engine']
  const config = configOf({ port: 0, data: folder, credentials: [KEY], metadata: { engine } })
  const server = await startServer(config)
  try {
    const client = new S3Client({
      endpoint: server.url,
      region: 'us-east-1',
      credentials: { ...KEY },
      forcePathStyle: true,
    })
    try {
      return await work(client)
    } finally {
      client.destroy()
    }
  } finally {
    await server.close()
  }
}

/** What a client sees: buckets, listings, and objects with what stands beside them. */
async function seen(client: S3Client): Promise<unknown[]> {
  const Bucket = 'photos'
  const { Buckets } = await client.send(new ListBucketsCommand({}))
  const { Contents } = await client.send(new ListObjectsV2Command({ Bucket }))
  const objects = ['small', 'large', 'parts'].map(async (Key) => {
    const { $metadata: _, Body, ...rest } = await client.send(new GetObjectCommand({ Bucket, Key }))
    return { ...rest, body: await Body?.transformToString() }
  })
  return [Buckets, Contents, ...(await Promise.all(objects))]
}

async function fill(client: S3Client): Promise<unknown[]> {
  const Bucket = 'photos'
  await client.send(new CreateBucketCommand({ Bucket }))
  const Metadata = { of: 'the test' }
  await client.send(new PutObjectCommand({ Bucket, Key: 'small', Body: 'small', Metadata }))
  await client.send(new PutObjectCommand({ Bucket, Key: 'large', Body: 'x'.repeat(100_000) }))
  const upload = { Bucket, Key: 'parts' }
  const { UploadId } = await client.send(new CreateMultipartUploadCommand(upload))
  const part = { ...upload, UploadId, PartNumber: 1, Body: 'part '.repeat(10_000) }
  const { ETag } = await client.send(new UploadPartCommand(part))
  const MultipartUpload = { Parts: [{ PartNumber: 1, ETag }] }
  const complete = { ...upload, UploadId, MultipartUpload }
  await client.send(new CompleteMultipartUploadCommand(complete))
  return seen(client)
}

test('what SQLite held is served from lines after an export and an import, the same to the client', async () => {
  const before = await withGateway('sqlite', fill)
  expect(before).toHaveLength(5)
  const file = join(folder, 'rows.jsonl')
  const out = await sluice(['export', '--data', folder, '--to', file])
  expect(out).toMatchObject({ code: 0, err: '' })
  expect(out.out.toString()).toMatch(
    /^Exported \d+ rows of 1 buckets \(.*\) in .* to .*rows\.jsonl; /,
  )
  const into = await sluice(['import', '--data', folder, '--metadata', 'jsonl', '--from', file])
  expect(into).toMatchObject({ code: 0, err: '' })
  expect(into.out.toString()).toMatch(/^Imported (\d+) of \1 rows in /)
  expect(await withGateway('jsonl', seen)).toEqual(before)
})

test('by pipes, and with --json, the result beside an export is on standard error', async () => {
  await withGateway('jsonl', fill)
  const out = await sluice(['export', '--data', folder, '--metadata', 'jsonl', '--json'])
  expect(JSON.parse(out.err)).toMatchObject({ summary: { buckets: 1, bytes: out.out.length } })
  const into = await sluice(['import', '--data', folder, '--json'], out.out)
  const { summary } = JSON.parse(into.out.toString()) as { summary: { rows: number } }
  expect(summary).toMatchObject({ written: summary.rows, kept: 0, removed: 0 })
  const torn = await sluice(['import', '--data', folder, '--replace'], out.out.subarray(0, -1))
  expect([torn.code, torn.err]).toEqual([
    1,
    expect.stringMatching(/^sluice: .*cut off: nothing was changed\n$/),
  ])
  expect(await withGateway('sqlite', seen)).toHaveLength(5)
})

test('a running gateway is told by its pid, and a store that is not there by its path', async () => {
  await withGateway('sqlite', async () => {
    for (const command of ['export', 'import']) {
      const refused = await sluice([command, '--data', folder])
      expect([refused.code, refused.err]).toEqual([
        1,
        expect.stringContaining(`pid ${process.pid}`),
      ])
    }
  })
  const none = await sluice([
    'export',
    '--data',
    folder,
    '--metadata',
    'jsonl',
    '--to',
    join(folder, 'x'),
  ])
  expect([none.code, none.err]).toEqual([
    1,
    expect.stringContaining(join(folder, 'metadata', 'jsonl')),
  ])
  expect(existsSync(join(folder, 'x'))).toBe(false)
})

test.each([
  [['import', '--merge', '--replace'], 'not both'],
  [['import', '--replace-rows'], 'goes with --merge'],
  [['import', '--metadata', 'memory'], 'in memory'],
  [['export', '--metadata', 'memory'], 'in memory'],
  [['import', '--from', '/no/such'], 'ENOENT'],
] as const)('%j is refused', async (words, text) => {
  const invocation = understand([...words, '--data', folder])
  const command = invocation.command === 'import' ? importAll : exportAll
  await expect(command(invocation)).rejects.toThrow(text)
})

test('a gateway does not start over an import that was cut off', async () => {
  const config = configOf({ port: 0, data: folder, credentials: [KEY] })
  {
    await using metadata = await openMetadata(config.metadata, SILENT)
    await writeImport(metadata, { sha256: '', mode: 'fresh', begun: 0 })
  }
  await expect(startServer(config)).rejects.toThrow(/import of metadata was cut off/)
})

test('damaged metadata is one line that says where', async () => {
  await withGateway('jsonl', fill)
  const file = join(folder, 'metadata', 'jsonl', 'log-00000001.jsonl')
  const text = readFileSync(file, 'utf8')
  writeFileSync(file, text.replace('photos', 'photoz'))
  const refused = await sluice(['export', '--data', folder, '--metadata', 'jsonl'])
  expect([refused.code, refused.err]).toEqual([
    1,
    expect.stringMatching(/^sluice: .*log-00000001\.jsonl:\d+: .*\n$/),
  ])
})
