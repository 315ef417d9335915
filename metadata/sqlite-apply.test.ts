/** When rows go from the overlay into SQLite, and what happens where SQLite has no room. */
import { expect, test } from 'vitest'
import { SILENT } from '../src/lib/meter.ts'
import { StoreFull } from '../src/lib/store-error.ts'
import { Applier } from './sqlite-apply.ts'
import { countersOf } from './sqlite-counted.ts'
import type { SqliteFile } from './sqlite-file.ts'
import type { Groups } from './sqlite-group.ts'
import { ABSENT, Overlay, type Placed } from './sqlite-overlay.ts'
import type { SqliteRows, State } from './sqlite-rows.ts'
import type { Segments } from './sqlite-segments.ts'

/** An applier over a SQLite that only remembers what it was given. */
function opened() {
  const overlay = new Overlay()
  const sqlite = { isFull: false, sorts: [] as string[], place: undefined as unknown, turns: 0 }
  const rows = {
    apply(rows: readonly Placed[], from: number, to: number, state?: State) {
      if (sqlite.isFull) throw new StoreFull('full')
      sqlite.turns++
      sqlite.sorts.push(...rows.slice(from, to).map(({ sort }) => sort))
      if (state) sqlite.place = { segment: state.segment, at: state.at }
    },
  } as unknown as SqliteRows
  const applier = new Applier({
    file: { frames: () => 0 } as SqliteFile,
    rows,
    log: { written: 0 } as Segments,
    overlay,
    groups: { lastRev: 1, forget() {} } as unknown as Groups,
    counted: countersOf(SILENT),
    checkpointFrames: 100,
    onBroken() {},
    onCheckpoint() {},
  })
  let at = 100
  const write = (...sorts: string[]): void => {
    for (const sort of sorts) {
      const row = { rev: 1, segment: 0, at: 0, length: 0, held: 0, json: '1', base: ABSENT }
      overlay.add('b', 2, sort, row)
    }
    overlay.keep({ segment: 1, at: (at += 100) })
  }
  return { applier, overlay, sqlite, write }
}

test('rows go in the order of positions, and with the last of them the place in the log', async () => {
  const { applier, overlay, sqlite, write } = opened()
  write('b', 'a')
  write('c')
  await applier.flush()
  expect(sqlite.sorts).toEqual(['a', 'b', 'c'])
  expect(sqlite.place).toEqual({ segment: 1, at: 300 })
  expect(overlay.size).toBe(0)
})

test('what is written meanwhile is not in that place, and comes with the next', async () => {
  const { applier, overlay, sqlite, write } = opened()
  const many = Array.from({ length: 1000 }, (_, i) => String(i).padStart(4, '0'))
  write(...many)
  const first = applier.start()
  await Promise.resolve()
  await Promise.resolve()
  write('later')
  await first
  expect(sqlite.turns).toBeGreaterThan(2)
  expect(sqlite.place).toEqual({ segment: 1, at: 200 })
  expect(overlay.durable('b', 2, 'later')).toBeDefined()
  await applier.flush()
  expect(sqlite.sorts).toEqual([...many, 'later'])
  expect(sqlite.place).toEqual({ segment: 1, at: 300 })
})

test('a group whose sync is under way is neither in SQLite nor before the place', async () => {
  const { applier, overlay, sqlite, write } = opened()
  write('durable')
  const row = { rev: 1, segment: 0, at: 0, length: 0, held: 0, json: '1', base: ABSENT }
  overlay.add('b', 2, 'pending', row)
  await applier.flush()
  expect(sqlite.sorts).toEqual(['durable'])
  expect(sqlite.place).toEqual({ segment: 1, at: 200 })
  expect(overlay.pending('b', 2, 'pending')).toBe(row)
})

test('where there was no room, a flush brings first what had none, and then all else', async () => {
  const { applier, sqlite, write } = opened()
  sqlite.isFull = true
  write('first')
  await expect(applier.flush()).rejects.toBeInstanceOf(StoreFull)
  expect(applier.failure).toBeInstanceOf(StoreFull)
  write('second')
  sqlite.isFull = false
  await applier.flush()
  expect(sqlite.sorts).toEqual(['first', 'second'])
  expect(applier.failure).toBeUndefined()
})
