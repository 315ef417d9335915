/** The part of the contract that is about commits: all or nothing, and one winner. */
import { expect, test } from 'vitest'
import { PARTITION, sortsOf, writing, type Opened } from './contract-calls.ts'
import type { Commit, Row } from './store.ts'

/** A commit that only expects. */
function asking(rev: number): Commit {
  return { ...writing('k', 1, rev), writes: [] }
}

export function commitPromises(
  opened: Opened,
  { showsHalves = false }: { readonly showsHalves?: boolean },
): void {
  test('a stale expectation refuses the whole commit', async () => {
    const store = await opened()
    await store.commit(writing('k', 'v1'))
    const old = (await store.get(PARTITION, 'object', 'k'))!.rev
    await store.commit(writing('k', 'v2', old))
    for (const rev of [0, old, 'x']) {
      const isDone = await store.commit({
        partition: PARTITION,
        expects: [
          { table: 'version', sort: 'absent', rev: 0 },
          { table: 'object', sort: 'k', rev },
        ],
        writes: [
          { table: 'version', sort: 'x', value: 1 },
          { table: 'object', sort: 'k', value: 'v3' },
          { table: 'object', sort: 'l', value: 'v3' },
        ],
      })
      expect(isDone).toBe(false)
    }
    expect((await store.get(PARTITION, 'object', 'k'))?.value).toBe('v2')
    expect(await store.get(PARTITION, 'object', 'l')).toBeUndefined()
    expect(await store.get(PARTITION, 'version', 'x')).toBeUndefined()
  })

  test('an expectation may be of a row that the commit does not write, or that is to be absent', async () => {
    const store = await opened()
    await store.commit(writing('guard', 1))
    const { rev } = (await store.get(PARTITION, 'object', 'guard'))!
    const expects: Commit['expects'] = [{ table: 'object', sort: 'guard', rev }]
    const commit = { ...writing('k', 1), expects }
    expect(await store.commit(commit)).toBe(true)
    await store.commit(writing('guard', null))
    expect(await store.commit(commit)).toBe(false)
    expect(await store.commit(writing('guard', 2, 0))).toBe(true)
  })

  test('a commit without writes only asks', async () => {
    const store = await opened()
    expect(await store.commit(asking(0))).toBe(true)
    expect(await store.commit(asking(1))).toBe(false)
    expect(await store.commit({ partition: PARTITION, expects: [], writes: [] })).toBe(true)
    expect(await store.get(PARTITION, 'object', 'k')).toBeUndefined()
  })

  test('every write gives a rev that was never there, also behind a removal', async () => {
    const store = await opened()
    const revs = new Set<Row['rev']>()
    for (let round = 0; round < 10; round++) {
      await store.commit(writing('k', 'same'))
      revs.add((await store.get(PARTITION, 'object', 'k'))!.rev)
      if (round % 3 === 0) await store.commit(writing('k', null))
    }
    expect(revs.size).toBe(10)
    expect(revs.has(0)).toBe(false)
  })

  test('to remove what is not there is no error', async () => {
    const store = await opened()
    expect(await store.commit(writing('k', null))).toBe(true)
    expect(await store.commit(writing('k', null, 0))).toBe(true)
  })

  test('of many writers of one rev exactly one wins', async () => {
    const store = await opened()
    for (let round = 0; round < 5; round++) {
      const rev = (await store.get(PARTITION, 'object', 'k'))?.rev ?? 0
      const writers = Array.from({ length: 40 }, (_, i) => store.commit(writing('k', i, rev)))
      const won = (await Promise.all(writers)).flatMap((isDone, i) => (isDone ? [i] : []))
      expect(won).toHaveLength(1)
      expect((await store.get(PARTITION, 'object', 'k'))?.value).toBe(won[0])
    }
  })

  test('counters that many increase at once lose nothing', async () => {
    const store = await opened()
    const increase = async (sort: string): Promise<void> => {
      for (;;) {
        const row = await store.get(PARTITION, 'object', sort)
        const next = ((row?.value as number | undefined) ?? 0) + 1
        if (await store.commit(writing(sort, next, row?.rev ?? 0))) return
      }
    }
    await Promise.all(Array.from({ length: 60 }, (_, i) => increase(`counter${i % 3}`)))
    const rows = await store.scan(PARTITION, 'object', { from: '', limit: 10 })
    expect(rows.map((row) => row.value)).toEqual([20, 20, 20])
  })

  // The double of a service may show halves where the service does not: see `ContractOptions`.
  test.skipIf(showsHalves)('a reader sees all of a commit or nothing of it', async () => {
    const store = await opened()
    const writeBoth = async (value: number): Promise<boolean> => {
      const writes = ['a', 'z'].map((sort) => ({ table: 'object' as const, sort, value }))
      return store.commit({ partition: PARTITION, expects: [], writes })
    }
    await writeBoth(0)
    const reading = async (): Promise<void> => {
      const rows = await store.scan(PARTITION, 'object', { from: '', limit: 10 })
      expect(rows[0]!.value).toBe(rows[1]!.value)
    }
    for (let i = 1; i <= 30; i++) await Promise.all([writeBoth(i), reading(), reading()])
  })

  test('what a commit that was resolved wrote is there for every later read', async () => {
    const store = await opened()
    const check = async (i: number): Promise<void> => {
      await store.commit(writing(`k${i}`, i, 0))
      expect((await store.get(PARTITION, 'object', `k${i}`))?.value).toBe(i)
      await store.commit(writing(`k${i}`, null))
      expect(await store.get(PARTITION, 'object', `k${i}`)).toBeUndefined()
      const range = { from: `k${i}`, to: `k${i}\0`, limit: 1 }
      expect(await sortsOf(store, range)).toEqual([])
    }
    await Promise.all(Array.from({ length: 50 }, (_, i) => check(i)))
  })
}
