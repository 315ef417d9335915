/** The engine `memory` with a log: durable, and as quick as memory. */
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { SILENT } from '../src/lib/meter.ts'
import { openLog } from '../src/log/open.ts'
import type { LogEntry, LogStore, StorageEngine } from '../src/log/store.ts'
import { metadataContract } from './contract.ts'
import { agreesWithEngine } from './contract-random.ts'
import { metadataReopenContract } from './contract-reopen.ts'
import { decodeEntry } from './logged-entry.ts'
import { LoggedMetadata, type LoggedOptions } from './logged.ts'
import { MemoryStore } from './memory.ts'
import type { Json } from './store.ts'

const root = mkdtempSync(path.join(tmpdir(), 'sluice-logged-'))
afterAll(() => rmSync(root, { recursive: true }))
const newFolder = (): string => mkdtempSync(path.join(root, 'store-'))

interface Opened {
  readonly store: LoggedMetadata
  readonly engine: StorageEngine
}

async function openAt(folder: string, options: Partial<LoggedOptions> = {}): Promise<Opened> {
  const engine =
    options.engine ?? (await openLog({ engine: 'segment', path: path.join(folder, 'log') }))
  const snapshots = path.join(folder, 'snapshots')
  mkdirSync(snapshots, { recursive: true })
  const store = await LoggedMetadata.open({
    snapshots,
    meter: SILENT,
    nowMs: () => 5,
    ...options,
    engine,
  })
  return { store, engine }
}

/** Without a disk, and with a snapshot now and then. */
async function openInMemory(): Promise<LoggedMetadata> {
  const folder = newFolder()
  const engine = await openLog({ engine: 'memory', path: folder })
  return (await openAt(folder, { engine, snapshotBytesMin: 20_000 })).store
}

metadataContract('memory with a log', openInMemory, { runs: 50 })
for (const engine of ['segment', 'sqlite'] as const)
  metadataReopenContract(`memory with the log ${engine}`, (directory) => ({
    engine: 'logged',
    log: engine,
    path: path.join(directory, 'made', 'logged'),
  }))

test('commits made at once do what they would do one by one', async () => {
  const agrees = agreesWithEngine(openInMemory, async () => new MemoryStore(), 50)
  await expect(agrees).resolves.toBeUndefined()
})

function put(
  store: LoggedMetadata,
  sort: string,
  value: Json,
  bytes?: Uint8Array,
): Promise<boolean> {
  const write = { table: 'object' as const, sort, value, ...(bytes && { bytes }) }
  return store.commit({ partition: 'b', expects: [], writes: [write] })
}

async function entriesIn(log: LogStore): Promise<LogEntry[]> {
  return [...(await log.getEntries(log.firstIndex(), log.lastIndex()))]
}

test('each commit that held is an entry that says when it was and what it wrote', async () => {
  const { store, engine } = await openAt(newFolder())
  await using _ = store
  await store.commit({
    partition: 'photos',
    expects: [{ table: 'object', sort: 'cat.jpg', rev: 0 }],
    writes: [
      { table: 'object', sort: 'cat.jpg', value: { name: 'Käthe' }, bytes: Uint8Array.of(1, 2) },
      { table: 'upload', sort: 'cat.jpg', value: null },
      { table: 'page', sort: '', value: [1], bytes: Uint8Array.of(3) },
    ],
  })
  const refused = {
    partition: 'b',
    expects: [{ table: 'object' as const, sort: 'k', rev: 7 }],
    writes: [],
  }
  expect(await store.commit(refused)).toBe(false)
  expect(await store.commit({ partition: 'b', expects: [], writes: [] })).toBe(true)
  await put(store, 'later', 1)
  const [first, second, ...rest] = await entriesIn(engine.log)
  expect(rest).toEqual([])
  expect([first!.index, first!.term, first!.kind, second!.index]).toEqual([1, 1, 1, 2])
  expect(decodeEntry(1, first!.payload)).toEqual({
    at: 5,
    partition: 'photos',
    writes: [
      { table: 'object', sort: 'cat.jpg', value: { name: 'Käthe' }, bytes: Uint8Array.of(1, 2) },
      { table: 'upload', sort: 'cat.jpg', value: null },
      { table: 'page', sort: '', value: [1], bytes: Uint8Array.of(3) },
    ],
  })
  expect(() => decodeEntry(9, first!.payload.subarray(0, -1))).toThrow('Entry 9 of the log')
})

test('commits of the same moment share one sync', async () => {
  const { store, engine } = await openAt(newFolder())
  await using _ = store
  await Promise.all(Array.from({ length: 100 }, (_, i) => put(store, `${i}`, i)))
  expect(engine.log.stats()).toMatchObject({ lastIndex: 100, syncs: 1 })
})

test('a commit that the log cannot take is refused, and nobody is shown any of it', async () => {
  const { store, engine } = await openAt(newFolder())
  await put(store, 'old', 1)
  await engine.log[Symbol.asyncDispose]()
  await expect(put(store, 'new', 1)).rejects.toMatchObject({ name: 'StoreClosed' })
  expect(await store.get('b', 'object', 'new')).toBeUndefined()
  expect(await store.get('b', 'object', 'old')).toMatchObject({ value: 1 })
  await store[Symbol.asyncDispose]()
})

describe('the snapshot', () => {
  function snapshotsOf(folder: string): string[] {
    return readdirSync(path.join(folder, 'snapshots')).filter((name) => name.endsWith('.jsonl'))
  }

  /** Writes until so many snapshots were made; answers what each row should hold. */
  async function fill(
    folder: string,
    { store }: Opened,
    snapshots: number,
  ): Promise<Map<string, number>> {
    const expected = new Map<string, number>()
    const seen = new Set<string>()
    for (let i = 0; seen.size < snapshots; i++) {
      const sort = `${(i * 7919) % 40}`
      const isGone = i % 5 === 0
      await put(store, sort, isGone ? null : i, isGone ? undefined : new Uint8Array(300).fill(i))
      if (isGone) expected.delete(sort)
      else expected.set(sort, i)
      for (const name of snapshotsOf(folder)) seen.add(name)
    }
    return expected
  }

  async function contents({ store }: Opened): Promise<Map<string, number>> {
    const rows = await store.scan('b', 'object', { from: '', limit: 1000 })
    const [first] = rows
    const found = await store.get('b', 'object', first!.sort)
    expect(found?.bytes).toEqual(new Uint8Array(300).fill(first!.value as number))
    return new Map(rows.map(({ sort, value }) => [sort, value as number]))
  }

  test('is made while commits go on, and the log is kept from the last one but one on', async () => {
    const folder = newFolder()
    let expected: Map<string, number>
    let highest: number
    {
      const opened = await openAt(folder, { snapshotBytesMin: 20_000 })
      await using store = opened.store
      expected = await fill(folder, opened, 4)
      await expect.poll(() => snapshotsOf(folder).length).toBe(2)
      const [older] = snapshotsOf(folder).map((name) => Number(/\d+/.exec(name)))
      await expect.poll(() => opened.engine.log.purgeBoundary()?.index).toBe(older)
      await put(store, 'last', 1, new Uint8Array(300).fill(1))
      expected.set('last', 1)
      highest = (await store.get('b', 'object', 'last'))!.rev as number
    }
    const again = await openAt(folder, { snapshotBytesMin: 20_000 })
    await using store = again.store
    expect(await contents(again)).toEqual(expected)
    await put(store, 'more', 1)
    expect((await store.get('b', 'object', 'more'))!.rev).toBeGreaterThan(highest)
  })

  test('and a log that do not fit together are refused', async () => {
    const folder = newFolder()
    {
      const opened = await openAt(folder, { snapshotBytesMin: 5000 })
      await using _ = opened.store
      await fill(folder, opened, 3)
      await expect.poll(() => opened.engine.log.purgeBoundary()?.index).toBeGreaterThan(0)
    }
    rmSync(path.join(folder, 'snapshots'), { recursive: true })
    await expect(openAt(folder)).rejects.toMatchObject({ name: 'StoreDamaged' })
    // The log was given back.
    await expect(openAt(folder)).rejects.toMatchObject({ name: 'StoreDamaged' })
  })
})
