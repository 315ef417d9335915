import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { type Meter, SILENT } from '../src/lib/meter.ts'
import { openMetadata } from './open.ts'

test('the word of the configuration names the engine', async () => {
  await using memory = await openMetadata({ engine: 'memory' }, SILENT)
  const root = mkdtempSync(path.join(tmpdir(), 'sluice-open-'))
  onTestFinished(() => rmSync(root, { recursive: true }))
  const file = path.join(root, 'rows.db')
  await using sqlite = await openMetadata({ engine: 'sqlite', path: file }, SILENT)
  expect([memory.name, sqlite.name]).toEqual(['memory', 'sqlite'])
  await using jsonl = await openMetadata({ engine: 'jsonl', path: path.join(root, 'a') }, SILENT)
  expect(jsonl.name).toBe('jsonl')
})

test.each([
  [undefined, 2],
  [{ rows: 10, ttlMs: 1000 }, 1],
])(
  'with the cache %j the engine is asked %i times for a row that is read twice',
  async (cache, times) => {
    let asked = 0
    const meter: Meter = {
      ...SILENT,
      histogram: (_name, _help, labels) => ({
        observe: () => void (asked += labels?.['method'] === 'get' ? 1 : 0),
      }),
    }
    const options = { engine: 'memory' as const, ...(cache && { cache }) }
    await using store = await openMetadata(options, meter)
    for (let i = 0; i < 2; i++) await store.get('b', 'object', 'k')
    expect(asked).toBe(times)
  },
)

test('directories that are missing are made, for their owner alone', async () => {
  const root = mkdtempSync(path.join(tmpdir(), 'sluice-open-'))
  onTestFinished(() => rmSync(root, { recursive: true }))
  const file = path.join(root, 'a', 'b', 'rows.db')
  await using store = await openMetadata({ engine: 'sqlite', path: file }, SILENT)
  expect(await store.commit({ partition: '', expects: [], writes: [] })).toBe(true)
  for (const directory of [path.join(root, 'a'), path.join(root, 'a', 'b')])
    expect(statSync(directory).mode & 0o777).toBe(0o700)
})
