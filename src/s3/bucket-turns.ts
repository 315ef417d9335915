/**
 * Work on a bucket that comes in rounds, and that one gateway of several does at a time: lifecycles,
 * inventories. A row of the bucket (`config`, never one of its documents) says who is at it until when, and
 * how far the round has come. Whoever works writes it again at each step; when a gateway dies, another
 * goes on from the last one. Two that work at once through a fault of a clock are for the work to bear.
 */
import type { Json } from '../../metadata/store.ts'
import type { Context } from './context.ts'
import { readRow } from './rows.ts'
import { transact } from './transact.ts'

/** Whose the round is, and since when it runs; epoch ms. */
export type Turn = {
  readonly by: string
  readonly until: number
  readonly begun: number
  readonly done?: 1
}

type State = { readonly [name: string]: Json }

export class BucketTurns {
  readonly #ctx: Context
  readonly #me: string
  /** Who has not been heard of for so long has died. */
  readonly #leaseMs: number

  constructor(ctx: Context, leaseMs: number) {
    this.#ctx = ctx
    this.#me = ctx.ids.next()
    this.#leaseMs = leaseMs
  }

  /**
   * The round of that name that is ours now: a new one in the state `fresh`, or one that was left behind.
   * Undefined: another is at it, or the last one began less than `everyMs` ago.
   */
  claim<T extends State>(
    bucket: string,
    name: string,
    fresh: T,
    everyMs: number,
  ): Promise<(Turn & T) | undefined> {
    return transact(this.#ctx.metadata, bucket, async (tx) => {
      const now = this.#ctx.clock.now()
      const before = (await tx.get('config', name))?.value.document as (Turn & T) | undefined
      // A little early is on time: timers are not exact.
      if (before?.done === 1 && before.begun + everyMs * 0.9 > now) return undefined
      const isHeld = before !== undefined && before.done === undefined && before.until > now
      if (isHeld && before.by !== this.#me) return undefined
      await this.#ctx.buckets.inBucket(tx, bucket)
      const goesOn = before !== undefined && before.done === undefined
      const turn: Turn & T = goesOn
        ? { ...before, ...this.#mine() }
        : { ...fresh, ...this.#mine(), begun: now }
      tx.put('config', name, { t: now, document: turn })
      return turn
    })
  }

  /** Writes how far we have come; false where another has taken over. */
  note(bucket: string, name: string, turn: Turn & State): Promise<boolean> {
    return transact(this.#ctx.metadata, bucket, async (tx) => {
      const now = (await tx.get('config', name))?.value.document as Turn | undefined
      if (now?.by !== this.#me) return false
      await this.#ctx.buckets.inBucket(tx, bucket)
      const document: Json = { ...turn, ...this.#mine() }
      tx.put('config', name, { t: this.#ctx.clock.now(), document })
      return true
    })
  }

  #mine(): Pick<Turn, 'by' | 'until'> {
    return { by: this.#me, until: this.#ctx.clock.now() + this.#leaseMs }
  }
}

/** For tests and tools: whether a round of that name is under way or done. */
export async function turnOf(
  ctx: Context,
  bucket: string,
  name: string,
): Promise<Json | undefined> {
  return (await readRow(ctx.metadata, bucket, 'config', name))?.value.document
}
