/**
 * Commits that wait at the same time form a group: it is made durable as one, away from the loop, and all
 * of it is answered. The next group gathers meanwhile.
 */
import { StoreUnavailable } from '../src/lib/store-error.ts'
import { encodeCommit, type EncodedCommit } from './group.ts'
import { checkCommit } from './limits.ts'
import type { Commit } from './store.ts'

/** A group ends at this many commits, or bytes: it holds up the loop for some milliseconds at most. */
const GROUP_COMMITS_MAX = 128
const GROUP_BYTES_MAX: number = 2 * 1024 * 1024
/** Commits that may wait; more are refused at once, for they would only wait to time out. */
const WAITING_MAX = 16_384

interface Waiting {
  readonly commit: EncodedCommit
  readonly sizeBytes: number
  readonly resolve: (isDone: boolean) => void
  readonly reject: (error: unknown) => void
}

export interface GroupWork {
  /** Throws where nothing can be committed now. */
  check(): void
  /** Whether each commit holds; resolves once those that do are durable and seen. */
  run(commits: readonly EncodedCommit[]): Promise<readonly boolean[]>
  /** What is left to do once the group was answered. Never rejects. */
  afterwards(): Promise<void>
}

export class CommitLine {
  readonly #work: GroupWork
  readonly #waiting: Waiting[] = []
  /** The work on groups, while there is any. */
  #running: Promise<void> | undefined

  constructor(work: GroupWork) {
    this.#work = work
  }

  /** What the commit says is taken over by this call; its bytes are left alone until it is answered. */
  add(commit: Commit): Promise<boolean> {
    return new Promise((resolve, reject) => {
      const sizeBytes = checkCommit(commit)
      this.#work.check()
      if (this.#waiting.length >= WAITING_MAX)
        throw new StoreUnavailable(`${WAITING_MAX} commits wait for the disk`)
      this.#waiting.push({ commit: encodeCommit(commit), sizeBytes, resolve, reject })
      this.#running ??= this.#run()
    })
  }

  /** Resolves once nobody waits. */
  async idle(): Promise<void> {
    while (this.#running !== undefined) await this.#running
  }

  /** Group after group, until nobody waits. Never rejects: what goes wrong is told to those who wait. */
  async #run(): Promise<void> {
    // Whatever this turn of the loop still brings joins the group.
    await nextTurn()
    while (this.#waiting.length > 0) {
      const waiting = this.#takeGroup()
      try {
        const outcomes = await this.#work.run(waiting.map(({ commit }) => commit))
        for (let i = 0; i < waiting.length; i++) waiting[i]!.resolve(outcomes[i]!)
      } catch (error) {
        for (const { reject } of waiting) reject(error)
      }
      await this.#work.afterwards()
      if (this.#waiting.length > 0) await nextTurn()
    }
    this.#running = undefined
  }

  #takeGroup(): Waiting[] {
    let length = 0
    for (let bytes = 0; length < this.#waiting.length && length < GROUP_COMMITS_MAX; length++) {
      bytes += this.#waiting[length]!.sizeBytes
      if (length > 0 && bytes > GROUP_BYTES_MAX) break
    }
    return this.#waiting.splice(0, length)
  }
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
