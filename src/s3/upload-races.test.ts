import { setImmediate as turn } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { MemoryStore } from '../../metadata/memory.ts'
import { MemoryStorage } from '../../storage/memory.ts'
import type { Extent, PartRow } from './rows.ts'
import { partSort, writeRow } from './rows.ts'
import { CrashingStore, HesitatingStore, HookedStore } from './troubled-store.fixture.ts'
import { outcome, type Parts, Uploads } from './uploads.fixture.ts'

const A = 'a'.repeat(100)
const B = 'b'.repeat(100)
const C = 'c'.repeat(100)

async function hesitating(seed: number): Promise<Uploads> {
  const s3 = new Uploads(new HesitatingStore(seed), new MemoryStorage())
  await s3.bucket()
  return s3
}

/** The object's text, or none, with all garbage swept; and no blob may be left besides. */
async function settled(s3: Uploads): Promise<string | undefined> {
  await s3.sweep().run(false)
  const text = await s3.text('big').catch(() => undefined)
  expect((await s3.blobs()).length * 100).toBe(text?.length ?? 0)
  return text
}

test('a part that is written while its upload is completed is in the object or refused', async () => {
  const seen = new Set<string>()
  for (let seed = 1; seed <= 150; seed++) {
    const s3 = await hesitating(seed)
    const id = await s3.begin()
    const parts = await s3.parts(id, A, B)
    const [again, completed] = await Promise.all([
      outcome(s3.part(id, 2, C)),
      outcome(s3.complete(id, parts)),
    ])
    seen.add(`${again} ${completed}`)
    const isOld = completed === 'done'
    if (!isOld) {
      const { ETag } = (await s3.listParts(id)).Parts![1]!
      await s3.complete(id, [parts[0]!, { PartNumber: 2, ETag }])
    }
    expect(await settled(s3)).toBe(isOld ? A + B : A + C)
  }
  expect([...seen].toSorted()).toEqual(['NoSuchUpload done', 'done InvalidPart'])
})

test('a part of the same bytes may be written again while its upload is completed', async () => {
  for (let seed = 1; seed <= 100; seed++) {
    const s3 = await hesitating(seed)
    const id = await s3.begin()
    const parts = await s3.parts(id, A, B)
    const [, , completed] = await Promise.all([
      outcome(s3.part(id, 2, B)),
      outcome(s3.part(id, 1, A)),
      outcome(s3.complete(id, parts)),
    ])
    expect(completed).toBe('done')
    expect(await settled(s3)).toBe(A + B)
  }
})

test('of an abort and a Complete at once, one wins', async () => {
  const seen = new Set<string>()
  for (let seed = 1; seed <= 100; seed++) {
    const s3 = await hesitating(seed)
    const id = await s3.begin()
    const parts = await s3.parts(id, A, B)
    const [aborted, completed] = await Promise.all([
      outcome(s3.abort(id)),
      outcome(s3.complete(id, parts)),
      outcome(s3.part(id, 3, C)),
    ])
    seen.add(`${aborted} ${completed}`)
    expect(await settled(s3)).toBe(completed === 'done' ? A + B : undefined)
    expect(await s3.rows('part')).toEqual([])
  }
  expect([...seen].toSorted()).toEqual(['NoSuchUpload done', 'done NoSuchUpload'])
})

test('several Completes at once all get the answer of the one that won', async () => {
  for (let seed = 1; seed <= 100; seed++) {
    const s3 = await hesitating(seed)
    const id = await s3.begin()
    const parts = await s3.parts(id, A, B)
    const [first, second, third] = await Promise.all([
      s3.complete(id, parts),
      s3.complete(id, [parts[0]!]),
      s3.complete(id, parts),
    ])
    expect(second).toEqual(first)
    expect(third).toEqual(first)
    expect(await settled(s3)).toBe(first.ETag!.endsWith('-2"') ? A + B : A)
  }
})

test('uploads of one key at once do not disturb each other', async () => {
  for (let seed = 1; seed <= 50; seed++) {
    const s3 = await hesitating(seed)
    const upload = async (body: string): Promise<void> => {
      const id = await s3.begin()
      await s3.complete(id, await s3.parts(id, body, body))
    }
    await Promise.all([upload(A), upload(B), upload(C)])
    expect([A + A, B + B, C + C]).toContain(await settled(s3))
  }
})

/** An upload whose pages fill more than one commit: 60 parts with 900 extents each, all in one blob. */
async function vast(s3: Uploads, id: string): Promise<Parts> {
  const blob = s3.ctx.ids.next()
  await s3.ctx.storage.put(blob, Buffer.from('0123456789'.repeat(90)))
  const x = Array.from({ length: 900 }, (_, at): Extent => [blob, at, at + 1])
  const row: PartRow = { t: 0, s: 900, e: '0'.repeat(32), x }
  const parts = Array.from({ length: 60 }, (_, n) => ({ PartNumber: n + 1, ETag: row.e }))
  for (const { PartNumber } of parts)
    await s3.ctx.metadata.commit({
      partition: 'b',
      expects: [],
      writes: [writeRow('part', partSort(id, PartNumber), row)],
    })
  return parts
}

async function expectVast(s3: Uploads): Promise<void> {
  await s3.sweep().run(false)
  expect((await s3.head('big')).ContentLength).toBe(54_000)
  for (const start of [0, 30_000, 53_090]) {
    const Range = `bytes=${start}-${start + 19}`
    expect(await s3.text('big', { Range })).toBe('01234567890123456789')
  }
  await s3.delete('big')
  await expectNothing(s3)
}

async function expectNothing(s3: Uploads): Promise<void> {
  await s3.sweep().run(false)
  expect(await s3.rows('page')).toEqual([])
  expect(await s3.rows('part')).toEqual([])
  expect(await s3.blobs()).toEqual([])
}

/** Crashes at each commit of a Complete, before and after it; gives how many commits there are. */
async function crashEverywhere(
  prepare: (s3: Uploads, id: string) => Promise<Parts>,
  check: (s3: Uploads, id: string, parts: Parts) => Promise<void>,
): Promise<number> {
  for (let n = 1; ; n++) {
    for (const loses of [true, false]) {
      const store = new CrashingStore()
      const s3 = new Uploads(store, new MemoryStorage())
      await s3.bucket()
      const id = await s3.begin()
      const parts = await prepare(s3, id)
      store.crashAt(n, loses)
      await outcome(s3.complete(id, parts))
      if (!store.revive()) return n - 1
      await check(new Uploads(store, s3.ctx.storage, {}, s3.clock), id, parts)
    }
  }
}

const small = (s3: Uploads, id: string): Promise<Parts> => s3.parts(id, A, 'tiny', B, 'end')

test('wherever a Complete crashes, the object is there whole or not at all, and a repeated one succeeds', async () => {
  const steps = await crashEverywhere(small, async (s3, id, parts) => {
    const before = await outcome(s3.text('big'))
    expect(['done', 'NoSuchKey']).toContain(before)
    await s3.complete(id, parts)
    expect(await s3.text('big')).toBe(`${A}tiny${B}end`)
    await s3.delete('big')
    s3.clock.time += 2 * 3_600_000
    await s3.sweep().run(true)
    expect(await s3.blobs()).toEqual([])
    expect(await s3.rows('part')).toEqual([])
  })
  expect(steps).toBe(2)
})

test('a vast object is committed in several steps, and wherever they crash a repeated Complete succeeds', async () => {
  const steps = await crashEverywhere(vast, async (s3, id, parts) => {
    expect(['done', 'NoSuchKey']).toContain(await outcome(s3.head('big')))
    await s3.complete(id, parts)
    await expectVast(s3)
  })
  expect(steps).toBe(6)
})

test('wherever the Complete of a vast object crashes, an abort leaves nothing', async () => {
  const steps = await crashEverywhere(vast, async (s3, id) => {
    if ((await outcome(s3.head('big'))) === 'done') await s3.delete('big')
    else await s3.abort(id)
    await expectNothing(s3)
  })
  expect(steps).toBe(6)
})

test('vast objects survive Completes and parts at once', async () => {
  for (let seed = 1; seed <= 10; seed++) {
    const s3 = await hesitating(seed)
    const id = await s3.begin()
    const parts = await vast(s3, id)
    const [first, second] = await Promise.all([
      outcome(s3.complete(id, parts)),
      outcome(s3.complete(id, parts)),
      s3.part(id, 61, A).catch(() => undefined),
    ])
    expect([first, second]).toEqual(['done', 'done'])
    await expectVast(s3)
  }
})

test('a vast object survives an abort at any moment of its Complete, or nothing of it does', async () => {
  const seen = new Set<string>()
  for (let seed = 1; seed <= 60; seed++) {
    const s3 = await hesitating(seed)
    const id = await s3.begin()
    const parts = await vast(s3, id)
    const abort = async (): Promise<unknown> => {
      for (let turns = seed; turns > 0; turns--) await turn()
      return s3.abort(id)
    }
    const [completed, aborted] = await Promise.all([
      outcome(s3.complete(id, parts)),
      outcome(abort()),
    ])
    seen.add(`${completed} ${aborted}`)
    await (completed === 'done' ? expectVast(s3) : expectNothing(s3))
  }
  expect([...seen].toSorted()).toEqual(['NoSuchUpload done', 'done NoSuchUpload'])
})

test('a Complete does not name pages that an abort has begun to remove', async () => {
  const store = new HookedStore()
  const s3 = new Uploads(store, new MemoryStorage())
  await s3.bucket()
  const id = await s3.begin()
  const parts = await vast(s3, id)
  const removing = Promise.withResolvers<void>()
  const finishing = Promise.withResolvers<void>()
  store.before = async ({ writes }) => {
    if (!writes.some(({ table }) => table === 'object')) return
    finishing.resolve()
    await removing.promise
  }
  const completed = s3.complete(id, parts)
  store.after = async ({ writes }) => {
    if (!writes.some(({ table, value }) => table === 'page' && value === null)) return
    removing.resolve()
    store.after = async () => {}
    await completed
  }
  await finishing.promise
  expect(await outcome(s3.abort(id))).toBe('NoSuchUpload')
  expect(await outcome(completed)).toBe('done')
  await expectVast(s3)
})

test('a Complete that a store cannot serve leaves the upload to be completed later', async () => {
  class FullStorage extends MemoryStorage {
    override async put(): Promise<never> {
      throw new Error('full')
    }
  }
  const store = new MemoryStore()
  const storage = new MemoryStorage()
  const s3 = new Uploads(store, storage)
  await s3.bucket()
  const id = await s3.begin()
  const parts = await s3.parts(id, A, 'tiny')
  const full = new Uploads(store, new FullStorage(), {}, s3.clock)
  await expect(full.complete(id, parts)).rejects.toThrow('full')
  await s3.complete(id, parts)
  expect(await s3.text('big')).toBe(`${A}tiny`)
})
