/** Two gateways over one PostgreSQL and one S3 are one S3: also while one of them is killed again and again. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Client } from '../harness/client.ts'
import { type Cluster, startCluster } from '../harness/cluster.ts'
import { run } from '../harness/shell.ts'
import { byKey, record, type Seen } from './history.ts'
import { checkHistory } from './linearizable.ts'
import { OBJECT } from './register.ts'

const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url))
const QUIET_MS = 15_000
const KILLING_MS = 30_000
const KILLS_MIN = 3

let cluster: Cluster
beforeAll(async () => {
  // The sweeps of both are at work all the time.
  const metadata = process.env['SLUICE_E2E_METADATA'] ?? 'postgres'
  const env = { SLUICE_SWEEP_INTERVAL: '1s', SLUICE_SWEEP_GRACE: '5s' }
  cluster = await startCluster({ count: 2, metadata, env })
  using client = new Client(cluster.gateway)
  await client.ok('PUT', '/history')
})
afterAll(() => cluster[Symbol.asyncDispose]())

/** Every key's history has an order that explains it; what both gateways now have is the same. */
async function check(history: readonly Seen[]): Promise<void> {
  const [first, second] = cluster.endpoints.map((endpoint) => new Client({ endpoint }))
  for (const [key, operations] of byKey(history)) {
    const violation = checkHistory(OBJECT, operations)
    if (violation !== undefined)
      throw new Error(`${key} is not linearizable: ${JSON.stringify(violation, undefined, 2)}`)
    const [one, other] = await Promise.all([
      first!.send('GET', `/${key}`),
      second!.send('GET', `/${key}`),
    ])
    expect([200, 404]).toContain(one.status)
    expect([other.status, other.headers.etag]).toEqual([one.status, one.headers.etag])
  }
  first![Symbol.dispose]()
  second![Symbol.dispose]()
}

function summary(history: readonly Seen[]): string {
  const count = (test: (seen: Seen) => boolean): number => history.filter(test).length
  const kinds = ['200', '204', '404', '412'].map(
    (status) => `${count(({ outcome }) => outcome?.startsWith(status) === true)} x ${status}`,
  )
  const unknown = count(({ end }) => end === undefined)
  return `${history.length} operations on ${byKey(history).size} keys: ${kinds.join(', ')}, ${unknown} unknown`
}

test('conditional writes, deletions and reads over both are linearizable', async () => {
  const history = await record(cluster.endpoints, 'history/quiet', AbortSignal.timeout(QUIET_MS))
  console.log(summary(history))
  await check(history)
  for (const at of [0, 1])
    expect(history.filter((seen) => seen.at === at).length).toBeGreaterThan(100)
  expect(history.filter(({ outcome }) => outcome === '412').length).toBeGreaterThan(40)
  expect(history.filter(({ end }) => end === undefined)).toEqual([])
})

test('so they are while one of the two is killed and started, again and again', async () => {
  const ending = new AbortController()
  const recording = record(cluster.endpoints, 'history/killing', ending.signal)
  const begun = performance.now()
  let kills = 0
  while (performance.now() - begun < KILLING_MS) {
    await sleep(200 + Math.random() * 800)
    await cluster.killAndStart(kills++ % 2)
  }
  ending.abort()
  const history = await recording
  console.log(`${kills} kills, ${summary(history)}`)
  await check(history)
  expect(kills).toBeGreaterThanOrEqual(KILLS_MIN)
  expect(history.filter(({ end }) => end !== undefined).length).toBeGreaterThan(400)
  expect(history.filter(({ end }) => end === undefined).length).toBeGreaterThan(0)
})

test('afterwards every object is there with all its bytes', async () => {
  await cluster.stop()
  const data = await mkdtemp(join(tmpdir(), 'sluice-cluster-'))
  try {
    const scrub = [process.execPath, MAIN, 'scrub', '--json', '--data', data]
    const { stdout, stderr } = await run(scrub, { env: { ...cluster.env } })
    const last = stdout.trim().split('\n').at(-1) ?? ''
    expect(stderr).toBe('')
    const { summary } = JSON.parse(last) as {
      summary: { problems: Record<string, number>; objects: number }
    }
    // Uploads that were cut off leave blobs to the search for orphans, and nothing else is wrong.
    const { 'orphan-blob': _, ...wrong } = summary.problems
    expect(wrong).toEqual({})
    expect(summary.objects).toBeGreaterThan(20)
  } finally {
    await rm(data, { recursive: true, force: true })
  }
})
