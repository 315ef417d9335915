/**
 * `npm run bench`: what the gateway costs and how fast it is, by work. The load generator shares the machine,
 * so CPU time an operation is the figure to trust; MB/s and ops/s depend on what else runs.
 *
 *   npm run bench                                     the gateway on sqlite + fs, all works
 *   npm run bench -- --smoke                          a hundredth of the work: does it run?
 *   npm run bench -- --only small,large,list,parts,start --rounds 3 --json out.json
 *   npm run bench -- --only lifecycle                 GETs beside a lifecycle round over 1,000,000 keys
 *   npm run bench -- --only small --peers s3rver,versitygw    others under the same load, in the same run
 *   npm run bench -- --endpoint http://127.0.0.1:9001 --pid 123 --access-key A --secret-key S   any S3 endpoint
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { memoryOf, startGateway } from '../harness/gateway.ts'
import { startBare } from './bare.ts'
import { type Figures, median, table } from './figures.ts'
import { getLarge, putLarge, smallBesideLarge } from './large.ts'
import { lifecycleWork } from './lifecycle.ts'
import { completeWork, fill, listWorks, metadataPath } from './lists.ts'
import { startPeer } from './peers.ts'
import { measure, type Server, smallWorks } from './small.ts'
import { ask, load, siteOf } from './wire.ts'

const { values } = parseArgs({
  options: {
    smoke: { type: 'boolean', default: false },
    only: { type: 'string', default: 'start,small,large,parts,list' },
    rounds: { type: 'string', default: '3' },
    json: { type: 'string' },
    metadata: { type: 'string', default: 'sqlite' },
    storage: { type: 'string', default: 'fs' },
    peers: { type: 'string', default: '' },
    endpoint: { type: 'string' },
    pid: { type: 'string' },
    'access-key': { type: 'string', default: '' },
    'secret-key': { type: 'string', default: '' },
    help: { type: 'boolean', short: 'h', default: false },
  },
})
if (values.help) {
  console.log(
    'Usage: npm run bench -- [--smoke] [--only start,small,large,parts,list,lifecycle] [--rounds 3] [--json file] [--metadata e] [--storage e] [--peers s3rver,versitygw,minio]\n       npm run bench -- --endpoint URL --access-key A --secret-key S [--pid N]',
  )
  process.exit(0)
}
const only = new Set(values.only.split(','))
const rounds = values.smoke ? 1 : Number(values.rounds)
const all: Record<string, readonly Figures[]> = {}

function show(title: string, rows: readonly Figures[]): void {
  all[title] = rows
  console.log(`\n${table(title, rows)}`)
}

async function small(server: Server, title = 'small objects', tolerant = false): Promise<void> {
  const works = smallWorks(values.smoke ? 0.01 : 1)
  const runs = works.map((): Figures[] => [])
  for (let round = 0; round < rounds; round++) {
    for (const [i, work] of works.entries()) {
      const { name, connections, status } = work
      try {
        runs[i]!.push(
          await measure(server, name, work.requests(server.site, round), connections, status),
        )
      } catch (error) {
        if (!tolerant) throw error
        runs[i]!.push({ work: name, note: 'it answered with an error' })
      }
    }
  }
  show(title, runs.map(median))
}

async function large(server: Server, title = 'large objects'): Promise<void> {
  const size = values.smoke ? 16 * 1024 ** 2 : 1024 ** 3
  const rows: Figures[] = []
  const repeat = async (run: () => Promise<Figures>): Promise<void> => {
    const runs: Figures[] = []
    for (let i = 0; i < rounds; i++) runs.push(await run())
    rows.push(median(runs))
  }
  for (const kind of ['plain', 'crc32', 'sha256'] as const)
    await repeat(() => putLarge(server, '/bench/large', size, kind))
  await repeat(() => getLarge(server, '/bench/large', size))
  await load(
    server.site,
    [ask(server.site, 'PUT', '/bench/small-beside', { body: new Uint8Array(4096) })],
    1,
    200,
  )
  rows.push(await smallBesideLarge(server, '/bench/small-beside', '/bench/beside', size / 4, 8))
  if (!values.smoke) {
    rows.push(await putLarge(server, '/bench/many', size, 'crc32', 16))
    rows.push(await getLarge(server, '/bench/many', size, 16))
  }
  show(title, rows)
}

/** What the gateway costs without MD5, and what node:http costs with nothing behind it. */
async function largeFloors(): Promise<void> {
  const size = values.smoke ? 16 * 1024 ** 2 : 1024 ** 3
  const opaque: Figures[] = []
  const put: Figures[] = []
  const get: Figures[] = []
  await using bare = await startBare()
  await withGateway(
    async (server) => {
      for (let i = 0; i < rounds; i++) {
        opaque.push(await putLarge(server, '/bench/opaque', size, 'crc32'))
        put.push(await putLarge(bare.server, '/bare/put', size, 'plain'))
        get.push(await getLarge(bare.server, '/bare/get', 1024 ** 3))
      }
    },
    { SLUICE_ETAG: 'opaque' },
  )
  show('large objects, floors', [
    { ...median(opaque), note: 'SLUICE_ETAG=opaque' },
    { ...median(put), note: 'bare node:http, bytes dropped' },
    { ...median(get), note: 'bare node:http, from memory' },
  ])
}

async function withGateway(
  work: (server: Server) => Promise<void>,
  env: Readonly<Record<string, string>> = {},
): Promise<void> {
  await using gateway = await startGateway({
    metadata: values.metadata,
    storage: values.storage,
    env,
  })
  const server: Server = { site: siteOf(gateway.endpoint), pid: gateway.pid }
  await load(server.site, [ask(server.site, 'PUT', '/bench')], 1, 200)
  await work(server)
}

async function peers(names: readonly string[]): Promise<void> {
  for (const name of names) {
    await using peer = await startPeer(name)
    await load(peer.server.site, [ask(peer.server.site, 'PUT', '/bench')], 1, 200)
    if (only.has('small')) await small(peer.server, `${name}: small objects`, true)
    if (only.has('large')) await large(peer.server, `${name}: large objects`)
  }
}

async function start(): Promise<void> {
  const runs: Figures[] = []
  const idle: number[] = []
  for (let i = 0; i < rounds; i++) {
    await using gateway = await startGateway({ metadata: values.metadata, storage: values.storage })
    runs.push({ work: 'start to the first 200', p50Ms: gateway.readyMs })
    await new Promise((resolve) => setTimeout(resolve, 500))
    idle.push((await memoryOf(gateway.pid)).rss / 1e6)
  }
  show('start', [
    {
      ...median(runs),
      peakMB: idle.sort((a, b) => a - b)[Math.floor(idle.length / 2)]!,
      note: 'idle memory',
    },
  ])
}

async function lists(): Promise<void> {
  const rows: Figures[] = []
  for (const count of values.smoke ? [2000] : [100_000, 1_000_000]) {
    const dataDir = await mkdtemp(join(tmpdir(), 'sluice-bench-'))
    console.error(`filling a bucket with ${count.toLocaleString('en')} keys ...`)
    await fill(metadataPath(dataDir), 'filled', count)
    await using gateway = await startGateway({
      metadata: 'sqlite',
      storage: values.storage,
      dataDir,
    })
    rows.push(
      ...(await listWorks(
        { site: siteOf(gateway.endpoint), pid: gateway.pid },
        'filled',
        count,
        values.smoke ? 20 : 500,
      )),
    )
    await gateway.kill()
    await rm(dataDir, { recursive: true })
  }
  show('listings', rows)
}

/** Rounds of lifecycles, with whatever of them is over before the GETs are. */
async function lifecycles(): Promise<void> {
  const count = values.smoke ? 5000 : 1_000_000
  const dataDir = await mkdtemp(join(tmpdir(), 'sluice-bench-'))
  console.error(`filling a bucket with ${count.toLocaleString('en')} keys ...`)
  await fill(metadataPath(dataDir), 'filled', count)
  await using gateway = await startGateway({
    metadata: 'sqlite',
    storage: values.storage,
    dataDir,
    env: { SLUICE_LIFECYCLE_INTERVAL: '1s' },
  })
  const server: Server = { site: siteOf(gateway.endpoint), pid: gateway.pid }
  show('lifecycles', await lifecycleWork(server, 'filled', count, rounds))
  await gateway.kill()
  await rm(dataDir, { recursive: true })
}

console.log(
  `${new Date().toISOString().slice(0, 10)}, ${cpus().length} x ${cpus()[0]?.model ?? 'unknown'}, Node.js ${process.version}`,
)
if (values.endpoint) {
  const site = siteOf(values.endpoint, {
    accessKeyId: values['access-key'],
    secretAccessKey: values['secret-key'],
  })
  const server: Server = { site, ...(values.pid && { pid: Number(values.pid) }) }
  await load(site, [ask(site, 'PUT', '/bench')], 1, 200).catch(() => {})
  if (only.has('small')) await small(server)
  if (only.has('large')) await large(server)
} else {
  if (only.has('start')) await start()
  if (only.has('small')) await withGateway(small)
  if (only.has('large')) {
    await withGateway(large)
    await largeFloors()
  }
  if (only.has('parts'))
    await withGateway(async (server) => {
      const runs: Figures[] = []
      for (let i = 0; i < rounds; i++)
        runs.push(await completeWork(server, `parts-${i}`, values.smoke ? 100 : 10_000))
      show('uploads in parts', [median(runs)])
    })
  if (only.has('list')) await lists()
  if (only.has('lifecycle')) await lifecycles()
  await peers(values.peers.split(',').filter(Boolean))
}
if (values.json)
  await writeFile(
    values.json,
    JSON.stringify(
      {
        date: new Date().toISOString(),
        node: process.version,
        machine: cpus()[0]?.model,
        cores: cpus().length,
        figures: all,
      },
      null,
      2,
    ),
  )
console.log('\nAll works ran.')
