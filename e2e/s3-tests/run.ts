/**
 * Ceph's s3-tests (test_s3.py and test_headers.py) against a gateway of its own.
 *
 *   npm run s3-tests                          all of them; S3_TESTS: a checkout, else one is cloned
 *   npm run s3-tests -- -k "acl or policy"    what follows is pytest's
 *   npm run s3-tests -- --update              adds what passes now to passing.txt
 *   npm run s3-tests -- --serve               only the gateway, until it is told to stop
 *
 * S3_TESTS_PYTHONPATH: folders with what the suite imports. S3_TESTS_RUNNER: a program that is given the
 * endpoint and pytest's arguments, and leaves junit.xml in the folder OUT; instead of pytest itself.
 * Fails where a test of passing.txt does not pass.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Gateway, startGateway } from '../harness/gateway.ts'
import { figures, knownPassing, readResults, writePassing } from './results.ts'
import { GATEWAY_CONFIG, suiteConfig, suiteFolder, suitePython } from './suite.ts'

const args = process.argv.slice(2)
const own = new Set(['--update', '--serve'])
const pytestArgs = args.filter((word) => !own.has(word))
/** A test that takes longer has failed. */
const TEST_TIMEOUT_S = 180

async function main(): Promise<number> {
  await using gateway = await startGateway({
    args: ['--config', GATEWAY_CONFIG],
    env: { SLUICE_ROOT_ACCESS_KEY: '', SLUICE_ROOT_SECRET_KEY: '' },
  })
  if (args.includes('--serve')) {
    console.log(gateway.endpoint)
    await Promise.race(['SIGINT', 'SIGTERM'].map((signal) => once(process, signal)))
    return 0
  }
  const out = mkdtempSync(join(tmpdir(), 'sluice-s3-tests-'))
  try {
    await runSuite(gateway, out)
    return judge(join(out, 'junit.xml'))
  } finally {
    if (!process.env['S3_TESTS_KEEP']) rmSync(out, { recursive: true, force: true })
    else console.log(`details in ${out}`)
  }
}

async function runSuite(gateway: Gateway, out: string): Promise<void> {
  const folder = suiteFolder()
  const runner = process.env['S3_TESTS_RUNNER']
  if (runner) {
    const env = { ...process.env, S3T: folder, OUT: out, API_NAME: 'eu-west-1', LC: '1' }
    await succeedOrNot(runner, [gateway.endpoint, ...pytestArgs], { env })
    return
  }
  const python = suitePython()
  const config = join(out, 's3tests.conf')
  writeFileSync(config, suiteConfig(gateway.port))
  const here = fileURLToPath(new URL('.', import.meta.url))
  const command = [
    '-m',
    'pytest',
    '-pfresh_prefix',
    '-pno:cacheprovider',
    '-q',
    '--tb=short',
    `--timeout=${TEST_TIMEOUT_S}`,
    `--junitxml=${join(out, 'junit.xml')}`,
    's3tests/functional/test_s3.py',
    's3tests/functional/test_headers.py',
    ...pytestArgs,
  ]
  const env = {
    PATH: process.env['PATH'],
    HOME: process.env['HOME'],
    PYTHONPATH: [here, ...python.path].join(':'),
    PYTHONDONTWRITEBYTECODE: '1',
    S3TEST_CONF: config,
    // The suite means what it is answered at first.
    AWS_MAX_ATTEMPTS: '1',
    AWS_DEFAULT_REGION: 'us-east-1',
    AWS_EC2_METADATA_DISABLED: 'true',
    AWS_CONFIG_FILE: '/dev/null',
    AWS_SHARED_CREDENTIALS_FILE: '/dev/null',
  }
  await succeedOrNot(python.program, command, { env, cwd: folder })
}

/** A suite with failed tests ends with an error, as it should. */
async function succeedOrNot(
  program: string,
  words: readonly string[],
  options: { readonly env: NodeJS.ProcessEnv; readonly cwd?: string },
): Promise<void> {
  const child = spawn(program, words, { stdio: 'inherit', ...options })
  await once(child, 'close')
}

function judge(junitFile: string): number {
  const results = readResults(junitFile)
  console.log(`\n${'group'.padEnd(26)}  passed  failed skipped\n${figures(results)}`)
  const known = knownPassing()
  const passing = [...results].filter(([, outcome]) => outcome === 'passed').map(([name]) => name)
  const fallen = [...results].filter(([name, outcome]) => outcome === 'failed' && known.has(name))
  const fresh = passing.filter((name) => !known.has(name))
  if (fresh.length > 0) {
    if (args.includes('--update')) writePassing(new Set([...known, ...passing]))
    const what = args.includes('--update') ? 'added to' : 'not yet in (--update)'
    console.log(`\n${fresh.length} ${what} passing.txt`)
  }
  for (const [name] of fallen) console.log(`has passed before, and does not now: ${name}`)
  const skipped = [...results.values()].filter((outcome) => outcome === 'skipped').length
  console.log(`\n${passing.length} passed, ${fallen.length} failed, ${skipped} skipped`)
  return fallen.length === 0 ? 0 : 1
}

process.exitCode = await main()
