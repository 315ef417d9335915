/**
 * Work that waits in the rows of buckets: done at once where a writer of this gateway nudges, and found by
 * looking at all buckets now and then, for another gateway may have died over its work.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Context } from './context.ts'
import { eachBucketPartition } from './partitions.ts'

/** Buckets that may wait to be looked at; more are found by polling. */
const NUDGED_MAX = 1000
const BUCKETS_AT_ONCE = 8
/** Passes that find nothing before a bucket is left to polling. */
const QUIET_PASSES = 3
/** A nudge comes just before its commit: give that a moment. */
const NUDGE_MS = 20

/** What the writers see of it. */
export class Nudges {
  readonly waiting: Set<string> = new Set()
  wake: () => void = () => undefined

  /** There may be work in that bucket now, or soon. */
  nudge(bucket: string): void {
    if (this.waiting.size < NUDGED_MAX) this.waiting.add(bucket)
    this.wake()
  }
}

export interface RoundsOptions {
  /** All buckets are looked at so often, in milliseconds. */
  readonly pollMs: number
  /** Buckets with work are looked at again after this at the latest. */
  readonly restMs: number
  readonly onError: (error: unknown) => void
}

export class NudgedRounds {
  readonly #ctx: Context
  readonly #nudges: Nudges
  readonly #options: RoundsOptions
  readonly #work: (bucket: string, signal: AbortSignal) => Promise<unknown>
  /** Buckets in which there was work lately, and how many passes have found none since. */
  readonly #quiet = new Map<string, number>()
  #stop = new AbortController()
  #running: Promise<unknown> | undefined

  /** `work` calls `isBusy` where it finds any. */
  constructor(
    ctx: Context,
    nudges: Nudges,
    options: RoundsOptions,
    work: (bucket: string, signal: AbortSignal) => Promise<unknown>,
  ) {
    this.#ctx = ctx
    this.#nudges = nudges
    this.#options = options
    this.#work = work
  }

  get signal(): AbortSignal {
    return this.#stop.signal
  }

  /** There is work in that bucket: it is looked at again soon. */
  isBusy(bucket: string): void {
    this.#quiet.set(bucket, 0)
  }

  /** Begins to work by itself, until `stop`. */
  start(): void {
    if (this.#running !== undefined) return
    this.#stop = new AbortController()
    this.#running = this.#loop(this.#stop.signal)
  }

  /** Ends the work; resolves when nothing of it is under way any more. */
  async stop(): Promise<void> {
    this.#stop.abort()
    this.#nudges.wake()
    await this.#running
    this.#running = undefined
  }

  async #loop(signal: AbortSignal): Promise<void> {
    const { waiting } = this.#nudges
    let polled = -Infinity
    while (!signal.aborted) {
      try {
        const now = this.#ctx.clock.now()
        if (now - polled >= this.#options.pollMs) {
          polled = now
          await this.#workIn(eachBucketPartition(this.#ctx.metadata), signal)
        }
        for (const bucket of waiting) this.#quiet.set(bucket, 0)
        waiting.clear()
        // A nudge may have come before its commit, so a bucket is looked at some times more.
        for (const [bucket, passes] of this.#quiet) {
          if (passes >= QUIET_PASSES) this.#quiet.delete(bucket)
          else this.#quiet.set(bucket, passes + 1)
        }
        await this.#workIn([...this.#quiet.keys()], signal)
      } catch (error) {
        if (!signal.aborted) this.#options.onError(error)
      }
      if (waiting.size === 0) await this.#rest(signal)
    }
  }

  /** Some buckets at a time, so that one that is slow does not hold up the others. */
  async #workIn(
    buckets: Iterable<string> | AsyncIterable<string>,
    signal: AbortSignal,
  ): Promise<void> {
    const underWay = new Set<Promise<unknown>>()
    for await (const bucket of buckets) {
      if (signal.aborted) break
      const one: Promise<unknown> = this.#work(bucket, signal)
        .catch((error: unknown) => {
          if (!signal.aborted) this.#options.onError(error)
        })
        .finally(() => underWay.delete(one))
      underWay.add(one)
      if (underWay.size >= BUCKETS_AT_ONCE) await Promise.race(underWay)
    }
    await Promise.all(underWay)
  }

  /** Until somebody nudges, the next poll or repetition is due, or we are to stop. */
  async #rest(signal: AbortSignal): Promise<void> {
    const { pollMs, restMs } = this.#options
    const over = new AbortController()
    this.#nudges.wake = () => over.abort()
    const either = AbortSignal.any([signal, over.signal])
    await sleep(Math.min(pollMs, restMs), undefined, { signal: either, ref: false }).catch(() => {})
    this.#nudges.wake = () => undefined
    // Not where it ends: nothing would keep the process alive until then, and it would end halfway.
    if (over.signal.aborted && !signal.aborted)
      await sleep(NUDGE_MS, undefined, { signal, ref: false }).catch(() => {})
  }
}
