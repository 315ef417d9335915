/**
 * The real program in a process of its own, on a free port of 127.0.0.1, with known credentials and a data
 * folder that goes away with it (unless it is given one to keep).
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { request } from 'node:http'
import { request as requestTls } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { engineEnvironment } from './engines.ts'
import { freePort } from './free-port.ts'

const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url))
const READY_MS = 20_000

export const ACCESS_KEY = 'AKIAE2ETESTS00000000'
export const SECRET_KEY = 'e2e-secret+with/odd=characters-0123456789'

export interface GatewayOptions {
  /** Engine words as `--metadata` and `--storage` take them; `memory+segment`: with that log. */
  readonly metadata?: string
  readonly storage?: string
  readonly tls?: boolean
  /** A free one where absent. */
  readonly port?: number
  /** Kept after `stop`; a temporary folder that is removed where absent. */
  readonly dataDir?: string
  readonly args?: readonly string[]
  /** From `engineEnvironment`, to go on with what is there; something new and empty where absent. */
  readonly engine?: Readonly<Record<string, string>>
  readonly env?: Readonly<Record<string, string>>
}

export interface Gateway extends AsyncDisposable {
  /** `http://127.0.0.1:port`. */
  readonly endpoint: string
  readonly port: number
  readonly pid: number
  readonly dataDir: string
  /** PEM file of the certificate to trust, where TLS is on. */
  readonly caFile: string | undefined
  /** Milliseconds from the start of the process to its first 200. */
  readonly readyMs: number
  /** What it has written so far: standard output and error. */
  output(): string
  /** Ends at once, as a power cut would as far as the process is concerned. */
  kill(): Promise<void>
  /** Asks to shut down; resolves to the exit code. */
  stop(): Promise<number | null>
}

/** Resolves once it serves. */
export async function startProcess(options: GatewayOptions = {}): Promise<Gateway> {
  const { metadata = 'sqlite', storage = 'fs', tls = false } = options
  const dataDir = options.dataDir ?? (await mkdtemp(join(tmpdir(), 'sluice-e2e-')))
  const port = options.port ?? (await freePort())
  const certificate = tls ? selfSigned(dataDir) : undefined
  const args = ['serve', '--host', '127.0.0.1', '--port', String(port), '--data', dataDir]
  const [rows = '', log] = metadata.split('+')
  args.push('--metadata', rows, '--storage', storage, '--log-level', 'warn')
  if (certificate) args.push('--tls-cert', certificate.cert, '--tls-key', certificate.key)
  const engine = options.engine ?? (await engineEnvironment({ metadata, storage }))
  const started = performance.now()
  const child = spawn(process.execPath, [MAIN, ...args, ...(options.args ?? [])], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      PATH: process.env['PATH'],
      // As `npm start` runs it.
      NODE_COMPILE_CACHE: process.env['NODE_COMPILE_CACHE'],
      SLUICE_ROOT_ACCESS_KEY: ACCESS_KEY,
      SLUICE_ROOT_SECRET_KEY: SECRET_KEY,
      ...engine,
      ...(log !== undefined && { SLUICE_METADATA_LOG: log }),
      ...options.env,
    },
  })
  const written: string[] = []
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (text: Buffer) => written.push(text.toString()))
  const output = (): string => written.join('')
  const endpoint = `${tls ? 'https' : 'http'}://127.0.0.1:${port}`
  await ready(child, endpoint, output)
  const readyMs = performance.now() - started
  const end = async (signal: NodeJS.Signals): Promise<number | null> => {
    if (child.exitCode === null && child.signalCode === null) {
      const ended = once(child, 'exit')
      child.kill(signal)
      await ended
    }
    return child.exitCode
  }
  return {
    endpoint,
    port,
    pid: child.pid!,
    dataDir,
    caFile: certificate?.cert,
    readyMs,
    output,
    kill: async () => void (await end('SIGKILL')),
    stop: () => end('SIGTERM'),
    async [Symbol.asyncDispose]() {
      await end('SIGKILL')
      if (options.dataDir === undefined) await rm(dataDir, { recursive: true, force: true })
    },
  }
}

/** Bytes of memory in use now, and the most since the start (Linux). */
export async function memoryOf(pid: number): Promise<{ rss: number; peak: number }> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  const read = (name: string): number =>
    Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)?.[1] ?? 0) * 1024
  return { rss: read('VmRSS'), peak: read('VmHWM') }
}

/** Microseconds of CPU used so far by a process and its threads, kernel time included (Linux; steps of 10 ms). */
export async function cpuOf(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8')
  const cells = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(cells[11]) + Number(cells[12])) * 10_000
}

function selfSigned(dir: string): { cert: string; key: string } {
  const cert = join(dir, 'e2e-cert.pem')
  const key = join(dir, 'e2e-key.pem')
  const command = `req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=127.0.0.1`
  const extensions = [
    '-addext',
    'subjectAltName=IP:127.0.0.1,DNS:localhost',
    '-keyout',
    key,
    '-out',
    cert,
  ]
  execFileSync('openssl', [...command.split(' '), ...extensions], { stdio: 'ignore' })
  return { cert, key }
}

async function ready(child: ChildProcess, endpoint: string, output: () => string): Promise<void> {
  const deadline = performance.now() + READY_MS
  while (performance.now() < deadline) {
    if (child.exitCode !== null)
      throw new Error(`the gateway ended with ${child.exitCode}:\n${output()}`)
    if ((await statusOf(`${endpoint}/healthz`)) === 200) return
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  child.kill('SIGKILL')
  throw new Error(`the gateway was not ready within ${READY_MS} ms:\n${output()}`)
}

function statusOf(url: string): Promise<number> {
  return new Promise((resolve) => {
    const secure = url.startsWith('https')
    const ask = (secure ? requestTls : request)(
      url,
      { rejectUnauthorized: false, agent: false },
      (answer) => {
        answer.resume()
        resolve(answer.statusCode ?? 0)
      },
    )
    ask.on('error', () => resolve(0))
    ask.end()
  })
}
