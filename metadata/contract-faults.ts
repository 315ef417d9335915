/**
 * The part of the contract for engines that are services: whatever becomes of their calls, a commit is
 * done as a whole or not at all, what it answers is true, and where it does not answer, a look at the
 * rows tells.
 */
import * as fc from 'fast-check'
import { expect } from 'vitest'
import { applyTo, inRange, type Kept, positionOf, step, toCommit } from './contract-random.ts'
import type { MetadataStore } from './store.ts'

/** What becomes of a call that writes: nothing bad; it is lost on its way, or its answer is; it is turned away for load. */
export type Fault = 'none' | 'lost' | 'lost-after' | 'busy'

export interface FaultyStore extends AsyncDisposable {
  readonly store: MetadataStore
  /** The next calls that write go wrong in these ways, one after the other; all others go well. */
  fail(faults: readonly Fault[]): void
}

const fault = fc.constantFrom<Fault>('none', 'lost', 'lost-after', 'lost-after', 'busy')
const faultyStep = fc.tuple(step, fc.array(fault, { maxLength: 3 }))

/** Commit after commit, with faults in them, and after each the whole store against a list of rows. */
export async function isWholeUnderFaults(
  open: () => Promise<FaultyStore>,
  runs: number,
): Promise<void> {
  const property = fc.asyncProperty(fc.array(faultyStep, { maxLength: 12 }), async (steps) => {
    await using opened = await open()
    const { store } = opened
    let model = new Map<string, Kept>()
    for (const [step, faults] of steps) {
      const commit = await toCommit(store, step)
      opened.fail(faults)
      const answer = await store.commit(commit).catch((error: unknown) => error as Error)
      opened.fail([])
      const isRight = step.writes.length === 0 || step.expects !== 'wrong'
      const done = new Map(model)
      if (isRight) applyTo(done, step)
      const now = await textOf(store)
      if (typeof answer === 'boolean') {
        expect(answer).toBe(isRight)
        expect(now).toBe(rowsText(done))
      } else {
        expect(answer.name).toBe('StoreUnavailable')
        expect([rowsText(model), rowsText(done)]).toContain(now)
      }
      if (now === rowsText(done)) model = done
    }
  })
  await fc.assert(property, { numRuns: runs })
}

const PLACES = ['', 'b'].flatMap((partition) =>
  (['object', 'version'] as const).map((table) => ({ partition, table })),
)

async function textOf(store: MetadataStore): Promise<string> {
  const found = PLACES.map(async ({ partition, table }) => {
    const rows = await store.scan(partition, table, { from: '', limit: 1000 })
    return Promise.all(rows.map(async ({ sort }) => shown(await store.get(partition, table, sort))))
  })
  return JSON.stringify(await Promise.all(found))
}

function rowsText(model: ReadonlyMap<string, Kept>): string {
  const places = PLACES.map(({ partition, table }) => {
    const here = [...model].flatMap(([at, row]) =>
      at === positionOf(partition, table, row.sort) ? [row] : [],
    )
    return inRange(here, { from: '', limit: 1000 }).map(shown)
  })
  return JSON.stringify(places)
}

function shown(row: Kept | undefined): unknown[] {
  return [row?.sort, row?.value, row?.bytes && [...row.bytes]]
}
