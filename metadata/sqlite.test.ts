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
/** Everything that it does in the background it does all the time, and it waits for no disk. */
const openRestless = async (): Promise<MetadataStore> =>
  new SqliteStore({
    path: path.join(root, `${++files}.db`),
    meter: SILENT,
    datasync: async () => {},
    bounds: { overlayRows: 3, segmentBytes: 2000, roomBytes: 500, checkpointFrames: 4 },
  })

metadataContract('sqlite', open, { runs: 10 })
metadataContract('sqlite that applies and reclaims all the time', openRestless, { runs: 50 })
metadataReopenContract('sqlite', (directory) => ({
  engine: 'sqlite',
  path: path.join(directory, 'made', 'rows.db'),
}))

test('commits made at once do what they would do one by one', async () => {
  const agrees = agreesWithEngine(openRestless, async () => new MemoryStore(), 100)
  await expect(agrees).resolves.toBeUndefined()
})
