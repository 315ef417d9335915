/**
 * Commits that wait, group after group: one frame of the log, written and synced once away from the
 * loop, then all of the group are answered. The next group gathers meanwhile. So the price of a sync is
 * shared by all that wait for it, and a lone commit waits for one sync.
 *
 * A sync that fails leaves it unknown what the disk has: the group is answered with
 * `StoreUnavailable`, and so is every commit after it, until the store is opened again. Where there is
 * no room, in the log or, in the end, in SQLite, commits are refused with `StoreFull`; those that have
 * bytes beside their rows first, so that rows can be removed.
 */
import { StoreFull, StoreUnavailable } from '../src/lib/store-error.ts'
import { CommitQueue } from './commit-queue.ts'
import type { Applier } from './sqlite-apply.ts'
import type { Counted } from './sqlite-counted.ts'
import type { EncodedCommit, Groups, Move } from './sqlite-group.ts'
import type { Overlay } from './sqlite-overlay.ts'
import type { FrameWriter } from './sqlite-records.ts'
import { inWordsOfStores } from './sqlite-rows.ts'
import type { Segments } from './sqlite-segments.ts'

/** Overlays' worth of rows at which commits wait for SQLite, or are refused where it has no room. */
const OVERLAYS_MAX = 4
/** The overlay waits no longer until it goes into SQLite, as small as it is. */
const APPLY_MS = 1000

export interface WriterParts {
  readonly log: Segments
  readonly frame: FrameWriter
  readonly overlay: Overlay
  readonly groups: Groups
  readonly applier: Applier
  readonly counted: Counted
  /** Rows, and UTF-16 units of their values, with which the overlay goes into SQLite. */
  readonly overlayRows: number
  readonly overlayUnits: number
}

type Work = EncodedCommit | readonly Move[]

export class Writer {
  readonly #parts: WriterParts
  readonly #queue: CommitQueue<Work>
  /** Settles when the group under way is durable, and what it wrote in the overlay, or when it is refused. */
  #durable: Promise<void> = Promise.resolve()
  #due: NodeJS.Timeout | undefined
  #broken: StoreUnavailable | undefined

  constructor(parts: WriterParts) {
    this.#parts = parts
    this.#queue = new CommitQueue({
      run: (group) => this.#runGroup(group),
      tidy: () => this.#tidy(),
    })
  }

  /** Why nothing is written any more. */
  get broken(): StoreUnavailable | undefined {
    return this.#broken
  }

  /** Settles as `MetadataStore.commit`. */
  commit(work: Work, sizeBytes: number): Promise<boolean> {
    return new Promise((resolve, reject) => {
      if (this.#broken) throw this.#broken
      this.#queue.add({ commit: work, sizeBytes, resolve, reject })
    })
  }

  /** Whether the group under way was written. Rejects where nobody knows. */
  async isKept(): Promise<boolean> {
    try {
      await this.#durable
      return true
    } catch (error) {
      if (error instanceof StoreFull) return false
      throw error
    }
  }

  /** Nothing may be written any more: nobody can tell what the disk has, not even a sync that succeeds later. */
  break(cause: unknown): StoreUnavailable {
    this.#broken ??= new StoreUnavailable('The disk failed to make metadata durable', { cause })
    return this.#broken
  }

  /** Resolves once all that waits is answered. Nothing is to come after. */
  async finish(): Promise<void> {
    await this.#queue.idle()
    clearTimeout(this.#due)
  }

  async #tidy(): Promise<void> {
    if (this.#isMuch(1)) void this.#apply()
    else if (this.#parts.overlay.size > 0)
      this.#due ??= setTimeout(() => {
        this.#due = undefined
        void this.#apply()
      }, APPLY_MS).unref()
  }

  /** Where it fails, the applier says so. */
  async #apply(): Promise<void> {
    if (this.#broken || this.#parts.overlay.size === 0) return
    await this.#parts.applier.start().catch(() => {})
  }

  /** In the log, and in the overlay. */
  async #makeRoom(): Promise<void> {
    const { log, applier } = this.#parts
    if (this.#broken) throw this.#broken
    try {
      if (log.isShort) await log.widen()
      log.rollIfFull()
    } catch (error) {
      throw this.break(error)
    }
    // SQLite comes after, unless it has no room: `#refusal` then bounds what is taken.
    while (this.#isMuch(OVERLAYS_MAX) && applier.failure === undefined && !this.#broken)
      await this.#apply()
  }

  /** Whether the overlay has that many times what one is to have. */
  #isMuch(times: number): boolean {
    const { overlay, overlayRows, overlayUnits } = this.#parts
    return overlay.activeRows >= overlayRows * times || overlay.activeUnits >= overlayUnits * times
  }

  /** Why the commit has no room; undefined where it has. */
  #refusal(work: Work): Error | undefined {
    const { log, applier } = this.#parts
    const isStuck = applier.failure !== undefined && this.#isMuch(OVERLAYS_MAX)
    if (!isStuck && !log.isShort) return undefined
    const isBeyond = isStuck && this.#isMuch(2 * OVERLAYS_MAX)
    if (!isBeyond && !hasBytes(work)) return undefined
    return isStuck ? applier.failure : new StoreFull('No room for metadata')
  }

  /** Runs the group, and makes what it wrote durable. */
  async #runGroup(group: readonly Work[]): Promise<readonly (boolean | Error)[]> {
    await this.#makeRoom()
    const { log, frame, overlay, counted } = this.#parts
    frame.begin(log.number, log.end)
    const outcomes: (boolean | Error)[] = []
    try {
      for (let i = 0; i < group.length; i++)
        outcomes.push(this.#refusal(group[i]!) ?? this.#run(group[i]!))
    } catch (error) {
      overlay.drop()
      throw inWordsOfStores(error)
    }
    counted.commits.add(group.length)
    counted.groups.add()
    if (!frame.isEmpty) {
      counted.syncs.add()
      this.#durable = this.#write()
      await this.#durable
    }
    return outcomes
  }

  #run(work: Work): boolean {
    if ('writes' in work) return this.#parts.groups.run(work)
    for (const move of work) this.#parts.groups.move(move)
    return true
  }

  async #write(): Promise<void> {
    const { log, frame, overlay } = this.#parts
    try {
      await log.append(frame.finish())
    } catch (error) {
      if (!(error instanceof StoreFull)) throw this.break(error)
      overlay.drop()
      throw error
    }
    overlay.keep({ segment: log.number, at: log.end })
  }
}

function hasBytes(work: Work): boolean {
  return 'writes' in work ? work.writes.some(({ bytes }) => bytes !== undefined) : true
}
