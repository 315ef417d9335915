/**
 * The worker that carries out the lifecycles of all buckets, in rounds.
 *
 * A round of a bucket walks its heads, then its uploads, a page at a time with a rest after each; how far it
 * has come stands in a row (bucket-turns.ts). Every change expects what it is about unchanged.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Json } from '../../metadata/store.ts'
import { S3Error } from '../api/error.ts'
import type { Counter, Meter } from '../lib/meter.ts'
import { afterPrefix, compareUtf8 } from '../lib/utf8.ts'
import type { Context } from './context.ts'
import { endUpload } from './end-upload.ts'
import { type Applied, applyTo } from './lifecycle-apply.ts'
import { readLifecycle } from './lifecycle-config.ts'
import {
  abortionOf,
  type Calendar,
  type Moment,
  prefixesOf,
  type Rule,
  rulesOf,
} from './lifecycle-rules.ts'
import { BucketTurns, type Turn, turnOf } from './bucket-turns.ts'
import { enteredPartitions } from './root.ts'
import { scanRows } from './rows.ts'

export interface LifecycleOptions extends Calendar {
  /** From the beginning of one round of a bucket to the next, in milliseconds. */
  readonly intervalMs: number
  /** After each page of rows, so that requests come first. */
  readonly restMs: number
  /** A worker that has not been heard of for so long has died. */
  readonly leaseMs: number
  /** Told of a bucket that failed; it comes again in the next round. */
  readonly onError: (error: unknown) => void
}

export const LIFECYCLE_DEFAULTS: Omit<LifecycleOptions, 'onError'> = {
  secondsPerDay: 86_400,
  intervalMs: 3_600_000,
  restMs: 2,
  leaseMs: 60_000,
}

const ROWS_PER_PAGE = 100
/** Keys dealt with at once. */
const AT_ONCE = 8
/** Pages between two writes of how far a round has come. */
const PAGES_PER_STEP = 20
const RUN = 'lifecycle-run'

/** How far a round has come. */
type Run = Turn & { readonly table: 'object' | 'upload'; readonly from: string }

/** What a round did. */
export interface LifecycleReport extends Readonly<Applied> {
  readonly aborted: number
}

export class Lifecycle {
  readonly #ctx: Context
  readonly #options: LifecycleOptions
  readonly #turns: BucketTurns
  readonly #counters: Readonly<Record<keyof LifecycleReport, Counter>>
  #stop = new AbortController()
  #running: Promise<unknown> | undefined

  constructor(ctx: Context, options: LifecycleOptions, meter: Meter) {
    this.#ctx = ctx
    this.#options = options
    this.#turns = new BucketTurns(ctx, options.leaseMs)
    const counter = (name: string, what: string): Counter =>
      meter.counter(`sluice_lifecycle_${name}_total`, `${what} by lifecycle rules`)
    this.#counters = {
      expired: counter('expired', 'Objects expired'),
      removed: counter('removed', 'Noncurrent versions and delete markers removed'),
      moved: counter('moved', 'Versions given another storage class'),
      aborted: counter('aborted', 'Uploads aborted'),
    }
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
    await this.#running
    this.#running = undefined
  }

  /** One round over all buckets whose time has come, now. */
  async run(): Promise<LifecycleReport> {
    const report = { expired: 0, removed: 0, moved: 0, aborted: 0 }
    for await (const bucket of enteredPartitions(this.#ctx.metadata)) {
      if (this.#stop.signal.aborted) break
      try {
        await this.#runBucket(bucket, report)
      } catch (error) {
        const isGone = error instanceof S3Error && error.code === 'NoSuchBucket'
        if (!isGone) this.#options.onError(error)
      }
    }
    for (const name of ['expired', 'removed', 'moved', 'aborted'] as const) {
      this.#counters[name].add(report[name])
    }
    return report
  }

  async #loop(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        await this.run()
      } catch (error) {
        if (!signal.aborted) this.#options.onError(error)
      }
      await sleep(this.#options.intervalMs, undefined, { signal, ref: false }).catch(() => {})
    }
  }

  async #runBucket(bucket: string, report: Applied & { aborted: number }): Promise<void> {
    const known = this.#ctx.buckets.read(bucket)
    const { value } = known instanceof Promise ? await known : known
    if (value.config?.['lifecycle'] === undefined) return
    const document = await readLifecycle(this.#ctx, bucket)
    if (document === undefined) return
    const rules = rulesOf(document)
    if (rules.length === 0) return
    const fresh = { table: 'object' as const, from: '' }
    let run: Run | undefined = await this.#turns.claim<Omit<Run, keyof Turn>>(
      bucket,
      RUN,
      fresh,
      this.#options.intervalMs,
    )
    if (run === undefined) return
    const { secondsPerDay } = this.#options
    const calendar = { secondsPerDay }
    const min = document.min ?? leastMoved(this.#ctx)
    const bothWays = this.#ctx.options.compat === 'legacy'
    const moment: Moment = { now: this.#ctx.clock.now(), calendar, min, bothWays }
    if (run.table === 'object') {
      if (!(await this.#walkHeads(bucket, rules, moment, run, report))) return
      run = { ...run, table: 'upload', from: '' }
    }
    if (!(await this.#walkUploads(bucket, rules, moment, run, report))) return
    await this.#note(bucket, { ...run, done: 1 })
  }

  /** Writes how far we have come; false where another has taken over, or we are to stop. */
  async #note(bucket: string, run: Run): Promise<boolean> {
    return !this.#stop.signal.aborted && this.#turns.note(bucket, RUN, run)
  }

  async #walkHeads(
    bucket: string,
    rules: readonly Rule[],
    moment: Moment,
    run: Run,
    report: Applied,
  ): Promise<boolean> {
    return this.#walk(bucket, rules, run, async (from, to) => {
      const rows = await scanRows(this.#ctx.metadata, bucket, 'object', {
        from,
        ...(to !== undefined && { to }),
        limit: ROWS_PER_PAGE,
      })
      for (let index = 0; index < rows.length; index += AT_ONCE) {
        const some = rows.slice(index, index + AT_ONCE)
        await Promise.all(
          some.map((head) => applyTo(this.#ctx, bucket, rules, head, moment, report)),
        )
      }
      return rows
    })
  }

  async #walkUploads(
    bucket: string,
    rules: readonly Rule[],
    { now, calendar }: Moment,
    run: Run,
    report: { aborted: number },
  ): Promise<boolean> {
    const aborting = rules.filter((rule) => rule.abortDays !== undefined)
    return this.#walk(bucket, aborting, run, async (from, to) => {
      const rows = await scanRows(this.#ctx.metadata, bucket, 'upload', {
        from,
        ...(to !== undefined && { to }),
        limit: ROWS_PER_PAGE,
      })
      for (const { sort: key, value } of rows) {
        for (const [id, upload] of Object.entries(value.u)) {
          const end = abortionOf(aborting, key, upload.t, calendar)
          if (end === undefined || end.at > now) continue
          if (await endUpload(this.#ctx, bucket, key, id)) report.aborted++
        }
      }
      return rows
    })
  }

  /** Goes over the ranges that the rules are about, from where the round has come to. False: not to the end. */
  async #walk(
    bucket: string,
    rules: readonly Rule[],
    run: Run,
    page: (from: string, to: string | undefined) => Promise<readonly { readonly sort: string }[]>,
  ): Promise<boolean> {
    let pages = 0
    for (const prefix of prefixesOf(rules)) {
      const to = afterPrefix(prefix)
      let from = compareUtf8(run.from, prefix) > 0 ? run.from : prefix
      while (to === undefined || compareUtf8(from, to) < 0) {
        const rows = await page(from, to)
        if (rows.length < ROWS_PER_PAGE) break
        from = `${rows.at(-1)!.sort}\0`
        if (++pages % PAGES_PER_STEP === 0 && !(await this.#note(bucket, { ...run, from }))) {
          return false
        }
        const { signal } = this.#stop
        await sleep(this.#options.restMs, undefined, { signal, ref: false }).catch(() => {})
        if (signal.aborted) return false
      }
    }
    return true
  }
}

/** S3 of today leaves small objects where they are unless it is told otherwise. */
function leastMoved({ options }: Context): Moment['min'] {
  return options.compat === 'aws-2026' ? 'all_storage_classes_128K' : undefined
}

/** For tests and tools: whether a round of the bucket is under way or done. */
export function roundOf(ctx: Context, bucket: string): Promise<Json | undefined> {
  return turnOf(ctx, bucket, RUN)
}
