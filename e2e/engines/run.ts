/**
 * The engines against services of their own, which this starts, and installs first where they are missing.
 *
 *   npm run test:engines                                all that can be started
 *   npm run test:engines -- gcs azure                   these
 *   npm run test:engines -- s3-memory                   one file
 *   npm run test:engines -- --require postgres,gcs      fails where one of these did not run
 */
import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { readResults } from '../../tools/results.ts'
import { isFileOf, TESTED_ENGINES, type TestedEngine } from './list.ts'

const HERE = fileURLToPath(new URL('.', import.meta.url))
const VITEST = fileURLToPath(new URL('../../node_modules/vitest/vitest.mjs', import.meta.url))

const { values, positionals } = parseArgs({
  options: { require: { type: 'string' } },
  allowPositionals: true,
})
const required = values.require?.split(',') ?? []
const known = new Set(TESTED_ENGINES.map(({ engine }) => engine))
const unknown = required.filter((name) => !known.has(name))
if (unknown.length > 0) {
  console.error(`test:engines: no such engine: ${unknown.join(', ')} (${[...known].join(', ')})`)
  process.exit(2)
}

const files = readdirSync(HERE).filter((name) => name.endsWith('.engine.ts'))
const chosen = TESTED_ENGINES.filter(({ engine }) => filesOf(engine).length > 0)
const failures = new Map<string, string>()
for (const engine of chosen) await prepare(engine)
const ready = chosen.filter(({ engine }) => !failures.has(engine))

const run = ready.flatMap(({ engine }) => filesOf(engine))
const started = Date.now()
const status = run.length === 0 ? 1 : runVitest(run)
report(status)

/** Those of the engine that were asked for: all of them, or by names of engines or files. */
function filesOf(engine: string): readonly string[] {
  return files
    .filter((file) => isFileOf(engine, file))
    .filter(
      (file) =>
        positionals.length === 0 ||
        positionals.some((word) => word === engine || file.startsWith(`${word}.`)),
    )
}

async function prepare(tested: TestedEngine): Promise<void> {
  try {
    await tested.prepare()
  } catch (error) {
    failures.set(tested.engine, (error as Error).message)
  }
}

function runVitest(names: readonly string[]): number {
  const args = [VITEST, 'run', '--config', `${HERE}vitest.config.ts`]
  const paths = names.map((name) => HERE + name)
  return spawnSync(process.execPath, [...args, ...paths], { stdio: 'inherit' }).status ?? 1
}

/** Ends with a closing line that counts what was required and did not run as failed. */
function report(code: number): void {
  const counts = { passed: 0, failed: 0, skipped: 0 }
  const results = readResults('engines').filter(({ file }) =>
    run.some((name) => file.endsWith(`/${name}`)),
  )
  for (const { passed, failed, skipped } of results) {
    counts.passed += passed
    counts.failed += failed
    counts.skipped += skipped
  }
  const ran = ready.filter(({ engine }) =>
    results.some(({ file, passed }) => isFileOf(engine, file) && passed > 0),
  )
  const missing = required.filter((name) => !ran.some(({ engine }) => engine === name))
  const seconds = Math.round((Date.now() - started) / 1000)
  const told = ran.map(({ engine, against }) => `${engine} (${against})`).join(', ')
  console.log(`\nengines: ran in ${seconds} s: ${told || 'none'}`)
  for (const [engine, why] of failures) console.log(`engines: could not start ${engine}: ${why}`)
  for (const engine of missing) console.log(`engines: ${engine} is required, and did not run`)
  if (code !== 0 && counts.failed === 0) counts.failed = 1
  const failed = counts.failed + missing.length
  console.log(`\n${counts.passed} passed, ${failed} failed, ${counts.skipped} skipped`)
  process.exit(failed > 0 ? 1 : 0)
}
