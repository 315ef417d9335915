/**
 * `npm run bench:engines`: the engines against their goals, each a ratio or a bound taken in one run: what is
 * compared takes turns, and medians count, so that a busy machine does the same to both sides.
 *
 *   npm run bench:engines                                          all of it; some minutes
 *   npm run bench:engines -- --smoke                               a hundredth of the work: does it run?
 *   npm run bench:engines -- --only rows,lists,postgres,sealed,memory,migrate --rounds 5 --json out.json
 *
 * A goal that is not reached is told, and fails nothing: a run on a busy machine decides no build.
 */
import { writeFile } from 'node:fs/promises'
import { cpus } from 'node:os'
import { parseArgs } from 'node:util'
import type { Scale } from './engine-rows.ts'
import { type Goal, goalTable, isReached } from './goals.ts'

const WORKS: Readonly<Record<string, (scale: Scale) => Promise<Goal[]>>> = {
  rows: async (scale) => (await import('./engine-rows.ts')).rowGoals(scale),
  lists: async (scale) => (await import('./engine-lists.ts')).listGoals(scale),
  postgres: async (scale) => (await import('./engine-postgres.ts')).postgresGoals(scale),
  sealed: async (scale) => (await import('./engine-sealed.ts')).sealedGoals(scale),
  memory: async (scale) => (await import('./engine-memory.ts')).memoryGoals(scale),
  migrate: async (scale) => (await import('./engine-migrate.ts')).migrateGoals(scale),
}

const { values } = parseArgs({
  options: {
    smoke: { type: 'boolean', default: false },
    only: { type: 'string', default: Object.keys(WORKS).join(',') },
    rounds: { type: 'string', default: '5' },
    json: { type: 'string' },
  },
})
const scale: Scale = values.smoke
  ? { rounds: 1, part: 0.01 }
  : { rounds: Number(values.rounds), part: 1 }
const machine = {
  date: new Date().toISOString(),
  node: process.version,
  processor: cpus()[0]?.model ?? 'unknown',
  cores: cpus().length,
}
console.log(
  `${machine.date.slice(0, 10)}, ${machine.cores} x ${machine.processor}, Node.js ${machine.node}`,
)
const goals: Record<string, readonly Goal[]> = {}
for (const name of values.only.split(',')) {
  const work = WORKS[name]
  if (work === undefined) throw new Error(`${name} is none of ${Object.keys(WORKS).join(', ')}`)
  goals[name] = await work(scale)
  console.log(`\n${goalTable(goals[name])}`)
}
if (values.json !== undefined)
  await writeFile(values.json, `${JSON.stringify({ ...machine, goals }, null, 2)}\n`)
const all = Object.values(goals).flat()
console.log(`\n${all.filter(isReached).length} of ${all.length} goals were reached.`)
