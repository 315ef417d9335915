/**
 * A log whose writer is killed with SIGKILL at random moments, again and again on the same folder, now and
 * then with a torn end: each time it stands as after one of the calls, all that were answered among them.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { expect, test } from 'vitest'
import { type History, historyFrom, noteStep, recognised } from '../../src/log/history.fixture.ts'
import { EMPTY, type LogModel, randomOf, type Step } from '../../src/log/history.ts'
import type { LogEngineName } from '../../src/log/open.ts'
import type { HardState } from '../../src/log/store.ts'
import { openPlace } from './log-place.ts'

/** 1000 for the long run. */
const ROUNDS = Number(process.env['SLUICE_CRASH_LOG_ROUNDS'] ?? 25)
const WRITER = join(import.meta.dirname, 'log-writer.ts')

/** Runs the writer for a moment; what it said is noted. */
async function killed(
  engine: LogEngineName,
  folder: string,
  seed: number,
  model: LogModel,
  history: History,
): Promise<void> {
  const args = [WRITER, engine, folder, String(seed), JSON.stringify(model)]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  const exited = once(child, 'exit')
  for await (const line of createInterface(child.stdout)) {
    const [word, rest = ''] = line.split(/ (.*)/s)
    if (word === 'open') setTimeout(() => child.kill('SIGKILL'), 5 + Math.random() * 150)
    else if (word === 'call') noteStep(history, JSON.parse(rest) as Step)
    else if (word === 'done') history.answered = Math.max(history.answered, Number(rest))
    else if (word === 'save') history.states.push(JSON.parse(rest) as HardState)
    else if (word === 'saved') history.answeredStates = Number(rest)
  }
  const [code, signal] = (await exited) as [number | null, string | null]
  expect({ code, signal }).toEqual({ code: null, signal: 'SIGKILL' })
}

/** Half a record, or any bytes, behind the last one: as a power cut may leave them. */
async function tear(folder: string, random: () => number): Promise<void> {
  const name = (await readdir(folder))
    .filter((name) => name.startsWith('segment'))
    .sort()
    .at(-1)!
  const file = join(folder, name)
  const bytes = await readFile(file)
  let end = bytes.findLastIndex((byte) => byte !== 0) + 1
  end += (8 - (end % 8)) % 8
  const from = 64 + Math.floor((random() * Math.max(0, end - 64)) / 8) * 8
  const piece = random() < 0.5 ? bytes.subarray(from, from + 70) : Buffer.from('garbage'.repeat(9))
  const torn = Buffer.alloc(Math.max(bytes.length, end + piece.length))
  bytes.copy(torn)
  piece.copy(torn, end)
  // Only in room that nothing was written to; a segment that is used again has none that can be seen.
  if (end + piece.length <= bytes.length) await writeFile(file, torn)
}

test.each<[LogEngineName]>([['segment'], ['sqlite']])(
  `${ROUNDS} rounds of kill -9 on the engine %s lose nothing that was answered`,
  async (engine) => {
    const folder = await mkdtemp(join(tmpdir(), 'sluice-log-'))
    const random = randomOf(20_261_120)
    let model = EMPTY
    let state: HardState | undefined
    let calls = 0
    try {
      for (let round = 1; round <= ROUNDS; round++) {
        const history = historyFrom(model, state)
        await killed(engine, folder, round, model, history)
        if (engine === 'segment' && random() < 0.5) await tear(folder, random)
        await using again = await openPlace(engine, folder)
        model = await recognised(again, history)
        state = await again.meta.loadHardState()
        calls += history.answered
        // Not closed in order: the next writer finds it as this one did.
      }
      expect(calls).toBeGreaterThan(ROUNDS * 3)
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  },
  3_600_000,
)
