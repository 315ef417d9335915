import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { SILENT } from '../src/lib/meter.ts'
import { metadataContract } from './contract.ts'
import { agreesWithEngine } from './contract-random.ts'
import { metadataReopenContract } from './contract-reopen.ts'
import { MemoryStore } from './memory.ts'
import { SqliteStore } from './sqlite.ts'
import type { MetadataStore } from './store.ts'

const root = mkdtempSync(path.join(tmpdir(), 'sluice-sqlite-'))
afterAll(() => rmSync(root, { recursive: true }))
let files = 0
const open = async (): Promise<MetadataStore> =>
  new SqliteStore({ path: path.join(root, `${++files}.db`), meter: SILENT })
const openInMemory = async (): Promise<MetadataStore> =>
  new SqliteStore({ path: ':memory:', meter: SILENT })

metadataContract('sqlite', open, { runs: 10 })
metadataContract('sqlite in memory', openInMemory, { runs: 200 })
metadataReopenContract('sqlite', (directory) => ({
  engine: 'sqlite',
  path: path.join(directory, 'made', 'rows.db'),
}))

test('commits made at once do what they would do one by one', async () => {
  const agrees = agreesWithEngine(openInMemory, async () => new MemoryStore(), 200)
  await expect(agrees).resolves.toBeUndefined()
})
