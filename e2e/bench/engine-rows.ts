/** Goals of the engines of metadata on this machine: reading a row through S3's semantics, and durable commits. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openMetadata } from '../../metadata/open.ts'
import type { MetadataStore } from '../../metadata/store.ts'
import { SILENT } from '../../src/lib/meter.ts'
import { openStorage } from '../../storage/open.ts'
import { apiOf, CALL, fillBucket } from './api.ts'
import { type Cost, costOf, type Goal, inTurn, median, ratioOf, us } from './goals.ts'

const BUCKET = 'bench'
const KEYS = 1_000_000
const WRITERS = 32
const VALUE = {
  q: '01JDCD5N9S0000000000000000',
  t: 1_763_640_000_000,
  s: 4096,
  e: 'd41d8cd98f00b204e9800998ecf8427e',
  k: ['CRC64NVME', 'AAAAAAAAAAA=', 'FULL_OBJECT'],
  o: ['0123456789abcdef0123456789abcdef', 'owner'],
}

export interface Scale {
  readonly rounds: number
  /** 1: all of the work. */
  readonly part: number
}

export async function rowGoals({ rounds, part }: Scale): Promise<Goal[]> {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-bench-'))
  try {
    await using memory = await openMetadata({ engine: 'memory' }, SILENT)
    const engine = { engine: 'sqlite' as const, path: join(folder, 'rows.db') }
    const names = Array.from({ length: Math.ceil(KEYS * part) }, (_, i) => keyOf(i))
    await filled(memory, names)
    {
      // Rows that SQLite has, and not its overlay of the newest ones.
      await using filling = await openMetadata(engine, SILENT)
      await filled(filling, names)
    }
    await using sqlite = await openMetadata(engine, SILENT)
    const lines = join(folder, 'lines')
    await using jsonl = await openMetadata({ engine: 'jsonl', path: lines }, SILENT)
    const logged = { engine: 'logged' as const, log: 'segment' as const }
    const path = join(folder, 'logged')
    await using log = await openMetadata({ ...logged, path }, SILENT)
    return [
      ...(await readGoals(memory, sqlite, names, { rounds, part })),
      ...(await commitGoals({ sqlite, jsonl, log }, rounds, part)),
    ]
  } finally {
    await rm(folder, { recursive: true })
  }
}

async function filled(store: MetadataStore, names: readonly string[]): Promise<void> {
  await using storage = await openStorage({ engine: 'memory' }, SILENT)
  await fillBucket(store, apiOf(store, storage), BUCKET, names.length, (i) => names[i]!)
}

async function readGoals(
  memory: MetadataStore,
  sqlite: MetadataStore,
  names: readonly string[],
  { rounds, part }: Scale,
): Promise<Goal[]> {
  await using storage = await openStorage({ engine: 'memory' }, SILENT)
  const count = Math.ceil(50_000 * part)
  const rows: (() => Promise<Cost>)[] = []
  const heads: (() => Promise<Cost>)[] = []
  for (const store of [sqlite, memory]) {
    const api = apiOf(store, storage)
    rows.push(() =>
      costOf(count, async () => {
        for (let i = 0; i < count; i++)
          await store.get(BUCKET, 'object', names[(i * 7919) % names.length]!)
      }),
    )
    heads.push(() =>
      costOf(count, async () => {
        for (let i = 0; i < count; i++)
          await api.HeadObject!({ Bucket: BUCKET, Key: names[(i * 7919) % names.length]! }, CALL)
      }),
    )
  }
  const [sqliteRows, memoryRows] = await inTurn(rounds, rows)
  const [sqliteHeads, memoryHeads] = await inTurn(rounds, heads)
  return [
    {
      name: 'a row from memory, over one from sqlite',
      measured: ratioOf(sqliteRows!, memoryRows!),
      unit: 'x',
      atLeast: 3,
      of: `CPU of a get: sqlite ${us(sqliteRows!)}, memory ${us(memoryRows!)}`,
    },
    {
      name: 'HeadObject over memory, over one over sqlite',
      measured: ratioOf(sqliteHeads!, memoryHeads!),
      unit: 'x',
      atLeast: 3,
      of: `CPU without HTTP: sqlite ${us(sqliteHeads!)}, memory ${us(memoryHeads!)}`,
    },
  ]
}

function keyOf(i: number): string {
  return `folder-${String(i % 100).padStart(4, '0')}/object-${String(i).padStart(8, '0')}`
}

async function commitGoals(
  stores: Readonly<Record<'sqlite' | 'jsonl' | 'log', MetadataStore>>,
  rounds: number,
  part: number,
): Promise<Goal[]> {
  const work = (store: MetadataStore, writers: number) => (): Promise<Cost> =>
    commits(store, writers, Math.ceil((writers === 1 ? 500 : 8000) * part))
  const { sqlite, jsonl, log } = stores
  const costs = await inTurn(rounds, [
    work(sqlite, 1),
    work(sqlite, WRITERS),
    work(jsonl, 1),
    work(jsonl, WRITERS),
    work(log, WRITERS),
  ])
  const [one, many, jsonlOne, jsonlMany, logMany] = costs as [
    Cost[],
    Cost[],
    Cost[],
    Cost[],
    Cost[],
  ]
  const rate = (costs: readonly Cost[]): string =>
    `${(1e6 / median(costs.map(({ wallUs }) => wallUs))).toFixed(0)}/s`
  return [
    {
      name: `sqlite: ${WRITERS} writers over one, each commit synced`,
      measured: ratioOf(one, many, 'wallUs'),
      unit: 'x',
      atLeast: 4,
      of: `${rate(many)} of ${WRITERS}, ${rate(one)} of one`,
    },
    {
      name: 'commits of jsonl over those of sqlite, one writer',
      measured: ratioOf(one, jsonlOne, 'wallUs'),
      unit: 'x',
      atLeast: 1,
      of: `jsonl ${rate(jsonlOne)}, sqlite ${rate(one)}`,
    },
    {
      name: `commits of jsonl over those of sqlite, ${WRITERS} writers`,
      measured: ratioOf(many, jsonlMany, 'wallUs'),
      unit: 'x',
      atLeast: 1,
      of: `jsonl ${rate(jsonlMany)} (${us(jsonlMany)} CPU), sqlite ${rate(many)} (${us(many)})`,
    },
    {
      name: `commits of memory with a log over those of sqlite, ${WRITERS} writers`,
      measured: ratioOf(many, logMany, 'wallUs'),
      unit: 'x',
      atLeast: 1,
      of: `memory with a log ${rate(logMany)} (${us(logMany)} CPU), sqlite ${rate(many)} (${us(many)})`,
    },
  ]
}

let fresh = 0

/** So many new rows, each expected to be absent, as PutObject of an empty object commits it. */
async function commits(store: MetadataStore, writers: number, count: number): Promise<Cost> {
  return costOf(count, async () => {
    let left = count
    const writer = async (): Promise<void> => {
      while (left-- > 0) {
        const place = { table: 'object' as const, sort: `new-${fresh++}` }
        const expects = [{ ...place, rev: 0 }]
        const writes = [{ ...place, value: VALUE }]
        if (!(await store.commit({ partition: BUCKET, expects, writes })))
          throw new Error('a commit was refused')
      }
    }
    await Promise.all(Array.from({ length: writers }, writer))
  })
}
