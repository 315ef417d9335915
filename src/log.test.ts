import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openLog, type LogOptions } from './log.ts'

let folder = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-log-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

async function written(
  options: LogOptions,
  use: (log: ReturnType<typeof openLog>) => void,
): Promise<string> {
  const file = join(folder, 'log')
  const fd = openSync(file, 'w')
  const log = openLog(options, fd)
  use(log)
  await log.drain()
  closeSync(fd)
  return readFileSync(file, 'utf8')
}

test('a JSON line is one object with time, level, message and the fields', async () => {
  const before = Date.now()
  const text = await written({ level: 'info', format: 'json' }, (log) =>
    log.info('request', { key: 'a "b"\nc', status: 200, code: undefined }),
  )
  const { time, ...rest } = JSON.parse(text) as Record<string, unknown>
  expect(rest).toEqual({ level: 'info', message: 'request', key: 'a "b"\nc', status: 200 })
  expect(time).toBeGreaterThanOrEqual(before)
  expect(text.split('\n')).toHaveLength(2)
})

test('an error is told with its stack and its causes', async () => {
  const error = new Error('outer', { cause: new TypeError('inner') })
  const text = await written({ level: 'info', format: 'json' }, (log) => log.error('x', { error }))
  expect(JSON.parse(text)).toMatchObject({
    error: { message: 'outer', stack: expect.any(String), cause: { name: 'TypeError' } },
  })
})

function logAll(log: ReturnType<typeof openLog>): void {
  log.debug('d')
  log.info('i')
  log.warn('w')
  log.error('e')
}

async function messages(level: LogOptions['level']): Promise<unknown[]> {
  const text = await written({ level, format: 'json' }, logAll)
  const lines = text.split('\n').filter((line) => line !== '')
  return lines.map((line) => (JSON.parse(line) as { message: unknown }).message)
}

test('what is below the level is not written', async () => {
  expect(await messages('debug')).toEqual(['d', 'i', 'w', 'e'])
  expect(await messages('warn')).toEqual(['w', 'e'])
  expect(await messages('silent')).toEqual([])
})

test('text cannot command the terminal: control characters come out spelled', async () => {
  const text = await written({ level: 'info', format: 'text' }, (log) =>
    log.info('re\u001b[2Jq\nuest', { key: 'k\u001b]0;x\u0007', spaced: 'a b\u001b[1m' }),
  )
  // oxlint-disable-next-line no-control-regex
  const own = text.replaceAll(/\u001b\[(0|2)m/g, '')
  expect(own).not.toContain('\u001b')
  expect(own).toContain(String.raw`re\x1b[2Jq\x0auest key=k\x1b]0;x\x07`)
  expect(own.split('\n')).toHaveLength(2)
})

test('many lines come out whole and in order', async () => {
  const count = 20_000
  const text = await written({ level: 'info', format: 'json' }, (log) => {
    for (let n = 0; n < count; n++) log.info('line', { n })
  })
  const numbers = text
    .trim()
    .split('\n')
    .map((line) => (JSON.parse(line) as { n: number }).n)
  expect(numbers).toEqual(Array.from({ length: count }, (_, n) => n))
})

test('flush writes at once what drain would have written later', () => {
  const file = join(folder, 'flushed')
  const fd = openSync(file, 'w')
  const log = openLog({ level: 'info', format: 'json' }, fd)
  log.error('the end')
  log.flush()
  expect(readFileSync(file, 'utf8')).toContain('the end')
  closeSync(fd)
})

const MODULE = new URL('./log.ts', import.meta.url).href

test('a reader that goes away ends the log, not the process', async () => {
  const program = `
    const { openLog } = await import(${JSON.stringify(MODULE)})
    const log = openLog({ level: 'info', format: 'json' })
    for (let n = 0; n < 100; n++) {
      log.info('x'.repeat(10_000))
      await new Promise((resolve) => setTimeout(resolve, 2))
    }
    await log.drain()
    process.exitCode = 7`
  const child = spawn(process.execPath, ['--input-type=module', '-e', program])
  child.stdout.once('data', () => child.stdout.destroy())
  const [code] = (await once(child, 'exit')) as [number]
  expect(code).toBe(7)
})

test('a reader that is stuck costs lines, which are counted, and never holds up the loop', () => {
  // The reader sleeps, then reads: what was lost meanwhile is told once it reads again.
  const program = `
    const { openLog } = await import(${JSON.stringify(MODULE)})
    const log = openLog({ level: 'info', format: 'json' })
    const started = performance.now()
    for (let n = 0; n < 3000; n++) log.info('x'.repeat(10_000))
    const took = performance.now() - started
    await log.drain()
    log.info('after', { took })
    await log.drain()`
  const shell = `"${process.execPath}" --input-type=module -e "$PROGRAM" | (sleep 0.6; tail -n 2)`
  const text = execFileSync('sh', ['-c', shell], {
    env: { ...process.env, PROGRAM: program },
    encoding: 'utf8',
  })
  const [lost, after] = text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, number>)
  expect(lost).toMatchObject({ message: 'log lines were lost' })
  expect(lost?.['lines']).toBeGreaterThan(1000)
  expect(after?.['took']).toBeLessThan(500)
})
