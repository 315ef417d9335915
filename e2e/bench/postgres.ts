/**
 * What the PostgreSQL engine costs: conditional puts of 4 KiB rows as a plain PUT commits them, against the
 * bare driver in a loop with the same statement, taking turns in the same run; then reads and listings.
 *
 *     node tools/run.cjs node e2e/bench/postgres.ts [rows in thousands]   (1000)
 */
import { availableParallelism } from 'node:os'
import postgres from 'postgres'
import { planCommit } from '../../metadata/postgres-commit.ts'
import { namesOf } from '../../metadata/postgres-schema.ts'
import { commitText } from '../../metadata/postgres-sql.ts'
import { openPostgres, type PostgresStore } from '../../metadata/postgres.ts'
import type { Commit, Rev } from '../../metadata/store.ts'
import { SILENT } from '../../src/lib/meter.ts'
import { startPostgres } from '../engines/postgres-server.ts'

const ROWS: number = Number(process.argv[2] ?? 1000) * 1000
const CLIENTS = 32
const POOL_SIZE = 16
const ROUND_MS = 2000
const ROUNDS = 5
const GROUPS = 1000
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

/** Operations a second of so many clients at a time, and microseconds of this process's CPU for each. */
async function rate(
  clients: number,
  operation: () => Promise<unknown>,
): Promise<{ each: number; perSecond: number; cpuUs: number }> {
  const cpu = process.cpuUsage()
  const started = performance.now()
  let done = 0
  const client = async (): Promise<void> => {
    for (; performance.now() - started < ROUND_MS; done++) await operation()
  }
  await Promise.all(Array.from({ length: clients }, client))
  const { user, system } = process.cpuUsage(cpu)
  const seconds = (performance.now() - started) / 1000
  return {
    each: (seconds * 1000 * clients) / done,
    perSecond: done / seconds,
    cpuUs: (user + system) / done,
  }
}

function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? 0
}

async function putsAgainstDriver(store: PostgresStore, sql: postgres.Sql, rev: Rev): Promise<void> {
  const { shape } = planCommit(nextPut(rev))!
  const text = commitText(namesOf(SCHEMA), shape)
  const figures = { engine: [] as number[], driver: [] as number[], share: [] as number[] }
  for (let round = 0; round < ROUNDS; round++) {
    const engine = await rate(CLIENTS, async () => {
      if (!(await store.commit(nextPut(rev)))) throw new Error('a put was refused')
    })
    const ready = planCommit(nextPut(rev))!.parameters
    const driver = await rate(CLIENTS, () => {
      const parameters = [...ready]
      parameters[5] = `{"driver/${keys++}"}`
      return sql.unsafe(text, parameters, { prepare: true }).values()
    })
    figures.engine.push(engine.perSecond)
    figures.driver.push(driver.perSecond)
    figures.share.push(engine.perSecond / driver.perSecond)
    console.log(
      `  round ${round + 1}: engine ${engine.perSecond.toFixed(0)}/s (${engine.cpuUs.toFixed(0)} us CPU), driver ${driver.perSecond.toFixed(0)}/s (${driver.cpuUs.toFixed(0)} us CPU)`,
    )
  }
  console.log(
    `puts, ${CLIENTS} clients, pool of ${POOL_SIZE}: ${median(figures.engine).toFixed(0)}/s, ${(median(figures.share) * 100).toFixed(0)} % of the bare driver (medians of ${ROUNDS})`,
  )
}

async function line(
  name: string,
  clients: number,
  operation: () => Promise<unknown>,
): Promise<void> {
  const { each, perSecond, cpuUs } = await rate(clients, operation)
  console.log(
    `${name}: ${each.toFixed(2)} ms each, ${perSecond.toFixed(0)}/s, ${cpuUs.toFixed(0)} us CPU here`,
  )
}

await using server = await startPostgres()
const url = await server.createDatabase()
await using store = await openPostgres({ url, schema: SCHEMA, poolSize: POOL_SIZE }, SILENT)
const sql = postgres(url, {
  max: POOL_SIZE,
  fetch_types: false,
  connection: { plan_cache_mode: 'force_generic_plan', enable_seqscan: 'off' },
})
console.log(`${availableParallelism()} processors, client and server on the same machine`)
await store.commit({
  partition: BUCKET,
  expects: [],
  writes: [{ table: 'bucket', sort: '', value: {} }],
})
const { rev } = (await store.get(BUCKET, 'bucket', ''))!
const multixacts = async (): Promise<number[]> => {
  await sql.unsafe('checkpoint')
  const text =
    'select next_multixact_id::text, next_multi_offset::text from pg_control_checkpoint()'
  return (await sql.unsafe(text).values())[0]!.map(Number)
}
const before = await multixacts()
await putsAgainstDriver(store, sql, rev)
const after = await multixacts()
console.log(
  `multixacts per put: ${((after[0]! - before[0]!) / keys).toFixed(2)}, members ${((after[1]! - before[1]!) / keys).toFixed(2)}`,
)

const { rows, revs } = namesOf(SCHEMA)
await sql.unsafe(`insert into ${rows} (partition, tbl, sort, rev, value)
  select 'large', 2, 'g' || lpad((i % ${GROUPS})::text, 4, '0') || '/' || lpad(i::text, 9, '0'), nextval('${revs}'), '${JSON.stringify(VALUE)}'
  from generate_series(0, ${ROWS - 1}) i`)
await sql.unsafe(`vacuum analyze ${rows}`)
const key = (): string => {
  const i = Math.floor(Math.random() * ROWS)
  return `g${String(i % GROUPS).padStart(4, '0')}/${String(i).padStart(9, '0')}`
}
const fold = { delimiter: '/', from: 0 }
await line('get, 1 client', 1, () => store.get('large', 'object', key()))
await line(`get, ${CLIENTS} clients`, CLIENTS, () => store.get('large', 'object', key()))
await line('scan of 1,000 rows', 1, () =>
  store.scan('large', 'object', { from: key(), limit: 1000 }),
)
await line(`scan of ${GROUPS} groups over ${ROWS} rows`, 1, () =>
  store.scan('large', 'object', { from: '', limit: 1000, fold }),
)
await sql.end()
