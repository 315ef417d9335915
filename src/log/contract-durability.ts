/** What is promised of a log that is kept: opened again, it is what it was. */
import { expect, test } from 'vitest'
import { allFrom, entriesFrom, entryAt, type LogPlace, type NewPlace } from './contract-calls.ts'
import type { LogStore } from './store.ts'

export function durabilityPromises(newPlace: NewPlace): void {
  const doing = async (place: LogPlace, work: (log: LogStore) => Promise<void>): Promise<void> => {
    await using engine = await place.open()
    await work(engine.log)
  }

  test('entries are there', async () => {
    const place = newPlace()
    await doing(place, (log) => log.persistEntries(entriesFrom(1, 50)))
    await doing(place, (log) => log.persistEntries(entriesFrom(51, 50, 2)))
    await using engine = await place.open()
    expect(await allFrom(engine)).toEqual([...entriesFrom(1, 50), ...entriesFrom(51, 50, 2)])
    expect(engine.log.durableIndex()).toBe(100)
    expect(engine.log.termOf(50)).toBe(1)
    expect(engine.log.termOf(51)).toBe(2)
  })

  test('what was cut off stays gone', async () => {
    const place = newPlace()
    await doing(place, async (log) => {
      await log.persistEntries(entriesFrom(1, 50))
      await log.truncate(20)
    })
    await doing(place, async (log) => {
      expect(log.lastIndex()).toBe(19)
      await log.persistEntries(entriesFrom(20, 5, 2))
    })
    await using engine = await place.open()
    expect(await allFrom(engine)).toEqual([...entriesFrom(1, 19), ...entriesFrom(20, 5, 2)])
  })

  test('what was purged stays gone, and the boundary is known', async () => {
    const place = newPlace()
    await doing(place, async (log) => {
      await log.persistEntries(entriesFrom(1, 50))
      await log.purge({ index: 20, term: 1 })
    })
    await using engine = await place.open()
    expect(engine.log.purgeBoundary()).toEqual({ index: 20, term: 1 })
    expect(await allFrom(engine)).toEqual(entriesFrom(21, 30))
  })

  test('with all purged the last index and the boundary are known', async () => {
    const place = newPlace()
    await doing(place, async (log) => {
      await log.persistEntries(entriesFrom(1, 50, 4))
      await log.purge({ index: 50, term: 4 })
    })
    for (let round = 0; round < 3; round++)
      await doing(place, async (log) => {
        expect([log.firstIndex(), log.lastIndex(), log.durableIndex()]).toEqual([51, 50, 50])
        expect(log.lastLogId()).toEqual({ index: 50, term: 4 })
        expect(log.purgeBoundary()).toEqual({ index: 50, term: 4 })
      })
    await using engine = await place.open()
    await engine.log.persistEntries([entryAt(51, 5)])
    expect(await allFrom(engine)).toEqual([entryAt(51, 5)])
  })

  test('a range that was replaced is the new one', async () => {
    const place = newPlace()
    await doing(place, async (log) => {
      await log.persistEntries(entriesFrom(1, 50))
      await log.replaceRange(10, entriesFrom(10, 3, 2))
    })
    await using engine = await place.open()
    expect(await allFrom(engine)).toEqual([...entriesFrom(1, 9), ...entriesFrom(10, 3, 2)])
  })

  test('a reset is one, and the state beside the log stays', async () => {
    const place = newPlace()
    {
      await using engine = await place.open()
      await engine.meta.saveHardState({ term: 9, vote: 'x' })
      await engine.log.persistEntries(entriesFrom(1, 50))
      await engine.log.purge({ index: 5, term: 1 })
      await engine.log.reset()
      await engine.log.persistEntries([entryAt(1, 2)])
    }
    await using engine = await place.open()
    expect(await allFrom(engine)).toEqual([entryAt(1, 2)])
    expect(await engine.meta.loadHardState()).toEqual({ term: 9, vote: 'x' })
  })

  test('calls that wait while it is closed are done', async () => {
    const place = newPlace()
    const engine = await place.open()
    const calls = [1, 2, 3].map((call) => engine.log.persistEntries(entriesFrom(call * 10 - 9, 10)))
    const save = engine.meta.saveHardState({ term: 8 })
    await engine[Symbol.asyncDispose]()
    await Promise.all([...calls, save])
    await using again = await place.open()
    expect(again.log.lastIndex()).toBe(30)
    expect(await again.meta.loadHardState()).toEqual({ term: 8 })
  })

  test('a second opener is refused, and the first goes on', async () => {
    const place = newPlace()
    await using engine = await place.open()
    await engine.log.persistEntries([entryAt(1)])
    await expect(place.open()).rejects.toMatchObject({ name: 'StoreLocked' })
    await engine.log.persistEntries([entryAt(2)])
  })
}
