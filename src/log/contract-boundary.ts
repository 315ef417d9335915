/** What is promised about purging, cutting off and replacing. */
import { expect, test } from 'vitest'
import {
  allFrom,
  entriesFrom,
  entriesOf,
  entryAt,
  type NewPlace,
  opened,
} from './contract-calls.ts'

export function boundaryPromises(newPlace: NewPlace): void {
  test('purged entries are gone, and the rest stays', async () => {
    const engine = await opened(newPlace())
    const { log } = engine
    await log.persistEntries(entriesFrom(1, 100))
    await log.purge({ index: 40, term: 1 })
    expect(log.purgeBoundary()).toEqual({ index: 40, term: 1 })
    expect([log.firstIndex(), log.lastIndex()]).toEqual([41, 100])
    expect([log.termOf(39), log.termOf(40), log.termOf(41)]).toEqual([undefined, 1, 1])
    const compacted = { name: 'LogCompacted', boundary: { index: 40, term: 1 } }
    await expect(log.entry(40)).rejects.toMatchObject(compacted)
    expect(() => log.getEntries(40, 50)).toThrow(expect.objectContaining(compacted))
    await expect(log.truncate(40)).rejects.toMatchObject(compacted)
    await expect(log.replaceRange(40, [entryAt(40)])).rejects.toMatchObject(compacted)
    expect(await allFrom(engine)).toEqual(entriesFrom(41, 60))
  })

  test('purging up to 0, or where it was purged already, does nothing', async () => {
    const engine = await opened(newPlace())
    const { log } = engine
    await log.persistEntries(entriesFrom(1, 10))
    await log.purge({ index: 0, term: 0 })
    expect(log.purgeBoundary()).toBeUndefined()
    await log.purge({ index: 5, term: 1 })
    await log.purge({ index: 3, term: 1 })
    await log.purge({ index: 5, term: 1 })
    expect(log.purgeBoundary()).toEqual({ index: 5, term: 1 })
    expect(await allFrom(engine)).toEqual(entriesFrom(6, 5))
  })

  test('with all purged the log goes on behind the boundary', async () => {
    const engine = await opened(newPlace())
    const { log } = engine
    await log.persistEntries(entriesFrom(1, 10))
    await log.purge({ index: 10, term: 1 })
    expect([log.firstIndex(), log.lastIndex()]).toEqual([11, 10])
    expect(log.lastLogId()).toEqual({ index: 10, term: 1 })
    expect(entriesOf(await log.getEntries(11, 20))).toEqual([])
    await log.persistEntries([entryAt(11, 2)])
    expect(await allFrom(engine)).toEqual([entryAt(11, 2)])
  })

  test('a snapshot from elsewhere puts the boundary behind the last entry', async () => {
    const engine = await opened(newPlace())
    const { log } = engine
    await log.persistEntries(entriesFrom(1, 10))
    await log.purge({ index: 1000, term: 9 })
    expect(log.lastLogId()).toEqual({ index: 1000, term: 9 })
    await expect(log.persistEntries([entryAt(11)])).rejects.toMatchObject({ name: 'LogGap' })
    await log.persistEntries(entriesFrom(1001, 5, 9))
    expect(await allFrom(engine)).toEqual(entriesFrom(1001, 5, 9))
  })

  test('what is cut off is gone, and others may come in its place', async () => {
    const engine = await opened(newPlace())
    const { log } = engine
    await log.persistEntries(entriesFrom(1, 100))
    await log.truncate(60)
    expect(log.lastLogId()).toEqual({ index: 59, term: 1 })
    expect(await log.entry(60)).toBeUndefined()
    expect(log.termOf(60)).toBeUndefined()
    await log.persistEntries(entriesFrom(60, 3, 2))
    expect(await allFrom(engine)).toEqual([...entriesFrom(1, 59), ...entriesFrom(60, 3, 2)])
    expect([log.termOf(59), log.termOf(60)]).toEqual([1, 2])
    await log.truncate(63)
    await log.truncate(1000)
    expect(log.lastIndex()).toBe(62)
    await log.truncate(1)
    expect([log.firstIndex(), log.lastIndex(), log.lastLogId()]).toEqual([1, 0, undefined])
    await log.persistEntries([entryAt(1, 3)])
    expect(await allFrom(engine)).toEqual([entryAt(1, 3)])
  })

  test('a range is replaced: fewer, more, none, and right behind the last', async () => {
    const engine = await opened(newPlace())
    const { log } = engine
    await log.persistEntries(entriesFrom(1, 10))
    await log.replaceRange(8, [entryAt(8, 2)])
    expect(log.lastLogId()).toEqual({ index: 8, term: 2 })
    await log.replaceRange(8, entriesFrom(8, 10, 3))
    await log.replaceRange(18, entriesFrom(18, 2, 4))
    expect(await allFrom(engine)).toEqual([
      ...entriesFrom(1, 7),
      ...entriesFrom(8, 10, 3),
      ...entriesFrom(18, 2, 4),
    ])
    await log.replaceRange(5, [])
    expect(await allFrom(engine)).toEqual(entriesFrom(1, 4))
    await expect(log.replaceRange(6, [entryAt(6)])).rejects.toMatchObject({ name: 'LogGap' })
    await expect(log.replaceRange(3, [entryAt(4)])).rejects.toMatchObject({ name: 'LogGap' })
    expect(await allFrom(engine)).toEqual(entriesFrom(1, 4))
  })

  test('a reset leaves nothing of the log, and the state beside it', async () => {
    const { log, meta } = await opened(newPlace())
    await meta.saveHardState({ term: 3, vote: 'me' })
    await log.persistEntries(entriesFrom(1, 10))
    await log.purge({ index: 4, term: 1 })
    await log.reset()
    expect([log.firstIndex(), log.lastIndex(), log.durableIndex()]).toEqual([1, 0, 0])
    expect([log.lastLogId(), log.purgeBoundary()]).toEqual([undefined, undefined])
    expect(await meta.loadHardState()).toEqual({ term: 3, vote: 'me' })
    await log.persistEntries([entryAt(1)])
    expect(log.lastIndex()).toBe(1)
  })
}
