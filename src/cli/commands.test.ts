import { expect, test } from 'vitest'
import { OPTIONS, OTHER_ENV } from '../config-options.ts'
import { COMMANDS, understand, UsageError } from './commands.ts'
import { commandHelp, helpText } from './help.ts'

test.each([
  [[], 'serve'],
  [['--port', '9001'], 'serve'],
  [['serve', '--port=9001'], 'serve'],
  [['--version'], 'version'],
  [['-h'], 'help'],
  [['doctor', '--json'], 'doctor'],
])('%j is the command %s', (words, command) => expect(understand(words).command).toBe(command))

test('flags are read with their values, in either spelling', () => {
  expect(understand(['--port', '1', '--log-level=debug']).flags).toEqual({
    port: '1',
    'log-level': 'debug',
  })
  expect(understand(['doctor', '--json', '--port', '2'])).toMatchObject({
    json: true,
    flags: { port: '2' },
  })
})

test('an action has a default, and is one of those that there are', () => {
  expect(understand(['config']).action).toBe('print')
  expect(understand(['config', 'check', '--port', '1']).action).toBe('check')
})

test('an action takes its words, which may be left out where the help has them in brackets', () => {
  expect(understand(['torrent', 'add', 'magnet:?x', '--bucket', 'b'])).toMatchObject({
    action: 'add',
    operands: ['magnet:?x'],
    flags: { bucket: 'b' },
  })
  expect(understand(['torrent', 'stream', 'id']).operands).toEqual(['id'])
  expect(understand(['torrent', 'stream', 'id', 'file']).operands).toEqual(['id', 'file'])
  expect(understand(['torrent', 'rm', 'id', '--data']).flags).toEqual({ data: 'true' })
  expect(understand(['torrent'])).toMatchObject({ action: 'ls', operands: [] })
})

test.each([
  [['torrent', 'add'], 'torrent add needs MAGNET|FILE|URL|S3-URI'],
  [['torrent', 'ls', 'x'], 'torrent does not know what to do with x'],
  [['torrent', 'stream', 'a', 'b', 'c'], 'torrent does not know what to do with c'],
  [['srve'], 'there is no command srve (did you mean serve?); see sluice help'],
  [['--prot', '1'], 'serve has no flag --prot (did you mean --port?)'],
  [['--port'], '--port needs a value'],
  [['--port', '--data', 'x'], '--port needs a value'],
  [['--port='], '--port needs a value'],
  [['serve', 'more'], 'serve does not know what to do with more'],
  [['config', 'prnt'], 'config has no prnt (did you mean print?); it has print, check, schema'],
  [['config', 'print', 'x'], 'config does not know what to do with x'],
  [['version', '--port', '1'], 'version has no flag --port'],
  [['serve', '--json'], 'serve has no flag --json'],
])('%j is wrong', (words, message) => {
  expect(() => understand(words)).toThrow(new UsageError(message))
})

test('help names every command, flag and variable', () => {
  const text = helpText()
  for (const { name } of COMMANDS) expect(text).toMatch(new RegExp(`^  ${name}`, 'm'))
  for (const { env, flag } of OPTIONS) {
    expect(text).toContain(`  ${env}=`)
    expect(text).toContain(flag === undefined ? env : `  --${flag} `)
  }
  for (const { env } of OTHER_ENV) expect(text).toContain(`  ${env} `)
})

function helpOf(name: string): string {
  return commandHelp(COMMANDS.find((command) => command.name === name)!)
}

test('help of a command names what it takes and nothing else', () => {
  expect(helpOf('serve')).toContain('--port PORT')
  expect(helpOf('config')).toContain('schema')
  expect(helpOf('version')).not.toContain('--port')
  expect(helpOf('doctor')).toContain('--json')
})

test('no two settings share a name', () => {
  for (const names of [OPTIONS.map(({ env }) => env), OPTIONS.map(({ key }) => key)])
    expect(new Set(names).size).toBe(names.length)
})
