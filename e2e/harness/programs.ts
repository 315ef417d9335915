/** The client programs that the suite drives: finds them, or installs them where it may. */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const VENV = join(ROOT, 'node_modules', '.cache', 'e2e-python')
const PYTHON_PACKAGES = ['boto3==1.43.11', 'awscli==1.45.11']

const DEBIAN: Readonly<Record<string, string>> = {
  '/usr/bin/aws': 'awscli',
  '/usr/bin/s3cmd': 's3cmd',
  '/usr/bin/rclone': 'rclone',
  '/usr/bin/restic': 'restic',
  '/usr/bin/openssl': 'openssl',
}

/** A Python that has boto3 and aws-cli v1. */
export function python(): string {
  const ours = join(VENV, 'bin', 'python3')
  return existsSync(ours) ? ours : 'python3'
}

/** vitest's global set-up: a missing program fails the run at once, and says which. */
export default function setup(): void {
  const missing = Object.entries(DEBIAN).filter(([file]) => !existsSync(file))
  if (missing.length > 0) {
    const packages = missing.map(([, name]) => name)
    console.error(`e2e: installing ${packages.join(', ')} with apt-get`)
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
    const quiet = { stdio: ['ignore', 'ignore', 'inherit'] as ['ignore', 'ignore', 'inherit'], env }
    spawnSync('apt-get', ['update', '-qq'], quiet)
    const done = spawnSync(
      'apt-get',
      ['install', '-y', '-qq', '--no-install-recommends', ...packages],
      quiet,
    )
    if (done.status !== 0)
      throw new Error(
        `these programs are missing: ${missing.map(([file]) => file).join(', ')}; install ${packages.join(', ')}`,
      )
  }
  if (hasPython('python3') || hasPython(join(VENV, 'bin', 'python3'))) return
  console.error(`e2e: installing ${PYTHON_PACKAGES.join(', ')} in ${VENV}`)
  spawnSync('python3', ['-m', 'venv', VENV], { stdio: 'inherit' })
  const done = spawnSync(
    join(VENV, 'bin', 'python3'),
    ['-m', 'pip', 'install', '-q', ...PYTHON_PACKAGES],
    { stdio: 'inherit' },
  )
  if (done.status !== 0) throw new Error('boto3 and aws-cli v1 could not be installed with pip')
}

function hasPython(program: string): boolean {
  return spawnSync(program, ['-c', 'import boto3, awscli'], { stdio: 'ignore' }).status === 0
}
