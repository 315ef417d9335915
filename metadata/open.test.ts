import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { SILENT } from '../src/lib/meter.ts'
import { openMetadata } from './open.ts'

test('the word of the configuration names the engine', async () => {
  await using memory = await openMetadata({ engine: 'memory' }, SILENT)
  await using sqlite = await openMetadata({ engine: 'sqlite', path: ':memory:' }, SILENT)
  expect([memory.name, sqlite.name]).toEqual(['memory', 'sqlite'])
})

test('directories that are missing are made, for their owner alone', async () => {
  const root = mkdtempSync(path.join(tmpdir(), 'sluice-open-'))
  onTestFinished(() => rmSync(root, { recursive: true }))
  const file = path.join(root, 'a', 'b', 'rows.db')
  await using store = await openMetadata({ engine: 'sqlite', path: file }, SILENT)
  expect(await store.commit({ partition: '', expects: [], writes: [] })).toBe(true)
  for (const directory of [path.join(root, 'a'), path.join(root, 'a', 'b')])
    expect(statSync(directory).mode & 0o777).toBe(0o700)
})
