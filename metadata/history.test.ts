/** Following a history, from its beginning or from a copy, and going back in it. */
import { copyFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { SILENT } from '../src/lib/meter.ts'
import { openLog } from '../src/log/open.ts'
import type { StorageEngine } from '../src/log/store.ts'
import { rowsAt, writeRestored } from './logged-restore.ts'
import { LoggedMetadata } from './logged.ts'
import type { RowMap } from './row-map.ts'

const root = mkdtempSync(path.join(tmpdir(), 'sluice-history-'))
afterAll(() => rmSync(root, { recursive: true }))

interface Opened {
  readonly store: LoggedMetadata
  readonly engine: StorageEngine
  readonly folder: string
  readonly snapshots: string
}

function openAt(folder: string): Promise<StorageEngine> {
  return openLog({ engine: 'segment', path: path.join(folder, 'log') })
}

async function opened(folder: string = mkdtempSync(path.join(root, 'store-'))): Promise<Opened> {
  const engine = await openAt(folder)
  const snapshots = path.join(folder, 'snapshots')
  mkdirSync(snapshots, { recursive: true })
  const options = { engine, snapshots, meter: SILENT, nowMs: () => 7, snapshotBytesMin: 8000 }
  return { store: await LoggedMetadata.open(options), engine, folder, snapshots }
}

/** What the rows are, as text. */
function textOf(rows: RowMap): string {
  return JSON.stringify(Array.from(rows.walk(), ({ row }) => row))
}

async function contents({ store }: Opened): Promise<unknown> {
  const rows = await store.scan('b', 'object', { from: '', limit: 1000 })
  return Promise.all(rows.map(({ sort }) => store.get('b', 'object', sort)))
}

/** Commits until it was purged, so that the log does not go back to the beginning; answers what the rows were after each. */
async function filled(opened: Opened): Promise<Map<number, string>> {
  const { store, engine } = opened
  const models = new Map<number, string>()
  let count = 0
  for (; engine.log.firstIndex() < 20 || count < 100; count++) {
    const sort = `${(count * 31) % 17}`
    const bytes = new Uint8Array(200).fill(count)
    const write = { table: 'object' as const, sort, value: count, bytes }
    const gone = { table: 'object' as const, sort: `${(count * 7) % 17}`, value: null }
    const writes = count % 4 === 0 && gone.sort !== sort ? [write, gone] : [write]
    await store.commit({ partition: 'b', expects: [], writes })
    models.set(store.history.lastIndex, JSON.stringify(await contents(opened)))
  }
  return models
}

/** Takes over all that is behind, a few at a time. */
async function follow(follower: Opened, followed: Opened): Promise<void> {
  while (follower.store.history.lastIndex < followed.store.history.lastIndex) {
    const { commits } = await followed.store.history.read(follower.store.history.lastIndex, 7)
    await follower.store.append(commits)
  }
}

test('who follows has the same rows, the same revs and the same history, and goes on in a later term', async () => {
  const first = await opened()
  const second = await opened()
  await using _first = first.store
  for (let i = 0; i < 10; i++)
    await first.store.commit({
      partition: 'b',
      expects: [],
      writes: [{ table: 'object', sort: `${i % 3}`, value: i }],
    })
  await follow(second, first)
  expect(await contents(second)).toEqual(await contents(first))
  expect(await second.store.history.read(0, 100)).toEqual(await first.store.history.read(0, 100))
  await second.store.enterTerm(2)
  await second.store.commit({
    partition: 'b',
    expects: [],
    writes: [{ table: 'object', sort: 'new', value: 1 }],
  })
  const before = await contents(second)
  await second.store[Symbol.asyncDispose]()
  const again = await opened(second.folder)
  await using _again = again.store
  expect(await contents(again)).toEqual(before)
  expect(again.store.history.term).toBe(2)
  expect((await again.store.history.read(10, 1)).commits[0]).toMatchObject({ index: 11, term: 2 })
})

test('who does not go on where he is gets nothing: a gap is refused', async () => {
  const first = await opened()
  const second = await opened()
  await using _first = first.store
  await using _second = second.store
  for (let i = 0; i < 3; i++)
    await first.store.commit({
      partition: 'b',
      expects: [],
      writes: [{ table: 'object', sort: 'k', value: i }],
    })
  const { commits } = await first.store.history.read(1, 10)
  await expect(second.store.append(commits)).rejects.toMatchObject({ name: 'LogGap' })
  expect(await contents(second)).toEqual([])
})

test('where the log does not go back to the beginning, a copy is followed from', async () => {
  const first = await opened()
  await using _first = first.store
  await filled(first)
  await expect(first.store.history.read(0, 10)).rejects.toMatchObject({ name: 'LogCompacted' })
  const copy = (await first.store.history.copy())!
  const folder = mkdtempSync(path.join(root, 'store-'))
  mkdirSync(path.join(folder, 'snapshots'))
  copyFileSync(copy.file, path.join(folder, 'snapshots', path.basename(copy.file)))
  {
    await using engine = await openAt(folder)
    await engine.log.purge(copy)
  }
  const second = await opened(folder)
  await using _second = second.store
  await follow(second, first)
  expect(await contents(second)).toEqual(await contents(first))
})

test('rows are restored as they were after any entry that the log has, and go on from there', async () => {
  const first = await opened()
  const models = await filled(first)
  const { firstIndex, lastIndex } = first.store.history
  const rowsOf = (index: number) => rowsAt(first.engine.log, first.snapshots, index)
  let restored = 0
  for (let index = firstIndex; index <= lastIndex; index++) {
    const rows = await rowsOf(index).catch((error: unknown) => error as Error)
    if (rows instanceof Error) {
      // Between the beginning and the end of a snapshot.
      expect(rows.name).toBe('PointUnknown')
      continue
    }
    restored++
    expect(textOf(rows), `after ${index}`).toBe(models.get(index))
  }
  expect(restored).toBeGreaterThan(10)
  const index = lastIndex - 2
  const into = path.join(root, 'restored')
  const place = { index, term: 1, nextTerm: 2 }
  await writeRestored(await rowsOf(index), place, into, () => openAt(into))
  await expect(
    writeRestored(await rowsOf(index), place, into, () => openAt(into)),
  ).rejects.toMatchObject({ name: 'PointUnknown' })
  const again = await opened(into)
  await using _again = again.store
  expect(again.store.history).toMatchObject({ firstIndex: index + 1, lastIndex: index, term: 2 })
  expect(textOf(await rowsAt(again.engine.log, again.snapshots, index))).toBe(models.get(index))
  await first.store[Symbol.asyncDispose]()
})
