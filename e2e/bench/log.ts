/**
 * `npm run bench:log`: the log of `src/log`, with better-sqlite3, and lmdb where it is there, beside it in the same process, each
 * write on stable storage before the next. Medians of 5 rounds, in which the logs take turns. Where the machine
 * has other work, CPU time and the ratios between logs are the figures to trust.
 *
 *   npm run bench:log
 *   (cd /tmp/lmdb && npm install lmdb); LMDB_FOLDER=/tmp/lmdb npm run bench:log
 *   npm run bench:log -- --smoke                a fiftieth of the work: does it run?
 *   npm run bench:log -- --logs segment,lmdb --rounds 3 --json out.json
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { LogEntry } from '../../src/log/store.ts'
import { LOGS, type MeasuredLog } from './log-peers.ts'

const PEERS = `segment,sqlite,better-sqlite3${process.env['LMDB_FOLDER'] ? ',lmdb' : ''}`
const { values } = parseArgs({
  options: {
    smoke: { type: 'boolean', default: false },
    logs: { type: 'string', default: PEERS },
    rounds: { type: 'string', default: '5' },
    json: { type: 'string' },
  },
})
const names = values.logs.split(',')
const rounds = values.smoke ? 1 : Number(values.rounds)
const scale = values.smoke ? 0.02 : 1

type Figures = Record<string, number>
/** Work to log to what each round measured. */
const measured = new Map<string, Map<string, Figures[]>>()

function note(work: string, log: string, figures: Figures): void {
  const byLog = measured.get(work) ?? new Map<string, Figures[]>()
  measured.set(work, byLog)
  byLog.set(log, [...(byLog.get(log) ?? []), figures])
}

function entries(first: number, count: number, bytes: number): LogEntry[] {
  const payload = Buffer.alloc(bytes, 65)
  return Array.from({ length: count }, (_, i) => ({ index: first + i, term: 1, kind: 1, payload }))
}

async function timed(run: () => Promise<unknown>): Promise<{ seconds: number; cpuUs: number }> {
  const cpu = process.cpuUsage()
  const start = performance.now()
  await run()
  const seconds = (performance.now() - start) / 1000
  const { user, system } = process.cpuUsage(cpu)
  return { seconds, cpuUs: user + system }
}

async function append(name: string, log: MeasuredLog, bytes: number): Promise<void> {
  const batch = values.smoke ? 1000 : 10_000
  const batches = values.smoke ? 3 : 30
  const all = Array.from({ length: batches }, (_, i) =>
    entries(log.last() + 1 + i * batch, batch, bytes),
  )
  const { seconds, cpuUs } = await timed(async () => {
    for (const batch of all) await log.persist(batch)
  })
  const count = batch * batches
  note(`append, batches of ${batch.toLocaleString('en')} x ${bytes} B`, name, {
    'entries/s': count / seconds,
    'CPU us/entry': cpuUs / count,
  })
}

/** Writers that each wait for their own entry: what arrives together is written together. */
async function group(name: string, log: MeasuredLog, writers: number): Promise<void> {
  const count = Math.ceil(40_000 * scale)
  const payload = Buffer.alloc(350, 65)
  let next = log.last() + 1
  let waiting: { entry: LogEntry; done: () => void }[] = []
  let isRunning = false
  const pump = async (): Promise<void> => {
    isRunning = true
    while (waiting.length > 0) {
      const taken = waiting
      waiting = []
      await log.persist(taken.map(({ entry }) => entry))
      for (const { done } of taken) done()
      await new Promise((resolve) => setImmediate(resolve))
    }
    isRunning = false
  }
  const one = (): Promise<void> => {
    const entry: LogEntry = { index: next++, term: 1, kind: 1, payload }
    if (name === 'segment' || name === 'sqlite') return log.persist([entry])
    return new Promise((done) => {
      waiting.push({ entry, done })
      if (!isRunning) void pump()
    })
  }
  const late: number[] = []
  let left = count
  const { seconds, cpuUs } = await timed(() =>
    Promise.all(
      Array.from({ length: writers }, async () => {
        while (left-- > 0) {
          const start = performance.now()
          await one()
          late.push(performance.now() - start)
        }
      }),
    ),
  )
  late.sort((a, b) => a - b)
  note(`group commit, ${writers} writers x 350 B`, name, {
    'entries/s': count / seconds,
    'p50 ms': late[late.length >> 1]!,
    'p99 ms': late[Math.floor(late.length * 0.99)]!,
    'CPU us/entry': cpuUs / count,
  })
}

async function reads(name: string, log: MeasuredLog): Promise<void> {
  const count = Math.ceil(20_000 * scale)
  const last = log.last()
  const one = await timed(async () => {
    for (let i = 0; i < count; i++) await log.entry(1 + ((i * 7919) % last))
  })
  note('entry', name, { us: (one.seconds * 1e6) / count })
  const wide = Math.min(10_000, last)
  const ranges = await timed(async () => {
    for (let i = 0; i < 10; i++) await log.range(1 + i, i + wide)
  })
  note(`range of ${wide.toLocaleString('en')} x 100 B`, name, { ms: (ranges.seconds * 1000) / 10 })
  const asked = await timed(async () => {
    for (let i = 0; i < 1_000_000 * scale; i++) log.last()
  })
  note('lastIndex', name, { ns: (asked.seconds * 1e9) / (1_000_000 * scale) })
}

async function cuts(name: string, log: MeasuredLog): Promise<void> {
  const count = Math.ceil(10_000 * scale)
  const purged = await timed(() => log.purge(count))
  note('purge of 10,000', name, { ms: purged.seconds * 1000 })
  const cut = await timed(() => log.truncate(log.last() - count + 1))
  note('truncate of 10,000', name, { ms: cut.seconds * 1000 })
}

async function reopen(name: string, folder: string): Promise<void> {
  const million = 1_000_000 * scale
  {
    await using log = await LOGS[name]!(folder)
    for (let first = 1; first <= million; first += 10_000)
      await log.persist(entries(first, Math.min(10_000, million), 100))
  }
  const before = process.memoryUsage().rss
  const { seconds } = await timed(async () => {
    await using log = await LOGS[name]!(folder)
    await log.entry(1)
    note('memory after reopening 1 M entries', name, {
      MB: (process.memoryUsage().rss - before) / 1e6,
    })
  })
  note('reopen with 1 M entries of 100 B', name, { ms: seconds * 1000 })
}

async function inFolder(run: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-bench-log-'))
  try {
    await run(folder)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function round(name: string): Promise<void> {
  const open = LOGS[name]!
  await inFolder(async (folder) => {
    await using log = await open(folder)
    await append(name, log, 100)
    await reads(name, log)
    await cuts(name, log)
  })
  await inFolder(async (folder) => {
    await using log = await open(folder)
    await append(name, log, 1024)
  })
  for (const writers of [64, 512])
    await inFolder(async (folder) => {
      await using log = await open(folder)
      await group(name, log, writers)
    })
  await inFolder((folder) => reopen(name, folder))
}

function medianOf(runs: readonly Figures[]): Figures {
  const median = (unit: string): number => {
    const sorted = runs.map((run) => run[unit]!).sort((a, b) => a - b)
    return sorted[sorted.length >> 1]!
  }
  return Object.fromEntries(Object.keys(runs[0]!).map((unit) => [unit, median(unit)]))
}

function print(medians: Readonly<Record<string, Readonly<Record<string, Figures>>>>): void {
  for (const [work, byLog] of Object.entries(medians)) {
    console.log(`\n${work}`)
    for (const [log, figures] of Object.entries(byLog)) {
      const cells = Object.entries(figures).map(([unit, value]) => {
        const digits = value >= 1000 ? 0 : 2
        return `${value.toLocaleString('en', { maximumFractionDigits: digits }).padStart(12)} ${unit}`
      })
      console.log(`  ${log.padEnd(16)}${cells.join('')}`)
    }
  }
}

console.log(
  `${new Date().toISOString().slice(0, 10)}, ${cpus().length} x ${cpus()[0]?.model ?? 'unknown'}, Node.js ${process.version}, medians of ${rounds}`,
)
for (let i = 0; i < rounds; i++) for (const name of names) await round(name)
const medians = Object.fromEntries(
  Array.from(measured, ([work, byLog]) => [
    work,
    Object.fromEntries(Array.from(byLog, ([log, runs]) => [log, medianOf(runs)])),
  ]),
)
print(medians)
if (values.json)
  await writeFile(
    values.json,
    JSON.stringify(
      { date: new Date().toISOString(), node: process.version, rounds, medians },
      null,
      2,
    ),
  )
