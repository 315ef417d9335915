/** For tests: stores of rows that fail at a chosen commit, or let others in between any two steps. */
import { setImmediate as turn } from 'node:timers/promises'
import { MemoryStore } from '../../metadata/memory.ts'
import type { Commit, Range, Row, Table } from '../../metadata/store.ts'
import { StoreUnavailable } from '../lib/store-error.ts'

/** Crashes: from a chosen commit on nothing works any more, until `revive`. */
export class CrashingStore extends MemoryStore {
  #left: number = Infinity
  #loses = false
  #crashed = false

  /** The `n`th commit from now (1: the next) crashes; `loses`: before it is done, else just after. */
  crashAt(n: number, loses: boolean): void {
    this.#left = n
    this.#loses = loses
  }

  /** True where there was a crash. */
  revive(): boolean {
    const crashed = this.#crashed
    this.#left = Infinity
    this.#crashed = false
    return crashed
  }

  override async get(partition: string, table: Table, sort: string): Promise<Row | undefined> {
    this.#check()
    return super.get(partition, table, sort)
  }

  override async scan(partition: string, table: Table, range: Range): Promise<readonly Row[]> {
    this.#check()
    return super.scan(partition, table, range)
  }

  override async commit(commit: Commit): Promise<boolean> {
    this.#check()
    this.#left--
    if (this.#left > 0) return super.commit(commit)
    this.#crashed = true
    if (!this.#loses) await super.commit(commit)
    throw new StoreUnavailable('crashed')
  }

  #check(): void {
    if (this.#crashed) throw new StoreUnavailable('crashed')
  }
}

/** Waits some turns of the loop before each step, as many as its seed says: so that races are run in many orders. */
export class HesitatingStore extends MemoryStore {
  #state: number

  constructor(seed: number) {
    super()
    this.#state = seed * 2_654_435_761
  }

  override async get(partition: string, table: Table, sort: string): Promise<Row | undefined> {
    await this.#hesitate()
    return super.get(partition, table, sort)
  }

  override async scan(partition: string, table: Table, range: Range): Promise<readonly Row[]> {
    await this.#hesitate()
    return super.scan(partition, table, range)
  }

  override async commit(commit: Commit): Promise<boolean> {
    await this.#hesitate()
    return super.commit(commit)
  }

  async #hesitate(): Promise<void> {
    this.#state = (Math.imul(this.#state, 1_664_525) + 1_013_904_223) >>> 0
    for (let turns = this.#state >>> 30; turns > 0; turns--) await turn()
  }
}

/** Asks the test before and after each commit, so that it can make two operations meet at one point. */
export class HookedStore extends MemoryStore {
  before: (commit: Commit) => Promise<void> = async () => {}
  after: (commit: Commit) => Promise<void> = async () => {}

  override async commit(commit: Commit): Promise<boolean> {
    await this.before(commit)
    const done = await super.commit(commit)
    await this.after(commit)
    return done
  }
}
