/** The engine over a fake of Cosmos DB: the contract, and what becomes of calls that go wrong. */
import { array, assert, boolean, constantFrom, integer, oneof, property, record } from 'fast-check'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { type Fault, isWholeUnderFaults } from './contract-faults.ts'
import { metadataContract } from './contract.ts'
import { type Call, FakeCosmos, KEY, type Trouble } from './cosmos.fake.ts'
import { CosmosStore } from './cosmos.ts'
import { OPERATIONS_MAX, planOf } from './cosmos-commit.ts'
import { stagingOf } from './cosmos-staging.ts'
import { shapeOf } from './commit-shape.ts'
import { checkCommit } from './limits.ts'
import {
  type Commit,
  COMMIT_EXPECTS_MAX,
  type Expect,
  type Json,
  type Rev,
  ROW_BYTES_MAX,
  type Write,
} from './store.ts'
import { guarded, openOn, put } from './service.fixture.ts'

let shared: FakeCosmos
let endpoint: string
let containers = 0

beforeAll(async () => {
  shared = new FakeCosmos()
  endpoint = await shared.listen()
})
afterAll(async () => shared.close())

function open(
  at: string = endpoint,
  container: string = `rows${++containers}`,
): Promise<CosmosStore> {
  return CosmosStore.open({
    endpoint: at,
    key: KEY,
    database: 'sluice',
    container,
    createContainer: true,
    // The machine may be busy.
    answerMs: 60_000,
    waitMs: (attempts) => Math.random() * 2 ** Math.min(attempts, 7),
  })
}

metadataContract('cosmos', open, { runs: 20 })

interface Opened {
  readonly fake: FakeCosmos
  readonly store: CosmosStore
}

const opened = (): Promise<Opened> => openOn(new FakeCosmos(), open)

function guard(value: Json): Commit {
  return { partition: 'b', expects: [], writes: [{ table: 'bucket', sort: '', value }] }
}

/** Larger than a request may be. */
function large(value: Json, rev?: Rev): Commit {
  const writes = Array.from({ length: 45 }, (_, i): Write => {
    return { table: 'object', sort: `${i}`, value, bytes: new Uint8Array(ROW_BYTES_MAX).fill(i) }
  })
  const expects = rev === undefined ? [] : [{ table: 'object' as const, sort: '0', rev }]
  return { partition: 'b', expects, writes }
}

/** `others`: revs of rows that are only expected. */
function commitOf(
  rows: readonly {
    readonly value: Json
    readonly isInlined: boolean
    readonly rev: Rev | undefined
  }[],
  others: readonly Rev[],
): Commit {
  const expects: Expect[] = others.map((rev, i) => ({ table: 'page', sort: `${i}`, rev }))
  const writes = rows.map(({ value, isInlined, rev }, i): Write => {
    const place = { table: 'object' as const, sort: `${i}` }
    if (rev !== undefined && expects.length < COMMIT_EXPECTS_MAX) expects.push({ ...place, rev })
    const bytes = value !== null && isInlined && { bytes: new Uint8Array(ROW_BYTES_MAX) }
    return { ...place, value, ...bytes }
  })
  return { partition: 'b', expects, writes }
}

function isWithinBounds(commit: Commit): boolean {
  try {
    checkCommit(commit)
    return true
  } catch {
    return false
  }
}

async function at(store: CosmosStore, sort = 'k'): Promise<Json | undefined> {
  return (await store.get('b', 'object', sort))?.value
}

async function revOf(store: CosmosStore, sort = 'k'): Promise<Rev> {
  return (await store.get('b', 'object', sort))!.rev
}

/** The next calls of that kind go wrong in this way, one after the other. */
function trouble(fake: FakeCosmos, call: Call, ...troubles: (Trouble | undefined)[]): void {
  fake.interfere = (asked) => (asked === call ? troubles.shift() : undefined)
}

const unavailable = { name: 'StoreUnavailable' }

describe('what a commit costs', () => {
  test('a commit is one batch, whatever it expects, and a read one call', async () => {
    const { fake, store } = await opened()
    await store.commit(guard(1))
    await store.commit(guarded(put('k', 1, 0), (await store.get('b', 'bucket', ''))!.rev))
    await store.commit(guarded(put('k', null, await revOf(store)), 0))
    expect(fake.calls).toEqual(['batch', 'read', 'batch', 'read', 'batch'])
    fake.calls.length = 0
    await store.scan('b', 'object', { from: '', limit: 10 })
    expect(fake.calls).toEqual(['query'])
  })

  test('a row that is only expected keeps its rev', async () => {
    const { store } = await opened()
    await store.commit(guard(1))
    const { rev } = (await store.get('b', 'bucket', ''))!
    for (let i = 0; i < 3; i++) expect(await store.commit(guarded(put(`k${i}`, i), rev))).toBe(true)
    expect((await store.get('b', 'bucket', ''))?.rev).toBe(rev)
  })

  test('a row that is expected to be absent stays absent', async () => {
    const { fake, store } = await opened()
    expect(await store.commit(guarded(put('k', 1), 0))).toBe(true)
    expect(await store.get('b', 'bucket', '')).toBeUndefined()
    expect(fake.strays).toEqual([])
  })

  test('revs that no row can be at refuse, and ask nobody', async () => {
    const { fake, store } = await opened()
    for (const rev of ['x" OR true', 7]) expect(await store.commit(put('k', 1, rev))).toBe(false)
    expect(fake.calls).toEqual([])
  })

  test('whatever may be committed fits into one batch', () => {
    // What takes most room in a request for what it counts as; more of it finds no room in one item.
    const control = '\u0001'
    const value = oneof(
      { weight: 4, arbitrary: constantFrom(null, 1) },
      integer({ min: 0, max: 250_000 }).map((length) => control.repeat(length)),
    )
    const row = record({ value, isInlined: boolean(), rev: constantFrom(undefined, 0, 'r') })
    const rows = array(row, { minLength: 20, maxLength: 50 })
    const others = array(constantFrom(0, 'r'), { minLength: 50, maxLength: 50 })
    assert(
      property(rows, others, (rows, others) => {
        while (!isWithinBounds(commitOf(rows, others))) (others.length > 0 ? others : rows).pop()
        const plan = planOf('b', shapeOf(commitOf(rows, others))!, 'new')!
        expect(stagingOf(plan).operations.length).toBeLessThanOrEqual(OPERATIONS_MAX)
      }),
      { numRuns: 40 },
    )
  })

  test('a scan goes on over pages until it has its rows, and no further', async () => {
    const { fake, store } = await opened()
    for (let i = 0; i < 5; i++) await store.commit(put(`k${i}`, i))
    fake.pageBytes = 1
    fake.calls.length = 0
    expect(await store.scan('b', 'object', { from: '', limit: 3 })).toHaveLength(3)
    expect(fake.calls).toEqual(['query', 'query', 'query'])
    expect(await store.scan('b', 'object', { from: 'k3', limit: 9 })).toHaveLength(2)
  })
})

test('without a key an identity signs in, which sends no token in clear', async () => {
  const opening = CosmosStore.open({ endpoint, database: 'sluice', container: 'rows' })
  await expect(opening).rejects.toMatchObject(unavailable)
  await expect(opening).rejects.toThrow(/non-TLS/)
})

describe('commits larger than a request', () => {
  test('they are done as a whole, and nothing is left beside the rows', async () => {
    const { fake, store } = await opened()
    expect(await store.commit(large('all', undefined))).toBe(true)
    expect(fake.calls.filter((call) => call === 'batch').length).toBeGreaterThan(3)
    expect(fake.strays).toEqual([])
    const rows = await store.scan('b', 'object', { from: '', limit: 100 })
    expect(rows.map(({ value }) => value)).toEqual(rows.map(() => 'all'))
    expect(rows).toHaveLength(45)
    expect((await store.get('b', 'object', '7'))?.bytes).toEqual(Buffer.alloc(ROW_BYTES_MAX, 7))
  })

  test('one that is refused leaves nothing that does not go by itself', async () => {
    const { fake, store } = await opened()
    expect(await store.commit(large(1, 'never-given'))).toBe(false)
    expect(await store.scan('b', 'object', { from: '', limit: 1 })).toEqual([])
    expect(fake.strays.length).toBeGreaterThan(0)
    fake.expire()
    expect(fake.strays).toEqual([])
  })

  test('rows whose content never came into them are read where it stands, also much later', async () => {
    const { fake, store } = await opened()
    let isCommitted = false
    fake.interfere = (call, body) => {
      if (call !== 'batch') return undefined
      // From the batch that commits on, no other is carried out.
      const wasCommitted = isCommitted
      isCommitted ||= JSON.stringify(body).includes('"/ttl"')
      return wasCommitted ? { status: 503 } : undefined
    }
    expect(await store.commit(large('all'))).toBe(true)
    fake.expire()
    expect(fake.strays.length).toBeGreaterThan(0)
    fake.interfere = () => undefined
    const rows = await store.scan('b', 'object', { from: '', limit: 100 })
    expect(rows.map(({ value }) => value)).toEqual(Array.from({ length: 45 }, () => 'all'))
    expect(rows[0]).not.toHaveProperty('bytes')
    for (const [i, sort] of ['0', '44'].entries())
      expect((await store.get('b', 'object', sort))?.bytes?.[0]).toBe(i * 44)
    expect(await store.commit(put('44', 'next', await revOf(store, '44')))).toBe(true)
    expect(await store.get('b', 'object', '44')).not.toHaveProperty('bytes')
  })

  test('a reader never sees a row without its content while it moves', async () => {
    const { store } = await opened()
    await store.commit(large(0))
    const reading = async (): Promise<void> => {
      for (let i = 0; i < 10; i++) {
        const row = await store.get('b', 'object', `${i}`)
        expect(row?.bytes).toEqual(Buffer.alloc(ROW_BYTES_MAX, i))
      }
    }
    await Promise.all([store.commit(large(1)), reading(), reading()])
    await reading()
  })

  test('one row larger than an item is refused with StoreFull, and nothing is written', async () => {
    const { fake, store } = await opened()
    const commit = put('k', 'x'.repeat(2 * 1024 * 1024))
    await expect(store.commit(commit)).rejects.toMatchObject({ name: 'StoreFull' })
    expect(fake.calls).toEqual([])
    expect(await store.commit(put('k', 'x'.repeat(1_890_000)))).toBe(true)
    expect(await at(store)).toHaveLength(1_890_000)
  })
})

describe('calls that go wrong', () => {
  const throttled = { status: 429 }
  const fault = { status: 503 }
  const faultAfter = { status: 503, after: true }

  test.each<Trouble>([throttled, { status: 449 }])(
    'a commit with trouble (%j) is made again',
    async (wrong) => {
      const { fake, store } = await opened()
      trouble(fake, 'batch', wrong, wrong, wrong)
      expect(await store.commit(guarded(put('k', 1, 0), 0))).toBe(true)
      expect(await at(store)).toBe(1)
    },
  )

  test('what stays busy is unavailable in the end, and nothing was written', async () => {
    const { fake, store } = await opened()
    let attempts = 0
    fake.interfere = (call) => {
      if (call !== 'batch') return undefined
      attempts++
      return throttled
    }
    await expect(store.commit(put('k', 1))).rejects.toMatchObject(unavailable)
    // Ours, and none of the SDK's.
    expect(attempts).toBe(9)
    expect(await at(store)).toBeUndefined()
  })

  test.each<Trouble>(['lost-after', faultAfter])(
    'a commit that was carried out although its answer was lost (%j) is known by its rows',
    async (wrong) => {
      const { fake, store } = await opened()
      for (const commit of [put('k', 1, 0), put('k', 2), guarded(put('k', 3), 0)]) {
        trouble(fake, 'batch', wrong)
        expect(await store.commit(commit)).toBe(true)
      }
      trouble(fake, 'batch', wrong, 'lost')
      expect(await store.commit(put('k', 4, await revOf(store)))).toBe(true)
      expect(await at(store)).toBe(4)
    },
  )

  test('a commit that expects a rev is made again, for it cannot be done twice', async () => {
    const { fake, store } = await opened()
    await store.commit(put('k', 1))
    for (const value of [2, null]) {
      const rev = await revOf(store)
      trouble(fake, 'batch', 'lost', fault)
      expect(await store.commit(guarded(put('k', value, rev), 0))).toBe(true)
    }
    expect(await at(store)).toBeUndefined()
  })

  test('a commit that could be done twice is not made again: it is unavailable', async () => {
    const { fake, store } = await opened()
    for (const commit of [put('k', 1, 0), put('k', 1), put('k', null), guarded(put('k', 1), 0)]) {
      fake.calls.length = 0
      trouble(fake, 'batch', 'lost')
      await expect(store.commit(commit)).rejects.toMatchObject(unavailable)
      expect(fake.calls).not.toContain('batch')
    }
  })

  test('a refusal after doubt says nothing of the outcome, for it may be of our own making', async () => {
    const { fake, store } = await opened()
    await store.commit(put('k', 1))
    trouble(fake, 'batch', 'lost-after')
    const removal = put('k', null, await revOf(store))
    await expect(store.commit(removal)).rejects.toMatchObject(unavailable)
    expect(await at(store)).toBeUndefined()
  })

  test('a read is made again whatever went wrong', async () => {
    const { fake, store } = await opened()
    await store.commit(put('k', 1))
    trouble(fake, 'read', fault, throttled, { status: 408 })
    expect(await at(store)).toBe(1)
    trouble(fake, 'query', fault, throttled, { status: 410 })
    expect(await store.scan('b', 'object', { from: '', limit: 1 })).toHaveLength(1)
  })

  test('a partition that has its 20 GB is full, and nothing was written', async () => {
    const { fake, store } = await opened()
    const message = 'Partition key reached maximum size of 20 GB'
    trouble(fake, 'batch', { status: 403, substatus: 1014, message })
    await expect(store.commit(put('k', 1))).rejects.toMatchObject({ name: 'StoreFull' })
    expect(await at(store)).toBeUndefined()
  })

  test('rights that are missing are told at once', async () => {
    const { fake, store } = await opened()
    fake.interfere = () => ({ status: 403, message: 'blocked by your firewall' })
    await expect(at(store)).rejects.toThrow(/firewall/)
    await expect(store.commit(put('k', 1))).rejects.toMatchObject(unavailable)
  })

  test('commits that meet at one row that they look at all go through in the end', async () => {
    const { fake, store } = await opened()
    await store.commit(guard(1))
    const { rev } = (await store.get('b', 'bucket', ''))!
    fake.batchTurns = 5
    const commits = Array.from({ length: 8 }, (_, i) => guarded(put(`k${i}`, i, 0), rev))
    expect(await Promise.all(commits.map((commit) => store.commit(commit)))).not.toContain(false)
    expect(fake.conflicts).toBeGreaterThan(0)
  })

  test('of a write and a removal of the row that it looks at, one is refused', async () => {
    const { store } = await opened()
    for (let round = 0; round < 20; round++) {
      await store.commit(guard(round))
      await store.commit(put('k', null))
      const { rev } = (await store.get('b', 'bucket', ''))!
      const removal: Commit = {
        ...guard(null),
        expects: [
          { table: 'bucket', sort: '', rev },
          { table: 'object', sort: 'k', rev: 0 },
        ],
      }
      const done = await Promise.all([
        store.commit(guarded(put('k', 1), rev)),
        store.commit(removal),
      ])
      expect(done.filter(Boolean)).toHaveLength(1)
    }
  })

  test('whatever goes wrong, a commit is whole, and what it answers is true', async () => {
    const fake = new FakeCosmos()
    const url = await fake.listen()
    onTestFinished(() => fake.close())
    const troubles: Record<Fault, Trouble | undefined> = {
      none: undefined,
      lost: 'lost',
      'lost-after': 'lost-after',
      busy: throttled,
    }
    const opened = async () => {
      const store = await open(url)
      const fail = (faults: readonly Fault[]): void =>
        trouble(fake, 'batch', ...faults.map((fault) => troubles[fault]))
      return { store, fail, [Symbol.asyncDispose]: () => store[Symbol.asyncDispose]() }
    }
    await expect(isWholeUnderFaults(opened, 30)).resolves.toBeUndefined()
  })

  test('closing waits for what is under way', async () => {
    const { fake, store } = await opened()
    fake.batchTurns = 20
    const commit = store.commit(put('k', 1))
    await store[Symbol.asyncDispose]()
    expect(await commit).toBe(true)
  })
})

describe('at the start', () => {
  const opening = (more: object): Promise<CosmosStore> =>
    CosmosStore.open({
      endpoint,
      key: KEY,
      database: 'sluice',
      container: 'rows',
      waitMs: () => 1,
      ...more,
    })

  test.each<[string, object, string]>([
    ['a container that is missing', { container: 'nowhere' }, 'no container "nowhere"'],
    ['a key that is wrong', { key: 'd3Jvbmc=' }, 'does not accept the key'],
    ['nobody at the address', { endpoint: 'http://127.0.0.1:1' }, 'cannot be reached'],
  ])('%s is told in one line', async (_, more, words) => {
    const failed = (await opening(more).catch((error: unknown) => error)) as Error
    expect(failed).toMatchObject(unavailable)
    expect(failed.message).toContain(words)
    expect(failed.message).not.toContain('\n')
  })

  test('an account whose reads may be old, or that is written in several regions, is refused', async () => {
    const fake = new FakeCosmos()
    const url = await fake.listen()
    onTestFinished(() => fake.close())
    fake.consistency = 'Session'
    await expect(opening({ endpoint: url })).rejects.toThrow(/level Session; it has to be Strong/)
    fake.writesEverywhere = true
    await expect(opening({ endpoint: url })).rejects.toThrow(/several regions/)
  })

  test.each<[string, object]>([
    ['partition key is /other', { partitionKey: { paths: ['/other'], version: 2 } }],
    ['not a large one', { partitionKey: { paths: ['/p'] } }],
    ['/k/? is not indexed', { indexingPolicy: { includedPaths: [] } }],
    ['its time to live', { defaultTtl: undefined }],
  ])('a container of somebody else (%s) is refused', async (words, more) => {
    const fake = new FakeCosmos()
    const url = await fake.listen()
    onTestFinished(() => fake.close())
    const partitionKey = { paths: ['/p'], version: 2 }
    const indexingPolicy = { includedPaths: [{ path: '/*' }] }
    fake.define('sluice', { id: 'rows', partitionKey, indexingPolicy, defaultTtl: -1, ...more })
    await expect(opening({ endpoint: url })).rejects.toThrow(words)
  })

  test('two that make the container at once both have it', async () => {
    const [one, other] = await Promise.all([open(endpoint, 'both'), open(endpoint, 'both')])
    await one.commit(put('k', 1))
    expect(await at(other)).toBe(1)
    await one[Symbol.asyncDispose]()
    await other[Symbol.asyncDispose]()
  })
})
