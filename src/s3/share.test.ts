/* oxlint-disable vitest/no-conditional-expect -- what is to be expected depends on what won the race */
/** Copies, removals and the sweep, with every step of each interleaved in every order that chance finds. */
import { array, assert, asyncProperty, boolean, constantFrom, scheduler } from 'fast-check'
import { expect, test } from 'vitest'
import { MemoryStore } from '../../metadata/memory.ts'
import type { Commit, Range, Row, Table } from '../../metadata/store.ts'
import { MemoryStorage } from '../../storage/memory.ts'
import { S3Error } from '../api/error.ts'
import { StoreUnavailable } from '../lib/store-error.ts'
import { putObjectAcl } from './object-acl.ts'
import { readRow } from './rows.ts'
import { CALL, countShares, Fixture, FixtureClock } from './s3.fixture.ts'
import { borrow, BORROWED_MAX_MS, checkStillBorrowed } from './share.ts'

const LONG = 'a body that does not fit into its row'

/** Rows whose every access waits until the schedule lets it go on. */
class ScheduledStore extends MemoryStore {
  readonly #gate: (label: string) => Promise<void>

  constructor(gate: (label: string) => Promise<void>) {
    super()
    this.#gate = gate
  }

  override async get(partition: string, table: Table, sort: string): Promise<Row | undefined> {
    await this.#gate(`get ${table}`)
    return super.get(partition, table, sort)
  }

  override async scan(partition: string, table: Table, range: Range): Promise<readonly Row[]> {
    if (!partition.startsWith('~') && table !== 'garbage')
      return super.scan(partition, table, range)
    await this.#gate(`scan ${table}`)
    return super.scan(partition, table, range)
  }

  override async commit(commit: Commit): Promise<boolean> {
    await this.#gate(`commit ${commit.writes.map((write) => write.table).join('+')}`)
    return super.commit(commit)
  }
}

class ScheduledStorage extends MemoryStorage {
  readonly #gate: (label: string) => Promise<void>

  constructor(gate: (label: string) => Promise<void>) {
    super()
    this.#gate = gate
  }

  override async delete(ids: readonly string[]): Promise<void> {
    await this.#gate('delete blobs')
    return super.delete(ids)
  }
}

type Actor = 'copy' | 'copy of copy' | 'delete' | 'overwrite' | 'touch' | 'acl' | 'sweep'

const actors = array(
  constantFrom<Actor>('copy', 'copy of copy', 'delete', 'overwrite', 'touch', 'acl', 'sweep'),
  { minLength: 2, maxLength: 6 },
)

/** What an actor does; the copies that were acknowledged go into `made`. */
async function act(f: Fixture, actor: Actor, n: number, made: string[]): Promise<void> {
  const copied = async (source: string): Promise<void> => {
    await f.copy(`b/${source}`, `copy ${n}`)
    made.push(`copy ${n}`)
  }
  try {
    switch (actor) {
      case 'copy':
        return await copied('source')
      case 'copy of copy':
        return await copied('first copy')
      case 'delete':
        await f.delete('source')
        return
      case 'overwrite':
        await f.put('first copy', `${LONG} anew`)
        return
      case 'touch':
        await f.copy('b/source', 'source', { MetadataDirective: 'REPLACE' })
        return
      case 'acl':
        await putObjectAcl(f.ctx)({ Bucket: 'b', Key: 'source', ACL: 'public-read' }, CALL)
        return
      case 'sweep':
        await f.sweep().run(false)
    }
  } catch (error) {
    // Gone before it could be copied; or others were always faster.
    if (error instanceof S3Error && error.code === 'NoSuchKey') return
    if (!(error instanceof StoreUnavailable)) throw error
  }
}

test('whatever the order of their steps, no copy loses its bytes, and no blob outlives its holders', async () => {
  await assert(
    asyncProperty(scheduler(), actors, boolean(), async (s, cast, isShared) => {
      let scheduled = false
      const gate = async (label: string): Promise<void> => {
        if (scheduled) await s.schedule(Promise.resolve(), label)
      }
      const f = new Fixture(new ScheduledStore(gate), new ScheduledStorage(gate))
      await f.bucket()
      await f.put('source', LONG)
      if (isShared) await f.copy('b/source', 'first copy')
      else await f.put('first copy', LONG)
      const made: string[] = []
      scheduled = true
      await s.waitFor(Promise.all(cast.map((actor, n) => act(f, actor, n, made))))
      scheduled = false
      await f.sweep().run(false)
      for (const key of made) expect((await f.text(key)).startsWith(LONG)).toBe(true)
      for (const key of [...made, 'source', 'first copy']) await f.delete(key)
      await f.sweep().run(false)
      expect(await leftovers(f)).toEqual({ blobs: 0, shares: 0 })
    }),
    { numRuns: 600 },
  )
}, 60_000)

/** What is left at once, or after the search for orphans where a rare order leaves some to it. */
async function leftovers(f: Fixture): Promise<{ blobs: number; shares: number }> {
  f.clock.time += 2 * 3_600_000
  await f.sweep().run(true)
  return { blobs: (await f.blobs()).length, shares: await countShares(f.ctx.metadata) }
}

type Rivals = readonly [name: string, act: (f: Fixture) => Promise<unknown>]

const sweep = (f: Fixture): Promise<unknown> => f.sweep().run(false)

/** What others do all at once, between two steps of a copy from `source`. */
const RIVALS: readonly Rivals[] = [
  ['delete', (f) => f.delete('source')],
  ['delete, sweep', async (f) => (await f.delete('source'), sweep(f))],
  ['overwrite, sweep', async (f) => (await f.put('source', `${LONG} 2`), sweep(f))],
  [
    'delete all, sweep',
    async (f) => (await f.delete('source'), await f.delete('first copy'), sweep(f)),
  ],
  [
    'copy, delete all, sweep',
    async (f) => {
      await f.copy('b/source', 'rival').catch(() => {})
      await f.delete('source')
      await f.delete('first copy')
      return sweep(f)
    },
  ],
  [
    'copy, sweep, delete the copy, sweep',
    async (f) => {
      await f.copy('b/source', 'rival')
      await sweep(f)
      await f.delete('rival')
      return sweep(f)
    },
  ],
  ['rewrite, sweep', async (f) => (await aclOf(f), sweep(f))],
]

function aclOf(f: Fixture): Promise<unknown> {
  return putObjectAcl(f.ctx)({ Bucket: 'b', Key: 'source', ACL: 'public-read' }, CALL)
}

const cases = RIVALS.flatMap(([name, act]) => [
  { name, act, isShared: false },
  { name, act, isShared: true },
])

test.each(cases)(
  '$name between any two steps of a copy (shared before: $isShared)',
  async (rivals) => {
    let lasted = true
    for (let at = 1; lasted; at++) {
      lasted = false
      let steps = Number.NEGATIVE_INFINITY
      const gate = async (): Promise<void> => {
        if (++steps !== at) return
        lasted = true
        steps = Number.NEGATIVE_INFINITY
        await rivals.act(f)
      }
      const f: Fixture = new Fixture(new ScheduledStore(gate), new MemoryStorage())
      await f.bucket()
      await f.put('source', LONG)
      if (rivals.isShared) await f.copy('b/source', 'first copy')
      steps = 0
      const copied = await f.copy('b/source', 'copy').then(
        () => true,
        (error: unknown) => {
          expect(error).toMatchObject({ code: 'NoSuchKey' })
          return false
        },
      )
      steps = Number.NEGATIVE_INFINITY
      await sweep(f)
      for (const key of ['source', 'first copy', 'rival', 'copy']) {
        const text = await f.text(key).catch((error: unknown) => {
          expect(error, `${key}, step ${at}`).toMatchObject({ code: 'NoSuchKey' })
        })
        if (text !== undefined) expect(text.startsWith(LONG)).toBe(true)
        if (key === 'copy') expect(text !== undefined, `step ${at}`).toBe(copied)
        await f.delete(key)
      }
      expect(await leftovers(f)).toEqual({ blobs: 0, shares: 0 })
    }
  },
)

test('a source that changed since it was read is not borrowed from, and keeps its blob', async () => {
  const f = new Fixture(new MemoryStore(), new MemoryStorage())
  await f.bucket()
  await f.put('k', LONG)
  const row = (await readRow(f.ctx.metadata, 'b', 'object', 'k'))!
  // The row is written anew with the same extents, which bear no ref.
  await f.ctx.metadata.commit({
    partition: 'b',
    expects: [],
    writes: [{ table: 'object', sort: 'k', value: { ...row.value } as never }],
  })
  expect(await borrow(f.ctx, { bucket: 'b', table: 'object', row })).toBeUndefined()
  expect(await countShares(f.ctx.metadata)).toBe(0)
  await f.sweep().run(true)
  expect(await f.text('k')).toBe(LONG)
})

test('what was borrowed too long ago is not named any more', async () => {
  const clock = new FixtureClock()
  const f = new Fixture(new MemoryStore(), new MemoryStorage(), {}, clock)
  await f.bucket()
  await f.put('k', LONG)
  const row = (await readRow(f.ctx.metadata, 'b', 'object', 'k'))!
  const borrowed = (await borrow(f.ctx, { bucket: 'b', table: 'object', row }))!
  checkStillBorrowed(f.ctx, borrowed)
  clock.time += BORROWED_MAX_MS + 1
  expect(() => checkStillBorrowed(f.ctx, borrowed)).toThrow('took too long')
})

test('a range shares only the blobs that it touches', async () => {
  const f = new Fixture(new MemoryStore(), new MemoryStorage())
  await f.bucket()
  await f.put('k', LONG)
  const row = (await readRow(f.ctx.metadata, 'b', 'object', 'k'))!
  const source = { bucket: 'b', table: 'object' as const, row }
  const borrowed = (await borrow(f.ctx, source, { start: 3, end: 9 }))!
  const [blob] = await f.blobs()
  expect(borrowed.extents).toEqual([[blob, 3, 9, expect.any(String)]])
  expect(await countShares(f.ctx.metadata)).toBe(2)
})
