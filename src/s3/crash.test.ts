/* oxlint-disable vitest/no-conditional-expect -- what is to be expected depends on the step of the death */
/** A process that dies at each of its steps, before or after the step took effect; and what the next one finds. */
import { expect, test } from 'vitest'
import { MemoryStore } from '../../metadata/memory.ts'
import type { Commit, MetadataStore, Range, Row, Table } from '../../metadata/store.ts'
import { MemoryStorage } from '../../storage/memory.ts'
import type { ByteRange, ObjectStorage } from '../../storage/store.ts'
import { StoreUnavailable } from '../lib/store-error.ts'
import type { Body } from '../lib/stream.ts'
import { extentsOf } from './content.ts'
import { scanRows } from './rows.ts'
import { countShares, Fixture, FixtureClock } from './s3.fixture.ts'

/** Dies at step `at`; from then on nothing works any more. */
class Fate {
  steps = 0
  readonly #at: number
  readonly #after: boolean

  constructor(at: number, after: boolean) {
    this.#at = at
    this.#after = after
  }

  async step<T>(act: () => Promise<T>): Promise<T> {
    const step = ++this.steps
    if (step < this.#at) return act()
    if (step === this.#at && this.#after) await act()
    throw new StoreUnavailable('dead')
  }
}

class MortalStore implements MetadataStore {
  readonly name = 'mortal'
  readonly #store: MetadataStore
  readonly #fate: Fate

  constructor(store: MetadataStore, fate: Fate) {
    this.#store = store
    this.#fate = fate
  }

  get(partition: string, table: Table, sort: string): Promise<Row | undefined> {
    return this.#store.get(partition, table, sort)
  }

  scan(partition: string, table: Table, range: Range): Promise<readonly Row[]> {
    return this.#store.scan(partition, table, range)
  }

  commit(commit: Commit): Promise<boolean> {
    return this.#fate.step(() => this.#store.commit(commit))
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

class MortalStorage implements ObjectStorage {
  readonly name = 'mortal'
  readonly #storage: ObjectStorage
  readonly #fate: Fate

  constructor(storage: ObjectStorage, fate: Fate) {
    this.#storage = storage
    this.#fate = fate
  }

  put(...args: Parameters<ObjectStorage['put']>): ReturnType<ObjectStorage['put']> {
    return this.#fate.step(() => this.#storage.put(...args))
  }

  get(id: string, range?: ByteRange, signal?: AbortSignal): Promise<Body> {
    return this.#storage.get(id, range, signal)
  }

  delete(ids: readonly string[]): Promise<void> {
    return this.#fate.step(() => this.#storage.delete(ids))
  }

  list(after: string): ReturnType<ObjectStorage['list']> {
    return this.#storage.list(after)
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

const LONG = 'a body that does not fit into its row'

/** What a client does, and what the keys hold once it was acknowledged. */
interface Move {
  readonly act: (f: Fixture) => Promise<unknown>
  readonly gives: Readonly<Record<string, string | undefined>>
}

const MOVES: readonly Move[] = [
  { act: (f) => f.put('a', `${LONG} a`), gives: { a: `${LONG} a` } },
  { act: (f) => f.put('b', 'small'), gives: { b: 'small' } },
  { act: (f) => f.copy('b/a', 'c'), gives: { c: `${LONG} a` } },
  { act: (f) => f.copy('b/c', 'd'), gives: { d: `${LONG} a` } },
  { act: (f) => f.put('a', `${LONG} a2`), gives: { a: `${LONG} a2` } },
  { act: (f) => f.copy('b/a', 'a', { MetadataDirective: 'REPLACE' }), gives: {} },
  { act: (f) => f.sweep().run(false), gives: {} },
  { act: (f) => f.delete('c'), gives: { c: undefined } },
  { act: (f) => f.copy('b/d', 'b'), gives: { b: `${LONG} a` } },
  { act: (f) => f.delete('d'), gives: { d: undefined } },
  { act: (f) => f.sweep().run(true), gives: {} },
  { act: (f) => f.put('b', ''), gives: { b: '' } },
  { act: (f) => f.sweep().run(true), gives: {} },
]

const KEYS = ['a', 'b', 'c', 'd']

/** Plays the moves until the process dies, and gives what each key may hold then; undefined: it outlived them all. */
async function play(f: Fixture): Promise<Map<string, Set<string | undefined>> | undefined> {
  const held = new Map<string, string | undefined>()
  for (const { act, gives } of MOVES) {
    try {
      await act(f)
    } catch (error) {
      expect(error).toBeInstanceOf(StoreUnavailable)
      return new Map(
        KEYS.map((key) => [
          key,
          new Set([held.get(key), key in gives ? gives[key] : held.get(key)]),
        ]),
      )
    }
    for (const [key, text] of Object.entries(gives)) held.set(key, text)
  }
  return undefined
}

async function holding(f: Fixture, key: string): Promise<string | undefined> {
  return f.text(key).catch((error: { code?: string }) => {
    expect(error.code).toBe('NoSuchKey')
    return undefined
  })
}

/** Blobs that objects name. */
async function named(f: Fixture): Promise<Set<string>> {
  const blobs = new Set<string>()
  for (const row of await scanRows(f.ctx.metadata, 'b', 'object', { from: '', limit: 100 })) {
    for await (const [blob] of extentsOf(f.ctx, 'b', row.value.c)) blobs.add(blob)
  }
  return blobs
}

test.each([
  ['before', false],
  ['after', true],
] as const)(
  'a death just %s any step loses nothing that was acknowledged, tears no object, and leaves nothing that the sweep does not find',
  async (_when, after) => {
    let deaths = 0
    for (let at = 1; ; at++) {
      const store = new MemoryStore()
      const storage = new MemoryStorage()
      const clock = new FixtureClock()
      const first = new Fixture(store, storage, {}, clock)
      await first.bucket()
      const fate = new Fate(at, after)
      const mortal = new Fixture(
        new MortalStore(store, fate),
        new MortalStorage(storage, fate),
        {},
        clock,
      )
      const may = await play(mortal)
      if (may === undefined) break
      deaths++
      const next = new Fixture(store, storage, {}, clock)
      const found = new Map<string, string | undefined>()
      for (const [key, texts] of may) {
        found.set(key, await holding(next, key))
        expect(texts, `${key} after step ${at}`).toContain(found.get(key))
      }
      clock.time += 2 * 3_600_000
      await next.sweep().run(true)
      for (const [key, text] of found) expect(await holding(next, key)).toBe(text)
      expect(new Set(await next.blobs()), `after step ${at}`).toEqual(await named(next))
      for (const key of KEYS) await next.delete(key)
      clock.time += 2 * 3_600_000
      await next.sweep().run(true)
      expect(await next.blobs()).toEqual([])
      expect(await countShares(store)).toBe(0)
    }
    expect(deaths).toBeGreaterThan(20)
  },
  60_000,
)
