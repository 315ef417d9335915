/**
 * The sweep: takes away, behind everybody's back, what nobody can reach any more.
 *
 * A round goes over all buckets: it finishes deletions and creations of buckets that a crash cut
 * short, deals with the garbage that is older than `graceMs` (whoever has just read a row can then
 * still open its blobs), and ends abandoned uploads. A round with orphans also looks for blobs
 * that no row names; that reads all rows, so it is done once a day by one of the gateways over the same
 * stores (orphan-turns.ts), and after an unclean end.
 *
 * Rounds never overlap in one process; those of several processes do not disturb each other.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Counter, Meter } from '../lib/meter.ts'
import type { Context } from './context.ts'
import { sweepUploads } from './end-upload.ts'
import { sweepGarbage } from './garbage.ts'
import { healBuckets } from './heal-buckets.ts'
import { OrphanTurns } from './orphan-turns.ts'
import { sweepOrphans, WINDOW } from './orphans.ts'

export interface SweepOptions {
  /** From one round to the next. */
  readonly intervalMs: number
  /**
   * Garbage is left alone for so long. Bodies that this process is sending are not cut off in any case
   * (reading.ts); those of other processes are, where they take longer.
   */
  readonly graceMs: number
  /** From one search for orphans to the next. */
  readonly orphansEveryMs: number
  /** Orphans are older than this. */
  readonly orphanAgeMs: number
  /** Between the two looks at an orphan; longer than any commit takes. */
  readonly settleMs: number
  /** The last process did not end well: look for orphans in the first round. */
  readonly unclean: boolean
  /** Told of a round that failed; the next one comes all the same. */
  readonly onError: (error: unknown) => void
}

const MINUTE_MS = 60_000

export const SWEEP_DEFAULTS: Omit<SweepOptions, 'onError'> = {
  intervalMs: MINUTE_MS,
  graceMs: MINUTE_MS,
  orphansEveryMs: 24 * 60 * MINUTE_MS,
  orphanAgeMs: 60 * MINUTE_MS,
  settleMs: 10 * MINUTE_MS,
  unclean: false,
}

/** What one round did. */
export interface SweepReport {
  /** Garbage rows dealt with. */
  readonly garbage: number
  /** Blobs deleted, orphans included. */
  readonly blobs: number
  /** Uploads ended for their age. */
  readonly uploads: number
  /** Blobs and share rows that no row named. */
  readonly orphans: number
}

export class Sweep {
  readonly #ctx: Context
  readonly #options: SweepOptions
  readonly #blobs: Counter
  readonly #orphans: Counter
  readonly #rounds: Counter
  readonly #turns: OrphanTurns
  #stop = new AbortController()
  #running: Promise<unknown> | undefined

  constructor(ctx: Context, options: SweepOptions, meter: Meter) {
    this.#ctx = ctx
    this.#options = options
    this.#blobs = meter.counter('sluice_sweep_blobs_total', 'Blobs deleted by the sweep')
    this.#orphans = meter.counter(
      'sluice_sweep_orphans_total',
      'Blobs and shares that no row named, removed by the sweep',
    )
    this.#rounds = meter.counter('sluice_sweep_rounds_total', 'Rounds of the sweep')
    this.#turns = new OrphanTurns(ctx, options.orphansEveryMs, options.unclean)
  }

  /** Begins to sweep by itself, until `stop`. */
  start(): void {
    if (this.#running !== undefined) return
    this.#stop = new AbortController()
    this.#running = this.#loop(this.#stop.signal)
  }

  /** Ends the sweeping; resolves when nothing of it is under way any more. */
  async stop(): Promise<void> {
    this.#stop.abort()
    await this.#running
    this.#running = undefined
  }

  /** One round, now. `orphans`: with the search for them. */
  async run(orphans: boolean): Promise<SweepReport> {
    const ctx = this.#ctx
    const { signal } = this.#stop
    const before = ctx.clock.now() - this.#options.graceMs
    const report = { garbage: 0, blobs: 0, uploads: 0, orphans: 0 }
    for await (const bucket of healBuckets(ctx)) {
      if (signal.aborted) break
      report.uploads += await sweepUploads(ctx, bucket)
      const swept = await sweepGarbage(ctx, bucket, before, signal)
      report.garbage += swept.rows
      report.blobs += swept.blobs
    }
    if (orphans && !signal.aborted) {
      const found = await sweepOrphans(ctx, {
        ageMs: this.#options.orphanAgeMs,
        window: WINDOW,
        settle: () => sleep(this.#options.settleMs, undefined, { signal, ref: false }),
      })
      report.blobs += found.blobs
      report.orphans = found.blobs + found.shares
    }
    this.#blobs.add(report.blobs)
    this.#orphans.add(report.orphans)
    this.#rounds.add()
    return report
  }

  async #round(): Promise<void> {
    const orphans = await this.#turns.take()
    try {
      await this.run(orphans)
    } catch (error) {
      if (orphans) await this.#turns.giveBack()
      throw error
    }
  }

  async #loop(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        await this.#round()
      } catch (error) {
        if (!signal.aborted) this.#options.onError(error)
      }
      await sleep(this.#options.intervalMs, undefined, { signal, ref: false }).catch(() => {})
    }
  }
}
