/**
 * Calls that change a log, waiting in line: those that wait at the same time form a group, which is
 * made durable as one, away from the loop. The next group gathers meanwhile.
 */
import type { LogEntry } from './store.ts'

/** What a call does: first what `op` says, then its entries are appended. */
export interface Change {
  readonly op: 'append' | 'truncate' | 'purge' | 'reset' | 'close'
  /** Of `truncate`: from which on; of `purge`: up to which, with its term. */
  readonly index: number
  readonly term: number
  readonly entries: readonly LogEntry[]
  readonly payloadBytes: number
}

/** It changes nothing, and is answered once what was called before it is durable. */
export function isFlush({ op, entries }: Change): boolean {
  return op === 'append' && entries.length === 0
}

interface Waiting {
  readonly change: Change
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

/** A group ends at this many bytes: it holds up the loop for some milliseconds at most. */
const GROUP_BYTES_MAX: number = 8 * 1024 * 1024
/** Bytes that an entry counts beside its payload. */
const ENTRY_BYTES = 32

export function sizeOf({ payloadBytes, entries }: Change): number {
  return payloadBytes + (entries.length + 1) * ENTRY_BYTES
}

export interface Work {
  /** Makes the group durable and visible. Where it rejects, nothing of the group remains. */
  run(group: readonly Change[]): Promise<void>
  /** What is left to do once the group was answered. Never rejects. */
  tidy(): Promise<void>
  /** A group has failed, and all that waited behind it is refused too. */
  failed(error: unknown): void
}

export class ChangeLine {
  readonly #work: Work
  #waiting: Waiting[] = []
  #running: Promise<void> | undefined

  constructor(work: Work) {
    this.#work = work
  }

  add(change: Change): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ change, resolve, reject })
      this.#running ??= this.#run()
    })
  }

  /** Resolves once nothing waits. */
  async idle(): Promise<void> {
    while (this.#running !== undefined) await this.#running
  }

  async #run(): Promise<void> {
    // Whatever this turn of the loop still brings joins the group.
    await nextTurn()
    while (this.#waiting.length > 0) {
      const group = this.#take()
      try {
        await this.#work.run(group.map(({ change }) => change))
        for (const { resolve } of group) resolve()
      } catch (error) {
        const behind = this.#waiting
        this.#waiting = []
        this.#work.failed(error)
        for (const { reject } of group) reject(error)
        for (const { reject } of behind) reject(error)
      }
      await this.#work.tidy()
      if (this.#waiting.length > 0) await nextTurn()
    }
    this.#running = undefined
  }

  #take(): Waiting[] {
    let count = 0
    for (let bytes = 0; count < this.#waiting.length; count++) {
      bytes += sizeOf(this.#waiting[count]!.change)
      if (count > 0 && bytes > GROUP_BYTES_MAX) break
    }
    if (count < this.#waiting.length) return this.#waiting.splice(0, count)
    const all = this.#waiting
    this.#waiting = []
    return all
  }
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
