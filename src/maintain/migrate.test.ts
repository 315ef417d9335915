import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { MemoryStore } from '../../metadata/memory.ts'
import { openMetadata } from '../../metadata/open.ts'
import type { Commit, MetadataStore } from '../../metadata/store.ts'
import { MemoryStorage } from '../../storage/memory.ts'
import { openStorage, underKey } from '../../storage/open.ts'
import type { ObjectStorage } from '../../storage/store.ts'
import { SILENT } from '../lib/meter.ts'
import type { Body } from '../lib/stream.ts'
import { eachBucketPartition } from '../s3/partitions.ts'
import { Encrypted } from '../s3/encryption.fixture.ts'
import { bytesOf } from '../s3/s3.fixture.ts'
import { Uploads } from '../s3/uploads.fixture.ts'
import { allRows } from './all-rows.ts'
import { LIFTED_END } from './lift-bodies.ts'
import { MaintenanceError } from './maintenance-error.ts'
import { migrate, type MigrateParts, type MigrateSummary } from './migrate.ts'
import { readMigration } from './migration-state.ts'
import { UNWATCHED } from './progress.ts'
import { scrub } from './scrub.ts'

const LONG = 'a body that does not fit into its row'

let folder = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-migrate-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

interface Stores {
  readonly metadata: MetadataStore
  readonly storage: ObjectStorage
}

function inMemory(): Stores {
  return { metadata: new MemoryStore(), storage: new MemoryStorage() }
}

/** What `fill` makes; parts of uploads under way count as objects. */
const OBJECTS = 707
const BLOBS = 73

/** Two buckets with everything in them, on these stores. */
async function fill({ metadata, storage }: Stores): Promise<Uploads> {
  const f = new Uploads(metadata, storage)
  await f.bucket('b', 'Enabled')
  await f.bucket('other')
  await f.put('small', 'inlined')
  await f.put('small', 'inlined again')
  await f.put('long', LONG)
  await f.copy('b/long', 'copy')
  await f.put('gone', LONG, {}, 'other')
  await f.delete('gone', {}, 'other')
  const upload = await f.begin()
  const parts = await f.parts(upload, ...Array.from({ length: 70 }, (_, n) => `${LONG} ${n}`))
  await f.complete(upload, parts)
  await f.parts(await f.begin(), LONG, 'small')
  for (let n = 0; n < 700; n++) await f.put(`many/${n}`, `${n}`, {}, 'other')
  return f
}

function move(from: Stores, to: Stores, more: Partial<MigrateParts> = {}): Promise<MigrateSummary> {
  return migrate({
    from,
    to,
    source: 'a',
    inlineMaxBytes: Infinity,
    verifies: true,
    clock: { now: () => 1234 },
    signal: new AbortController().signal,
    progress: UNWATCHED,
    ...more,
  })
}

/** Everything reads the same there, and nothing is wrong with it. */
async function checkMoved(from: Uploads, { metadata, storage }: Stores): Promise<void> {
  const to = new Uploads(metadata, storage, {}, from.clock)
  for (const key of ['small', 'long', 'copy', 'big']) {
    expect(await to.text(key)).toBe(await from.text(key))
    expect(await to.head(key)).toEqual(await from.head(key))
  }
  expect(await to.text('many/699', {}, 'other')).toBe('699')
  expect(await to.listUploads()).toEqual(await from.listUploads())
  const { problems, objects } = await scrub(
    {
      metadata,
      storage,
      clock: from.clock,
      signal: new AbortController().signal,
      progress: UNWATCHED,
      report: () => {},
    },
    { isQuick: false, removes: 'none' },
  )
  expect({ problems, objects }).toEqual({ problems: {}, objects: OBJECTS })
  const [there, here] = [await to.blobs(), await from.blobs()]
  expect(there.filter((id) => id >= LIFTED_END)).toEqual(here.filter((id) => id >= LIFTED_END))
}

test.each([
  ['sqlite', 'fs'],
  ['jsonl', 'sqlite'],
] as const)(
  'what was in memory is on %s and %s afterwards, and back again',
  async (rows, blobs) => {
    const from = inMemory()
    const f = await fill(from)
    const path = join(folder, 'rows')
    await using metadata = await openMetadata({ engine: rows, path }, SILENT)
    const objects = { engine: blobs, path: join(folder, 'objects') }
    await using storage = await openStorage(objects, SILENT)
    const kept = { metadata, storage }
    const there = await move(from, kept)
    expect(there).toMatchObject({ wasFinished: false, wasResumed: false, blobs: BLOBS })
    await checkMoved(f, kept)
    const back = inMemory()
    expect(await move(kept, back)).toMatchObject({ rows: there.rows, bytes: there.bytes })
    await checkMoved(f, back)
  },
)

test('a finished one is not begun again, and says when it was finished', async () => {
  const [from, to] = [inMemory(), inMemory()]
  await fill(from)
  const first = await move(from, to)
  expect(await move(from, to)).toEqual({ ...first, wasFinished: true, wasResumed: true })
  expect(first.finished).toBe(1234)
})

/** Fails from the `n`th write on, until mended. */
class Failing extends MemoryStore {
  left = Infinity

  override async commit(commit: Commit): Promise<boolean> {
    if (this.left-- <= 0) throw new Error('cut off')
    return super.commit(commit)
  }
}

class FailingStorage extends MemoryStorage {
  left = Infinity
  puts = 0

  override async put(...args: Parameters<MemoryStorage['put']>): ReturnType<MemoryStorage['put']> {
    this.puts++
    if (this.left-- <= 0) throw new Error('cut off')
    return super.put(...args)
  }
}

test('one that was cut off at any write goes on where it stopped, and ends the same', async () => {
  const from = inMemory()
  const f = await fill(from)
  for (const at of [0, 1, 2, 3, 5, 9, 14, 18, 19, 20]) {
    const to = { metadata: new Failing(), storage: new FailingStorage() }
    to.metadata.left = at
    await expect(move(from, to)).rejects.toThrow('cut off')
    to.metadata.left = Infinity
    expect(await move(from, to)).toMatchObject({ wasResumed: at > 0, blobs: BLOBS })
    await checkMoved(f, to)
  }
})

test('blobs that were there before it was cut off are not copied again', async () => {
  const from = inMemory()
  const f = await fill(from)
  const to = { metadata: new MemoryStore(), storage: new FailingStorage() }
  to.storage.left = 60
  await expect(move(from, to)).rejects.toThrow('cut off')
  const before = to.storage.puts
  to.storage.left = Infinity
  expect(await move(from, to)).toMatchObject({ wasResumed: true, blobs: BLOBS })
  expect(to.storage.puts - before).toBeLessThan(BLOBS - 40)
  await checkMoved(f, to)
})

test('an interruption ends it with its reason, and it can be gone on with', async () => {
  const [from, to] = [inMemory(), inMemory()]
  const f = await fill(from)
  const ending = new AbortController()
  let seen = 0
  const progress = {
    begin() {},
    add() {
      if (seen++ === 100) ending.abort(new MaintenanceError('interrupted'))
    },
  }
  const cut = move(from, to, { signal: ending.signal, progress })
  await expect(cut).rejects.toThrow('interrupted')
  expect((await readMigration(to.metadata))?.finished).toBeUndefined()
  await move(from, to)
  await checkMoved(f, to)
})

test('a destination with rows or blobs of its own, or from another source, is refused and left alone', async () => {
  const from = inMemory()
  await fill(from)
  const rows = inMemory()
  await new Uploads(rows.metadata, rows.storage).bucket('mine')
  await expect(move(from, rows)).rejects.toThrow('metadata is not empty (it has mine)')
  const blobs = inMemory()
  await blobs.storage.put('01JDQ8M3000000000000000000', Buffer.from('mine'))
  await expect(move(from, blobs)).rejects.toThrow('storage is not empty')
  expect(await readMigration(blobs.metadata)).toBeUndefined()
  const begun = inMemory()
  await move(from, begun)
  await expect(move(from, begun, { source: 'c' })).rejects.toThrow('from elsewhere (a)')
})

test('a source that was written to between two attempts is told', async () => {
  const from = inMemory()
  const f = await fill(from)
  const to = { metadata: new Failing(), storage: new MemoryStorage() }
  to.metadata.left = 19
  await expect(move(from, to)).rejects.toThrow('cut off')
  to.metadata.left = Infinity
  await f.put('many/3', 'changed', {}, 'other')
  await f.delete('small')
  await expect(move(from, to)).rejects.toThrow('the source was written to')
})

/** Gives back other bytes than it was given. */
class Lying extends MemoryStorage {
  override async get(...args: Parameters<MemoryStorage['get']>): Promise<Body> {
    const bytes = await bytesOf(await super.get(...args))
    bytes[0]! ^= 1
    return (async function* () {
      yield bytes
    })()
  }
}

test('a blob that comes back changed stops it, unless nothing is to be read back', async () => {
  const from = inMemory()
  await fill(from)
  const refused = { metadata: new MemoryStore(), storage: new Lying() }
  await expect(move(from, refused)).rejects.toThrow('came back from the destination changed')
  await move(from, { metadata: new MemoryStore(), storage: new Lying() }, { verifies: false })
})

test('a blob too long to be held in memory is moved as well, and verified as well', async () => {
  const id = '01JDQ8M3000000000000000000'
  const from = inMemory()
  await from.storage.put(id, Buffer.alloc(9 * 1024 * 1024, 'long'))
  const to = inMemory()
  expect(await move(from, to)).toMatchObject({ blobs: 1, bytes: 9 * 1024 * 1024 })
  const [sent, got] = [await from.storage.get(id), await to.storage.get(id)]
  expect((await bytesOf(got)).equals(await bytesOf(sent))).toBe(true)
  const refused = { metadata: new MemoryStore(), storage: new Lying() }
  await expect(move(from, refused)).rejects.toThrow('came back from the destination changed')
  for await (const blob of refused.storage.list('')) expect(blob).toBeUndefined()
})

test('a store that both sides share stays where it is', async () => {
  const from = inMemory()
  const f = await fill(from)
  const rows = { metadata: new MemoryStore(), storage: from.storage }
  expect(await move(from, rows)).toMatchObject({ blobs: 0 })
  await checkMoved(f, rows)
  const blobs = { metadata: rows.metadata, storage: new MemoryStorage() }
  expect(await move(rows, blobs, { source: 'rows' })).toMatchObject({ blobs: BLOBS, rows: 0 })
  await checkMoved(f, blobs)
})

test('bodies above the bound of the destination leave their rows, wherever it is cut off', async () => {
  const from = inMemory()
  const f = await fill(from)
  const whole = inMemory()
  const lifting = { inlineMaxBytes: 0 }
  await move(from, whole, lifting)
  await checkMoved(f, whole)
  const blobs = await new Uploads(whole.metadata, whole.storage).blobs()
  // All of `many`, two versions of `small`, a part.
  expect(blobs.filter((id) => id < LIFTED_END)).toHaveLength(700 + 2 + 1)
  expect(await bodiesInRows(whole.metadata)).toBe(0)
  for (const [what, at] of [
    ['rows', 4],
    ['rows', 9],
    ['rows', 14],
    ['blobs', 40],
    ['blobs', 75],
    ['blobs', 90],
    ['blobs', 500],
  ] as const) {
    const to = { metadata: new Failing(), storage: new FailingStorage() }
    if (what === 'rows') to.metadata.left = at
    else to.storage.left = at
    await expect(move(from, to, lifting)).rejects.toThrow('cut off')
    to.metadata.left = Infinity
    to.storage.left = Infinity
    await move(from, to, lifting)
    await checkMoved(f, to)
    expect(await new Uploads(to.metadata, to.storage).blobs()).toEqual(blobs)
  }
  const again = { metadata: new MemoryStore(), storage: new FailingStorage() }
  again.storage.left = 300
  await expect(move(whole, again)).rejects.toThrow('cut off')
  again.storage.left = Infinity
  await move(whole, again)
  await checkMoved(f, again)
})

test('only bodies above the bound leave their rows, and none where the storage stays', async () => {
  const from = inMemory()
  const f = await fill(from)
  const to = inMemory()
  await move(from, to, { inlineMaxBytes: 'inlined'.length })
  await checkMoved(f, to)
  expect(await bodiesInRows(from.metadata)).toBe(703)
  expect(await bodiesInRows(to.metadata)).toBe(702)
  const rows = { metadata: new MemoryStore(), storage: from.storage }
  await move(from, rows, { inlineMaxBytes: 0 })
  expect(await bodiesInRows(rows.metadata)).toBe(703)
})

/** How many objects, versions and parts have their bytes in their rows. */
async function bodiesInRows(metadata: MetadataStore): Promise<number> {
  let count = 0
  for await (const partition of eachBucketPartition(metadata))
    for (const table of ['object', 'version', 'part'] as const)
      for await (const { sort } of allRows(
        metadata,
        partition,
        table,
        new AbortController().signal,
      ))
        if ((await metadata.get(partition, table, sort))?.bytes !== undefined) count++
  return count
}

test('a source that is itself there by half is refused', async () => {
  const [from, half] = [inMemory(), { metadata: new Failing(), storage: new MemoryStorage() }]
  await fill(from)
  half.metadata.left = 10
  await expect(move(from, half)).rejects.toThrow('cut off')
  half.metadata.left = Infinity
  await expect(move(half, inMemory())).rejects.toThrow('the source is not whole: a migration')
})

test('a body that is encrypted on request stays in its row, in which alone it can be read', async () => {
  const from = inMemory()
  const f = new Encrypted(from.metadata, from.storage, underKey(from.storage))
  await f.bucket()
  await f.put('k', 'small', { ServerSideEncryption: 'AES256' })
  const to = inMemory()
  await move(from, to, { inlineMaxBytes: 0 })
  const moved = new Encrypted(to.metadata, to.storage, underKey(to.storage))
  expect(await moved.text('k')).toBe('small')
})
