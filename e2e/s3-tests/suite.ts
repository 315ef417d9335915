/**
 * Ceph's s3-tests as a program to be run: a checkout of it, the Python that it needs, its configuration.
 * The suite itself is never part of this repository.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parse } from 'yaml'

const CACHE = fileURLToPath(new URL('../../node_modules/.cache', import.meta.url))
const REPOSITORY = 'https://github.com/ceph/s3-tests'
/** What the figures are about; a checkout of one's own may be another. */
const COMMIT = '8f0ae7b'
const PACKAGES = [
  'boto3==1.43.11',
  'pytest',
  'pytest-timeout',
  'munch',
  'isodate',
  'pytz',
  'httplib2',
  'lxml',
  'requests',
]

/** The folder of the suite: `S3_TESTS`, or a clone in the cache. */
export function suiteFolder(): string {
  const given = process.env['S3_TESTS']
  if (given) {
    if (existsSync(join(given, 's3tests'))) return given
    throw new Error(`S3_TESTS: ${given} holds no checkout of ${REPOSITORY}`)
  }
  const folder = join(CACHE, 's3-tests')
  if (existsSync(join(folder, 's3tests'))) return folder
  console.error(`s3-tests: cloning ${REPOSITORY}`)
  const quiet = { stdio: ['ignore', 'ignore', 'inherit'] as ['ignore', 'ignore', 'inherit'] }
  const cloned = spawnSync('git', ['clone', '--quiet', REPOSITORY, folder], quiet).status === 0
  if (!cloned || spawnSync('git', ['-C', folder, 'checkout', '-q', COMMIT], quiet).status !== 0)
    throw new Error(`${REPOSITORY} could not be cloned: point S3_TESTS to a checkout`)
  return folder
}

export interface Python {
  readonly program: string
  /** Folders for PYTHONPATH. */
  readonly path: readonly string[]
}

const NEEDED =
  'import boto3, pytest, pytest_timeout, munch, isodate, pytz, httplib2, lxml, requests'

/** A Python that has what the suite imports: the system's (with `S3_TESTS_PYTHONPATH`), or one of our own. */
export function suitePython(): Python {
  const given = process.env['S3_TESTS_PYTHONPATH']
  const path = given ? given.split(':') : []
  if (runs('python3', path)) return { program: 'python3', path }
  const folder = join(CACHE, 's3-tests-python')
  const program = join(folder, 'bin', 'python3')
  if (runs(program, [])) return { program, path: [] }
  console.error(`s3-tests: installing ${PACKAGES.join(', ')} in ${folder}`)
  spawnSync('python3', ['-m', 'venv', folder], { stdio: 'inherit' })
  spawnSync(program, ['-m', 'pip', 'install', '-q', ...PACKAGES], { stdio: 'inherit' })
  if (!runs(program, []))
    throw new Error('what s3-tests imports could not be installed: see S3_TESTS_PYTHONPATH')
  return { program, path: [] }
}

function runs(program: string, path: readonly string[]): boolean {
  const env = { ...process.env, PYTHONPATH: path.join(':') }
  return spawnSync(program, ['-c', NEEDED], { stdio: 'ignore', env }).status === 0
}

interface User {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly displayName: string
  readonly userId: string
  readonly email: string
}

/** The gateway's configuration for these runs. */
export const GATEWAY_CONFIG: string = fileURLToPath(new URL('gateway.yaml', import.meta.url))

/** The suite's configuration, for a gateway at this port with the users of `GATEWAY_CONFIG`. */
export function suiteConfig(port: number): string {
  const { credentials } = parse(readFileSync(GATEWAY_CONFIG, 'utf8')) as { credentials: User[] }
  const [main, alt, tenant] = credentials
  const sections: Record<string, Record<string, string>> = {
    DEFAULT: {
      host: '127.0.0.1',
      port: String(port),
      is_secure: 'False',
      ssl_verify: 'False',
    },
    fixtures: { 'bucket prefix': 's3t-{random}-' },
    's3 main': {
      ...userOf(main!),
      api_name: 'eu-west-1',
      kms_keyid: 'testkey-1',
      kms_keyid2: 'testkey-2',
      lc_debug_interval: '1',
      // Beside STANDARD, which it adds itself; the transitions of lifecycles go there.
      storage_classes: 'STANDARD_IA, ONEZONE_IA',
    },
    's3 alt': userOf(alt!),
    's3 tenant': { ...userOf(tenant!), tenant: 'testx' },
  }
  // Of services that are none of ours; the suite wants to read them all the same.
  for (const name of ['iam', 'iam root', 'iam alt root']) sections[name] = userOf(main!)
  return Object.entries(sections)
    .map(([name, values]) => {
      const lines = Object.entries(values).map(([key, value]) => `${key} = ${value}\n`)
      return `[${name}]\n${lines.join('')}`
    })
    .join('\n')
}

function userOf(user: User): Record<string, string> {
  return {
    access_key: user.accessKeyId,
    secret_key: user.secretAccessKey,
    display_name: user.displayName,
    user_id: user.userId,
    email: user.email,
  }
}
