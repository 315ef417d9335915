/** Other S3 servers, brought at bench time into a folder of their own, to be measured by the same load in the same run. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort } from '../harness/gateway.ts'
import type { Server } from './small.ts'
import { siteOf } from './wire.ts'

/** Kept between runs: what was installed is not installed again. */
const HOME = join(tmpdir(), 'sluice-bench-peers')

interface Recipe {
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string }
  /** Installs where missing, and returns the command line. */
  command(port: number, dataDir: string): readonly string[]
  readonly env?: Readonly<Record<string, string>>
}

const KEYS = { accessKeyId: 'benchbench', secretAccessKey: 'benchbenchbench' }

const RECIPES: Readonly<Record<string, Recipe>> = {
  s3rver: {
    credentials: { accessKeyId: 'S3RVER', secretAccessKey: 'S3RVER' },
    command(port, dataDir) {
      const program = join(HOME, 'node_modules', 's3rver', 'bin', 's3rver.js')
      if (!existsSync(program))
        execFileSync(
          'npm',
          ['install', '--silent', '--ignore-scripts', '--prefix', HOME, 's3rver@3.7.1'],
          { stdio: 'inherit' },
        )
      return [process.execPath, program, '-a', '127.0.0.1', '-p', String(port), '-d', dataDir, '-s']
    },
  },
  versitygw: {
    credentials: KEYS,
    command: (port, dataDir) => [
      goProgram('versitygw', 'github.com/versity/versitygw/cmd/versitygw@latest'),
      '--port',
      `127.0.0.1:${port}`,
      '--access',
      KEYS.accessKeyId,
      '--secret',
      KEYS.secretAccessKey,
      'posix',
      dataDir,
    ],
  },
  minio: {
    credentials: KEYS,
    command: (port, dataDir) => [
      goProgram('minio', 'github.com/minio/minio@latest'),
      'server',
      '--quiet',
      '--address',
      `127.0.0.1:${port}`,
      dataDir,
    ],
    env: { MINIO_ROOT_USER: KEYS.accessKeyId, MINIO_ROOT_PASSWORD: KEYS.secretAccessKey },
  },
}

export interface Peer extends AsyncDisposable {
  readonly name: string
  readonly server: Server
}

/** Starts one of s3rver, versitygw and minio; the Go ones need Go to be installed. */
export async function startPeer(name: string): Promise<Peer> {
  const recipe = RECIPES[name]
  if (!recipe) throw new Error(`unknown peer ${name}: one of ${Object.keys(RECIPES).join(', ')}`)
  await mkdir(HOME, { recursive: true })
  const dataDir = await mkdtemp(join(tmpdir(), `sluice-peer-${name}-`))
  const port = await freePort()
  const [program = '', ...args] = recipe.command(port, dataDir)
  const child = spawn(program, args, { stdio: 'ignore', env: { ...process.env, ...recipe.env } })
  await answering(child, port, name)
  return {
    name,
    server: { site: siteOf(`http://127.0.0.1:${port}`, recipe.credentials), pid: child.pid! },
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL')
      await rm(dataDir, { recursive: true, force: true })
    },
  }
}

function goProgram(name: string, source: string): string {
  const file = join(HOME, 'go', name)
  if (!existsSync(file))
    execFileSync('go', ['install', source], {
      stdio: 'inherit',
      env: { ...process.env, GOBIN: join(HOME, 'go') },
    })
  return file
}

async function answering(child: ChildProcess, port: number, name: string): Promise<void> {
  for (let i = 0; i < 200; i++) {
    if (child.exitCode !== null) throw new Error(`${name} ended with ${child.exitCode}`)
    const answered = await fetch(`http://127.0.0.1:${port}/`).then(
      () => true,
      () => false,
    )
    if (answered) return
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  throw new Error(`${name} does not answer`)
}
