/** SIGKILL at random moments while the SQLite engine applies, moves its log into the file, and reclaims. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { statSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { SILENT } from '../src/lib/meter.ts'
import { newFile, segmentsOf } from './sqlite.fixture.ts'
import { BODY_BYTES, BOUNDS, ROWS, WRITERS, writeOf } from './sqlite-kill.child.ts'
import { SqliteStore } from './sqlite.ts'

const CHILD: string = fileURLToPath(new URL('sqlite-kill.child.ts', import.meta.url))
const ROUNDS = Number(process.env['SLUICE_KILL_ROUNDS'] ?? 6)

/** Kills writers amidst their work; calls back with each write that was acknowledged. */
async function kill(
  file: string,
  begin: number,
  onWrite: (writer: number, n: number) => void,
): Promise<void> {
  const child = spawn(process.execPath, [CHILD, file, String(begin)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const exited = once(child, 'exit')
  let isDue = false
  for await (const line of createInterface(child.stdout)) {
    const [writer, n] = line.split(' ').map(Number) as [number, number]
    onWrite(writer, n)
    if (isDue) continue
    isDue = true
    setTimeout(() => child.kill('SIGKILL'), 100 + Math.random() * 400)
  }
  await exited
}

/** What the n-th write left, as text; a body that is not its own is told. */
function leftBy(n: number): string {
  return n === 0 || writeOf(n).isRemoval ? 'none' : `${n}`
}

async function found(store: SqliteStore, sort: string): Promise<string> {
  const row = await store.get('b', 'object', sort)
  if (row === undefined) return 'none'
  const n = row.value as number
  const isIts = row.bytes?.length === BODY_BYTES && row.bytes.every((byte) => byte === n % 256)
  return isIts ? `${n}` : `${n} with a body of another`
}

test(`${ROUNDS} times killed while rows are applied and reclaimed, it has all that was acknowledged`, async () => {
  const file = newFile()
  /** Of each writer and row: its last write. */
  const last = Array.from({ length: WRITERS }, () => Array.from({ length: ROWS }, () => 0))
  let begin = 1
  for (let round = 0; round < ROUNDS; round++) {
    const latest = Array.from({ length: WRITERS }, () => begin - 1)
    await kill(file, begin, (writer, n) => {
      latest[writer] = n
      last[writer]![writeOf(n).row] = n
    })
    await using store = new SqliteStore({ path: file, meter: SILENT, bounds: BOUNDS })
    for (const [writer, rows] of last.entries())
      for (const [row, n] of rows.entries()) {
        // The write that was under way when the process was killed may be there, or not.
        const tried = latest[writer]! + 1
        const state = await found(store, `${writer}/${row}`)
        const wanted = writeOf(tried).row === row ? [leftBy(n), leftBy(tried)] : [leftBy(n)]
        expect(wanted, `row ${writer}/${row} in round ${round}`).toContain(state)
        rows[row] = state === 'none' ? 0 : Number(state)
      }
    expect(Math.min(...latest)).toBeGreaterThan(begin)
    begin = Math.max(...latest) + 2
  }
  // Thousands of records of 800 bytes were written, for 72 rows.
  expect(begin * WRITERS * BODY_BYTES).toBeGreaterThan(2 * sizeOf(file))
}, 60_000)

function sizeOf(file: string): number {
  return segmentsOf(file).reduce((sum, segment) => sum + statSync(segment).size, 0)
}
