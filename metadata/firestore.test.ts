/** The engine over a fake of Firestore: the contract, and what becomes of calls that go wrong. */
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { type Fault, isWholeUnderFaults } from './contract-faults.ts'
import { metadataContract } from './contract.ts'
import { FakeFirestore, type Operation, type Trouble } from './firestore.fake.ts'
import { FirestoreStore } from './firestore.ts'
import type { Commit, Json, Rev } from './store.ts'
import { guarded, openOn, put } from './service.fixture.ts'

let shared: FakeFirestore
let endpoint: string
let collections = 0

beforeAll(async () => {
  shared = new FakeFirestore()
  endpoint = await shared.listen()
})
afterAll(async () => shared.close())

function open(at: string = endpoint): Promise<FirestoreStore> {
  return FirestoreStore.open({
    database: '(default)',
    collection: `rows${++collections}`,
    endpoint: at,
    // The machine may be busy.
    answerMs: 60_000,
    waitMs: (attempts) => Math.random() * 2 ** Math.min(attempts, 7),
  })
}

metadataContract('firestore', open, { runs: 20 })

interface Opened {
  readonly fake: FakeFirestore
  readonly store: FirestoreStore
}

const opened = (): Promise<Opened> => openOn(new FakeFirestore(), open)

async function at(store: FirestoreStore, sort = 'k'): Promise<Json | undefined> {
  return (await store.get('b', 'object', sort))?.value
}

async function revOf(store: FirestoreStore, sort = 'k'): Promise<Rev> {
  return (await store.get('b', 'object', sort))!.rev
}

/** The next calls of that kind go wrong in this way, one after the other. */
function trouble(
  fake: FakeFirestore,
  operation: Operation,
  ...troubles: (Trouble | undefined)[]
): void {
  fake.interfere = (asked) => (asked === operation ? troubles.shift() : undefined)
}

const unavailable = { name: 'StoreUnavailable' }

describe('what a commit costs', () => {
  test('rows that are written are one request, with their preconditions in it', async () => {
    const { fake, store } = await opened()
    const two = put('k', 1, 0)
    await store.commit({ ...two, writes: [...two.writes, ...put('l', 2).writes] })
    await store.commit(put('k', null, await revOf(store)))
    expect(fake.calls).toEqual(['commit', 'getDocument', 'commit'])
  })

  test('rows that are only expected are read in a transaction before', async () => {
    const { fake, store } = await opened()
    expect(await store.commit(guarded(put('k', 1, 0), 0))).toBe(true)
    expect(fake.calls).toEqual(['batchGetDocuments', 'commit'])
    fake.calls.length = 0
    expect(await store.commit(guarded(put('k', 2), '1.000000000'))).toBe(false)
    expect(fake.calls.slice(0, 1)).toEqual(['batchGetDocuments'])
    expect(fake.calls).not.toContain('commit')
  })

  test('a commit that only asks is one read, as of one moment', async () => {
    const { fake, store } = await opened()
    expect(await store.commit(guarded({ ...put('k', 1, 0), writes: [] }, 0))).toBe(true)
    expect(fake.calls).toEqual(['batchGetDocuments'])
  })

  test('revs that no document can be at refuse, and ask nobody', async () => {
    const { fake, store } = await opened()
    for (const rev of ['x', 'x.000000000', 7, '1.5'])
      expect(await store.commit(put('k', 1, rev))).toBe(false)
    expect(fake.calls).toEqual([])
  })
})

describe('rows at the edge of what Firestore takes', () => {
  test('a row above 1 MiB is refused with StoreFull, and nothing is written', async () => {
    const { fake, store } = await opened()
    const commit = put('k', 'x'.repeat(1024 * 1024))
    await expect(store.commit(commit)).rejects.toMatchObject({ name: 'StoreFull' })
    expect(fake.calls).toEqual([])
  })

  test('the largest row that the engine lets pass the service takes', async () => {
    const { store } = await opened()
    const sort = 'é'.repeat(512)
    let [taken, refused] = [1000 * 1024, 1024 * 1024]
    while (refused - taken > 1) {
      const length = (taken + refused) >> 1
      const done = store.commit(put(sort, 'x'.repeat(length)))
      const isTaken = await done.catch((error: unknown) => (error as Error).name)
      expect([true, 'StoreFull']).toContain(isTaken)
      if (isTaken === true) taken = length
      else refused = length
    }
    expect(taken).toBeGreaterThan(1024 * 1024 - 2000)
  })

  test('partitions of any text stand beside one another', async () => {
    const { store } = await opened()
    const partitions = ['', '.', '..', '__x__', 'a/b', 'a=b', 'A', '\0', 'é'.repeat(512)]
    for (const partition of partitions) await store.commit({ ...put('k', partition), partition })
    for (const partition of partitions)
      expect((await store.get(partition, 'object', 'k'))?.value).toBe(partition)
  })

  test('a range may begin and end with texts longer than any key', async () => {
    const { store } = await opened()
    for (const sort of ['x'.repeat(1024), 'y']) await store.commit(put(sort, 1))
    const from = 'x'.repeat(3000)
    expect(await store.scan('b', 'object', { from, limit: 9 })).toHaveLength(1)
    expect(await store.scan('b', 'object', { from: '', to: from, limit: 9 })).toHaveLength(1)
  })
})

describe('calls that go wrong', () => {
  const busy = { code: 'RESOURCE_EXHAUSTED' } as const
  const aborted = { code: 'ABORTED' } as const
  const fault = { code: 'INTERNAL' } as const
  const down = { code: 'UNAVAILABLE', after: true } as const

  test.each<Trouble>([busy, aborted])('a commit with trouble (%j) is made again', async (wrong) => {
    const { fake, store } = await opened()
    trouble(fake, 'commit', wrong, wrong, wrong)
    expect(await store.commit(put('k', 1, 0))).toBe(true)
    trouble(fake, 'commit', wrong, wrong, wrong)
    expect(await store.commit(guarded(put('k', 2), 0))).toBe(true)
    expect(await at(store)).toBe(2)
  })

  test('what stays busy is unavailable in the end, and nothing was written', async () => {
    const { fake, store } = await opened()
    fake.interfere = (operation) => (operation === 'commit' ? busy : undefined)
    await expect(store.commit(put('k', 1))).rejects.toMatchObject(unavailable)
    expect(await at(store)).toBeUndefined()
  })

  test.each<Trouble>(['lost-after', down])(
    'a commit that was carried out although its answer was lost (%j) is known by its rows',
    async (wrong) => {
      const { fake, store } = await opened()
      for (const commit of [put('k', 1, 0), put('k', 2), guarded(put('k', 3), 0)]) {
        trouble(fake, 'commit', wrong)
        expect(await store.commit(commit)).toBe(true)
      }
      trouble(fake, 'commit', wrong, 'lost')
      expect(await store.commit(put('k', 4, await revOf(store)))).toBe(true)
      expect(await at(store)).toBe(4)
    },
  )

  test('a commit that expects a rev is made again, for it cannot be done twice', async () => {
    const { fake, store } = await opened()
    await store.commit(put('k', 1))
    for (const value of [2, null]) {
      const rev = await revOf(store)
      trouble(fake, 'commit', 'lost', fault)
      expect(await store.commit(guarded(put('k', value, rev), 0))).toBe(true)
    }
    expect(await at(store)).toBeUndefined()
  })

  test('a commit that could be done twice is not made again: it is unavailable', async () => {
    const { fake, store } = await opened()
    for (const commit of [put('k', 1, 0), put('k', 1), put('k', null), guarded(put('k', 1), 0)]) {
      fake.calls.length = 0
      trouble(fake, 'commit', fault)
      await expect(store.commit(commit)).rejects.toMatchObject(unavailable)
      expect(fake.calls).not.toContain('commit')
    }
  })

  test('a refusal after doubt says nothing of the outcome, for it may be of our own making', async () => {
    const { fake, store } = await opened()
    await store.commit(put('k', 1))
    const rev = await revOf(store)
    trouble(fake, 'commit', 'lost-after')
    await expect(store.commit(put('k', null, rev))).rejects.toMatchObject(unavailable)
    expect(await at(store)).toBeUndefined()
  })

  test('what goes wrong before the commit is sent leaves no doubt', async () => {
    const { fake, store } = await opened()
    trouble(fake, 'batchGetDocuments', 'lost', fault)
    expect(await store.commit(guarded(put('k', 1), 0))).toBe(true)
  })

  test('a transaction that the service gave up begins again', async () => {
    const { fake, store } = await opened()
    let times = 2
    fake.interfere = (operation) => {
      if (operation === 'commit' && times-- > 0) fake.expireTransactions()
      return undefined
    }
    expect(await store.commit(guarded(put('k', 1, 0), 0))).toBe(true)
    expect(await at(store)).toBe(1)
  })

  test('a read is made again whatever went wrong', async () => {
    const { fake, store } = await opened()
    await store.commit(put('k', 1))
    trouble(fake, 'getDocument', 'lost', fault, busy)
    expect(await at(store)).toBe(1)
    trouble(fake, 'runQuery', 'lost-after', fault, busy)
    expect(await store.scan('b', 'object', { from: '', limit: 1 })).toHaveLength(1)
  })

  test('rights that are missing are told at once', async () => {
    const { fake, store } = await opened()
    fake.interfere = () => ({ code: 'PERMISSION_DENIED', message: 'Missing permissions' })
    await expect(at(store)).rejects.toThrow(/Missing permissions/)
    await expect(store.commit(put('k', 1))).rejects.toMatchObject(unavailable)
    expect(fake.calls).toEqual([])
  })

  test('a write of a row that transactions look at goes through in the end, as they do', async () => {
    const { fake, store } = await opened()
    const touch = (value: number): Commit => {
      return { partition: 'b', expects: [], writes: [{ table: 'bucket', sort: '', value }] }
    }
    await store.commit(touch(1))
    const { rev } = (await store.get('b', 'bucket', ''))!
    const commits = Array.from({ length: 8 }, (_, i) => guarded(put(`k${i % 2}`, i), rev))
    await Promise.all([...commits, touch(2)].map((commit) => store.commit(commit)))
    expect((await store.get('b', 'bucket', ''))?.value).toBe(2)
    expect(fake.conflicts).toBeGreaterThan(0)
  })

  test('of a write and a removal of the row that it looks at, one is refused', async () => {
    const { store } = await opened()
    for (let round = 0; round < 10; round++) {
      await store.commit({ ...put('', 1), writes: [{ table: 'bucket', sort: '', value: round }] })
      await store.commit(put('k', null))
      const { rev } = (await store.get('b', 'bucket', ''))!
      const removal: Commit = {
        partition: 'b',
        expects: [
          { table: 'bucket', sort: '', rev },
          { table: 'object', sort: 'k', rev: 0 },
        ],
        writes: [{ table: 'bucket', sort: '', value: null }],
      }
      const done = await Promise.all([
        store.commit(guarded(put('k', 1), rev)),
        store.commit(removal),
      ])
      expect(done.filter(Boolean)).toHaveLength(1)
    }
  })

  test('whatever goes wrong, a commit is whole, and what it answers is true', async () => {
    const fake = new FakeFirestore()
    const url = await fake.listen()
    onTestFinished(() => fake.close())
    const troubles: Record<Fault, Trouble | undefined> = {
      none: undefined,
      lost: { code: 'UNAVAILABLE' },
      'lost-after': { code: 'UNAVAILABLE', after: true },
      busy: busy,
    }
    const opened = async () => {
      const store = await open(url)
      const fail = (faults: readonly Fault[]): void =>
        trouble(fake, 'commit', ...faults.map((fault) => troubles[fault]))
      return { store, fail, [Symbol.asyncDispose]: () => store[Symbol.asyncDispose]() }
    }
    await expect(isWholeUnderFaults(opened, 30)).resolves.toBeUndefined()
  })

  test('closing waits for what is under way', async () => {
    const { fake, store } = await opened()
    fake.commitTurns = 20
    const commit = store.commit(put('k', 1))
    await store[Symbol.asyncDispose]()
    expect(await commit).toBe(true)
  })
})

describe('at the start', () => {
  const opening = (more: object): Promise<FirestoreStore> =>
    FirestoreStore.open({ database: '(default)', collection: 'rows', endpoint, ...more })

  test.each<[string, object, string]>([
    ['a database that is missing', { database: 'nowhere' }, 'has no database "nowhere"'],
    ['nobody at the address', { endpoint: 'http://127.0.0.1:1' }, 'cannot be reached'],
    [
      'a file of credentials that is missing',
      { endpoint: undefined, project: 'p', credentialsFile: '/nowhere/key.json' },
      'metadata.credentialsFile /nowhere/key.json cannot be read (ENOENT)',
    ],
  ])('%s is told in one line', async (_, more, words) => {
    const failed = (await opening(more).catch((error: unknown) => error)) as Error
    expect(failed).toMatchObject(unavailable)
    expect(failed.message).toContain(words)
    expect(failed.message).not.toContain('\n')
  })

  test.each<[Trouble, string]>([
    [{ code: 'PERMISSION_DENIED' }, 'denies access to the database "(default)"'],
    [{ code: 'UNAUTHENTICATED' }, 'does not accept the credentials'],
    [
      { code: 'FAILED_PRECONDITION', message: 'not available for Firestore in Datastore Mode' },
      'in Datastore mode',
    ],
    [{ code: 'RESOURCE_EXHAUSTED' }, 'cannot be reached'],
  ])('%j is told in one line', async (wrong, words) => {
    const fake = new FakeFirestore()
    const url = await fake.listen()
    onTestFinished(() => fake.close())
    fake.interfere = () => wrong
    await expect(opening({ endpoint: url })).rejects.toThrow(words)
  })
})
