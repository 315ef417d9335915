/**
 * The outbox: tells listeners what happened, at least once each.
 *
 * A message is a row of its bucket's partition (`event`), committed with what it tells of. Whoever is to
 * deliver some first commits that they are due again a minute later, so that several gateways do not
 * deliver the same, and none is lost with a gateway; what was delivered is removed. What could not be
 * delivered is tried again, each time twice as late, for `giveUpMs`.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Row } from '../../metadata/store.ts'
import type { Counter, Meter } from '../lib/meter.ts'
import type { Context } from './context.ts'
import { eachBucketPartition } from './partitions.ts'
import { type EventRow, scanRows, writeRow } from './rows.ts'

/** The way out to webhooks. */
export interface Webhooks {
  /** Why a URL may not be told, in words for its owner; undefined: it may. */
  refusal(url: string): string | undefined
  /** Resolves when the listener has taken the message; rejects where it has not. */
  post(url: string, body: string, signal: AbortSignal): Promise<void>
}

/** A store whose buckets tell nobody. */
export const NO_WEBHOOKS: Webhooks = {
  refusal: () => 'webhooks are not offered here',
  post: () => Promise.reject(new Error('webhooks are not offered here')),
}

export interface OutboxOptions {
  /** Buckets that nobody has nudged are looked at so often, in milliseconds. */
  readonly pollMs: number
  /** A delivery under way is another's to repeat after this. */
  readonly claimMs: number
  /** The first repetition comes so much later; each next one twice as late, up to an hour. */
  readonly retryMs: number
  /** A message that nobody has taken for so long is dropped. */
  readonly giveUpMs: number
  /** Told of what failed; it is tried again. */
  readonly onError: (error: unknown) => void
}

export const OUTBOX_DEFAULTS: Omit<OutboxOptions, 'onError'> = {
  pollMs: 10_000,
  claimMs: 60_000,
  retryMs: 1000,
  giveUpMs: 24 * 3_600_000,
}

/** Rows claimed at once: each is an expectation and a write of one commit. */
const BATCH = 40
/** Batches of one pass: a listener that is away must not keep us at its messages. */
const BATCHES_MAX = 50
const RETRY_MAX_MS = 3_600_000
/** Buckets that may wait to be looked at; more are found by polling. */
const NUDGED_MAX = 1000

/** What the writers of messages see of it. */
export class Nudges {
  readonly waiting: Set<string> = new Set()
  wake: () => void = () => undefined

  /** There may be messages in that bucket now, or soon. */
  nudge(bucket: string): void {
    if (this.waiting.size < NUDGED_MAX) this.waiting.add(bucket)
    this.wake()
  }
}

export class Outbox {
  readonly #ctx: Context
  readonly #options: OutboxOptions
  readonly #sent: Counter
  readonly #failed: Counter
  readonly #dropped: Counter
  /** Where the last pass through many messages ended, by bucket. */
  readonly #resumed = new Map<string, string>()
  #stop = new AbortController()
  #running: Promise<unknown> | undefined

  constructor(ctx: Context, options: OutboxOptions, meter: Meter) {
    this.#ctx = ctx
    this.#options = options
    this.#sent = meter.counter('sluice_notifications_sent_total', 'Notifications delivered')
    this.#failed = meter.counter(
      'sluice_notifications_failed_total',
      'Attempts to deliver a notification that failed',
    )
    this.#dropped = meter.counter(
      'sluice_notifications_dropped_total',
      'Notifications that nobody took for too long',
    )
  }

  /** Begins to deliver by itself, until `stop`. */
  start(): void {
    if (this.#running !== undefined) return
    this.#stop = new AbortController()
    this.#running = this.#loop(this.#stop.signal)
  }

  /** Ends the delivering; resolves when nothing of it is under way any more. */
  async stop(): Promise<void> {
    this.#stop.abort()
    this.#ctx.outbox.wake()
    await this.#running
    this.#running = undefined
  }

  /** Delivers what is due in one bucket; gives the number of messages taken by their listeners. */
  async deliver(bucket: string): Promise<number> {
    const { signal } = this.#stop
    let taken = 0
    let from = this.#resumed.get(bucket) ?? ''
    for (let batches = 0; !signal.aborted; batches++) {
      if (batches === BATCHES_MAX) {
        this.#resumed.set(bucket, from)
        break
      }
      const range = { from, limit: BATCH }
      const rows = await scanRows(this.#ctx.metadata, bucket, 'event', range)
      const claimed = await this.#claim(bucket, rows)
      const outcomes = await Promise.all(claimed.map((row) => this.#send(row.value, signal)))
      taken += outcomes.filter((outcome) => outcome).length
      await this.#settle(bucket, claimed, outcomes)
      if (rows.length < BATCH) {
        this.#resumed.delete(bucket)
        break
      }
      from = `${rows.at(-1)!.sort}\0`
    }
    return taken
  }

  async #loop(signal: AbortSignal): Promise<void> {
    const { waiting } = this.#ctx.outbox
    let polled = 0
    while (!signal.aborted) {
      try {
        const now = this.#ctx.clock.now()
        if (now - polled >= this.#options.pollMs) {
          polled = now
          for await (const bucket of eachBucketPartition(this.#ctx.metadata)) {
            if (signal.aborted) return
            await this.deliver(bucket)
          }
        }
        for (const bucket of waiting) {
          if (signal.aborted) return
          waiting.delete(bucket)
          await this.deliver(bucket)
        }
      } catch (error) {
        if (!signal.aborted) this.#options.onError(error)
      }
      if (waiting.size === 0) await this.#rest(signal)
    }
  }

  /** Until somebody nudges, the next poll or repetition is due, or we are to stop. */
  async #rest(signal: AbortSignal): Promise<void> {
    const { pollMs, retryMs } = this.#options
    const over = new AbortController()
    this.#ctx.outbox.wake = () => over.abort()
    const either = AbortSignal.any([signal, over.signal])
    await sleep(Math.min(pollMs, retryMs * 2), undefined, { signal: either, ref: false }).catch(
      () => {},
    )
    this.#ctx.outbox.wake = () => undefined
    // A nudge comes just before its commit: give that a moment.
    // Not where it ends: nothing would keep the process alive until then, and it would end halfway.
    if (over.signal.aborted && !signal.aborted)
      await sleep(NUDGE_MS, undefined, { signal, ref: false }).catch(() => {})
  }

  /** Makes the rows that are due ours for a while; those that others were faster with are left out. */
  async #claim(bucket: string, rows: readonly Row<EventRow>[]): Promise<readonly Row<EventRow>[]> {
    const now = this.#ctx.clock.now()
    const due = rows.filter(({ value }) => value.due <= now)
    if (due.length === 0) return []
    const until = now + this.#options.claimMs
    const values = due.map(({ value }) => ({ ...value, due: until, tries: (value.tries ?? 0) + 1 }))
    const isOurs = await this.#ctx.metadata.commit({
      partition: bucket,
      expects: due.map(({ sort, rev }) => ({ table: 'event', sort, rev })),
      writes: due.map(({ sort }, index) => writeRow('event', sort, values[index]!)),
    })
    if (!isOurs) return []
    return due.map((row, index) => ({ ...row, value: values[index]! }))
  }

  async #send({ to, event }: EventRow, signal: AbortSignal): Promise<boolean> {
    try {
      await this.#ctx.webhooks.post(to, JSON.stringify({ Records: [event] }), signal)
      this.#sent.add()
      return true
    } catch (error) {
      this.#failed.add()
      if (!signal.aborted) this.#options.onError(error)
      return false
    }
  }

  /** Removes what was taken, or is too old; says of the rest when to try again. */
  async #settle(
    bucket: string,
    rows: readonly Row<EventRow>[],
    outcomes: readonly boolean[],
  ): Promise<void> {
    if (rows.length === 0) return
    const now = this.#ctx.clock.now()
    const { retryMs, giveUpMs } = this.#options
    const writes = rows.map(({ sort, value }, index) => {
      const isOld = now - value.t >= giveUpMs
      if (outcomes[index] !== true && isOld) this.#dropped.add()
      if (outcomes[index] === true || isOld) return writeRow('event', sort, null)
      const later = Math.min(retryMs * 2 ** ((value.tries ?? 1) - 1), RETRY_MAX_MS)
      return writeRow('event', sort, { ...value, due: now + later })
    })
    await this.#ctx.metadata.commit({ partition: bucket, expects: [], writes })
  }
}

const NUDGE_MS = 20
