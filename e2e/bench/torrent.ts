/**
 * `npm run bench:torrent`: what a download costs, with each engine and disk, beside libtorrent with its own
 * disk and WebTorrent with its own folder. One seed serves them all, in turn, from a process of its own; a
 * download is one process. CPU seconds are the figure to trust; MB/s depends on what else runs.
 *
 *   npm run bench:torrent                       256 MiB, medians of 5
 *   npm run bench:torrent -- --smoke            32 MiB once: does it run?
 *   npm run bench:torrent -- --rounds 3 --json out.json
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { parseArgs, promisify } from 'node:util'
import { createMetainfo } from '../../src/torrent/create-metainfo.ts'
import { hasNative } from '../../src/torrent/libtorrent/native.ts'
import { LocalRowHasher } from '../../src/torrent/row-hasher.ts'
import { SLOW_RATE } from './torrent-disks.ts'
import type { PeerOrder, PeerResult } from './torrent-peer.ts'

const { values } = parseArgs({
  options: {
    smoke: { type: 'boolean', default: false },
    rounds: { type: 'string', default: '5' },
    json: { type: 'string' },
    help: { type: 'boolean', short: 'h', default: false },
  },
})
if (values.help) {
  console.log('Usage: npm run bench:torrent -- [--smoke] [--rounds 5] [--json file]')
  process.exit(0)
}
if (!hasNative()) {
  console.error(
    'bench:torrent: the seed is libtorrent, whose addon is not built: npm run build:libtorrent',
  )
  process.exit(1)
}

const MIB = 1024 ** 2
const sizeBytes = (values.smoke ? 32 : 256) * MIB
const PIECE_BYTES = MIB
const rounds = values.smoke ? 1 : Number(values.rounds)
const PEER = fileURLToPath(new URL('torrent-peer.ts', import.meta.url))
const PATIENCE_MS = 180_000
/** Half of a disk's budget, MB. */
const DIRTY_MAX = (32 * MIB) / 1_000_000
const RSS_MAX = (96 * MIB) / 1_000_000

type Version = 'v1' | 'hybrid'
type Work = Pick<PeerOrder, 'engine' | 'disk'> & { readonly version: Version }

const OWN: Work = { engine: 'libtorrent-own', disk: 'none', version: 'v1' }
const OWN_HYBRID: Work = { ...OWN, version: 'hybrid' }
const OWN_WEBTORRENT: Work = { engine: 'webtorrent-own', disk: 'none', version: 'hybrid' }
const MEMORY: Work = { engine: 'libtorrent', disk: 'memory', version: 'v1' }
const DISABLED: Work = { engine: 'libtorrent', disk: 'disabled', version: 'v1' }
const CHUNK: Work = { engine: 'libtorrent', disk: 'chunk', version: 'hybrid' }
const WEB_CHUNK: Work = { engine: 'webtorrent', disk: 'chunk', version: 'hybrid' }
/** In this order in every round. */
const WORKS: readonly Work[] = [OWN, MEMORY, DISABLED, OWN_HYBRID, CHUNK, OWN_WEBTORRENT, WEB_CHUNK]
const SLOW: Work = { engine: 'libtorrent', disk: 'slow', version: 'v1' }
const WEB_SLOW: Work = { engine: 'webtorrent', disk: 'slow', version: 'v1' }

const folder = mkdtempSync(join(tmpdir(), 'sluice-bench-torrent-'))
const seeds: ChildProcess[] = []

async function torrentOf(content: Buffer, version: Version): Promise<string> {
  const file = join(folder, `${version}.torrent`)
  const source = {
    path: ['it.bin'],
    sizeBytes: content.length,
    async *read() {
      yield content
    },
  }
  const options = { name: 'it.bin', version, pieceBytes: PIECE_BYTES }
  const hasher = (of: ConstructorParameters<typeof LocalRowHasher>[0]): LocalRowHasher =>
    new LocalRowHasher(of)
  writeFileSync(file, await createMetainfo([source], { ...options, hasher }))
  return file
}

/** Its port. */
async function startSeed(torrent: string): Promise<number> {
  const order: PeerOrder = { ...OWN, side: 'seed', torrent, folder, port: 0 }
  const child = spawn(process.execPath, [PEER, JSON.stringify(order)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  seeds.push(child)
  for await (const line of createInterface({ input: child.stdout })) return Number(line)
  throw new Error('the seed has ended')
}

async function leech({ engine, disk }: Work, torrent: string, port: number): Promise<PeerResult> {
  const into = join(folder, 'into')
  mkdirSync(into)
  try {
    const order: PeerOrder = { side: 'leech', engine, disk, torrent, folder: into, port }
    const { stdout } = await promisify(execFile)(process.execPath, [PEER, JSON.stringify(order)], {
      timeout: PATIENCE_MS,
    })
    return JSON.parse(stdout.trim().split('\n').at(-1)!) as PeerResult
  } finally {
    rmSync(into, { recursive: true, force: true })
  }
}

function median(numbers: readonly number[]): number {
  const sorted = numbers.toSorted((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)]!
}

interface Row {
  readonly name: string
  readonly cpuS: number
  readonly megabytesPerSecond: number
  readonly rssGrowthMB: number
  readonly results: readonly PeerResult[]
}

function rowOf({ engine, disk, version }: Work, results: readonly PeerResult[]): Row {
  const ours = disk === 'none' ? '' : `, disk ${disk}`
  return {
    name: `${engine}${ours}, ${version}`,
    cpuS: median(results.map(({ cpuMs }) => cpuMs)) / 1000,
    megabytesPerSecond: sizeBytes / 1000 / median(results.map(({ ms }) => ms)),
    rssGrowthMB: median(results.map(({ rssGrowthMB }) => rssGrowthMB)),
    results,
  }
}

function print(rows: readonly Row[]): void {
  console.log(`\n| ${sizeBytes / MIB} MiB downloaded | CPU s | MB/s | RSS growth MB |`)
  console.log('|---|--:|--:|--:|')
  for (const { name, cpuS, megabytesPerSecond, rssGrowthMB } of rows)
    console.log(
      `| ${name} | ${cpuS.toFixed(2)} | ${megabytesPerSecond.toFixed(0)} | ${rssGrowthMB.toFixed(0)} |`,
    )
}

/** What is to be reached, and what was. */
interface Goal {
  readonly what: string
  readonly goal: string
  readonly found: string
  readonly isMet: boolean
}

function atMost(what: string, found: number, bound: number, unit = ''): Goal {
  return {
    what,
    goal: `<= ${Number(bound.toFixed(2))}${unit}`,
    found: `${found.toFixed(2)}${unit}`,
    isMet: found <= bound,
  }
}

function goalsOf(rows: ReadonlyMap<Work, Row>): Goal[] {
  const of = (work: Work): Row => rows.get(work)!
  const [chunk, slow, webSlow] = [of(CHUNK), of(SLOW), of(WEB_SLOW)]
  const least = (row: Row, field: 'puts' | 'putMB' | 'dirtyMaxMB' | 'rssGrowthMB'): number =>
    median(row.results.map((result) => result[field]))
  const faster = chunk.megabytesPerSecond / of(OWN_WEBTORRENT).megabytesPerSecond
  return [
    atMost('memory: CPU beside libtorrent’s own disk', of(MEMORY).cpuS / of(OWN).cpuS, 1.3, 'x'),
    atMost('chunks, sealed: the same', chunk.cpuS / of(OWN_HYBRID).cpuS, 2, 'x'),
    {
      what: 'chunks, sealed: MB/s beside WebTorrent in its folder',
      goal: '>= 2x',
      found: `${faster.toFixed(2)}x`,
      isMet: faster >= 2,
    },
    atMost('PUTs a GiB', (least(chunk, 'puts') * 1024 * MIB) / sizeBytes, 130),
    atMost('bytes put for a byte', (least(chunk, 'putMB') * 1_000_000) / sizeBytes, 1.01, 'x'),
    atMost('10 MB/s behind: not stored yet', least(slow, 'dirtyMaxMB'), DIRTY_MAX, ' MB'),
    atMost('10 MB/s behind: RSS growth', least(slow, 'rssGrowthMB'), RSS_MAX, ' MB'),
    atMost('WebTorrent, the same: not stored yet', least(webSlow, 'dirtyMaxMB'), DIRTY_MAX, ' MB'),
  ]
}

try {
  const content = randomBytes(sizeBytes)
  writeFileSync(join(folder, 'it.bin'), content)
  const torrents = {
    v1: await torrentOf(content, 'v1'),
    hybrid: await torrentOf(content, 'hybrid'),
  }
  const ports = { v1: await startSeed(torrents.v1), hybrid: await startSeed(torrents.hybrid) }
  const runs = new Map<Work, PeerResult[]>()
  const run = async (work: Work): Promise<void> => {
    const result = await leech(work, torrents[work.version], ports[work.version])
    runs.set(work, [...(runs.get(work) ?? []), result])
    process.stderr.write('.')
  }
  for (let round = 0; round < rounds; round++) for (const work of WORKS) await run(work)
  console.error(`\nand once each, with a store that takes ${SLOW_RATE / 1_000_000} MB a second`)
  for (const work of [SLOW, WEB_SLOW]) await run(work)
  const rows = new Map([...runs].map(([work, results]) => [work, rowOf(work, results)]))
  print([...rows.values()])
  const goals = goalsOf(rows)
  console.log('\n| goal | to reach | found | |\n|---|--:|--:|---|')
  for (const { what, goal, found, isMet } of goals)
    console.log(`| ${what} | ${goal} | ${found} | ${isMet ? 'yes' : 'no'} |`)
  console.log(
    `\n${cpus().length} cores, ${cpus()[0]?.model}, Node.js ${process.version}, ${rounds} rounds`,
  )
  if (values.json !== undefined)
    writeFileSync(values.json, JSON.stringify({ rows: [...rows.values()], goals }, undefined, 2))
} finally {
  for (const seed of seeds) seed.kill()
  rmSync(folder, { recursive: true, force: true })
}
