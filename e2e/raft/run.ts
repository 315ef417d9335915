/**
 * d-engine, a Raft engine in Rust, on the log of this repository: its own suite for storage engines, then a
 * cluster of three nodes under kill -9.
 *
 *   npm run test:raft                       a minute of killing
 *   npm run test:raft -- --seconds 600      longer
 *   npm run test:raft -- --seed 7           the same choices as another run
 *
 * It needs cargo 1.88 and protoc, which it installs (Debian), and builds what it needs from the registry of
 * crates; where that cannot be reached, the run fails.
 */
import { spawn, spawnSync } from 'node:child_process'
import { createInterface } from 'node:readline'
import { existsSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { randomOf } from '../../src/log/history.ts'
import { aptInstall } from '../engines/installed.ts'
import { type Outcome, runCluster } from './cluster.ts'
import { untilExit } from './processes.ts'

const HERE = fileURLToPath(new URL('.', import.meta.url))
const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url))
const TARGET = process.env['CARGO_TARGET_DIR'] ?? join(HERE, 'target')
/** Without one: cargo says so itself where a crate asks for more. */
const CARGO = existsSync(join(homedir(), '.cargo/bin/cargo'))
  ? join(homedir(), '.cargo/bin/cargo')
  : 'cargo'

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
  },
})
const counts = { passed: 0, failed: 0 }

try {
  await main()
} catch (error) {
  counts.failed++
  console.log(`test:raft: ${(error as Error).message}`)
}
console.log(`\n${counts.passed} passed, ${counts.failed} failed, 0 skipped`)
process.exit(counts.failed > 0 ? 1 : 0)

async function main(): Promise<void> {
  if (!runs('protoc')) aptInstall(['protobuf-compiler'])
  if (!runs('protoc')) throw new Error('protoc has to be installed (protobuf-compiler)')
  if (!runs(CARGO)) throw new Error('cargo 1.88 or newer has to be installed')
  console.log('test:raft: building d-engine, which takes some minutes the first time')
  let begin = Date.now()
  if ((await cargo(['build', '--locked', '--quiet', '--bins', '--tests'])) !== 0)
    throw new Error(
      'd-engine could not be built: is the registry of crates within reach? Nothing was tested',
    )
  console.log(`test:raft: built in ${secondsSince(begin)} s`)
  begin = Date.now()
  const before = counts.passed
  if (
    (await cargo(['test', '--locked', '--quiet', '--', '--format=pretty'], countResults)) !== 0 &&
    counts.failed === 0
  )
    counts.failed++
  if (counts.passed === before) throw new Error('no test of d-engine ran')
  console.log(`test:raft: d-engine's suite took ${secondsSince(begin)} s`)
  console.log(`test:raft: a cluster for ${values.seconds} s, --seed ${values.seed}`)
  const random = randomOf(Number(values.seed))
  const binaries = join(TARGET, 'debug')
  const outcomes = await runCluster({ binaries, seconds: Number(values.seconds), random })
  for (const outcome of outcomes) tell(outcome)
}

function tell({ what, problem }: Outcome): void {
  counts[problem === undefined ? 'passed' : 'failed']++
  console.log(problem === undefined ? `ok      ${what}` : `FAILED  ${what}: ${problem}`)
}

/** Its closing lines: `test result: ok. 36 passed; 0 failed; …`. */
function countResults(line: string): void {
  const [, passed, failed] = /^test result: \w+\. (\d+) passed; (\d+) failed;/.exec(line) ?? []
  counts.passed += Number(passed ?? 0)
  counts.failed += Number(failed ?? 0)
}

async function cargo(
  words: readonly string[],
  take: (line: string) => void = () => {},
): Promise<number> {
  const env = { ...process.env, SLUICE_NODE: process.execPath, SLUICE_MAIN: MAIN }
  const child = spawn(CARGO, words, { cwd: HERE, env, stdio: ['ignore', 'pipe', 'inherit'] })
  createInterface(child.stdout).on('line', (line) => {
    if (line !== '') console.log(line)
    take(line)
  })
  return untilExit(child)
}

function runs(program: string): boolean {
  return spawnSync(program, ['--version'], { stdio: 'ignore' }).status === 0
}

function secondsSince(begin: number): number {
  return Math.round((Date.now() - begin) / 1000)
}
