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

/** A log in segments of 8 MiB, full of such entries, whose third was the first, and had one entry when the process died. */
async function usedAgain(payload: Uint8Array, term: number): Promise<SimulatedDisk> {
  const disk = new SimulatedDisk()
  let salt = 1
  const options = { path: '/log', disk, segmentBytes: 8 * 1024 * 1024, salt: () => (salt += 9) }
  const { log } = await openSegments(options)
  const add = (count: number): Promise<void> => {
    const first = log.lastIndex() + 1
    return log.persistEntries(
      Array.from({ length: count }, (_, i) => ({ index: first + i, term, kind: 0, payload })),
    )
  }
  const has = (number: number): boolean =>
    disk.list('/log').includes(`segment-0000000${number}.log`)
  for (let number = 2; number <= 3; number++) {
    while (!has(number)) {
      await add(Math.ceil((3 * 1024 * 1024) / (payload.length + 24)))
      await add(1)
    }
    if (number === 2) await log.purge({ index: log.lastIndex() - 1, term })
  }
  expect(has(1)).toBe(false)
  disk.kill()
  return disk
}

test.each([
  ['text', Buffer.from('entry of a log'), 7],
  ['zeros', new Uint8Array(40), 7],
  ['nothing', new Uint8Array(0), 1],
  ['terms that look like sizes', Buffer.from('entry'), 2 ** 44],
])(
  'what an earlier use left in a segment, records of %s, is not taken for damage',
  async (_, payload, term) => {
    const disk = await usedAgain(payload, term)
    await using engine = await openSegments({ path: '/log', disk })
    const { log } = engine
    expect(log.termOf(log.lastIndex())).toBe(term)
    await log.persistEntries([{ index: log.lastIndex() + 1, term, kind: 1, payload }])
  },
)
