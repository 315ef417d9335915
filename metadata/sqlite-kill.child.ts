/**
 * A process that writes a few rows over and over in a store that applies and reclaims all the time, and
 * says what was acknowledged: `sqlite-kill.test.ts` kills it. Its argument is the database's file; each
 * line is a writer and the number of its write.
 */
import { writeSync } from 'node:fs'
import { SILENT } from '../src/lib/meter.ts'
import { SqliteStore, type Bounds } from './sqlite.ts'

export const BODY_BYTES = 700
/** Rows of each writer; only the first is written seldom, so that its bytes have to be moved. */
export const ROWS = 12
export const WRITERS = 6
export const BOUNDS: Partial<Bounds> = {
  overlayRows: 20,
  segmentBytes: 20_000,
  roomBytes: 5000,
  checkpointFrames: 10,
}

/** The row of a writer's n-th write, and whether that removes it. */
export function writeOf(n: number): { readonly row: number; readonly isRemoval: boolean } {
  const row = n % 40 === 0 ? 0 : 1 + (n % (ROWS - 1))
  return { row, isRemoval: n % 9 === 0 && row > 0 }
}

async function writeForEver(store: SqliteStore, writer: number, begin: number): Promise<void> {
  for (let n = begin; ; n++) {
    const { row, isRemoval } = writeOf(n)
    const write = { table: 'object' as const, sort: `${writer}/${row}`, value: n }
    const bytes = new Uint8Array(BODY_BYTES).fill(n)
    const writes = [isRemoval ? { ...write, value: null } : { ...write, bytes }]
    await store.commit({ partition: 'b', expects: [], writes })
    // Not by a stream: what is in its buffer when the process is killed would be lost.
    writeSync(1, `${writer} ${n}\n`)
  }
}

if (process.argv[1] === import.meta.filename) {
  const [, , path = '', begin] = process.argv
  const store = new SqliteStore({ path, meter: SILENT, bounds: BOUNDS })
  await Promise.all(
    Array.from({ length: WRITERS }, (_, writer) => writeForEver(store, writer, Number(begin))),
  )
}
