/**
 * Kills the gateway at each step of each kind of write, starts it again on the same data and looks: what was
 * acknowledged is there, what was not is absent or whole, and the sweep leaves nothing that no row names.
 */
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { Client, element } from '../harness/client.ts'
import { type Gateway, startGateway } from '../harness/gateway.ts'
import { noise } from '../harness/tree.ts'

const SMALL = noise(3000, 1)
const OTHER = noise(3000, 2)
const LARGE = noise(700_000, 3)
const LARGER = noise(900_000, 4)
const PART = noise(5 * 1024 * 1024, 5)
const STEPS_MAX = 200
/** Consecutive runs that ended by themselves: then no further step is reached. */
const PATIENCE = 2
const METADATA = process.env['SLUICE_CRASH_METADATA'] ?? 'sqlite'
/** A start may take so long; more where the machine has other work. */
const READY_MS = Number(process.env['SLUICE_CRASH_READY_MS'] ?? 3000)
const PRELOAD = new URL('kill-step.ts', import.meta.url).href

interface Case {
  readonly name: string
  /** Leaves things as they are before the write; what it returns is given to `act`. */
  prepare(client: Client): Promise<string>
  act(client: Client, prepared: string): Promise<unknown>
  /** Bytes that may be at /bkt/key after an unacknowledged write; undefined: absent. */
  readonly before: Uint8Array | undefined
  readonly after: Uint8Array | undefined
}

const put = (client: Client, body: Uint8Array, key = 'key'): Promise<unknown> =>
  client.ok('PUT', `/bkt/${key}`, { body })
const nothing = async (): Promise<string> => ''

const CASES: readonly Case[] = [
  {
    name: 'PUT of a small object',
    prepare: nothing,
    act: (client) => put(client, SMALL),
    before: undefined,
    after: SMALL,
  },
  {
    name: 'PUT of a large object',
    prepare: nothing,
    act: (client) => put(client, LARGE),
    before: undefined,
    after: LARGE,
  },
  {
    name: 'PUT over a small object',
    prepare: async (client) => String(await put(client, SMALL)),
    act: (client) => put(client, OTHER),
    before: SMALL,
    after: OTHER,
  },
  {
    name: 'PUT over a large object',
    prepare: async (client) => String(await put(client, LARGE)),
    act: (client) => put(client, LARGER),
    before: LARGE,
    after: LARGER,
  },
  {
    name: 'DELETE of a small object',
    prepare: async (client) => String(await put(client, SMALL)),
    act: (client) => client.ok('DELETE', '/bkt/key'),
    before: SMALL,
    after: undefined,
  },
  {
    name: 'DELETE of a large object',
    prepare: async (client) => String(await put(client, LARGE)),
    act: (client) => client.ok('DELETE', '/bkt/key'),
    before: LARGE,
    after: undefined,
  },
  {
    name: 'CopyObject',
    prepare: async (client) => String(await put(client, LARGE, 'source')),
    act: (client) =>
      client.ok('PUT', '/bkt/key', { headers: { 'x-amz-copy-source': '/bkt/source' } }),
    before: undefined,
    after: LARGE,
  },
  {
    name: 'UploadPart',
    prepare: beginUpload,
    act: async (client, uploadId) => {
      await client.ok('PUT', `/bkt/key?partNumber=3&uploadId=${uploadId}`, { body: LARGE })
    },
    before: undefined,
    after: undefined,
  },
  {
    name: 'CompleteMultipartUpload',
    prepare: beginUpload,
    act: complete,
    before: undefined,
    after: Buffer.concat([PART, LARGE]),
  },
]

async function beginUpload(client: Client): Promise<string> {
  const uploadId = element((await client.ok('POST', '/bkt/key?uploads=')).text, 'UploadId')
  await client.ok('PUT', `/bkt/key?partNumber=1&uploadId=${uploadId}`, { body: PART })
  await client.ok('PUT', `/bkt/key?partNumber=2&uploadId=${uploadId}`, { body: LARGE })
  return uploadId
}

async function complete(client: Client, uploadId: string): Promise<void> {
  const listed = (await client.ok('GET', `/bkt/key?uploadId=${uploadId}`)).text
  const parts = [...listed.matchAll(/<PartNumber>(\d+)<\/PartNumber>.*?<ETag>(.*?)<\/ETag>/gs)]
  const body = parts
    .map(
      ([, number, etag]) => `<Part><PartNumber>${number}</PartNumber><ETag>${etag}</ETag></Part>`,
    )
    .join('')
  await client.ok('POST', `/bkt/key?uploadId=${uploadId}`, {
    body: `<CompleteMultipartUpload>${body}</CompleteMultipartUpload>`,
  })
}

test.each(CASES)(
  '$name: killed at every step, nothing acknowledged is lost and nothing is torn',
  async (wanted) => {
    const root = await mkdtemp(join(tmpdir(), 'sluice-kill-'))
    let unharmed = 0
    let killed = 0
    try {
      for (let step = 1; step <= STEPS_MAX && unharmed < PATIENCE; step++) {
        const dataDir = join(root, String(step))
        const acknowledged = await attempt(wanted, dataDir, step)
        if (acknowledged === 'unharmed') unharmed++
        else killed++
        await inspect(wanted, dataDir, acknowledged !== 'cut off')
        await rm(dataDir, { recursive: true })
      }
    } finally {
      await rm(root, { recursive: true, force: true })
    }
    expect(unharmed).toBe(PATIENCE)
    expect(killed).toBeGreaterThan(1)
  },
)

/** One run that dies at `step`, if it comes to it. */
async function attempt(
  wanted: Case,
  dataDir: string,
  step: number,
): Promise<'unharmed' | 'acknowledged' | 'cut off'> {
  const armed = join(tmpdir(), `sluice-armed-${process.pid}-${step}-${Math.random()}`)
  const env = {
    NODE_OPTIONS: `--import ${PRELOAD}`,
    SLUICE_CRASH_ARMED: armed,
    SLUICE_CRASH_STEP: String(step),
  }
  await using gateway = await startGateway({ dataDir, env, metadata: METADATA })
  using client = new Client(gateway)
  await client.ok('PUT', '/bkt')
  const prepared = await wanted.prepare(client)
  await writeFile(armed, '')
  try {
    await wanted.act(client, prepared)
  } catch {
    return 'cut off'
  } finally {
    await rm(armed, { force: true })
  }
  return isRunning(gateway) ? 'unharmed' : 'acknowledged'
}

function isRunning({ pid }: Gateway): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

async function inspect(wanted: Case, dataDir: string, acknowledged: boolean): Promise<void> {
  await using gateway = await startGateway({ dataDir, metadata: METADATA })
  expect(gateway.readyMs).toBeLessThan(READY_MS)
  using client = new Client(gateway)
  const { status, body } = await client.send('GET', '/bkt/key')
  const matches = (bytes: Uint8Array | undefined): boolean =>
    bytes === undefined ? status === 404 : status === 200 && body.equals(bytes)
  expect(
    matches(wanted.after) || (!acknowledged && matches(wanted.before)),
    `status ${status}, ${body.length} bytes`,
  ).toBe(true)
  const listed = (await client.ok('GET', '/bkt?list-type=2')).text
  expect(listed.includes('<Key>key</Key>')).toBe(status === 200)
  await client.ok('PUT', '/bkt/afterwards', { body: LARGE })
  expect((await client.ok('GET', '/bkt/afterwards')).body.equals(LARGE)).toBe(true)
  expect(await filesIn(join(dataDir, 'objects', 'tmp'))).toBe(0)
}

async function filesIn(dir: string): Promise<number> {
  return (await readdir(dir).catch(() => [])).length
}
