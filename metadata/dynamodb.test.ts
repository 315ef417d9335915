/** The engine over a fake of DynamoDB: the contract, and what becomes of calls that go wrong. */
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { type Fault, isWholeUnderFaults } from './contract-faults.ts'
import { metadataContract } from './contract.ts'
import { ACCESS_KEY, FakeDynamodb, type Operation, type Trouble } from './dynamodb.fake.ts'
import { DynamodbStore } from './dynamodb.ts'
import type { Commit, Json, Rev } from './store.ts'
import { openOn, put } from './service.fixture.ts'

let shared: FakeDynamodb
let endpoint: string
let tables = 0

beforeAll(async () => {
  shared = new FakeDynamodb()
  endpoint = await shared.listen()
})
afterAll(async () => shared.close())

const credentials = { accessKeyId: ACCESS_KEY, secretAccessKey: 'secret' }

function open(at: string = endpoint, table: string = `rows${++tables}`): Promise<DynamodbStore> {
  return DynamodbStore.open({
    table,
    endpoint: at,
    region: 'us-east-1',
    createTable: true,
    credentials,
    // The machine may be busy.
    answerMs: 60_000,
    waitMs: (attempts) => Math.random() * 2 ** Math.min(attempts, 7),
  })
}

metadataContract('dynamodb', open, { runs: 20 })

interface Opened {
  readonly fake: FakeDynamodb
  readonly store: DynamodbStore
}

const opened = (): Promise<Opened> => openOn(new FakeDynamodb(), open)

/** Of two rows, so that it is a transaction. */
function both(value: Json, rev?: Rev): Commit {
  const one = put('k', value, rev)
  return { ...one, writes: [...one.writes, { table: 'version', sort: 'k', value }] }
}

async function at(store: DynamodbStore, sort = 'k'): Promise<Json | undefined> {
  return (await store.get('b', 'object', sort))?.value
}

/** The next calls of that kind go wrong in this way, one after the other. */
function trouble(fake: FakeDynamodb, operation: Operation, ...troubles: Trouble[]): void {
  fake.interfere = (asked) => (asked === operation ? troubles.shift() : undefined)
}

const unavailable = { name: 'StoreUnavailable' }

describe('what a commit costs', () => {
  test('one row is one write, with its expectation in it', async () => {
    const { fake, store } = await opened()
    await store.commit(put('k', 1, 0))
    const rev = (await store.get('b', 'object', 'k'))!.rev
    await store.commit(put('k', null, rev))
    expect(fake.calls).toEqual(['PutItem', 'GetItem', 'DeleteItem'])
  })

  test('several rows are one transaction, in which a row that is expected and written stands once', async () => {
    const { fake, store } = await opened()
    const commit = both(1, 0)
    const more = { table: 'bucket' as const, sort: '', rev: 0 }
    expect(await store.commit({ ...commit, expects: [...commit.expects, more, more] })).toBe(true)
    expect(fake.calls).toEqual(['TransactWriteItems'])
  })

  test('expectations of one row that contradict each other refuse', async () => {
    const { fake, store } = await opened()
    const commit = put('k', 1, 0)
    const contrary = { ...commit.expects[0]!, rev: 'x' }
    expect(await store.commit({ ...commit, expects: [...commit.expects, contrary] })).toBe(false)
    expect(fake.calls).toEqual([])
  })

  test('a scan goes on over pages until it has its rows, and no further', async () => {
    const { fake, store } = await opened()
    fake.pageBytes = 1
    for (let i = 0; i < 5; i++) await store.commit(put(`k${i}`, i))
    fake.calls.length = 0
    expect(await store.scan('b', 'object', { from: '', limit: 3 })).toHaveLength(3)
    expect(fake.calls).toEqual(['Query', 'Query', 'Query'])
    expect(await store.scan('b', 'object', { from: 'k3', limit: 9 })).toHaveLength(2)
  })
})

describe('rows at the edge of what DynamoDB takes', () => {
  test('keys of NULs alone stand in their order', async () => {
    const { store } = await opened()
    const sorts = ['', '\0', '\0\0', '\0\0\u0001', '\0\u0001', '\u0001', '\0'.repeat(1023)]
    for (const sort of sorts) await store.commit(put(sort, sort))
    const order = ['', '\0', '\0\0', '\0'.repeat(1023), '\0\0\u0001', '\0\u0001', '\u0001']
    const rows = await store.scan('b', 'object', { from: '', limit: 100 })
    expect(rows.map(({ sort }) => sort)).toEqual(order)
    const some = await store.scan('b', 'object', { from: '\0', to: '\0\0\0', limit: 100 })
    expect(some.map(({ sort }) => sort)).toEqual(['\0', '\0\0'])
    for (const sort of sorts) expect((await store.get('b', 'object', sort))?.sort).toBe(sort)
  })

  test('a key of 1024 NULs is the one that has no place', async () => {
    const { store } = await opened()
    await expect(store.commit(put('\0'.repeat(1024), 1))).rejects.toThrow(RangeError)
  })

  test('a row above 400 KiB is refused with StoreFull, and nothing is written', async () => {
    const { fake, store } = await opened()
    const commit = put('k', 'x'.repeat(400 * 1024))
    await expect(store.commit(commit)).rejects.toMatchObject({ name: 'StoreFull' })
    expect(fake.calls).toEqual([])
    expect(await store.commit(put('k', 'x'.repeat(399 * 1024)))).toBe(true)
  })
})

const WRITES: ReadonlySet<Operation> = new Set(['DeleteItem', 'PutItem', 'TransactWriteItems'])

describe('calls that go wrong', () => {
  const throttled = { error: 'ThrottlingException' }
  const conflict = { error: 'TransactionConflictException' }

  test.each<[string, Trouble]>([
    ['throttled', throttled],
    ['beyond what is provisioned', { error: 'ProvisionedThroughputExceededException' }],
    ['in conflict', conflict],
  ])('a write that is %s is made again', async (_, wrong) => {
    const { fake, store } = await opened()
    trouble(fake, 'PutItem', wrong, wrong, wrong)
    expect(await store.commit(put('k', 1, 0))).toBe(true)
    expect(await at(store)).toBe(1)
  })

  test('what stays busy is unavailable in the end, and nothing was written', async () => {
    const { fake, store } = await opened()
    fake.interfere = (operation) => (operation === 'GetItem' ? undefined : throttled)
    for (const commit of [put('k', 1), both(1)])
      await expect(store.commit(commit)).rejects.toMatchObject(unavailable)
    expect(await at(store)).toBeUndefined()
  })

  test.each<Trouble>(['lost', 'fault', 'lost-after', 'fault-after', throttled])(
    'a transaction with trouble (%s) is made again and done once',
    async (wrong) => {
      const { fake, store } = await opened()
      trouble(fake, 'TransactWriteItems', wrong, wrong)
      expect(await store.commit(both(1, 0))).toBe(true)
      expect(await at(store)).toBe(1)
      expect(await store.commit(both(2, 0))).toBe(false)
    },
  )

  test.each<Trouble>(['lost-after', 'fault-after'])(
    'a write that was carried out although its answer was %s is known by its rev',
    async (wrong) => {
      const { fake, store } = await opened()
      for (const rev of [0, undefined]) {
        trouble(fake, 'PutItem', wrong)
        expect(await store.commit(put('k', 1, rev))).toBe(true)
      }
      const { rev } = (await store.get('b', 'object', 'k'))!
      trouble(fake, 'PutItem', wrong, 'lost')
      expect(await store.commit(put('k', 2, rev))).toBe(true)
      expect(await at(store)).toBe(2)
    },
  )

  test('a write that expects a rev is made again, for it cannot be done twice', async () => {
    const { fake, store } = await opened()
    await store.commit(put('k', 1))
    const { rev } = (await store.get('b', 'object', 'k'))!
    trouble(fake, 'PutItem', 'lost', 'fault')
    expect(await store.commit(put('k', 2, rev))).toBe(true)
    const next = (await store.get('b', 'object', 'k'))!
    trouble(fake, 'DeleteItem', 'lost', 'fault')
    expect(await store.commit(put('k', null, next.rev))).toBe(true)
    expect(await at(store)).toBeUndefined()
  })

  test('a write that could be done twice is not made again: it is unavailable', async () => {
    const { fake, store } = await opened()
    for (const commit of [put('k', 1, 0), put('k', 1), put('k', null)]) {
      fake.calls.length = 0
      trouble(fake, commit.writes[0]!.value === null ? 'DeleteItem' : 'PutItem', 'lost')
      await expect(store.commit(commit)).rejects.toMatchObject(unavailable)
      expect(fake.calls).not.toContain('PutItem')
      expect(fake.calls).not.toContain('DeleteItem')
    }
  })

  test('a refusal after doubt says nothing of the outcome, for it may be of our own making', async () => {
    const { fake, store } = await opened()
    await store.commit(put('k', 1))
    const { rev } = (await store.get('b', 'object', 'k'))!
    trouble(fake, 'DeleteItem', 'lost-after')
    await expect(store.commit(put('k', null, rev))).rejects.toMatchObject(unavailable)
    expect(await at(store)).toBeUndefined()
  })

  test('a read is made again whatever went wrong', async () => {
    const { fake, store } = await opened()
    await store.commit(put('k', 1))
    trouble(fake, 'GetItem', 'lost', 'fault-after', throttled)
    expect(await at(store)).toBe(1)
    trouble(fake, 'Query', 'lost-after', 'fault', throttled)
    expect(await store.scan('b', 'object', { from: '', limit: 1 })).toHaveLength(1)
  })

  test('rights that are missing are told at once', async () => {
    const { fake, store } = await opened()
    fake.interfere = () => ({ error: 'AccessDeniedException' })
    await expect(at(store)).rejects.toThrow(/AccessDeniedException/)
    await expect(store.commit(put('k', 1))).rejects.toMatchObject(unavailable)
  })

  test('transactions that meet at one row all go through in the end', async () => {
    const { fake, store } = await opened()
    await store.commit({ ...put('', 1), writes: [{ table: 'bucket', sort: '', value: 1 }] })
    const { rev } = (await store.get('b', 'bucket', ''))!
    const puts = Array.from({ length: 8 }, (_, i) => {
      const commit = put(`k${i}`, i, 0)
      return {
        ...commit,
        expects: [...commit.expects, { table: 'bucket' as const, sort: '', rev }],
      }
    })
    fake.transactionTurns = 5
    const done = await Promise.all(puts.map((commit) => store.commit(commit)))
    expect(done).not.toContain(false)
    expect(fake.conflicts).toBeGreaterThan(0)
  })

  test('whatever goes wrong, a commit is whole, and what it answers is true', async () => {
    const fake = new FakeDynamodb()
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
      const fail = (faults: readonly Fault[]): void => {
        const rest = [...faults]
        fake.interfere = (operation) =>
          WRITES.has(operation) ? troubles[rest.shift() ?? 'none'] : undefined
      }
      return { store, fail, [Symbol.asyncDispose]: () => store[Symbol.asyncDispose]() }
    }
    await expect(isWholeUnderFaults(opened, 30)).resolves.toBeUndefined()
  })

  test('closing waits for what is under way', async () => {
    const { fake, store } = await opened()
    fake.transactionTurns = 20
    const commit = store.commit(both(1))
    await store[Symbol.asyncDispose]()
    expect(await commit).toBe(true)
  })
})

describe('at the start', () => {
  const opening = (more: object): Promise<DynamodbStore> =>
    DynamodbStore.open({ table: 'rows', endpoint, region: 'eu-west-1', credentials, ...more })

  test.each<[string, object, string]>([
    ['a table that is missing', { table: 'nowhere' }, 'no table "nowhere" at http'],
    [
      'credentials that are wrong',
      { credentials: { accessKeyId: 'WRONG', secretAccessKey: 'x' } },
      'does not accept the credentials (UnrecognizedClientException',
    ],
    ['nobody at the address', { endpoint: 'http://127.0.0.1:1' }, 'cannot be reached (connect'],
  ])('%s is told in one line', async (_, more, words) => {
    const failed = (await opening(more).catch((error: unknown) => error)) as Error
    expect(failed).toMatchObject(unavailable)
    expect(failed.message).toContain(words)
    expect(failed.message).not.toContain('\n')
  })

  test('a table of somebody else is refused', async () => {
    const fake = new FakeDynamodb()
    const url = await fake.listen()
    onTestFinished(() => fake.close())
    const { CreateTableCommand, DynamoDBClient } = await import('@aws-sdk/client-dynamodb')
    const client = new DynamoDBClient({ endpoint: url, region: 'us-east-1', credentials })
    await client.send(
      new CreateTableCommand({
        TableName: 'theirs',
        BillingMode: 'PAY_PER_REQUEST',
        KeySchema: [{ AttributeName: 'id', KeyType: 'HASH' }],
        AttributeDefinitions: [{ AttributeName: 'id', AttributeType: 'S' }],
      }),
    )
    client.destroy()
    await expect(opening({ endpoint: url, table: 'theirs' })).rejects.toThrow(
      /"theirs" is not one of Sluice's: its key is id:HASH:S/,
    )
  })

  test('two that make the table at once both have it', async () => {
    const [one, other] = await Promise.all([open(endpoint, 'both'), open(endpoint, 'both')])
    await one.commit(put('k', 1))
    expect(await at(other)).toBe(1)
    await one[Symbol.asyncDispose]()
    await other[Symbol.asyncDispose]()
  })
})
