/** Random calls on a log, as data: so that one process makes them, and another knows what should have come of them. */
import { entryAt } from './contract-entry.ts'
import type { LogId, LogStore } from './store.ts'

export interface Step {
  readonly call: 'persist' | 'truncate' | 'replace' | 'purge' | 'reset'
  /** Index; for `purge` the last that goes. */
  readonly at: number
  readonly count: number
  readonly term: number
}

/** A log as it should be; the terms of its entries say what stands in them. */
export interface LogModel {
  readonly boundary: LogId | undefined
  readonly terms: readonly number[]
}

export const EMPTY: LogModel = { boundary: undefined, terms: [] }

function firstOf({ boundary }: LogModel): number {
  return (boundary?.index ?? 0) + 1
}

/** A call that may be made of such a log. */
export function nextStep(model: LogModel, random: () => number, term: number): Step {
  const first = firstOf(model)
  const last = first + model.terms.length - 1
  const pick = random()
  const at = first + Math.floor(random() * (model.terms.length + 1))
  const count = 1 + Math.floor(random() * 12)
  if (pick < 0.6) return { call: 'persist', at: last + 1, count, term }
  if (pick < 0.7) return { call: 'truncate', at, count: 0, term }
  if (pick < 0.85) return { call: 'replace', at, count, term }
  if (pick < 0.98) return { call: 'purge', at: at - 1, count: 0, term: 7 }
  return { call: 'reset', at: 0, count: 0, term }
}

export function applied(model: LogModel, { call, at, count, term }: Step): LogModel {
  const { boundary, terms } = model
  const first = firstOf(model)
  if (call === 'reset') return EMPTY
  if (call === 'purge') {
    if (at < first) return model
    return { boundary: { index: at, term }, terms: terms.slice(at - first + 1) }
  }
  const kept = terms.slice(0, at - first)
  return { boundary, terms: [...kept, ...Array.from({ length: count }, () => term)] }
}

export function take(log: LogStore, { call, at, count, term }: Step): Promise<void> {
  const entries = Array.from({ length: count }, (_, i) => entryAt(at + i, term))
  if (call === 'persist') return log.persistEntries(entries)
  if (call === 'truncate') return log.truncate(at)
  if (call === 'replace') return log.replaceRange(at, entries)
  if (call === 'purge') return log.purge({ index: at, term })
  return log.reset()
}

/** Numbers from 0 to 1 that are the same for the same seed. */
export function randomOf(seed: number): () => number {
  let state = seed >>> 0 || 1
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    state >>>= 0
    return state / 2 ** 32
  }
}
