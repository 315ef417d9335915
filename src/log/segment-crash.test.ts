/** What a process that dies, or a power cut, leaves of a log: as after some of its calls, all that were answered among them. */
import { expect, test } from 'vitest'
import { SimulatedDisk } from './disk.fixture.ts'
import { type History, historyFrom, noteStep, recognised } from './history.fixture.ts'
import { EMPTY, nextStep, randomOf, take } from './history.ts'
import { openSegments } from './segment.ts'
import type { HardState, StorageEngine } from './store.ts'

/** Rounds of one seed: the log of one is taken up by the next. */
const ROUNDS = 6
const SEEDS = Number(process.env['SLUICE_CRASH_SEEDS'] ?? 40)

function open(disk: SimulatedDisk, random: () => number): Promise<StorageEngine> {
  const salt = (): number => Math.floor(random() * 2 ** 32)
  return openSegments({ path: '/log', disk, segmentBytes: 3000, salt })
}

/** Makes calls, a few at a time, until the disk is dead or there were enough. */
async function work(
  { log, meta }: StorageEngine,
  disk: SimulatedDisk,
  history: History,
  random: () => number,
  round: number,
): Promise<void> {
  for (let i = 0; i < 30 && !disk.isDead; i++) {
    const calls: Promise<unknown>[] = []
    const width = 1 + Math.floor(random() * 3)
    for (let j = 0; j < width; j++) {
      const step = nextStep(history.models.at(-1)!, random, round * 100 + i)
      const number = noteStep(history, step)
      const done = take(log, step)
      calls.push(done.then(() => (history.answered = Math.max(history.answered, number))))
    }
    if (random() < 0.2) {
      const saved = { term: round * 100 + i, vote: `${i}` }
      const number = history.states.push(saved) - 1
      calls.push(meta.saveHardState(saved).then(() => (history.answeredStates = number)))
    }
    await Promise.allSettled(calls)
  }
}

/** Opens, works until the disk dies, and opens what is left; answers whether it came to die at work. */
async function crash(
  disk: SimulatedDisk,
  history: History,
  random: () => number,
  round: number,
): Promise<boolean> {
  disk.last = 1 + Math.floor(random() * 120)
  let engine: StorageEngine
  try {
    engine = await open(disk, random)
  } catch (error) {
    if (!disk.isDead) throw error
    return false
  }
  await recognised(engine, history)
  await work(engine, disk, history, random, round)
  const isDead = disk.isDead
  await Promise.resolve(engine[Symbol.asyncDispose]()).catch(() => {})
  return isDead
}

test.each([
  ['the process is killed', 'kill'],
  ['the power is cut', 'cut'],
  ['the process is killed, and the power cut once the log was read', 'both'],
])(
  'whenever %s, again and again, all that was answered is there, and no call by half',
  async (_, how) => {
    let deaths = 0
    for (let seed = 1; seed <= SEEDS; seed++) {
      const random = randomOf(seed * 7919)
      const disk = new SimulatedDisk()
      let model = EMPTY
      let state: HardState | undefined
      for (let round = 1; round <= ROUNDS; round++) {
        const history = historyFrom(model, state)
        if (await crash(disk, history, random, round)) deaths++
        if (how === 'cut') disk.cutPower(random)
        else disk.kill()
        let again = await open(disk, random)
        model = await recognised(again, history)
        state = await again.meta.loadHardState()
        if (how === 'both') {
          // What was shown once is not taken back.
          disk.cutPower(random)
          again = await open(disk, random)
          await recognised(again, historyFrom(model, state))
        }
        await again[Symbol.asyncDispose]()
        disk.kill()
      }
    }
    expect(deaths).toBeGreaterThan(SEEDS)
  },
  600_000,
)
