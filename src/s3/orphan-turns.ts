/**
 * Whose turn it is to look for orphans. A search reads all rows and lists all blobs, so of all gateways over the
 * same stores one does it, once in `everyMs`: a row says when the last one began, and who writes it may begin.
 * It outlasts every gateway: a crash needs nobody who notices it, and one that is started anew each day
 * searches all the same.
 *
 * A gateway that fails gives its turn back. One that dies in a search keeps it: the next search is then
 * `everyMs` later. Two searches at a time would disturb nobody.
 */
import type { Rev } from '../../metadata/store.ts'
import type { Context } from './context.ts'
import { ROOT } from './rows.ts'

const TABLE = 'page'
const SORT = 'orphans'

/** When the last search began, epoch ms. */
type Turn = { readonly t: number }

export class OrphanTurns {
  readonly #ctx: Context
  readonly #everyMs: number
  /** Nobody's turn comes before. */
  #due = 0
  #isForced: boolean

  /** `isForced`: the first turn is taken whoever had the last one. */
  constructor(ctx: Context, everyMs: number, isForced: boolean) {
    this.#ctx = ctx
    this.#everyMs = everyMs
    this.#isForced = isForced
  }

  /** True: the caller is to search, and then to tell of it by `giveBack` where it failed. */
  async take(): Promise<boolean> {
    const { metadata, clock } = this.#ctx
    const now = clock.now()
    if (now < this.#due && !this.#isForced) return false
    const row = await metadata.get(ROOT, TABLE, SORT)
    const last = (row?.value as Turn | undefined)?.t
    // One of the future was written by a clock that went wrong: it must not stop the search for years.
    const isRecent = last !== undefined && Math.abs(now - last) < this.#everyMs
    if (isRecent && !this.#isForced) {
      this.#due = last + this.#everyMs
      return false
    }
    if (!(await this.#write({ t: now }, row?.rev ?? 0))) return false
    this.#isForced = false
    this.#due = now + this.#everyMs
    return true
  }

  /** The search failed: it is anybody's turn again. */
  async giveBack(): Promise<void> {
    this.#due = 0
    const row = await this.#ctx.metadata.get(ROOT, TABLE, SORT)
    if (row !== undefined) await this.#write(null, row.rev)
  }

  #write(value: Turn | null, rev: Rev): Promise<boolean> {
    return this.#ctx.metadata.commit({
      partition: ROOT,
      expects: [{ table: TABLE, sort: SORT, rev }],
      writes: [{ table: TABLE, sort: SORT, value }],
    })
  }
}
