import { join } from 'node:path'
import { expect, test } from 'vitest'
import { configOf } from './config.ts'

const data = join('/somewhere', 'data')

test('memory with a log is kept in the data folder, or where it is said', () => {
  const preset = configOf({ data, metadata: { engine: 'memory', log: 'segment' } })
  expect(preset.metadata).toEqual({
    engine: 'logged',
    log: 'segment',
    path: join(data, 'metadata', 'logged'),
  })
  const said = configOf({
    data,
    metadata: { engine: 'memory', log: 'sqlite', path: '/fast/log', cache: { rows: 0 } },
  })
  expect(said.metadata).toEqual({ engine: 'logged', log: 'sqlite', path: '/fast/log' })
  expect(configOf({ data, metadata: { engine: 'memory' } }).metadata).toEqual({ engine: 'memory' })
})

test('an engine that is durable by itself has no use for a log, and says so', () => {
  expect(() => configOf({ data, metadata: { engine: 'jsonl', log: 'segment' } })).toThrow(
    'metadata.log makes the engine memory durable; jsonl is durable by itself',
  )
})

test('a log that there is none of is refused', () => {
  const metadata = { engine: 'memory', log: 'lmdb' } as never
  expect(() => configOf({ data, metadata })).toThrow('metadata.log')
})
