/**
 * Whether a history of concurrent operations on one object is linearizable: whether each operation can be taken
 * to have happened at one moment between its begin and its end, so that all outcomes are those of a model
 * to which one after the other is done (Herlihy and Wing 1990).
 *
 * The search is Wing and Gong's, in Lowe's just-in-time form: it goes over the begins and ends in their
 * order, with all configurations that explain what was seen so far (the model's state, and which of the
 * operations under way have happened already), and lets operations happen only when one of them ends.
 * Equal configurations are searched once.
 *
 * An operation without an end has an outcome that nobody knows: it may happen at any time after its begin, or
 * never. Of two configurations that differ only in such operations, the one in which fewer have
 * happened can do all that the other can, so that the other is dropped; that keeps the search small.
 */

/** What is done to the object, one operation after the other; states are compared as texts. */
export interface Model<Act> {
  readonly initial: string
  /** The state after it, and what its caller is told. */
  step(state: string, act: Act): readonly [state: string, outcome: string]
}

export interface Operation<Act> {
  readonly act: Act
  /** On one clock for all; of equal times all begins come before all ends. */
  readonly begin: number
  /** Both, or neither where it was never heard what became of it. */
  readonly end?: number
  readonly outcome?: string
}

/** The first operation, by its end, that no order explains together with what came before it. */
export interface Violation<Act> {
  readonly operation: Operation<Act>
  /** What the object may have been when it ended, before it happened. */
  readonly states: readonly string[]
  /** Operations that were under way when it ended. */
  readonly beside: readonly Operation<Act>[]
}

/** More configurations at one time: the history has too many unknown outcomes to be judged. */
const CONFIGURATIONS_MAX = 100_000

/** Undefined: it is linearizable. */
export function checkHistory<Act>(
  model: Model<Act>,
  operations: readonly Operation<Act>[],
): Violation<Act> | undefined {
  const pending = new Map<number, Operation<Act>>()
  let now = new Configurations()
  now.add({ state: model.initial, happened: 0n, unknown: 0n })
  for (const { index, isEnd } of events(operations)) {
    const operation = operations[index]!
    if (!isEnd) {
      pending.set(index, operation)
      continue
    }
    const next = afterEnd(model, pending, now, index)
    pending.delete(index)
    if (next.isEmpty) return { operation, states: now.states(), beside: [...pending.values()] }
    now = next
  }
  return undefined
}

interface Event {
  /** Of the operation. */
  readonly index: number
  readonly isEnd: boolean
  readonly time: number
}

function events<Act>(operations: readonly Operation<Act>[]): readonly Event[] {
  const all: Event[] = []
  for (const [index, { begin, end }] of operations.entries()) {
    all.push({ index, isEnd: false, time: begin })
    if (end !== undefined) all.push({ index, isEnd: true, time: end })
  }
  return all.sort((a, b) => a.time - b.time || Number(a.isEnd) - Number(b.isEnd))
}

/** Bits are indexes of operations. */
interface Configuration {
  readonly state: string
  /** Operations under way that have happened, and whose end will come. */
  readonly happened: bigint
  /** Operations without an end that have happened, and that made a difference. */
  readonly unknown: bigint
}

/** A set without those that another one of it can stand for. */
class Configurations {
  /** By all that must be equal. */
  readonly #alike = new Map<string, Configuration[]>()

  /** False where it is in it already, or another one that can do all it can. */
  add(configuration: Configuration): boolean {
    const { state, happened, unknown } = configuration
    const key = `${happened} ${state}`
    const alike = this.#alike.get(key) ?? []
    if (alike.some((other) => (other.unknown & unknown) === other.unknown)) return false
    const kept = alike.filter((other) => (other.unknown & unknown) !== unknown)
    this.#alike.set(key, [...kept, configuration])
    if (this.#alike.size > CONFIGURATIONS_MAX) throw new Error('too many outcomes are unknown')
    return true
  }

  get isEmpty(): boolean {
    return this.#alike.size === 0
  }

  *[Symbol.iterator](): Generator<Configuration, void, undefined> {
    for (const alike of this.#alike.values()) yield* alike
  }

  states(): readonly string[] {
    return [...new Set([...this].map(({ state }) => state))]
  }
}

/** The configurations in which the operation has happened, now that it ends. */
function afterEnd<Act>(
  model: Model<Act>,
  pending: ReadonlyMap<number, Operation<Act>>,
  now: Configurations,
  ended: number,
): Configurations {
  const next = new Configurations()
  const seen = new Configurations()
  const open: Configuration[] = []
  const bit = 1n << BigInt(ended)
  for (const configuration of now) {
    const { happened } = configuration
    if ((happened & bit) !== 0n) next.add({ ...configuration, happened: happened & ~bit })
    else if (seen.add(configuration)) open.push(configuration)
  }
  for (let from = open.pop(); from !== undefined; from = open.pop()) {
    for (const [index, operation] of pending) {
      const to = happen(model, from, index, operation)
      if (to === undefined) continue
      if (index === ended) next.add({ ...to, happened: to.happened & ~bit })
      else if (seen.add(to)) open.push(to)
    }
  }
  return next
}

/** The operation happens now; undefined where it has already, cannot, or need not. */
function happen<Act>(
  model: Model<Act>,
  { state, happened, unknown }: Configuration,
  index: number,
  operation: Operation<Act>,
): Configuration | undefined {
  const bit = 1n << BigInt(index)
  if (((happened | unknown) & bit) !== 0n) return undefined
  const [after, outcome] = model.step(state, operation.act)
  if (operation.end !== undefined)
    return outcome === operation.outcome
      ? { state: after, happened: happened | bit, unknown }
      : undefined
  return after === state ? undefined : { state: after, happened, unknown: unknown | bit }
}
