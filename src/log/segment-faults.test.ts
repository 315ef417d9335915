/** What the engine does where the disk fails, and where bytes are not as they were written. */
import { describe, expect, test } from 'vitest'
import { allFrom, entriesFrom, entryAt } from './contract-calls.ts'
import { type Call, errorOf, SimulatedDisk } from './disk.fixture.ts'
import { openSegments } from './segment.ts'
import type { StorageEngine } from './store.ts'

const FIRST = '/log/segment-00000001.log'

function open(disk: SimulatedDisk, segmentBytes: number = 4000): Promise<StorageEngine> {
  let salt = 1
  return openSegments({ path: '/log', disk, segmentBytes, salt: () => (salt += 77_777_777) })
}

async function reopened(disk: SimulatedDisk): Promise<StorageEngine> {
  disk.fail = () => undefined
  return open(disk)
}

describe('a disk that fails', () => {
  test.each<[Call, string]>([
    ['datasync', 'EIO'],
    ['datasync', 'ENOSPC'],
    ['write', 'EIO'],
  ])(
    'at a %s with %s: nothing is written any more, and reads show what was durable',
    async (call, code) => {
      const disk = new SimulatedDisk()
      const engine = await open(disk)
      const { log } = engine
      await log.persistEntries(entriesFrom(1, 5))
      disk.fail = (called) => (called === call ? errorOf(code) : undefined)
      const waiting = log.waitDurable(6).catch((error: unknown) => error)
      const poisoned = { name: 'StorePoisoned', cause: { code } }
      await expect(log.persistEntries([entryAt(6)])).rejects.toMatchObject(poisoned)
      expect(await waiting).toMatchObject({ name: 'StorePoisoned' })
      disk.fail = () => undefined
      await expect(log.persistEntries([entryAt(6)])).rejects.toMatchObject(poisoned)
      await expect(log.truncate(1)).rejects.toMatchObject(poisoned)
      await expect(log.flush()).rejects.toMatchObject(poisoned)
      expect(await allFrom(engine)).toEqual(entriesFrom(1, 5))
      await engine[Symbol.asyncDispose]()
      await using again = await reopened(disk)
      expect(again.log.lastIndex()).toBeGreaterThanOrEqual(5)
      await again.log.persistEntries([entryAt(again.log.lastIndex() + 1)])
    },
  )

  test('that is full refuses with StoreFull and keeps nothing of it; with room again the log goes on', async () => {
    const disk = new SimulatedDisk()
    {
      await using engine = await open(disk, 100_000)
      const { log } = engine
      await log.persistEntries(entriesFrom(1, 5))
      // Half of what is written comes to the disk: the first of the calls as a whole.
      disk.fail = (call) => (call === 'write' ? errorOf('ENOSPC') : undefined)
      const calls = [
        log.persistEntries([entryAt(6)]),
        log.persistEntries(entriesFrom(7, 1)),
        log.truncate(2),
      ]
      for (const outcome of await Promise.allSettled(calls))
        expect(outcome).toMatchObject({ status: 'rejected', reason: { name: 'StoreFull' } })
      disk.fail = () => undefined
      expect(await allFrom(engine)).toEqual(entriesFrom(1, 5))
      await log.persistEntries([entryAt(6, 2)])
    }
    await using engine = await reopened(disk)
    expect(await allFrom(engine)).toEqual([...entriesFrom(1, 5), entryAt(6, 2)])
  })

  test('that is full and dies: of what was refused nothing comes back', async () => {
    const disk = new SimulatedDisk()
    const engine = await open(disk, 100_000)
    await engine.log.persistEntries(entriesFrom(1, 5))
    disk.fail = (call) => (call === 'write' ? errorOf('ENOSPC') : undefined)
    const calls = [1, 2, 3].map((i) => engine.log.persistEntries([entryAt(5 + i)]))
    await Promise.allSettled(calls)
    disk.kill()
    await using again = await reopened(disk)
    expect(await allFrom(again)).toEqual(entriesFrom(1, 5))
  })

  test.each<Call>(['open', 'write'])(
    'that has no room for the next segment at its %s refuses, and goes on later',
    async (call) => {
      const disk = new SimulatedDisk()
      {
        await using engine = await open(disk, 500)
        await engine.log.persistEntries(entriesFrom(1, 20))
        disk.fail = (called, name) =>
          called === call && !name.includes('state') ? errorOf('ENOSPC') : undefined
        await expect(engine.log.persistEntries([entryAt(21)])).rejects.toMatchObject({
          name: 'StoreFull',
        })
        disk.fail = () => undefined
        await engine.log.persistEntries(entriesFrom(21, 20))
      }
      await using engine = await reopened(disk)
      expect(await allFrom(engine)).toEqual(entriesFrom(1, 40))
    },
  )

  test.each<Call>(['rename', 'syncFolder'])(
    'whose %s for the next segment fails poisons the log',
    async (call) => {
      const disk = new SimulatedDisk()
      const engine = await open(disk, 500)
      await engine.log.persistEntries(entriesFrom(1, 20))
      disk.fail = (called) => (called === call ? errorOf('EIO') : undefined)
      await expect(engine.log.persistEntries([entryAt(21)])).rejects.toMatchObject({
        name: 'StorePoisoned',
      })
      await engine[Symbol.asyncDispose]()
      await using again = await reopened(disk)
      expect(await allFrom(again)).toEqual(entriesFrom(1, 20))
    },
  )

  test('a state that cannot be synced is not said to be saved, nor any after it', async () => {
    const disk = new SimulatedDisk()
    await using engine = await open(disk)
    await engine.meta.saveHardState({ term: 1 })
    disk.fail = (call) => (call === 'datasync' ? errorOf('EIO') : undefined)
    const poisoned = { name: 'StorePoisoned' }
    await expect(engine.meta.saveHardState({ term: 2 })).rejects.toMatchObject(poisoned)
    disk.fail = () => undefined
    await expect(engine.meta.saveHardState({ term: 3 })).rejects.toMatchObject(poisoned)
    expect(await engine.meta.loadHardState()).toEqual({ term: 1 })
  })
})

describe('bytes that are not as they were written', () => {
  const ENTRIES = [...entriesFrom(4, 6), ...entriesFrom(10, 4, 2)]

  /** A log in which everything has happened, closed in order. */
  async function written(): Promise<SimulatedDisk> {
    const disk = new SimulatedDisk()
    await using engine = await open(disk, 700)
    await engine.log.persistEntries(entriesFrom(1, 12))
    await engine.log.persistEntries(entriesFrom(13, 8))
    await engine.log.replaceRange(10, entriesFrom(10, 6, 2))
    await engine.log.truncate(14)
    await engine.log.purge({ index: 3, term: 1 })
    await engine.meta.saveHardState({ term: 1, vote: 'old' })
    await engine.meta.saveHardState({ term: 2, vote: 'new' })
    return disk
  }

  test('any bit that flips is told when the log is opened, or changes nothing', async () => {
    const disk = await written()
    const names = disk.list('/').filter((name) => name.includes('segment'))
    expect(names).toHaveLength(3)
    let told = 0
    for (const name of names) {
      const bytes = disk.bytesOf(`/${name}`)
      for (let at = 0; at < bytes.length; at++) {
        const before = bytes[at]!
        bytes[at] = before ^ (1 << (at % 8))
        try {
          const engine = await open(disk)
          expect(await allFrom(engine), `${name} at ${at}`).toEqual(ENTRIES)
          // Closing it would write.
          disk.kill()
        } catch (error) {
          expect(error).toMatchObject({
            name: expect.stringMatching(/^Log(Corrupt|Foreign)$/) as string,
          })
          told++
        }
        expect(disk.isLocked).toBe(false)
        bytes[at] = before
      }
    }
    // All but padding, and what tells that it was closed.
    expect(told).toBeGreaterThan(1200)
  })

  test('any bit of the state that flips changes nothing: there is another copy', async () => {
    const disk = await written()
    const bytes = disk.bytesOf('/log/state')
    for (let at = 0; at < bytes.length; at++) {
      const before = bytes[at]!
      bytes[at] = before ^ (1 << (at % 8))
      const engine = await open(disk)
      expect(await engine.meta.loadHardState(), `at ${at}`).toEqual({ term: 2, vote: 'new' })
      disk.kill()
      bytes[at] = before
    }
    bytes.fill(7)
    await expect(open(disk)).rejects.toMatchObject({ name: 'LogCorrupt' })
  })

  test('a save that was torn, in both its copies, leaves the state before it', async () => {
    const disk = await written()
    disk.bytesOf('/log/state').fill(7, 0, 1024)
    await using engine = await open(disk)
    expect(await engine.meta.loadHardState()).toEqual({ term: 1, vote: 'old' })
  })

  test('an entry that is damaged while the log is open is never returned, and verify tells where', async () => {
    const disk = new SimulatedDisk()
    await using engine = await open(disk)
    const { log } = engine
    for (let i = 0; i < 20; i += 5) await log.persistEntries(entriesFrom(1 + i, 5))
    const bytes = disk.bytesOf(FIRST)
    const at = bytes.indexOf('entry 8 of')
    bytes[at] = bytes[at]! ^ 4
    const corrupt = { name: 'LogCorrupt', segment: FIRST }
    await expect(log.entry(8)).rejects.toMatchObject(corrupt)
    const batch = await log.getEntries(1, 20)
    expect(() => [...batch]).toThrow(expect.objectContaining(corrupt))
    expect(batch.at(8).index).toBe(9)
    const problems = []
    for await (const problem of log.verify()) problems.push(problem)
    expect(problems).toEqual([{ where: FIRST, at: at - 24, message: 'a record is damaged' }])
  })

  test('damage in what was synced is told from a torn end, although the log was not closed', async () => {
    const disk = new SimulatedDisk()
    const engine = await open(disk)
    await engine.log.persistEntries(entriesFrom(1, 5))
    await engine.log.persistEntries(entriesFrom(6, 5))
    disk.kill()
    const bytes = disk.bytesOf(FIRST)
    const second = bytes.indexOf('entry 7 of')
    bytes[second] = bytes[second]! ^ 4
    {
      await using again = await open(disk)
      // Of the last group nobody knows whether it was answered: it was written as one, and is gone as one.
      expect(await allFrom(again)).toEqual(entriesFrom(1, 5))
    }
    const first = bytes.indexOf('entry 3 of')
    disk.bytesOf(FIRST)[first]! ^= 4
    await expect(open(disk)).rejects.toMatchObject({ name: 'LogCorrupt', segment: FIRST })
  })
})

describe('a folder that is not as it was left', () => {
  async function written(): Promise<SimulatedDisk> {
    const disk = new SimulatedDisk()
    await using engine = await open(disk, 500)
    for (let i = 0; i < 40; i += 10) await engine.log.persistEntries(entriesFrom(1 + i, 10))
    return disk
  }

  test.each([
    ['the first', 1],
    ['one in the middle', 2],
  ])('with %s of the segments missing it is refused', async (_, number) => {
    const disk = await written()
    await disk.remove(`/log/segment-0000000${number}.log`)
    await expect(open(disk)).rejects.toMatchObject({ name: 'LogCorrupt' })
  })

  test('with a file of something else in it, it is refused, and nothing is touched', async () => {
    const disk = await written()
    await disk.close(await disk.open('/log/holiday.jpg', 'wx+'))
    const steps = disk.steps
    await expect(open(disk)).rejects.toMatchObject({
      name: 'LogForeign',
      message: expect.stringContaining('holiday.jpg') as string,
    })
    expect(disk.steps).toBe(steps)
  })

  test('of a newer version it is refused, and nothing is touched', async () => {
    const disk = await written()
    disk.bytesOf(FIRST).writeUInt32LE(2, 8)
    const before = Buffer.from(disk.bytesOf(FIRST))
    await expect(open(disk)).rejects.toMatchObject({
      name: 'LogForeign',
      message: expect.stringContaining('newer program') as string,
    })
    expect(disk.bytesOf(FIRST).equals(before)).toBe(true)
  })

  test('segments that a snapshot stands in for are used again, and then removed', async () => {
    const disk = new SimulatedDisk()
    await using engine = await open(disk, 500)
    for (let i = 0; i < 100; i += 10) await engine.log.persistEntries(entriesFrom(1 + i, 10))
    const before = engine.log.stats().files
    await engine.log.purge({ index: 95, term: 1 })
    await engine.log.flush()
    expect(disk.list('/log').filter((name) => name.startsWith('spare'))).toHaveLength(2)
    expect(engine.log.stats().files).toBeLessThan(before)
    for (let i = 100; i < 200; i += 10) await engine.log.persistEntries(entriesFrom(1 + i, 10))
    expect(await allFrom(engine)).toEqual(entriesFrom(96, 105))
  })
})
