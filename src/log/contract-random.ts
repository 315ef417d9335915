/** Any calls, in any order, with the log opened again in between: it is what a plain list would be. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { allFrom, entriesFrom, type NewPlace } from './contract-calls.ts'
import type { LogEntry, LogId, StorageEngine } from './store.ts'

/** A step; numbers are taken relative to where the log is. */
interface Step {
  readonly call: 'persist' | 'truncate' | 'replace' | 'purge' | 'reset' | 'reopen'
  readonly where: number
  readonly count: number
}

const STEPS: fc.Arbitrary<Step[]> = fc.array(
  fc.record({
    call: fc.constantFrom<Step['call'][]>(
      ...([
        'persist',
        'persist',
        'persist',
        'truncate',
        'replace',
        'purge',
        'reset',
        'reopen',
      ] as const),
    ),
    where: fc.nat(30),
    count: fc.integer({ min: 1, max: 40 }),
  }),
  { minLength: 5, maxLength: 40 },
)

export function randomPromises(
  newPlace: NewPlace,
  { isKept, runs }: { readonly isKept: boolean; readonly runs: number },
): void {
  test('leave what a plain list would have', async () => {
    const property = fc.asyncProperty(STEPS, (steps) => run(newPlace, steps, isKept))
    await expect(fc.assert(property, { numRuns: runs })).resolves.toBeUndefined()
  })
}

interface Model {
  entries: LogEntry[]
  boundary: LogId | undefined
}

async function run(newPlace: NewPlace, steps: readonly Step[], isKept: boolean): Promise<void> {
  const place = newPlace()
  let engine = await place.open()
  const model: Model = { entries: [], boundary: undefined }
  try {
    for (const [i, step] of steps.entries()) {
      if (step.call === 'reopen') {
        if (!isKept) continue
        await engine[Symbol.asyncDispose]()
        engine = await place.open()
      } else await take(engine, model, step, i + 1)
      await compare(engine, model)
    }
  } finally {
    await engine[Symbol.asyncDispose]()
  }
}

async function take({ log }: StorageEngine, model: Model, step: Step, term: number): Promise<void> {
  const first = (model.boundary?.index ?? 0) + 1
  const last = first + model.entries.length - 1
  const { call, count } = step
  // Somewhere from the first to right behind the last.
  const where = first + (step.where % (last - first + 2))
  if (call === 'persist') {
    const entries = entriesFrom(last + 1, count, term)
    await log.persistEntries(entries)
    model.entries.push(...entries)
  } else if (call === 'truncate') {
    await log.truncate(where)
    model.entries.length = where - first
  } else if (call === 'replace') {
    const entries = entriesFrom(where, count - 1, term)
    await log.replaceRange(where, entries)
    model.entries.splice(where - first, Infinity, ...entries)
  } else if (call === 'purge') {
    // Now and then beyond the last.
    const index = step.where === 30 ? last + count : where - 1
    const boundary = { index, term: log.termOf(index) ?? term }
    await log.purge(boundary)
    if (index < first) return
    model.entries.splice(0, index - first + 1)
    model.boundary = boundary
  } else {
    await log.reset()
    Object.assign(model, { entries: [], boundary: undefined })
  }
}

async function compare(engine: StorageEngine, { entries, boundary }: Model): Promise<void> {
  const { log } = engine
  const first = (boundary?.index ?? 0) + 1
  expect(log.firstIndex()).toBe(first)
  expect(log.lastIndex()).toBe(first + entries.length - 1)
  expect(log.purgeBoundary()).toEqual(boundary)
  expect(await allFrom(engine)).toEqual(entries)
  for (const { index, term } of entries) expect(log.termOf(index)).toBe(term)
  const { index, term } = entries.at(-1) ?? boundary ?? { index: 0, term: 0 }
  expect(log.lastLogId()).toEqual(index === 0 ? undefined : { index, term })
}
