/**
 * Rows in a PostgreSQL database, which any number of gateways share. A read is one statement; so is nearly
 * every commit, and the database's transaction is the commit (see `commitText`).
 *
 * Where the connection breaks while a commit is under way, it may have happened or not: `StoreUnavailable`.
 * A read is asked once more then. Deadlocks and serialization failures, which took everything back, are
 * tried again some times.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Counter, Meter } from '../src/lib/meter.ts'
import { StoreUnavailable } from '../src/lib/store-error.ts'
import { afterPrefix } from '../src/lib/utf8.ts'
import { foldedScan } from './fold.ts'
import { checkCommit, checkPosition, checkRange } from './limits.ts'
import { escapeKey, isFoundEscaped, LEAST_AFTER, unescapeKey } from './postgres-cells.ts'
import { CODES } from './table-codes.ts'
import { planCommit, type CommitPlan } from './postgres-commit.ts'
import {
  inWordsOfOperators,
  inWordsOfStores,
  isLost,
  isRefusal,
  isRepeatable,
} from './postgres-errors.ts'
import { namesOf, prepareSchema } from './postgres-schema.ts'
import {
  askText,
  commitText,
  freeGapsText,
  getText,
  holdGapsText,
  lookText,
  scanText,
  seekText,
  type Names,
} from './postgres-sql.ts'
import {
  askedOf,
  PostgresWire,
  type Cells,
  type PostgresOptions,
  type Run,
  type Wire,
} from './postgres-wire.ts'
import { groupsAreKnown } from './sqlite-fold.ts'
import { onlyPosition } from './only-position.ts'
import type { Commit, Fold, Json, MetadataStore, Range, Row, Table } from './store.ts'

/** Of a commit that the server took back. */
const ATTEMPTS_MAX = 10
const WAIT_MAX_MS = 200

/** Connects and makes the tables where they are missing; rejects with one line that says what to do. */
export async function openPostgres(options: PostgresOptions, meter: Meter): Promise<PostgresStore> {
  const wire = new PostgresWire(options)
  const asked = askedOf(options)
  try {
    await prepareSchema(wire, asked)
  } catch (error) {
    await wire.close()
    throw inWordsOfOperators(error, asked)
  }
  return new PostgresStore(wire, namesOf(options.schema), meter)
}

export class PostgresStore implements MetadataStore {
  readonly name: string = 'postgres'
  readonly #wire: Wire
  readonly #names: Names
  readonly #texts: Readonly<
    Record<'get' | 'look' | 'scan' | 'scanOpen' | 'seek' | 'seekOpen' | 'ask', string>
  >
  /** Statements of commits by their shape. */
  readonly #commitTexts: (string | undefined)[] = []
  readonly #retries: Counter
  #isOpen = true
  #pending = 0
  #onIdle: (() => void) | undefined

  constructor(wire: Wire, names: Names, meter: Meter) {
    this.#wire = wire
    this.#names = names
    this.#texts = {
      get: getText(names),
      look: lookText(names),
      scan: scanText(names, true),
      scanOpen: scanText(names, false),
      seek: seekText(names, true),
      seekOpen: seekText(names, false),
      ask: askText(names),
    }
    this.#retries = meter.counter(
      'sluice_metadata_retries_total',
      'Commits that the engine took back and that were tried again',
      { engine: this.name },
    )
  }

  async get(partition: string, table: Table, sort: string): Promise<Row | undefined> {
    checkPosition(partition, sort)
    const at = [escapeKey(partition), CODES[table], escapeKey(sort)]
    const [cells] = await this.#read(this.#texts.get, at)
    if (cells === undefined) return undefined
    const [rev, value, bytes] = cells as [string, string, Buffer | null]
    const row = { sort, rev, value: JSON.parse(value) as Json }
    return bytes === null ? row : { ...row, bytes }
  }

  async scan(partition: string, table: Table, range: Range): Promise<readonly Row[]> {
    checkRange(partition, range)
    const { fold } = range
    if (fold === undefined) return this.#scan(partition, table, range)
    if (groupsAreKnown(range, fold) && isFoundEscaped(fold.delimiter))
      return this.#seek(partition, table, range, fold)
    return foldedScan((part) => this.#scan(partition, table, part), range, fold)
  }

  async commit(commit: Commit): Promise<boolean> {
    checkCommit(commit)
    const plan = planCommit(commit)
    if (plan === undefined) {
      this.#checkOpen()
      return false
    }
    if (plan.shape === 0) {
      const [cells] = await this.#read(this.#texts.ask, plan.parameters)
      return cells?.[0] === true
    }
    return this.#busy(() => this.#write(plan))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#isOpen) return
    this.#isOpen = false
    if (this.#pending > 0)
      await new Promise<void>((resolve) => {
        this.#onIdle = resolve
      })
    await this.#wire.close()
  }

  async #scan(
    partition: string,
    table: Table,
    range: Omit<Range, 'fold'>,
  ): Promise<readonly Row[]> {
    const only = onlyPosition(range)
    const at = [escapeKey(partition), CODES[table], escapeKey(only ?? range.from)]
    if (only !== undefined) return (await this.#read(this.#texts.look, at)).map(rowOf)
    const { to, limit } = range
    const found = await (to === undefined
      ? this.#read(this.#texts.scanOpen, [...at, limit])
      : this.#read(this.#texts.scan, [...at, limit, escapeKey(to)]))
    return found.map(rowOf)
  }

  async #seek(partition: string, table: Table, range: Range, fold: Fold): Promise<readonly Row[]> {
    const { from, to, limit } = range
    const delimiter = escapeKey(fold.delimiter)
    const parameters = [
      escapeKey(partition),
      CODES[table],
      escapeKey(from),
      limit,
      charactersOf(escapeKey(from.slice(0, fold.from))),
      delimiter,
      // There is one, says `groupsAreKnown`.
      afterPrefix(delimiter)!,
      LEAST_AFTER,
    ]
    const found = await (to === undefined
      ? this.#read(this.#texts.seekOpen, parameters)
      : this.#read(this.#texts.seek, [...parameters, escapeKey(to)]))
    return found.map(rowOf)
  }

  #read(text: string, parameters: readonly (string | number)[]): Promise<readonly Cells[]> {
    return this.#busy(async () => {
      try {
        return await this.#wire.run(text, parameters)
      } catch (error) {
        if (!isLost(error)) throw error
        return this.#wire.run(text, parameters)
      }
    })
  }

  async #write(plan: CommitPlan): Promise<boolean> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await (plan.gaps === undefined
          ? this.#apply(this.#wire.run, plan)
          : this.#applyBetween(plan, plan.gaps))
      } catch (error) {
        if (isRefusal(error)) return false
        if (attempt === ATTEMPTS_MAX || !isRepeatable(error)) throw error
        this.#retries.add()
        await sleep(Math.random() * Math.min(2 ** attempt, WAIT_MAX_MS))
      }
    }
  }

  async #apply(run: Run, { shape, parameters }: CommitPlan): Promise<boolean> {
    const text = (this.#commitTexts[shape] ??= commitText(this.#names, shape))
    const [cells] = await run(text, parameters)
    return cells?.[0] === true
  }

  /** The same while rows that are to be absent are held so. */
  async #applyBetween(plan: CommitPlan, gaps: NonNullable<CommitPlan['gaps']>): Promise<boolean> {
    try {
      return await this.#wire.transaction(async (run) => {
        const held = await run(holdGapsText(this.#names), gaps.parameters)
        if (held.length < gaps.count || !(await this.#apply(run, plan))) throw new RolledBack()
        await run(freeGapsText(this.#names), gaps.parameters)
        return true
      })
    } catch (error) {
      if (error instanceof RolledBack) return false
      throw error
    }
  }

  /** Whoever is in here is waited for when the store is closed. */
  async #busy<T>(work: () => Promise<T>): Promise<T> {
    this.#checkOpen()
    this.#pending++
    try {
      return await work()
    } catch (error) {
      throw inWordsOfStores(error)
    } finally {
      if (--this.#pending === 0) this.#onIdle?.()
    }
  }

  #checkOpen(): void {
    if (!this.#isOpen) throw new StoreUnavailable('The store of metadata is closed')
  }
}

/** Takes a transaction back without being an error. */
class RolledBack extends Error {}

function rowOf(cells: Cells): Row {
  const [sort, rev, value] = cells as [string, string, string]
  return { sort: unescapeKey(sort), rev, value: JSON.parse(value) as Json }
}

/** As PostgreSQL counts them: code points. */
function charactersOf(text: string): number {
  let count = text.length
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    if (unit >= 0xdc00 && unit < 0xe000) count--
  }
  return count
}
