/** `sluice log serve` as a program: started, refused, stopped, killed. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { allFrom, entriesFrom } from '../log/contract-calls.ts'
import { connectLog } from '../log/socket-client.fixture.ts'

const MAIN = fileURLToPath(new URL('../main.ts', import.meta.url))

let folder = ''
let running: ChildProcess[] = []
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-serve-'))
  running = []
})
afterEach(async () => {
  for (const child of running) await ended(child)
  rmSync(folder, { recursive: true })
})

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  child.kill('SIGKILL')
  await once(child, 'exit')
}

interface Served {
  readonly child: ChildProcess
  /** What it said first, to whom it says it. */
  readonly word: Promise<string>
  readonly code: Promise<number | null>
}

function serve(...words: readonly string[]): Served {
  const child = spawn(process.execPath, [MAIN, 'log', 'serve', ...words])
  running.push(child)
  const word = new Promise<string>((resolve) => {
    for (const stream of [child.stdout, child.stderr])
      stream.once('data', (bytes: Buffer) => resolve(bytes.toString().trim()))
  })
  return { child, word, code: once(child, 'close').then(([code]) => code as number | null) }
}

test('a log is served, refused to a second server, and there again after SIGKILL', async () => {
  const [socket, data] = [join(folder, 'socket'), join(folder, 'log')]
  const first = serve('--socket', socket, '--data', data)
  expect(await first.word).toBe(
    `Serving the log in ${data} (segment, entries 1 to 0) on ${socket}.`,
  )
  {
    await using client = await connectLog(socket)
    await client.log.persistEntries(entriesFrom(1, 9))
    await client.meta.saveHardState({ term: 3, vote: 'me' })
  }
  const sameSocket = serve('--socket', socket, '--data', join(folder, 'other'))
  expect(await sameSocket.word).toBe(`sluice: ${socket} is in use by process ${first.child.pid}`)
  expect(await sameSocket.code).toBe(1)
  expect(existsSync(join(folder, 'other'))).toBe(false)
  const sameFolder = serve('--socket', join(folder, 'other'), '--data', data)
  expect(await sameFolder.word).toBe(`sluice: ${data} is in use by process ${first.child.pid}`)
  expect(existsSync(join(folder, 'other'))).toBe(false)
  await ended(first.child)
  expect(existsSync(socket)).toBe(true)
  const second = serve('--socket', socket, '--data', data, '--json')
  expect(JSON.parse(await second.word)).toMatchObject({ engine: 'segment', lastIndex: 9 })
  await using client = await connectLog(socket)
  expect(await allFrom(client)).toEqual(entriesFrom(1, 9))
  expect(await client.meta.loadHardState()).toEqual({ term: 3, vote: 'me' })
  second.child.kill('SIGTERM')
  expect(await second.code).toBe(0)
  expect(existsSync(socket)).toBe(false)
})

test.each([
  [['--data', 'x'], 'log serve needs --socket'],
  [['--socket', 'x'], 'log serve needs --data'],
  [
    ['--socket', 'x', '--data', 'x', '--engine', 'lmdb'],
    '--engine is one of segment, sqlite, memory',
  ],
  [['--socket', '/nowhere/x', '--data', 'x'], '--socket: there is no folder /nowhere'],
  [['--socket', 'x'.repeat(101), '--data', 'x'], `--socket has at most 100 bytes`],
])('%j is a command line that is wrong, and says how', async (words, text) => {
  const served = serve(...words)
  expect(await served.word).toBe(`sluice: ${text}`)
  expect(await served.code).toBe(2)
})
