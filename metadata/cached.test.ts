import { expect, test } from 'vitest'
import { SILENT } from '../src/lib/meter.ts'
import { CachedMetadata } from './cached.ts'
import { metadataContract } from './contract.ts'
import { agreesWithEngine } from './contract-random.ts'
import { MemoryStore } from './memory.ts'
import type { Commit, Json, MetadataStore, Range, Row, Table } from './store.ts'

const openCached = async (): Promise<MetadataStore> =>
  new CachedMetadata(new MemoryStore(), { rows: 100, ttlMs: 0 }, SILENT, () => 0)

metadataContract('cached over memory', openCached, { runs: 100 })
metadataContract(
  'cached over memory, room for one row',
  async () => new CachedMetadata(new MemoryStore(), { rows: 1, ttlMs: 5 }, SILENT, () => 0),
  { runs: 20 },
)

test('commits made at once do what they would do without it', async () => {
  const agrees = agreesWithEngine(openCached, async () => new MemoryStore(), 100)
  await expect(agrees).resolves.toBeUndefined()
})

/** Counts what reaches it, and answers a read or a commit only when it is told to. */
class DistantStore extends MemoryStore {
  readonly gets: string[] = []
  scans = 0
  /** Held answers, while set. */
  held: (() => void)[] | undefined

  override async get(partition: string, table: Table, sort: string): Promise<Row | undefined> {
    this.gets.push(sort)
    const row = await super.get(partition, table, sort)
    await this.#hold()
    return row
  }

  override async scan(partition: string, table: Table, range: Range): Promise<readonly Row[]> {
    this.scans++
    return super.scan(partition, table, range)
  }

  override async commit(commit: Commit): Promise<boolean> {
    const isDone = await super.commit(commit)
    await this.#hold()
    return isDone
  }

  release(): void {
    for (const answer of this.held?.splice(0) ?? []) answer()
    this.held = undefined
  }

  #hold(): Promise<void> | undefined {
    return this.held && new Promise((resolve) => void this.held?.push(resolve))
  }
}

interface Setting {
  readonly engine: DistantStore
  readonly cached: CachedMetadata
  readonly clock: { ms: number }
}

function setUp(rows = 10, ttlMs = 1000): Setting {
  const engine = new DistantStore()
  const clock = { ms: 0 }
  return {
    engine,
    clock,
    cached: new CachedMetadata(engine, { rows, ttlMs }, SILENT, () => clock.ms),
  }
}

function putting(sort: string, value: Json, rev?: Row['rev'], bytes?: Uint8Array): Commit {
  const table = 'object' as const
  const expects = rev === undefined ? [] : [{ table, sort, rev }]
  return { partition: 'b', expects, writes: [{ table, sort, value, ...(bytes && { bytes }) }] }
}

const valueOf = async (store: MetadataStore, sort: string): Promise<unknown> =>
  (await store.get('b', 'object', sort))?.value

test('a row, and its absence, is told from memory until its time is over', async () => {
  const { engine, cached, clock } = setUp()
  await engine.commit(putting('k', 1))
  expect([await valueOf(cached, 'k'), await valueOf(cached, 'none')]).toEqual([1, undefined])
  await engine.commit(putting('k', 2))
  await engine.commit(putting('none', 2))
  clock.ms = 999
  expect([await valueOf(cached, 'k'), await valueOf(cached, 'none')]).toEqual([1, undefined])
  expect(engine.gets).toEqual(['k', 'none'])
  clock.ms = 1000
  expect([await valueOf(cached, 'k'), await valueOf(cached, 'none')]).toEqual([2, 2])
})

test('the time counts from when the reading began', async () => {
  const { engine, cached, clock } = setUp()
  await engine.commit(putting('k', 1))
  engine.held = []
  const read = valueOf(cached, 'k')
  clock.ms = 1000
  engine.release()
  expect(await read).toBe(1)
  await valueOf(cached, 'k')
  expect(engine.gets).toHaveLength(2)
})

test('with a time of 0 a row stays until it is written here', async () => {
  const { engine, cached, clock } = setUp(10, 0)
  await cached.commit(putting('k', 1))
  await valueOf(cached, 'k')
  clock.ms = 1e9
  expect(await valueOf(cached, 'k')).toBe(1)
  await cached.commit(putting('k', 2))
  expect(await valueOf(cached, 'k')).toBe(2)
  expect(engine.gets).toHaveLength(2)
})

test('gets of a row at the same time share one read', async () => {
  const { engine, cached } = setUp()
  await engine.commit(putting('k', 1))
  engine.held = []
  const reads = [valueOf(cached, 'k'), valueOf(cached, 'k'), valueOf(cached, 'k')]
  engine.release()
  expect(await Promise.all(reads)).toEqual([1, 1, 1])
  expect(engine.gets).toEqual(['k'])
})

test('a read that began before a commit ended is told to nobody who asks after it', async () => {
  const { engine, cached } = setUp()
  await engine.commit(putting('k', 1))
  const held = (engine.held = [])
  const before = valueOf(cached, 'k')
  const commit = cached.commit(putting('k', 2))
  const during = valueOf(cached, 'k')
  while (held.length < 3) await new Promise((resolve) => setImmediate(resolve))
  const [answerBefore, answerCommit, answerDuring] = held as (() => void)[]
  engine.held = undefined
  answerCommit!()
  await commit
  expect(await valueOf(cached, 'k')).toBe(2)
  answerBefore!()
  answerDuring!()
  expect(await before).toBe(1)
  await during
  expect(await valueOf(cached, 'k')).toBe(2)
})

test('while a commit is under way its rows are read from the engine', async () => {
  const { engine, cached } = setUp()
  await cached.commit(putting('k', 1))
  await valueOf(cached, 'k')
  engine.held = []
  const commit = cached.commit(putting('k', 2))
  const read = valueOf(cached, 'k')
  engine.release()
  await commit
  expect(await read).toBe(2)
})

test('who is refused for an old row finds the new one', async () => {
  const { engine, cached } = setUp()
  await engine.commit(putting('k', 1))
  const old = (await cached.get('b', 'object', 'k'))!
  await engine.commit(putting('k', 2))
  expect(await cached.commit(putting('other', 1, undefined))).toBe(true)
  expect(
    await cached.commit({ ...putting('other', 2), expects: putting('k', 0, old.rev).expects }),
  ).toBe(false)
  expect(await valueOf(cached, 'k')).toBe(2)
})

test('a read that failed is not remembered', async () => {
  const { engine, cached } = setUp()
  await engine.commit(putting('k', 1))
  const get = engine.get.bind(engine)
  engine.get = () => Promise.reject(new Error('far away'))
  await expect(cached.get('b', 'object', 'k')).rejects.toThrow('far away')
  engine.get = get
  expect(await valueOf(cached, 'k')).toBe(1)
})

test('the row that was used longest ago makes room', async () => {
  const { engine, cached } = setUp(2)
  for (const key of ['a', 'b', 'a', 'c', 'a', 'b']) await valueOf(cached, key)
  expect(engine.gets).toEqual(['a', 'b', 'c', 'b'])
})

test('bytes beside the rows are bounded', async () => {
  const { engine, cached } = setUp(1_000_000)
  const bytes = new Uint8Array(64 * 1024)
  for (let i = 0; i < 1100; i++) await engine.commit(putting(`${i}`, i, undefined, bytes))
  for (let i = 0; i < 1100; i++) await valueOf(cached, `${i}`)
  engine.gets.length = 0
  await valueOf(cached, '1099')
  expect(engine.gets).toEqual([])
  await valueOf(cached, '0')
  expect(engine.gets).toEqual(['0'])
})

test('a scan of one position is told from memory, without bytes; others are not', async () => {
  const { engine, cached } = setUp()
  await engine.commit(putting('k', 1, undefined, Uint8Array.of(1)))
  const row = (await cached.get('b', 'object', 'k'))!
  const one = await cached.scan('b', 'object', { from: 'k', to: 'k\0', limit: 1 })
  expect(one).toStrictEqual([{ sort: 'k', rev: row.rev, value: 1 }])
  expect(engine.scans).toBe(0)
  await cached.scan('b', 'object', { from: 'k', limit: 1 })
  expect(engine.scans).toBe(1)
})
