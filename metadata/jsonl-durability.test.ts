/** When the engine `jsonl` may answer, and what it does where the disk fails or the process dies. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { SILENT } from '../src/lib/meter.ts'
import { DISK, type Disk } from '../src/lib/disk.ts'
import { type Call, CrashingDisk, guarded } from './jsonl-disk.fixture.ts'
import { JsonlStore } from './jsonl.ts'
import type { Json } from './store.ts'

function newFolder(): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'sluice-jsonl-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  return folder
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

function put(store: JsonlStore, sort: string, value: Json, bytes?: Uint8Array): Promise<boolean> {
  const write = { table: 'object' as const, sort, value, ...(bytes && { bytes }) }
  return store.commit({ partition: 'b', expects: [], writes: [write] })
}

const all = { from: '', limit: 1000 }
const full = Object.assign(new Error('no space'), { code: 'ENOSPC' })

test('until the disk has a commit it is not answered, and nobody is shown any of it', async () => {
  let release: (() => void) | undefined
  let isSlow = false
  const disk = guarded(
    (call) =>
      new Promise((resolve) => {
        if (isSlow && call === 'datasync') release = resolve
        else resolve()
      }),
  )
  await using store = await JsonlStore.open({ path: newFolder(), meter: SILENT, disk })
  await put(store, 'old', 1)
  await put(store, 'going', 1)
  isSlow = true
  let isAnswered = false
  const commits = [put(store, 'new', 1), put(store, 'old', 2), put(store, 'going', null)]
  const answered = Promise.all(commits).then(() => (isAnswered = true))
  while (release === undefined) await turn()
  for (let i = 0; i < 5; i++) await turn()
  expect(isAnswered).toBe(false)
  expect(await store.get('b', 'object', 'new')).toBeUndefined()
  const before = await store.scan('b', 'object', all)
  expect(before.map(({ sort, value }) => [sort, value])).toEqual([
    ['going', 1],
    ['old', 1],
  ])
  isSlow = false
  release()
  await answered
  const after = await store.scan('b', 'object', all)
  expect(after.map(({ sort, value }) => [sort, value])).toEqual([
    ['new', 1],
    ['old', 2],
  ])
})

test('commits of the same moment share one write and one sync', async () => {
  const calls: Call[] = []
  const disk = guarded((call) => void calls.push(call))
  await using store = await JsonlStore.open({ path: newFolder(), meter: SILENT, disk })
  calls.length = 0
  await Promise.all(Array.from({ length: 100 }, (_, i) => put(store, `${i}`, i)))
  expect(calls).toEqual(['write', 'datasync'])
})

test.each(['datasync', 'write'] as const)(
  'after a %s that failed nothing is committed any more, and reads show what was durable',
  async (broken) => {
    let isBroken = false
    const disk = guarded((call) => {
      if (isBroken && call === broken) throw new Error('EIO')
    })
    const store = await JsonlStore.open({ path: newFolder(), meter: SILENT, disk })
    onTestFinished(async () => store[Symbol.asyncDispose]())
    await put(store, 'old', 1)
    isBroken = true
    const unavailable = { name: 'StoreUnavailable' }
    await expect(put(store, 'new', 1)).rejects.toMatchObject(unavailable)
    isBroken = false
    await expect(put(store, 'later', 1)).rejects.toMatchObject(unavailable)
    expect(await store.get('b', 'object', 'old')).toMatchObject({ value: 1 })
    expect(await store.get('b', 'object', 'new')).toBeUndefined()
  },
)

test('a full disk refuses with StoreFull and keeps nothing of it; with room again the store goes on', async () => {
  const folder = newFolder()
  let isFull = false
  const real = guarded(() => {})
  const disk: Disk = {
    ...real,
    async write(fd, bytes, position) {
      if (!isFull) return real.write(fd, bytes, position)
      // All of the first line, and the second by half.
      await real.write(fd, bytes.subarray(0, Math.ceil(bytes.length * 0.75)), position)
      throw full
    },
  }
  const file = path.join(folder, 'log-00000001.jsonl')
  {
    await using store = await JsonlStore.open({ path: folder, meter: SILENT, disk })
    await put(store, 'old', 1)
    const before = readFileSync(file)
    isFull = true
    const outcomes = await Promise.allSettled([put(store, 'x', 1), put(store, 'y', 1)])
    for (const outcome of outcomes)
      expect(outcome).toMatchObject({ status: 'rejected', reason: { name: 'StoreFull' } })
    expect(readFileSync(file).equals(before)).toBe(true)
    expect(await store.scan('b', 'object', all)).toHaveLength(1)
    isFull = false
    expect(await put(store, 'z', 1)).toBe(true)
  }
  await using store = await JsonlStore.open({ path: folder, meter: SILENT })
  const rows = await store.scan('b', 'object', all)
  expect(rows.map(({ sort }) => sort)).toEqual(['old', 'z'])
})

describe('the snapshot', () => {
  const COMPACT_BYTES = 30_000

  function snapshotsIn(folder: string): string[] {
    return readdirSync(folder).filter((name) => /^snapshot-\d+\.jsonl$/.test(name))
  }

  test('is made while commits go on, stands in for older logs, and loses nothing', async () => {
    const folder = newFolder()
    const expected = new Map<string, number>()
    const disk = { ...DISK, datasync: async () => {} }
    {
      await using store = await JsonlStore.open({
        path: folder,
        meter: SILENT,
        disk,
        compactBytesMin: 200_000,
      })
      let next = 0
      const write = async (writer: number): Promise<void> => {
        while (next < 12_000) {
          const i = next++
          const sort = `${writer}/${(i * 7919) % 400}`
          const isGone = i % 5 === 0
          const bytes = isGone ? undefined : new Uint8Array(50).fill(i)
          await put(store, sort, isGone ? null : i, bytes)
          if (isGone) expected.delete(sort)
          else expected.set(sort, i)
        }
      }
      await Promise.all(Array.from({ length: 16 }, (_, writer) => write(writer)))
      await expect.poll(() => snapshotsIn(folder).length).toBe(1)
    }
    const files = readdirSync(folder).filter((name) => name.includes('jsonl'))
    expect(Number(/\d+/.exec(snapshotsIn(folder)[0]!))).toBeGreaterThan(2)
    const bytes = files.reduce((sum, name) => sum + statSync(path.join(folder, name)).size, 0)
    expect(bytes).toBeLessThan(2_400_000)
    await using store = await JsonlStore.open({ path: folder, meter: SILENT })
    const found = new Map<string, number>()
    for (let from = ''; ;) {
      const rows = await store.scan('b', 'object', { from, limit: 1000 })
      for (const { sort, value } of rows) found.set(sort, value as number)
      if (rows.length < 1000) break
      from = `${rows.at(-1)!.sort}\0`
    }
    expect(found).toEqual(expected)
    const [sort, value] = [...expected][0]!
    expect((await store.get('b', 'object', sort))?.bytes?.[7]).toBe(value % 256)
  })

  test('a rev is not given again, although its row and its log are gone', async () => {
    const folder = newFolder()
    const options = { path: folder, meter: SILENT, compactBytesMin: 5000 }
    let highest = 0
    {
      await using store = await JsonlStore.open(options)
      for (let i = 0; snapshotsIn(folder).length === 0; i++) {
        await put(store, 'k', i)
        highest = (await store.get('b', 'object', 'k'))!.rev as number
        await put(store, 'k', null)
      }
    }
    await using store = await JsonlStore.open(options)
    await put(store, 'k', 1)
    expect((await store.get('b', 'object', 'k'))!.rev).toBeGreaterThan(highest)
  })

  test('that finds no room is given up, commits go on, and it is tried again later', async () => {
    const folder = newFolder()
    let isFull = true
    const disk = guarded((call, target) => {
      if (isFull && call === 'open' && String(target).includes('snapshot')) throw full
    })
    await using store = await JsonlStore.open({
      path: folder,
      meter: SILENT,
      disk,
      compactBytesMin: COMPACT_BYTES,
    })
    const grow = async (): Promise<void> => {
      for (let i = 0; i < 40; i++) await put(store, `${i}`, i, new Uint8Array(2000))
    }
    await grow()
    await turn()
    expect(snapshotsIn(folder)).toEqual([])
    expect(readdirSync(folder).some((name) => name.endsWith('.partial'))).toBe(false)
    isFull = false
    await grow()
    await expect.poll(() => snapshotsIn(folder).length).toBe(1)
    expect(await store.scan('b', 'object', all)).toHaveLength(40)
  })

  /** Commits one after another until the disk is dead; answers those that were acknowledged. */
  async function runUntilDead(folder: string, disk: CrashingDisk): Promise<number> {
    let acknowledged = 0
    let store: JsonlStore | undefined
    try {
      store = await JsonlStore.open({ path: folder, meter: SILENT, disk, compactBytesMin: 3000 })
      for (; acknowledged < 40; acknowledged++) {
        await put(store, `row${acknowledged % 7}`, acknowledged, new Uint8Array(200))
        // Snapshots come along with it.
        await turn()
      }
    } catch {
      // The disk is dead.
    }
    await store?.[Symbol.asyncDispose]().catch(() => {})
    return acknowledged
  }

  test.each([
    ['the process dies', false],
    ['the power goes', true],
  ])(
    'whenever %s, all that was acknowledged is there',
    async (_, isPowerCut) => {
      const whole = new CrashingDisk(Infinity)
      const first = newFolder()
      expect(await runUntilDead(first, whole)).toBe(40)
      expect(snapshotsIn(first)).toHaveLength(1)
      for (let last = 1; last < whole.steps + 5; last++) {
        const folder = newFolder()
        const disk = new CrashingDisk(last)
        const acknowledged = await runUntilDead(folder, disk)
        if (isPowerCut && disk.isDead) disk.cutPower()
        const again = { ...DISK, datasync: async () => {}, syncFolder: async () => {} }
        await using store = await JsonlStore.open({ path: folder, meter: SILENT, disk: again })
        for (let row = 0; row < 7; row++) {
          // The last acknowledged write of this row; the one under way may be there or not.
          const least = acknowledged - 1 - ((((acknowledged - 1 - row) % 7) + 7) % 7)
          const found = await store.get('b', 'object', `row${row}`)
          const allowed: unknown[] = [least < 0 ? undefined : least]
          if (acknowledged % 7 === row) allowed.push(acknowledged)
          expect(allowed, `row ${row} of ${acknowledged}, dead at ${last}`).toContain(found?.value)
          if (found) expect(found.bytes).toHaveLength(200)
        }
        expect(await put(store, 'after', 1)).toBe(true)
        expect(existsSync(path.join(folder, 'lock.db'))).toBe(true)
      }
    },
    60_000,
  )
})
