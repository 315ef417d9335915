/** The PostgreSQL engine against a real server. */
import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { metadataContract } from '../../metadata/contract.ts'
import { metadataReopenContract } from '../../metadata/contract-reopen.ts'
import { openPostgres } from '../../metadata/postgres.ts'
import type { PostgresOptions } from '../../metadata/postgres-wire.ts'
import type { Commit, MetadataStore, Rev, Row } from '../../metadata/store.ts'
import { SILENT } from '../../src/lib/meter.ts'
import { type PostgresServer, startPostgres } from './postgres-server.ts'

let server: PostgresServer
let url = ''
beforeAll(async () => {
  server = await startPostgres()
  url = await server.createDatabase()
})
afterAll(async () => server[Symbol.asyncDispose]())

/** An empty store. */
function options(schema: string = `s${randomUUID()}`): PostgresOptions {
  return { url, schema, poolSize: 8 }
}

metadataContract('postgres', async () => openPostgres(options(), SILENT), { runs: 15 })
metadataReopenContract(
  'postgres',
  (directory) => ({ engine: 'postgres', ...options(directory.slice(-20)) }),
  { isShared: true },
)

describe('several gateways on one database', () => {
  test('of two that rely on what the other changes, one wins', async () => {
    const { stores, close } = await several(2)
    const [a, b] = stores as [MetadataStore, MetadataStore]
    let both = 0
    for (let round = 0; round < 40; round++) {
      const partition = `p${round}`
      await a.commit(writes(partition, [], ['x', 'y']))
      const [x, y] = await Promise.all(['x', 'y'].map((sort) => revOf(a, partition, sort)))
      const done = await Promise.all([
        a.commit(writes(partition, [['x', x!]], ['y'])),
        b.commit(writes(partition, [['y', y!]], ['x'])),
      ])
      expect(done.filter(Boolean).length).toBeLessThanOrEqual(1)
      both += done.filter(Boolean).length
    }
    expect(both).toBe(40)
    await close()
  })

  test('of two that rely on the absence of what the other writes, one wins', async () => {
    const { stores, close } = await several(2)
    const [a, b] = stores as [MetadataStore, MetadataStore]
    for (let round = 0; round < 8; round++) {
      const done = await Promise.all([
        a.commit(writes(`p${round}`, [['x', 0]], ['y'])),
        b.commit(writes(`p${round}`, [['y', 0]], ['x'])),
      ])
      expect(done.filter(Boolean)).toHaveLength(1)
      expect(await a.scan(`p${round}`, 'object', { from: '', limit: 9 })).toHaveLength(1)
    }
    await close()
  })

  test('no row is written below a row that was taken away meanwhile', async () => {
    const { stores, close } = await several(4)
    for (let round = 0; round < 10; round++) {
      const partition = `p${round}`
      await stores[0]!.commit(writes(partition, [], ['guard']))
      const rev = await revOf(stores[0]!, partition, 'guard')
      const puts = Array.from({ length: 40 }, (_, i) =>
        stores[i % 4]!.commit(writes(partition, [['guard', rev]], [`k${i}`])),
      )
      const write = { table: 'object' as const, sort: 'guard', value: null }
      const gone = await stores[round % 4]!.commit({ partition, expects: [], writes: [write] })
      expect(gone).toBe(true)
      // What is there when the removal was acknowledged is all that there will be.
      const seen = await stores[3]!.scan(partition, 'object', { from: '', limit: 100 })
      const done = (await Promise.all(puts)).filter(Boolean)
      expect(done).toHaveLength(seen.length)
      expect(await stores[2]!.scan(partition, 'object', { from: '', limit: 100 })).toEqual(seen)
    }
    await close()
  })

  test('money that is moved between rows is neither made nor lost', async () => {
    const { stores, close } = await several(3)
    const accounts = Array.from({ length: 6 }, (_, i) => `account${i}`)
    const partition = 'bank'
    const opening = accounts.map((sort) => ({ table: 'object' as const, sort, value: 100 }))
    await stores[0]!.commit({ partition, expects: [], writes: opening })
    const move = async (i: number): Promise<void> => {
      const store = stores[i % 3]!
      const [from, to] = [accounts[i % 6]!, accounts[(i * 5 + 1) % 6]!]
      if (from === to) return
      for (;;) {
        const rows = await Promise.all(
          [from, to].map((sort) => store.get(partition, 'object', sort)),
        )
        const [source, target] = rows as [Row<number>, Row<number>]
        const isDone = await store.commit({
          partition,
          expects: [source, target].map(({ sort, rev }) => ({ table: 'object', sort, rev })),
          writes: [
            { table: 'object', sort: from, value: source.value - 1 },
            { table: 'object', sort: to, value: target.value + 1 },
          ],
        })
        if (isDone) return
      }
    }
    await Promise.all(Array.from({ length: 60 }, (_, i) => move(i)))
    const rows = await stores[0]!.scan(partition, 'object', { from: '', limit: 10 })
    expect(rows.reduce((sum, { value }) => sum + (value as number), 0)).toBe(600)
    await close()
  })

  test('who inserts several rows of which others insert some writes all or nothing', async () => {
    const { stores, close } = await several(2)
    for (let round = 0; round < 20; round++) {
      const partition = `p${round}`
      const insert = (store: MetadataStore, sorts: readonly string[]): Promise<boolean> =>
        store.commit(
          writes(
            partition,
            sorts.map((sort): [string, Rev] => [sort, 0]),
            sorts,
          ),
        )
      const wanted = [['a', 'b'], ['b', 'c'], ['c', 'a'], ['b']]
      const done = await Promise.all(wanted.map((sorts, i) => insert(stores[i % 2]!, sorts)))
      const rows = await stores[0]!.scan(partition, 'object', { from: '', limit: 9 })
      const sorts = wanted.flatMap((sorts, i) => (done[i] ? sorts : [])).sort()
      expect(rows.map(({ sort }) => sort)).toEqual(sorts)
      expect(sorts.length).toBeGreaterThan(0)
    }
    await close()
  })

  test('those that come first at the same time make the schema once', async () => {
    const shared = options()
    const stores = await Promise.all(Array.from({ length: 6 }, () => openPostgres(shared, SILENT)))
    expect(
      await Promise.all(stores.map((store, i) => store.commit(writes('b', [], [`k${i}`])))),
    ).toEqual(stores.map(() => true))
    expect(await stores[0]!.scan('b', 'object', { from: '', limit: 9 })).toHaveLength(6)
    await Promise.all(stores.map((store) => store[Symbol.asyncDispose]()))
  })
})

/** Stores of one schema, each with connections of its own. */
async function several(
  count: number,
): Promise<{ stores: MetadataStore[]; close: () => Promise<void> }> {
  const shared = options()
  const stores: MetadataStore[] = []
  for (let i = 0; i < count; i++) stores.push(await openPostgres(shared, SILENT))
  return {
    stores,
    close: async () => {
      await Promise.all(stores.map((store) => store[Symbol.asyncDispose]()))
    },
  }
}

function writes(
  partition: string,
  expects: readonly (readonly [sort: string, rev: Rev])[],
  sorts: readonly string[],
): Commit {
  return {
    partition,
    expects: expects.map(([sort, rev]) => ({ table: 'object', sort, rev })),
    writes: sorts.map((sort) => ({ table: 'object', sort, value: 1 })),
  }
}

async function revOf(store: MetadataStore, partition: string, sort: string): Promise<Rev> {
  return (await store.get(partition, 'object', sort))!.rev
}
