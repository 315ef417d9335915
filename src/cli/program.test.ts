/** The program as a process: what it prints, how it ends, what a crash leaves. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { askSigned, type Target } from './signed-request.ts'

const MAIN = fileURLToPath(new URL('../main.ts', import.meta.url))
const KEYS = { SLUICE_ROOT_ACCESS_KEY: 'tester', SLUICE_ROOT_SECRET_KEY: 'secret-of-tests' }
const SECONDS = 1000

let folder = ''
let children: ChildProcess[] = []
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-program-'))
})
afterEach(() => {
  for (const child of children) child.kill('SIGKILL')
  children = []
  rmSync(folder, { recursive: true })
})

interface Running {
  readonly child: ChildProcess
  /** All of standard output and error so far. */
  text(): string
  /** The fields of the log line with this message, once it is there. */
  line(message: string): Promise<Record<string, unknown>>
  /** Exit code, or the signal that ended it. */
  readonly end: Promise<number | string>
}

function run(args: readonly string[], env: NodeJS.ProcessEnv = {}, node: string[] = []): Running {
  const child = spawn(process.execPath, [...node, MAIN, ...args], {
    env: { PATH: process.env['PATH'], ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  children.push(child)
  return watch(child)
}

function watch(child: ChildProcess): Running {
  let text = ''
  for (const stream of [child.stdout, child.stderr])
    stream?.on('data', (chunk: Buffer) => (text += chunk.toString()))
  const end = once(child, 'close').then(([code, signal]) => (code ?? signal) as number | string)
  return {
    child,
    end,
    text: () => text,
    async line(message) {
      const find = () => lines(text).find((line) => line['message'] === message)
      await expect.poll(find, { timeout: 15 * SECONDS }).toBeDefined()
      return find()!
    },
  }
}

function lines(text: string): Record<string, unknown>[] {
  return text.split('\n').flatMap((line) => {
    try {
      return line.startsWith('{') ? [JSON.parse(line) as Record<string, unknown>] : []
    } catch {
      return []
    }
  })
}

async function serve(
  env: NodeJS.ProcessEnv = KEYS,
  node: string[] = [],
): Promise<Running & { url: string; target: Target }> {
  const running = run(['serve', '--port', '0', '--data', folder], env, node)
  const { url } = await running.line('listening')
  const credential = { accessKeyId: 'tester', secretAccessKey: 'secret-of-tests' }
  const target = { endpoint: String(url), region: 'us-east-1', credential }
  return { ...running, url: String(url), target }
}

test('SIGTERM: it ends with exit code 0, and everything logged is written', async () => {
  const server = await serve()
  await askSigned(server.target, 'PUT', '/bucket')
  server.child.kill('SIGTERM')
  expect(await server.end).toBe(0)
  const messages = lines(server.text()).map(({ message }) => message)
  expect(messages).toEqual(['listening', 'request', 'stopping', 'stopped'])
})

test('after kill -9 it serves again what was acknowledged, from the same folder', async () => {
  const first = await serve()
  await askSigned(first.target, 'PUT', '/bucket')
  expect((await askSigned(first.target, 'PUT', '/bucket/key', 'kept')).status).toBe(200)
  first.child.kill('SIGKILL')
  expect(await first.end).toBe('SIGKILL')
  const second = await serve()
  expect((await askSigned(second.target, 'GET', '/bucket/key')).body.toString()).toBe('kept')
})

test('a second gateway on the folder ends with one line that names the first', async () => {
  const first = await serve()
  const second = run(['--port', '0', '--data', folder], KEYS)
  expect(await second.end).toBe(1)
  expect(second.text()).toMatch(
    new RegExp(
      `^sluice: another gateway has the data folder ${folder} \\(pid ${first.child.pid}, .*\\)\n$`,
    ),
  )
})

/** A connection with a request under way that never ends by itself. */
async function hang(url: string): Promise<Socket> {
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname)
  socket.on('error', () => {})
  await once(socket, 'connect')
  socket.write(`GET /healthz HTTP/1.1\r\nhost: x\r\n\r\nPUT /b/k HTTP/1.1\r\nhost: x\r\n`)
  await once(socket, 'data')
  return socket
}

test('a second signal ends it at once, whatever is under way', async () => {
  const server = await serve()
  const socket = await hang(server.url)
  server.child.kill('SIGTERM')
  await server.line('stopping').catch(() => {})
  server.child.kill('SIGTERM')
  expect(await server.end).toBe('SIGTERM')
  socket.destroy()
})

test('a fault is told and ends the process: nothing lives on half', async () => {
  const fault = 'data:text/javascript,setTimeout(()=>Promise.reject(new Error("of the test")),1500)'
  const server = run(['--port', '0', '--data', folder], KEYS, ['--import', fault])
  expect(await server.end).toBe(1)
  expect(await server.line('fault: the gateway ends')).toMatchObject({
    level: 'error',
    error: { message: 'of the test' },
  })
})

test('under npm, it does not outlive npm', async () => {
  const command = `"${process.execPath}" "${MAIN}" --port 0 --data "${folder}" & wait`
  const shell = spawn('sh', ['-c', command], {
    env: { PATH: process.env['PATH'], npm_lifecycle_event: 'start', ...KEYS },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  children.push(shell)
  const running = watch(shell)
  await running.line('listening')
  shell.kill('SIGKILL')
  expect(await running.line('stopping')).toMatchObject({ reason: 'npm is gone' })
  await running.line('stopped')
  // The pipe is closed by the last who held it open: the gateway has ended.
  await running.end
})

test('into a pipe go no secrets: neither made nor configured ones', async () => {
  const made = run(['--port', '0', '--data', folder])
  const { credentialsFile } = await made.line('listening')
  made.child.kill('SIGTERM')
  expect(await made.end).toBe(0)
  const { secretAccessKey } = JSON.parse(readFileSync(String(credentialsFile), 'utf8')) as {
    secretAccessKey: string
  }
  expect(secretAccessKey).toHaveLength(40)
  expect(made.text()).not.toContain(secretAccessKey)
  const configured = await serve()
  await askSigned(configured.target, 'GET', '/')
  configured.child.kill('SIGTERM')
  await configured.end
  expect(configured.text()).not.toContain('secret-of-tests')
})

test('what is wrong with the configuration comes before anything else, a line each, exit code 1', async () => {
  const config = join(folder, 'bad.yaml')
  writeFileSync(config, 'prot: 1\nlog:\n  level: loud\n')
  for (const command of ['serve', 'check']) {
    const words = command === 'check' ? ['config', 'check'] : ['serve']
    const checked = run([...words, '--config', config])
    expect(await checked.end).toBe(1)
    expect(checked.text()).toBe(
      `sluice: ${config}:1:1: unknown key prot (did you mean port?)\n` +
        `sluice: ${config}:3:3: log.level: expected one of debug, info, warn, error, silent\n`,
    )
  }
})

test('a wrong command line is one line and exit code 2', async () => {
  const wrong = run(['serve', '--prot', '1'])
  expect(await wrong.end).toBe(2)
  expect(wrong.text()).toBe('sluice: serve has no flag --prot (did you mean --port?)\n')
})

test('healthcheck: exit code 0 where the gateway answers, 1 where it does not', async () => {
  const server = await serve()
  const { port } = new URL(server.url)
  const well = run(['healthcheck'], { SLUICE_PORT: port, SLUICE_HOST: '0.0.0.0' })
  expect(await well.end).toBe(0)
  server.child.kill('SIGTERM')
  await server.end
  expect(await run(['healthcheck', '--port', port]).end).toBe(1)
})

test('doctor: all well without a gateway and with one; a stranger on the port is told', async () => {
  const args = ['doctor', '--json', '--data', folder, '--port']
  const alone = run([...args, '0'], KEYS)
  expect([await alone.end, alone.text()]).toEqual([0, expect.not.stringContaining('"ok": false')])
  const server = await serve()
  const beside = run([...args, new URL(server.url).port], KEYS)
  expect([await beside.end, beside.text()]).toEqual([0, expect.stringContaining('is ours')])
  server.child.kill('SIGTERM')
  await server.end
  const stranger = createServer((socket) => socket.end()).listen(0, '127.0.0.1')
  await once(stranger, 'listening')
  const { port } = stranger.address() as AddressInfo
  const taken = run([...args, String(port)], KEYS)
  expect([await taken.end, taken.text()]).toEqual([1, expect.stringContaining('another program')])
  stranger.close()
})

test('the configuration that is printed names where it comes from', async () => {
  const printed = run(['config', 'print', '--port', '7'], { SLUICE_REGION: 'eu-1' })
  expect(await printed.end).toBe(0)
  expect(printed.text()).toMatch(/^port: 7 +# --port$/m)
  expect(printed.text()).toMatch(/^region: eu-1 +# SLUICE_REGION$/m)
  const schema = run(['config', 'schema'])
  expect(await schema.end).toBe(0)
  expect(JSON.parse(schema.text())).toMatchObject({ additionalProperties: false })
})
