/**
 * Goals of the PostgreSQL engine, whose server this starts: conditional puts of 4 KiB rows as a plain PUT commits
 * them, against the bare driver in a loop with the same statement; a range, and folders.
 */
import postgres from 'postgres'
import { openMetadata } from '../../metadata/open.ts'
import { planCommit } from '../../metadata/postgres-commit.ts'
import { namesOf } from '../../metadata/postgres-schema.ts'
import { commitText, scanText } from '../../metadata/postgres-sql.ts'
import type { Commit, MetadataStore, Rev } from '../../metadata/store.ts'
import { CODES } from '../../metadata/table-codes.ts'
import { SILENT } from '../../src/lib/meter.ts'
import { startPostgres } from '../engines/postgres-server.ts'
import { fillBoth, folderGoal, rangeGoal, VAST } from './engine-lists.ts'
import type { Scale } from './engine-rows.ts'
import { type Cost, costOf, type Goal, inTurn, median, ratioOf, us } from './goals.ts'

const KEYS = 1_000_000
const CLIENTS = 32
const POOL_SIZE = 16
const PUTS = 8000
const PAGE = 1000
const BUCKET = 'photos'
const SCHEMA = 'sluice'
const VALUE = {
  t: 1_763_640_000_000,
  s: 4096,
  e: 'd41d8cd98f00b204e9800998ecf8427e',
  k: ['CRC64NVME', 'AAAAAAAAAAA=', 'FULL_OBJECT'],
  o: ['0123456789abcdef0123456789abcdef', 'owner'],
}
const BODY = new Uint8Array(4096).fill(7)

export async function postgresGoals(scale: Scale): Promise<Goal[]> {
  await using server = await startPostgres()
  const url = await server.createDatabase()
  const options = { engine: 'postgres' as const, url, schema: SCHEMA, poolSize: POOL_SIZE }
  await using store = await openMetadata(options, SILENT)
  const sql = postgres(url, {
    max: POOL_SIZE,
    fetch_types: false,
    connection: { plan_cache_mode: 'force_generic_plan', enable_seqscan: 'off' },
  })
  try {
    const puts = await putGoal(store, sql, scale)
    const count = Math.max(PAGE, KEYS * scale.part)
    await fillBoth(store, count)
    const { rows } = namesOf(SCHEMA)
    await sql.unsafe(`vacuum analyze ${rows}`)
    const text = scanText(namesOf(SCHEMA), false)
    const bare = async (from: string): Promise<number> => {
      const parameters = [VAST, CODES.object, from, PAGE]
      return (await sql.unsafe(text, parameters, { prepare: true }).values()).length
    }
    return [
      puts,
      await rangeGoal('postgres', store, bare, count, scale),
      await folderGoal('postgres', store, count, scale),
    ]
  } finally {
    await sql.end()
  }
}

let keys = 0

function nextPut(rev: Rev): Commit {
  const sort = `new/${(keys++ * 7_919) % 1_000_003}/${keys}`
  return {
    partition: BUCKET,
    expects: [
      { table: 'bucket', sort: '', rev },
      { table: 'object', sort, rev: 0 },
    ],
    writes: [{ table: 'object', sort, value: VALUE, bytes: BODY }],
  }
}

async function putGoal(
  store: MetadataStore,
  sql: postgres.Sql,
  { rounds, part }: Scale,
): Promise<Goal> {
  const bucket = { table: 'bucket' as const, sort: '', value: {} }
  await store.commit({ partition: BUCKET, expects: [], writes: [bucket] })
  const { rev } = (await store.get(BUCKET, 'bucket', ''))!
  const { shape, parameters: ready } = planCommit(nextPut(rev))!
  const text = commitText(namesOf(SCHEMA), shape)
  const count = Math.ceil(PUTS * part)
  const byEngine = async (): Promise<void> => {
    if (!(await store.commit(nextPut(rev)))) throw new Error('a put was refused')
  }
  const byDriver = async (): Promise<void> => {
    const parameters = [...ready]
    parameters[5] = `{"driver/${keys++}"}`
    await sql.unsafe(text, parameters, { prepare: true }).values()
  }
  const works = [byEngine, byDriver].map(
    (put) => (): Promise<Cost> =>
      costOf(count, async () => {
        let left = count
        const client = async (): Promise<void> => {
          while (left-- > 0) await put()
        }
        await Promise.all(Array.from({ length: CLIENTS }, client))
      }),
  )
  const [engine, driver] = await inTurn(rounds, works)
  const told = (costs: readonly Cost[]): string =>
    `${(1e6 / median(costs.map(({ wallUs }) => wallUs))).toFixed(0)}/s (${us(costs)} CPU)`
  return {
    name: `postgres: conditional puts of ${CLIENTS} clients, over the bare driver's`,
    measured: ratioOf(driver!, engine!, 'wallUs'),
    unit: 'x',
    atLeast: 0.8,
    of: `engine ${told(engine!)}, driver ${told(driver!)}`,
  }
}
