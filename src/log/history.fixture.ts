/**
 * Calls that change a log, and what a log should be after each of them: to tell, of a log that was left in
 * the midst, after how many calls it stands.
 */
import { expect } from 'vitest'
import { allFrom, entriesFrom } from './contract-calls.ts'
import { applied, type LogModel, type Step } from './history.ts'
import type { HardState, StorageEngine } from './store.ts'

export interface History {
  /** After each call that was made, from before the first. */
  readonly models: LogModel[]
  /** How many calls were answered. */
  answered: number
  /** The same of states that were saved. */
  readonly states: (HardState | undefined)[]
  answeredStates: number
}

export function historyFrom(model: LogModel, state: HardState | undefined): History {
  return { models: [model], answered: 0, states: [state], answeredStates: 0 }
}

/** Notes a call that is made; answers which it is. */
export function noteStep(history: History, step: Step): number {
  return history.models.push(applied(history.models.at(-1)!, step)) - 1
}

/** The log is as after one of the calls from the last answered one on; answers as after which. */
export async function recognised(engine: StorageEngine, history: History): Promise<LogModel> {
  const { log, meta } = engine
  const found = {
    boundary: log.purgeBoundary(),
    terms: Array.from({ length: log.lastIndex() - log.firstIndex() + 1 }, (_, i) =>
      log.termOf(log.firstIndex() + i),
    ),
  }
  const candidates = history.models.slice(history.answered)
  const same = candidates.find((model) => keyOf(model) === keyOf(found))
  if (same === undefined) expect(found).toEqual(candidates[0])
  const first = log.firstIndex()
  const wanted = same!.terms.map((term, i) => entriesFrom(first + i, 1, term)[0])
  expect(await allFrom(engine)).toEqual(wanted)
  const state = await meta.loadHardState()
  expect(history.states.slice(history.answeredStates)).toContainEqual(state)
  for await (const problem of log.verify()) expect.fail(`${problem.where}: ${problem.message}`)
  return same!
}

function keyOf({ boundary, terms }: { boundary: unknown; terms: unknown }): string {
  return JSON.stringify([boundary, terms])
}
