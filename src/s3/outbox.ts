/**
 * The outbox: tells listeners what happened, at least once each.
 *
 * A message is a row of its bucket's partition (`event`), committed with what it tells of. Whoever is to
 * deliver some first commits that they are due again a minute later, so that several gateways do not
 * deliver the same, and none is lost with a gateway; what was delivered is removed. What could not be
 * delivered is tried again, each time twice as late, for `giveUpMs`.
 */
import type { Row } from '../../metadata/store.ts'
import type { Counter, Meter } from '../lib/meter.ts'
import type { Context } from './context.ts'
import { NudgedRounds } from './nudged-rounds.ts'
import { REPLICATION_ROWS } from './replicate.ts'
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
  /** All buckets are looked at so often, in milliseconds: another gateway may have died over its messages. */
  readonly pollMs: number
  /** A delivery under way is another's to repeat after this. */
  readonly claimMs: number
  /** The first repetition comes so much later; each next one twice as late, up to an hour. */
  readonly retryMs: number
  /** A message that nobody has taken for so long is dropped. */
  readonly giveUpMs: number
  /** Messages of one bucket that may wait (about: they are counted now and then); of more the oldest are dropped. */
  readonly waitingMax: number
  /** Told of what failed; it is tried again. */
  readonly onError: (error: unknown) => void
}

export const OUTBOX_DEFAULTS: Omit<OutboxOptions, 'onError'> = {
  pollMs: 5 * 60_000,
  claimMs: 60_000,
  retryMs: 1000,
  giveUpMs: 24 * 3_600_000,
  waitingMax: 100_000,
}

/** Rows claimed at once: each is an expectation and a write of one commit. */
const BATCH = 40
/** Batches of one pass: a listener that is away must not keep us at its messages. */
const BATCHES_MAX = 50
const RETRY_MAX_MS = 3_600_000
const ROWS_PER_PAGE = 1000
const DELETES_PER_COMMIT = 50

export class Outbox {
  readonly #ctx: Context
  readonly #options: OutboxOptions
  readonly #sent: Counter
  readonly #failed: Counter
  readonly #dropped: Counter
  readonly #rounds: NudgedRounds
  /** Where the last pass through many messages ended, by bucket. */
  readonly #resumed = new Map<string, string>()
  /** When its messages were counted last, by bucket; only of those in which many wait. */
  readonly #counted = new Map<string, number>()

  constructor(ctx: Context, options: OutboxOptions, meter: Meter) {
    this.#ctx = ctx
    this.#options = options
    const { pollMs, retryMs, onError } = options
    const rounds = { pollMs, restMs: retryMs * 2, onError }
    this.#rounds = new NudgedRounds(ctx, ctx.outbox, rounds, (bucket) => this.deliver(bucket))
    this.#sent = meter.counter('sluice_notifications_sent_total', 'Notifications delivered')
    this.#failed = meter.counter(
      'sluice_notifications_failed_total',
      'Attempts to deliver a notification that failed',
    )
    this.#dropped = meter.counter(
      'sluice_notifications_dropped_total',
      'Notifications that nobody took for too long, or of which too many waited',
    )
  }

  /** Begins to deliver by itself, until `stop`. */
  start(): void {
    this.#rounds.start()
  }

  /** Ends the delivering; resolves when nothing of it is under way any more. */
  async stop(): Promise<void> {
    await this.#rounds.stop()
  }

  /**
   * Delivers what is due in one bucket; gives the number of messages taken by their listeners. A batch of
   * which nobody takes any ends the pass: who waits for listeners that are away keeps others waiting.
   */
  async deliver(bucket: string): Promise<number> {
    const { signal } = this.#rounds
    let taken = 0
    let from = this.#resumed.get(bucket) ?? ''
    let isMoving = true
    for (let batches = 0; isMoving && batches < BATCHES_MAX && !signal.aborted; batches++) {
      const range = { from, to: REPLICATION_ROWS.from, limit: BATCH }
      const rows = await scanRows(this.#ctx.metadata, bucket, 'event', range)
      if (rows.length > 0) this.#rounds.isBusy(bucket)
      const claimed = await this.#claim(bucket, rows)
      const outcomes = await Promise.all(claimed.map((row) => this.#send(row.value, signal)))
      const took = outcomes.filter((outcome) => outcome).length
      taken += took
      await this.#settle(bucket, claimed, outcomes)
      if (rows.length < BATCH) {
        this.#resumed.delete(bucket)
        this.#counted.delete(bucket)
        return taken
      }
      isMoving = claimed.length === 0 || took > 0
      from = `${rows.at(-1)!.sort}\0`
    }
    this.#resumed.set(bucket, from)
    await this.#bound(bucket)
    return taken
  }

  /** Of a bucket whose listeners are away, while it goes on writing, no more than so many messages are kept. */
  async #bound(bucket: string): Promise<void> {
    const now = this.#ctx.clock.now()
    if (now - (this.#counted.get(bucket) ?? -Infinity) < this.#options.pollMs) return
    this.#counted.set(bucket, now)
    let left = 0
    for (let from = ''; ;) {
      const rows = await this.#page(bucket, from)
      left += rows.length
      if (rows.length < ROWS_PER_PAGE) break
      from = `${rows.at(-1)!.sort}\0`
    }
    // The oldest come first.
    while (left > this.#options.waitingMax) {
      const rows = await this.#page(bucket, '', DELETES_PER_COMMIT)
      const gone = rows.slice(0, Math.min(DELETES_PER_COMMIT, left - this.#options.waitingMax))
      if (gone.length === 0) return
      const writes = gone.map(({ sort }) => writeRow('event', sort, null))
      await this.#ctx.metadata.commit({ partition: bucket, expects: [], writes })
      this.#dropped.add(gone.length)
      left -= gone.length
    }
  }

  #page(
    bucket: string,
    from: string,
    limit: number = ROWS_PER_PAGE,
  ): Promise<readonly Row<EventRow>[]> {
    const range = { from, to: REPLICATION_ROWS.from, limit }
    return scanRows(this.#ctx.metadata, bucket, 'event', range)
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
