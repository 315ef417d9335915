import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { SILENT } from '../src/lib/meter.ts'
import { metadataContract } from './contract.ts'
import { agreesWithEngine } from './contract-random.ts'
import { metadataReopenContract } from './contract-reopen.ts'
import { DISK } from '../src/lib/disk.ts'
import { JsonlStore } from './jsonl.ts'
import { MemoryStore } from './memory.ts'

const root = mkdtempSync(path.join(tmpdir(), 'sluice-jsonl-'))
afterAll(() => rmSync(root, { recursive: true }))
const newFolder = (): string => mkdtempSync(path.join(root, 'store-'))
/** Syncs that cost nothing, for what is not about them. */
const disk = { ...DISK, datasync: async () => {}, syncFolder: async () => {} }
const open = (): Promise<JsonlStore> =>
  JsonlStore.open({ path: newFolder(), meter: SILENT, disk, compactBytesMin: 20_000 })

metadataContract('jsonl', open, { runs: 20 })
metadataReopenContract('jsonl', (directory) => ({
  engine: 'jsonl',
  path: path.join(directory, 'made', 'rows'),
}))

test('commits made at once do what they would do one by one', async () => {
  const agrees = agreesWithEngine(open, async () => new MemoryStore(), 50)
  await expect(agrees).resolves.toBeUndefined()
})

test('a commit is a line that a person can read', async () => {
  const folder = newFolder()
  await using store = await JsonlStore.open({ path: folder, meter: SILENT })
  const bytes = Buffer.from('meow')
  await store.commit({
    partition: 'photos',
    expects: [{ table: 'object', sort: 'cat.jpg', rev: 0 }],
    writes: [
      { table: 'object', sort: 'cat.jpg', value: { s: 4, m: { name: 'Käthe' } }, bytes },
      { table: 'upload', sort: 'cat.jpg', value: null },
    ],
  })
  expect(readdirSync(folder).filter((name) => name.endsWith('.jsonl'))).toEqual([
    'log-00000001.jsonl',
  ])
  const [header, line, end] = readFileSync(path.join(folder, 'log-00000001.jsonl'), 'utf8').split(
    '\n',
  )
  expect(header).toMatch(
    /^\{"format":"sluice-metadata","version":1,"kind":"log","number":1,"crc":"[0-9a-f]{8}"\}$/,
  )
  expect(line).toMatch(
    /^\{"partition":"photos","writes":\[\{"table":"object","sort":"cat\.jpg","rev":1,"value":\{"s":4,"m":\{"name":"Käthe"\}\},"bytes":"bWVvdw=="\},\{"table":"upload","sort":"cat\.jpg","value":null\}\],"after":\d+,"crc":"[0-9a-f]{8}"\}$/,
  )
  expect(end).toBe('')
})

test('commits that are refused, or write nothing, leave no line', async () => {
  const folder = newFolder()
  await using store = await JsonlStore.open({ path: folder, meter: SILENT })
  const before = readFileSync(path.join(folder, 'log-00000001.jsonl'), 'utf8')
  const write = { table: 'object' as const, sort: 'k', value: 1 }
  const expects = [{ table: 'object' as const, sort: 'k', rev: 7 }]
  expect(await store.commit({ partition: 'b', expects, writes: [write] })).toBe(false)
  expect(await store.commit({ partition: 'b', expects: [], writes: [] })).toBe(true)
  expect(readFileSync(path.join(folder, 'log-00000001.jsonl'), 'utf8')).toBe(before)
})
