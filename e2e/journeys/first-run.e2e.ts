/**
 * The newcomer's way: `npm start` on a terminal, the very lines it prints, a real tree and a large file up
 * and down, and a power cut in the middle.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { cp, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { freePort } from '../harness/free-port.ts'
import { startGateway } from '../harness/gateway.ts'
import { awsEnvironment, run, succeed } from '../harness/shell.ts'
import { hashFile, hashTree, makeFile } from '../harness/tree.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const GIB = 1024 ** 3

describe('npm start', () => {
  let dir: string
  let child: ChildProcess
  let shown = ''
  let port: number

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'sluice-first-'))
    port = await freePort()
    // `script` gives the program a terminal of its own.
    child = spawn(
      'script',
      ['-qec', `npm start -- --port ${port} --data ${dir}/data`, '/dev/null'],
      { cwd: ROOT, stdio: ['ignore', 'pipe', 'inherit'] },
    )
    child.stdout!.on('data', (text: Buffer) => (shown += text.toString()))
    for (let i = 0; i < 600 && !shown.includes('s3 ls'); i++)
      await new Promise((resolve) => setTimeout(resolve, 100))
  })
  afterAll(async () => {
    child.kill('SIGTERM')
    await rm(dir, { recursive: true, force: true })
  })

  test('prints four aws-cli lines that work as pasted, and where the secrets are kept', async () => {
    // eslint-disable-next-line no-control-regex
    const text = shown.replace(/\x1b\[[0-9;]*[A-Za-z]/g, '')
    expect(text).toContain(`http://127.0.0.1:${port}`)
    const lines = text.split(/\r?\n/).map((line) => line.trim())
    const pasted = lines.filter((line) => line.startsWith('export AWS_') || line.startsWith('aws '))
    expect(pasted.filter((line) => line.startsWith('aws '))).toHaveLength(4)
    await cp(join(ROOT, 'README.md'), join(dir, 'README.md'))
    await writeFile(join(dir, 'paste.sh'), `set -eu\n${pasted.join('\n')}\n`)
    const said = await succeed(['bash', 'paste.sh'], {
      cwd: dir,
      env: { AWS_CONFIG_FILE: '/dev/null', AWS_PAGER: '' },
    })
    expect(said).toContain('README.md')
    const secrets = (await readdir(join(dir, 'data'))).filter((name) =>
      name.startsWith('credentials'),
    )
    expect(secrets).toHaveLength(1)
    expect((await stat(join(dir, 'data', secrets[0]!))).mode & 0o777).toBe(0o600)
  })
})

test('a secret never goes into a pipe', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'sluice-pipe-'))
  await using gateway = await startGateway({
    dataDir: dir,
    args: ['--log-level', 'info'],
    env: { SLUICE_ROOT_ACCESS_KEY: '', SLUICE_ROOT_SECRET_KEY: '' },
  })
  const file = (await readdir(dir)).find((name) => name.startsWith('credentials'))!
  const { secretAccessKey } = JSON.parse(await succeed(['cat', join(dir, file)])) as {
    secretAccessKey: string
  }
  expect(secretAccessKey.length).toBeGreaterThanOrEqual(32)
  expect(gateway.output()).not.toContain(secretAccessKey)
  await rm(dir, { recursive: true, force: true })
})

/** What an empty gateway takes now, with whatever else the machine has to do. */
async function ordinaryStartMs(): Promise<number> {
  await using gateway = await startGateway()
  return gateway.readyMs
}

/**
 * Not in the tree that is synced: caches that change meanwhile, links into the repository, and SDKs of
 * many thousand files, which would take minutes and show nothing more.
 */
const LEFT_OUT =
  '.cache .package-lock.json .vite @azure apache-arrow @sluice utp-native webrtc-polyfill'.split(
    ' ',
  )

describe('a real tree and a large file', () => {
  test('node_modules, thousands of files, goes up and comes down byte-identical', async () => {
    await using gateway = await startGateway()
    const env = awsEnvironment(gateway)
    const dir = await mkdtemp(join(tmpdir(), 'sluice-tree-'))
    const filters = LEFT_OUT.flatMap((name) => ['--exclude', `${name}*`])
    const sync = (from: string, to: string): Promise<string> =>
      succeed(
        ['aws', 's3', 'sync', from, to, '--no-follow-symlinks', '--only-show-errors', ...filters],
        {
          env,
          timeoutMs: 600_000,
        },
      )
    await succeed(['aws', 's3', 'mb', 's3://tree'], { env })
    await sync(join(ROOT, 'node_modules'), 's3://tree/modules')
    await sync('s3://tree/modules', join(dir, 'down'))
    const up = [...(await hashTree(join(ROOT, 'node_modules')))].filter(
      ([name]) => !LEFT_OUT.some((prefix) => name.startsWith(prefix)),
    )
    expect([...(await hashTree(join(dir, 'down')))]).toEqual(up)
    expect(up.length).toBeGreaterThan(2000)
    await rm(dir, { recursive: true })
  }, 900_000)

  test('1 GiB goes up and down byte-identical; kill -9 in the middle of a further upload loses and tears nothing', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'sluice-gib-'))
    const dataDir = join(dir, 'data')
    await makeFile(join(dir, 'one.bin'), GIB)
    const sum = await hashFile(join(dir, 'one.bin'))
    {
      await using gateway = await startGateway({ dataDir })
      const env = awsEnvironment(gateway)
      await succeed(['aws', 's3', 'mb', 's3://big'], { env })
      await succeed(
        ['aws', 's3', 'cp', join(dir, 'one.bin'), 's3://big/one', '--only-show-errors'],
        { env, timeoutMs: 300_000 },
      )
      await succeed(
        ['aws', 's3', 'cp', 's3://big/one', join(dir, 'back.bin'), '--only-show-errors'],
        { env, timeoutMs: 300_000 },
      )
      expect(await hashFile(join(dir, 'back.bin'))).toBe(sum)
      await rm(join(dir, 'back.bin'))
      const upload = run(
        ['aws', 's3', 'cp', join(dir, 'one.bin'), 's3://big/two', '--only-show-errors'],
        { env: { ...env, AWS_MAX_ATTEMPTS: '1' }, timeoutMs: 300_000 },
      )
      await new Promise((resolve) => setTimeout(resolve, 2500))
      await gateway.kill()
      await upload
    }
    await using gateway = await startGateway({ dataDir })
    expect(gateway.readyMs).toBeLessThan(Math.max(1500, 3 * (await ordinaryStartMs())))
    const env = awsEnvironment(gateway)
    expect(await succeed(['aws', 's3', 'ls', 's3://big/'], { env })).toMatch(
      /^\S+ \S+ 1073741824 one\n$/,
    )
    await succeed(
      ['aws', 's3', 'cp', 's3://big/one', join(dir, 'back.bin'), '--only-show-errors'],
      { env, timeoutMs: 300_000 },
    )
    expect(await hashFile(join(dir, 'back.bin'))).toBe(sum)
    expect(
      existsSync(join(dataDir, 'objects', 'tmp'))
        ? await readdir(join(dataDir, 'objects', 'tmp'))
        : [],
    ).toEqual([])
    await rm(dir, { recursive: true })
  }, 900_000)
})
