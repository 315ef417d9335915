/** What is promised about entries: appended, read, refused. */
import { expect, test } from 'vitest'
import {
  allFrom,
  entriesFrom,
  entriesOf,
  entryAt,
  type NewPlace,
  opened,
  plain,
} from './contract-calls.ts'
import { ENTRY_BYTES_MAX, type LogEntry } from './store.ts'

export function entryPromises(newPlace: NewPlace): void {
  readPromises(newPlace)
  refusalPromises(newPlace)
  orderPromises(newPlace)
}

function readPromises(newPlace: NewPlace): void {
  test('an empty log has no entries, and goes on with 1', async () => {
    const { log } = await opened(newPlace())
    expect([log.firstIndex(), log.lastIndex(), log.durableIndex()]).toEqual([1, 0, 0])
    expect(log.lastLogId()).toBeUndefined()
    expect(log.purgeBoundary()).toBeUndefined()
    expect(log.termOf(0)).toBeUndefined()
    expect(log.termOf(1)).toBeUndefined()
    expect(await log.entry(1)).toBeUndefined()
    expect(entriesOf(await log.getEntries(1, 10))).toEqual([])
    await log.persistEntries([])
    expect(log.lastIndex()).toBe(0)
  })

  test('an entry reads back as it was written', async () => {
    const { log } = await opened(newPlace())
    await log.persistEntries([entryAt(1, 7)])
    expect(plain((await log.entry(1))!)).toEqual(entryAt(1, 7))
    expect(log.lastLogId()).toEqual({ index: 1, term: 7 })
    expect([log.firstIndex(), log.lastIndex(), log.termOf(1)]).toEqual([1, 1, 7])
    expect(await log.entry(2)).toBeUndefined()
  })

  test('a hundred at once, and ranges of them', async () => {
    const { log } = await opened(newPlace())
    const all = entriesFrom(1, 100)
    await log.persistEntries(all)
    for (const [from, to] of [
      [1, 100],
      [1, 1],
      [100, 100],
      [37, 61],
      [90, 1000],
      [50, 49],
      [101, 200],
    ] as const)
      expect(entriesOf(await log.getEntries(from, to)), `${from} to ${to}`).toEqual(
        all.slice(from - 1, Math.max(from - 1, to)),
      )
  })

  test('payloads of any length and byte, kinds and the highest term come back', async () => {
    const { log } = await opened(newPlace())
    const all = [0, 1, 7, 8, 9, 4095, 4096, 1_000_003].map((length, i): LogEntry => {
      const payload = Uint8Array.from({ length }, (_, at) => (at * 31 + i) % 256)
      return { index: i + 1, term: 2 ** 53 - 1 - (8 - i), kind: (i % 3) as 0 | 1 | 2, payload }
    })
    await log.persistEntries(all)
    for (const entry of all) expect(plain((await log.entry(entry.index))!)).toEqual(entry)
    expect(log.termOf(8)).toBe(2 ** 53 - 2)
  })

  test('a range stops at the bytes it was told, with at least one entry', async () => {
    const { log } = await opened(newPlace())
    const all = entriesFrom(1, 50).map((entry) => ({
      ...entry,
      payload: new Uint8Array(1000).fill(entry.index),
    }))
    for (let i = 0; i < 50; i += 10) await log.persistEntries(all.slice(i, i + 10))
    const some = await log.getEntries(5, 50, { maxBytes: 10_500 })
    expect(some.first).toBe(5)
    expect(some.length).toBeGreaterThanOrEqual(8)
    expect(some.length).toBeLessThanOrEqual(10)
    expect(plain(some.at(3))).toEqual(all[7])
    expect((await log.getEntries(5, 50, { maxBytes: 1 })).length).toBe(1)
    expect(() => some.at(some.length)).toThrow(RangeError)
    expect(() => some.at(-1)).toThrow(RangeError)
  })

  test('what was read stays as it was, although the log goes on', async () => {
    const { log } = await opened(newPlace())
    await log.persistEntries(entriesFrom(1, 20))
    const batch = await log.getEntries(1, 20)
    await log.replaceRange(5, entriesFrom(5, 20, 2))
    await log.purge({ index: 15, term: 2 })
    expect(entriesOf(batch)).toEqual(entriesFrom(1, 20))
  })

  test('a buffer that is used again after the call does not change the entry', async () => {
    const { log } = await opened(newPlace())
    const payload = Uint8Array.of(1, 2, 3)
    await log.persistEntries([{ index: 1, term: 1, kind: 1, payload }])
    payload.fill(9)
    expect(plain((await log.entry(1))!).payload).toEqual(Uint8Array.of(1, 2, 3))
  })
}

function refusalPromises(newPlace: NewPlace): void {
  test.each([
    ['a gap', [entryAt(5)], 4, 5],
    ['an entry that is there', [entryAt(3)], 4, 3],
    ['a gap within', [entryAt(4), entryAt(6)], 5, 6],
    ['a step back within', [entryAt(4), entryAt(4)], 5, 4],
  ])('%s is refused, and nothing of the call remains', async (_, entries, expected, given) => {
    const engine = await opened(newPlace())
    await engine.log.persistEntries(entriesFrom(1, 3))
    const refused = engine.log.persistEntries(entries)
    await expect(refused).rejects.toMatchObject({ name: 'LogGap', expected, given })
    expect(await allFrom(engine)).toEqual(entriesFrom(1, 3))
    await engine.log.persistEntries([entryAt(4)])
  })

  test.each<[string, Partial<Record<keyof LogEntry, unknown>>]>([
    ['an index beyond 2^53 - 1', { index: 2 ** 53 }],
    ['an index that is none', { index: 1.5 }],
    ['index 0', { index: 0 }],
    ['a term below 0', { term: -1 }],
    ['a term beyond 2^53 - 1', { term: 2 ** 53 }],
    ['a kind that is not known', { kind: 3 }],
    ['a payload that is no bytes', { payload: 'text' }],
    [
      'a payload that is too long',
      { payload: { __proto__: Uint8Array.prototype, length: ENTRY_BYTES_MAX + 1 } },
    ],
  ])('%s is refused, and the log goes on', async (_, wrong) => {
    const engine = await opened(newPlace())
    const entry = { ...entryAt(1), ...wrong } as LogEntry
    await expect(engine.log.persistEntries([entry])).rejects.toMatchObject({
      name: expect.stringMatching(/^(RangeError|LogGap)$/) as string,
    })
    await engine.log.persistEntries([entryAt(1)])
    expect(await allFrom(engine)).toEqual([entryAt(1)])
  })

  test.each([0, -1, 1.5, Number.NaN, 2 ** 53])('index %d is none, for any call', async (index) => {
    const { log } = await opened(newPlace())
    await log.persistEntries(entriesFrom(1, 3))
    await expect(log.entry(index)).rejects.toThrow(RangeError)
    expect(() => log.getEntries(index, 5)).toThrow(RangeError)
    await expect(log.truncate(index)).rejects.toThrow(RangeError)
    await expect(log.replaceRange(index, [])).rejects.toThrow(RangeError)
    await expect(log.waitDurable(index)).rejects.toThrow(RangeError)
    expect(log.lastIndex()).toBe(3)
  })
}

function orderPromises(newPlace: NewPlace): void {
  test('calls that are not waited for take effect in order', async () => {
    const engine = await opened(newPlace())
    const { log } = engine
    const calls = [
      log.persistEntries(entriesFrom(1, 10)),
      log.persistEntries(entriesFrom(11, 10)),
      log.truncate(15),
      log.persistEntries(entriesFrom(15, 3, 2)),
      log.replaceRange(4, entriesFrom(4, 30, 3)),
      log.purge({ index: 2, term: 1 }),
      log.persistEntries([entryAt(34, 3)]),
    ]
    await expect(log.persistEntries([entryAt(90)])).rejects.toMatchObject({
      name: 'LogGap',
      expected: 35,
    })
    await Promise.all(calls)
    expect(await allFrom(engine)).toEqual([entryAt(3), ...entriesFrom(4, 31, 3)])
  })

  test('reads while others append see whole calls, in order', async () => {
    const { log } = await opened(newPlace())
    let isRunning = true
    const read = async (): Promise<void> => {
      for (let last = 0; isRunning;) {
        expect(log.lastIndex()).toBeGreaterThanOrEqual(last)
        last = log.lastIndex()
        expect(last % 3).toBe(0)
        const from = Math.max(1, last - 20)
        const batch = entriesOf(await log.getEntries(from, last))
        if (last > 0) expect(batch).toEqual(entriesFrom(from, last - from + 1))
        await new Promise((resolve) => setImmediate(resolve))
      }
    }
    const reading = read()
    for (let i = 0; i < 100; i++) await log.persistEntries(entriesFrom(1 + i * 3, 3))
    isRunning = false
    await reading
    expect(log.lastIndex()).toBe(300)
  })

  test('who waits for an entry to be durable is told, and after a flush it is', async () => {
    const { log } = await opened(newPlace())
    const waiting = log.waitDurable(5)
    await log.persistEntries(entriesFrom(1, 5))
    await log.flush()
    await waiting
    await log.waitDurable(3)
    expect(log.durableIndex()).toBe(5)
    if (log.isWriteDurable) {
      await log.persistEntries([entryAt(6)])
      expect(log.durableIndex()).toBe(6)
    }
  })

  test('closed, it refuses everything, and those who wait', async () => {
    const engine = await newPlace().open()
    await engine.log.persistEntries(entriesFrom(1, 3))
    const waiting = engine.log.waitDurable(9).catch((error: unknown) => error)
    const { log, meta } = engine
    await engine[Symbol.asyncDispose]()
    expect(await waiting).toMatchObject({ name: 'StoreClosed' })
    const closed = { name: 'StoreClosed' }
    await expect(log.persistEntries([entryAt(4)])).rejects.toMatchObject(closed)
    await expect(log.entry(1)).rejects.toMatchObject(closed)
    await expect(log.truncate(1)).rejects.toMatchObject(closed)
    await expect(log.flush()).rejects.toMatchObject(closed)
    await expect(meta.saveHardState({ term: 1 })).rejects.toMatchObject(closed)
    await expect(meta.loadHardState()).rejects.toMatchObject(closed)
    expect(() => log.getEntries(1, 2)).toThrow(expect.objectContaining(closed))
    await engine[Symbol.asyncDispose]()
  })

  test('a sound log has no problems, and says what it is', async () => {
    const { log } = await opened(newPlace())
    for (let i = 0; i < 10; i++) await log.persistEntries(entriesFrom(1 + i * 5, 5))
    await log.replaceRange(20, entriesFrom(20, 5, 2))
    await log.purge({ index: 3, term: 1 })
    // These change nothing.
    await log.flush()
    await log.truncate(99)
    await log.purge({ index: 2, term: 1 })
    await log.persistEntries([])
    await log.replaceRange(25, [])
    for await (const problem of log.verify()) expect.fail(problem.message)
    expect(log.stats()).toMatchObject({ firstIndex: 4, lastIndex: 24, changes: 12 })
  })
}
