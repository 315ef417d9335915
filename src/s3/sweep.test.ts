import { expect, test, vi } from 'vitest'
import { MemoryStore } from '../../metadata/memory.ts'
import { MemoryStorage } from '../../storage/memory.ts'
import { StoreUnavailable } from '../lib/store-error.ts'
import { SILENT } from '../lib/meter.ts'
import { Ulids } from '../lib/ulid.ts'
import type { S3Api } from '../api/operations.ts'
import { openS3 } from './open.ts'
import { sweepOrphans } from './orphans.ts'
import { partSort, shareSort, shares, writeRow } from './rows.ts'
import {
  BytesPayload,
  CALL,
  countShares,
  Fixture,
  FixtureClock,
  OPTIONS,
  textOf,
} from './s3.fixture.ts'

const LONG = 'a body that does not fit into its row'
const HOUR = 3_600_000

async function opened(): Promise<Fixture> {
  const fixture = new Fixture(new MemoryStore(), new MemoryStorage())
  await fixture.bucket()
  return fixture
}

/** A blob that no row names, as a crash leaves one. */
async function orphan(f: Fixture): Promise<string> {
  const id = f.ctx.ids.next()
  await f.ctx.storage.put(id, Buffer.from('orphan'))
  return id
}

/** An object of two blobs, six bytes each. */
async function putTwoBlobs(f: Fixture, key: string): Promise<void> {
  const blobs = [await orphan(f), await orphan(f)]
  const x = blobs.map((blob) => [blob, 0, 6] as const)
  const row = { q: f.ctx.ids.nextVersion(), v: 'null', t: 0, s: 12, e: 'e', c: { x } } as const
  const writes = [writeRow('object', key, { ...row, o: ['i', 'n'] })]
  await f.ctx.metadata.commit({ partition: 'b', expects: [], writes })
}

test('garbage is left alone for its grace period, so that readers can still open its blobs', async () => {
  const f = await opened()
  await f.put('k', LONG)
  await f.put('k', LONG)
  const sweep = f.sweep({ graceMs: 60_000 })
  f.clock.time += 60_000
  expect(await sweep.run(false)).toMatchObject({ garbage: 0, blobs: 0 })
  expect(await f.blobs()).toHaveLength(2)
  f.clock.time += 1
  expect(await sweep.run(false)).toEqual({ garbage: 1, blobs: 1, uploads: 0, orphans: 0 })
  expect(await f.blobs()).toHaveLength(1)
  expect(await f.text('k')).toBe(LONG)
})

test('an object of several blobs that is being read is not swept until its reader is done', async () => {
  const f = await opened()
  await putTwoBlobs(f, 'k')
  const reading = [(await f.get('k')).Body, (await f.get('k')).Body] as const
  await f.delete('k')
  expect(await f.sweep().run(false)).toMatchObject({ garbage: 0 })
  expect(await textOf(reading[0])).toBe('orphanorphan')
  expect(await f.sweep().run(false)).toMatchObject({ garbage: 0 })
  await (reading[1] as AsyncIterableIterator<Uint8Array>).return?.()
  expect(await f.sweep().run(false)).toMatchObject({ garbage: 1, blobs: 2 })
})

test('a download from another gateway goes on for the grace period, and then breaks off', async () => {
  const storage = new HastelessStorage()
  const one = new Fixture(new MemoryStore(), storage)
  await one.bucket()
  const other = new Fixture(one.ctx.metadata, storage, {}, one.clock)
  for (const [waitMs, isWhole] of [
    [HOUR, true],
    [HOUR + 1, false],
  ] as const) {
    await putTwoBlobs(one, 'k')
    const body = (await one.get('k')).Body as AsyncIterableIterator<Uint8Array>
    await other.delete('k')
    one.clock.time += waitMs
    const swept = await other.sweep({ graceMs: HOUR }).run(false)
    expect(swept).toMatchObject({ blobs: isWhole ? 0 : 2 })
    if (isWhole) expect(await textOf(body)).toBe('orphanorphan')
    else await expect(textOf(body)).rejects.toMatchObject({ name: 'Superseded' })
    one.clock.time += HOUR
    await other.sweep({ graceMs: HOUR }).run(false)
  }
})

/** Nothing of a blob is read before it is asked for, as where it comes over a network. */
class HastelessStorage extends MemoryStorage {
  override async get(...args: Parameters<MemoryStorage['get']>): ReturnType<MemoryStorage['get']> {
    const [id, range, signal] = args
    await super.get(id, range, signal)
    const open = (): ReturnType<MemoryStorage['get']> => super.get(id, range, signal)
    return (async function* () {
      yield* await open()
    })()
  }
}

test('more garbage than one step takes is dealt with in one round', async () => {
  const f = await opened()
  for (let n = 0; n < 250; n++) await f.put('k', `${LONG} ${n}`)
  expect(await f.sweep().run(false)).toMatchObject({ garbage: 249, blobs: 249 })
  expect(await f.text('k')).toBe(`${LONG} 249`)
})

test('an orphan goes when it is an hour old, and nothing else does', async () => {
  const f = await opened()
  await f.put('k', LONG)
  await f.copy('b/k', 'copy')
  const old = await orphan(f)
  f.clock.time += HOUR + 1
  const young = await orphan(f)
  expect(await f.sweep().run(false)).toMatchObject({ orphans: 0 })
  expect(await f.sweep().run(true)).toMatchObject({ orphans: 1, blobs: 1 })
  const blobs = await f.blobs()
  expect(blobs).not.toContain(old)
  expect(blobs).toContain(young)
  expect(await f.text('k')).toBe(LONG)
  expect(await f.text('copy')).toBe(LONG)
})

test('orphans are found however small the windows are', async () => {
  const f = await opened()
  for (let n = 0; n < 7; n++) {
    await f.put(`k${n}`, LONG)
    await orphan(f)
  }
  f.clock.time += 2 * HOUR
  const search = { ageMs: HOUR, window: 3, settle: async () => {} }
  expect(await sweepOrphans(f.ctx, search)).toEqual({ blobs: 7, shares: 0 })
  for (let n = 0; n < 7; n++) expect(await f.text(`k${n}`)).toBe(LONG)
})

test('a share that no row names goes, and then its blob; one that a row names stays', async () => {
  const f = await opened()
  await f.put('k', LONG)
  await f.copy('b/k', 'copy')
  const blob = await orphan(f)
  const t = f.clock.now()
  await f.ctx.metadata.commit({
    partition: shares(blob),
    expects: [],
    writes: [writeRow('share', shareSort(blob, 'REF'), { t })],
  })
  expect(await countShares(f.ctx.metadata)).toBe(3)
  f.clock.time += 2 * HOUR
  expect(await f.sweep().run(true)).toMatchObject({ orphans: 2, blobs: 1 })
  expect(await countShares(f.ctx.metadata)).toBe(2)
  expect(await f.text('copy')).toBe(LONG)
})

test('a blob whose row is committed while the sweep looks is kept', async () => {
  const f = await opened()
  // Uploaded for more than an hour: its id is old when it becomes visible, just before its row.
  const late = await orphan(f)
  f.clock.time += 2 * HOUR
  const settle = async (): Promise<void> => {
    await f.ctx.metadata.commit({
      partition: 'b',
      expects: [],
      writes: [
        writeRow('object', 'late', {
          q: f.ctx.ids.nextVersion(),
          v: 'null',
          t: 0,
          s: 6,
          e: 'e',
          c: { x: [[late, 0, 6]] },
          o: ['i', 'n'],
        }),
      ],
    })
  }
  const found = await sweepOrphans(f.ctx, { ageMs: HOUR, window: 100, settle })
  expect(found.blobs).toBe(0)
  expect(await f.text('late')).toBe('orphan')
})

test('old versions, parts under way and pages name their blobs', async () => {
  const f = await opened()
  await f.bucket('b', 'Enabled')
  const { VersionId } = await f.put('k', LONG)
  await f.put('k', 'new')
  const part = await orphan(f)
  const page = await orphan(f)
  await f.ctx.metadata.commit({
    partition: 'b',
    expects: [],
    writes: [
      writeRow('part', partSort('U', 1), { t: 0, s: 6, e: 'e', x: [[part, 0, 6]] }),
      writeRow('page', 'M.0000', { p: [[1, 6, null, [[page, 0, 6]]]] }),
    ],
  })
  f.clock.time += 2 * HOUR
  expect(await f.sweep().run(true)).toMatchObject({ orphans: 0 })
  expect(await f.text('k', { VersionId })).toBe(LONG)
  expect(await f.blobs()).toEqual(expect.arrayContaining([part, page]))
})

test('of a completed upload the parts left out go, of an aborted one all', async () => {
  const f = await opened()
  const blobs = [await orphan(f), await orphan(f), await orphan(f)] as const
  const rows = (upload: string): ReturnType<typeof writeRow>[] =>
    blobs.map((blob, n) =>
      writeRow('part', partSort(upload, n + 1), { t: 0, s: 6, e: 'e', x: [[blob, 0, 6]] }),
    )
  const end = async (upload: string, garbage: object): Promise<void> => {
    await f.ctx.metadata.commit({
      partition: 'b',
      expects: [],
      writes: [...rows(upload), writeRow('garbage', f.ctx.ids.next(), { upload, ...garbage })],
    })
    await f.sweep().run(false)
  }
  await end('U1', { unused: [2] })
  expect(await f.blobs()).toEqual([blobs[0], blobs[2]])
  await end('U2', {})
  expect(await f.blobs()).toEqual([])
  const left = await f.ctx.metadata.scan('b', 'part', { from: '', limit: 10 })
  expect(left).toEqual([])
})

test('a bucket that is gone is still rid of its garbage', async () => {
  const clock = new FixtureClock()
  const storage = new MemoryStorage()
  const metadata = new MemoryStore()
  const { api, sweep } = open(metadata, storage, clock)
  await api.CreateBucket!({ Bucket: 'bucket' }, CALL)
  const Body = new BytesPayload(Buffer.from(LONG))
  await api.PutObject!({ Bucket: 'bucket', Key: 'k', Body }, CALL)
  await api.DeleteObject!({ Bucket: 'bucket', Key: 'k' }, CALL)
  await api.DeleteBucket!({ Bucket: 'bucket' }, CALL)
  clock.time += HOUR
  expect(await sweep.run(false)).toMatchObject({ garbage: 1, blobs: 1 })
  await sweep.run(false)
  for (const table of ['bucket', 'garbage'] as const) {
    expect(await metadata.scan('', table, { from: '', limit: 10 })).toEqual([])
  }
})

function open(
  metadata: MemoryStore,
  storage: MemoryStorage,
  clock: FixtureClock,
  onError: (error: unknown) => void = () => {},
): { api: S3Api; sweep: ReturnType<typeof openS3>['sweep'] } {
  const ids = new Ulids(clock)
  const sweep = { onError, intervalMs: 1, settleMs: 0 }
  const { policies, people } = new Fixture(metadata, storage).ctx
  const options = OPTIONS
  return openS3({ metadata, storage, clock, ids, options, meter: SILENT, policies, people, sweep })
}

test('it sweeps by itself until it is stopped, and a failed round does not end it', async () => {
  const clock = new FixtureClock()
  const metadata = new MemoryStore()
  const errors: unknown[] = []
  const { sweep } = open(metadata, new MemoryStorage(), clock, (error) => errors.push(error))
  const scan = vi.spyOn(metadata, 'scan')
  scan.mockRejectedValueOnce(new StoreUnavailable('down'))
  sweep.start()
  sweep.start()
  await vi.waitFor(() => expect(scan.mock.calls.length).toBeGreaterThan(5))
  await sweep.stop()
  const calls = scan.mock.calls.length
  await new Promise((resolve) => setTimeout(resolve, 10))
  expect(scan.mock.calls.length).toBe(calls)
  expect(errors).toHaveLength(1)
})

test('a stop in the middle of the search for orphans deletes nothing', async () => {
  const f = await opened()
  await orphan(f)
  f.clock.time += 2 * HOUR
  const sweep = f.sweep({ settleMs: 60_000 })
  sweep.start()
  await new Promise((resolve) => setTimeout(resolve, 30))
  await sweep.stop()
  expect(await f.blobs()).toHaveLength(1)
})
