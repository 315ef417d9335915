import { expect, test } from 'vitest'
import { MemoryStore } from '../../metadata/memory.ts'
import type { Commit } from '../../metadata/store.ts'
import { StoreFull, StoreUnavailable } from '../lib/store-error.ts'
import { type VersionRow, writeRow } from './rows.ts'
import { Contended, OutcomeUnknown, transact } from './transact.ts'

function version(size: number): VersionRow {
  return { q: 'Q', t: 0, s: size, e: 'e', o: ['id', 'name'] }
}

/** A store whose commits do what the test says first. */
class ScriptedStore extends MemoryStore {
  commits: Commit[] = []
  before: (commit: Commit) => Promise<void> | void = () => {}

  override async commit(commit: Commit): Promise<boolean> {
    this.commits.push(commit)
    await this.before(commit)
    return super.commit(commit)
  }
}

async function sizeOf(store: MemoryStore, sort: string): Promise<number | undefined> {
  const row = await store.get('b', 'object', sort)
  return row === undefined ? undefined : (row.value as VersionRow).s
}

test('of many transactions that count one row up, none is lost', async () => {
  const store = new MemoryStore()
  const add = (): Promise<void> =>
    transact(store, 'b', async (tx) => {
      const row = await tx.get('object', 'k')
      tx.put('object', 'k', version((row?.value.s ?? 0) + 1))
    })
  await Promise.all(Array.from({ length: 40 }, add))
  expect(await sizeOf(store, 'k')).toBe(40)
})

test('a row that was read absent must still be absent at the commit', async () => {
  const store = new ScriptedStore()
  let runs = 0
  store.before = async () => {
    if (runs > 1) return
    store.apply({
      partition: 'b',
      expects: [],
      writes: [writeRow('object', 'k', version(7))],
    })
  }
  const seen = await transact(store, 'b', async (tx) => {
    runs++
    const row = await tx.get('object', 'k')
    tx.put('object', 'other', version(1))
    return row?.value.s
  })
  expect(seen).toBe(7)
  expect(runs).toBe(2)
})

test('rows seen by a scan are expected unchanged', async () => {
  const store = new ScriptedStore()
  store.apply({
    partition: 'b',
    expects: [],
    writes: [writeRow('version', 'v', version(1))],
  })
  let runs = 0
  store.before = () => {
    if (runs > 1) return
    store.apply({
      partition: 'b',
      expects: [],
      writes: [{ table: 'version', sort: 'v', value: null }],
    })
  }
  const seen = await transact(store, 'b', async (tx) => {
    runs++
    const rows = await tx.scan('version', { from: '', limit: 10 })
    tx.put('object', 'k', version(rows.length))
    return rows.length
  })
  expect(seen).toBe(0)
  expect(await sizeOf(store, 'k')).toBe(0)
})

test('a body that throws commits nothing', async () => {
  const store = new ScriptedStore()
  const failing = transact(store, 'b', async (tx) => {
    tx.put('object', 'k', version(1))
    throw new Error('no')
  })
  await expect(failing).rejects.toThrow('no')
  expect(store.commits).toEqual([])
})

test('a transaction without writes does not commit', async () => {
  const store = new ScriptedStore()
  await transact(store, 'b', (tx) => tx.get('object', 'k'))
  expect(store.commits).toEqual([])
})

test('the last write of a row counts, and it is written once', async () => {
  const store = new ScriptedStore()
  await transact(store, 'b', async (tx) => {
    tx.put('object', 'k', version(1))
    tx.put('object', 'k', version(2))
  })
  expect(store.commits[0]?.writes).toHaveLength(1)
  expect(await sizeOf(store, 'k')).toBe(2)
})

test('a row that changes between two reads of one attempt refuses the commit', async () => {
  const store = new ScriptedStore()
  let runs = 0
  await transact(store, 'b', async (tx) => {
    await tx.get('object', 'k')
    if (++runs === 1) {
      store.apply({
        partition: 'b',
        expects: [],
        writes: [writeRow('object', 'k', version(5))],
      })
    }
    await tx.get('object', 'k')
    tx.put('object', 'other', version(1))
  })
  expect(runs).toBe(2)
})

test('a store that fails while committing leaves the outcome unknown, one that is full does not', async () => {
  const store = new ScriptedStore()
  const write = (): Promise<void> =>
    transact(store, 'b', async (tx) => tx.put('object', 'k', version(1)))
  store.before = () => {
    throw new StoreUnavailable('down')
  }
  await expect(write()).rejects.toBeInstanceOf(OutcomeUnknown)
  expect(store.commits).toHaveLength(1)
  store.before = () => {
    throw new StoreFull('full')
  }
  await expect(write()).rejects.toBeInstanceOf(StoreFull)
})

test('who is always too late is told so, after a bounded time', async () => {
  const store = new ScriptedStore()
  let rival = 0
  store.before = () => {
    store.apply({
      partition: 'b',
      expects: [],
      writes: [writeRow('object', 'k', version(++rival))],
    })
  }
  const late = transact(store, 'b', async (tx) => {
    await tx.get('object', 'k')
    tx.put('object', 'k', version(-1))
  })
  await expect(late).rejects.toBeInstanceOf(Contended)
  expect(await sizeOf(store, 'k')).toBe(rival)
}, 10_000)
