/**
 * Commits that wait at the same time become a group: they are carried out together, so that what makes
 * them durable is paid for once, and the next group gathers meanwhile.
 */
import { StoreUnavailable } from '../src/lib/store-error.ts'

/** A group ends at this many commits, or bytes: it holds up the loop for some milliseconds at most. */
const GROUP_COMMITS_MAX = 128
const GROUP_BYTES_MAX: number = 2 * 1024 * 1024
/** Commits that may wait; more are refused at once, for they would only wait to time out. */
const WAITING_MAX = 16_384

export interface Waiting<Commit> {
  readonly commit: Commit
  readonly sizeBytes: number
  readonly resolve: (isDone: boolean) => void
  readonly reject: (error: unknown) => void
}

export interface CommitWork<Commit> {
  /** Carries a group out, in its order; resolves, once it is durable, to what became of each. */
  run(commits: readonly Commit[]): Promise<readonly boolean[]>
  /** After each group, when it has been answered; never rejects. */
  tidy(): Promise<void>
}

export class CommitQueue<Commit> {
  readonly #work: CommitWork<Commit>
  readonly #waiting: Waiting<Commit>[] = []
  /** While there are any. */
  #running: Promise<void> | undefined

  constructor(work: CommitWork<Commit>) {
    this.#work = work
  }

  /** Throws `StoreUnavailable` where too many wait. */
  add(waiting: Waiting<Commit>): void {
    if (this.#waiting.length >= WAITING_MAX)
      throw new StoreUnavailable(`${WAITING_MAX} commits wait for the disk`)
    this.#waiting.push(waiting)
    this.#running ??= this.#workOff()
  }

  /** Resolves once nobody waits any more. */
  async idle(): Promise<void> {
    await this.#running
  }

  /** Group after group, until nobody waits. Never rejects: what goes wrong is told to those who wait. */
  async #workOff(): Promise<void> {
    // Whatever this turn of the loop still brings joins the group.
    await nextTurn()
    while (this.#waiting.length > 0) {
      const group = this.#takeGroup()
      try {
        const outcomes = await this.#work.run(group.map(({ commit }) => commit))
        for (let i = 0; i < group.length; i++) group[i]!.resolve(outcomes[i]!)
      } catch (error) {
        for (const { reject } of group) reject(error)
      }
      await this.#work.tidy()
      if (this.#waiting.length > 0) await nextTurn()
    }
    this.#running = undefined
  }

  #takeGroup(): Waiting<Commit>[] {
    let length = 0
    for (let bytes = 0; length < this.#waiting.length && length < GROUP_COMMITS_MAX; length++) {
      bytes += this.#waiting[length]!.sizeBytes
      if (length > 0 && bytes > GROUP_BYTES_MAX) break
    }
    return this.#waiting.splice(0, length)
  }
}

/** The turn of the loop in which what has come meanwhile is heard. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
