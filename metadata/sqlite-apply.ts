/**
 * Moves the overlay, as it becomes large, into SQLite: in the order of positions, so that neighbours
 * share pages, and in transactions so small that the loop is never held up for long.
 *
 * SQLite waits for no disk here. A crash takes back what its own log (`-wal`) had not on the disk, and
 * the commit log, which is read from the place that SQLite then says, has it all. That place only ever
 * moves over what is durable there, for only that is in `active`.
 *
 * A checkpoint makes SQLite's part durable: its log is synced, copied and the database synced, and
 * meanwhile nothing is applied, so that SQLite cannot begin its log anew. What the commit log has
 * before that place, and no row's bytes are in, is then removed.
 *
 * Where SQLite has no room, everything stays as it is, and the next call tries again.
 */
import { StoreFull } from '../src/lib/store-error.ts'
import { nextTurn } from './commit-queue.ts'
import type { Counted } from './sqlite-counted.ts'
import type { SqliteFile } from './sqlite-file.ts'
import type { Groups } from './sqlite-group.ts'
import type { Overlay, Placed } from './sqlite-overlay.ts'
import { inWordsOfStores, type SqliteRows, type State } from './sqlite-rows.ts'
import type { Segments } from './sqlite-segments.ts'

/** What one transaction writes at most: 1 to 3 ms of work. */
const SLICE_ROWS = 256
const SLICE_UNITS: number = 256 * 1024
/** What is read again after a power failure, at most: some tenths of a second. */
const REPLAY_ROWS = 16_384
const REPLAY_BYTES: number = 32 * 1024 * 1024

export interface ApplyParts {
  readonly file: SqliteFile
  readonly rows: SqliteRows
  readonly log: Segments
  readonly overlay: Overlay
  readonly groups: Groups
  readonly counted: Counted
  /** Pages in SQLite's log at which it is moved into the database. */
  readonly checkpointFrames: number
  /** Called where a sync has failed: nothing may be written any more. */
  readonly onBroken: (cause: unknown) => void
  /** Called when a checkpoint is done. */
  readonly onCheckpoint: () => void
}

interface Batch {
  readonly rows: readonly Placed[]
  /** Rows before this one are in SQLite. */
  next: number
  /** What SQLite has once they all are. */
  readonly state: Omit<State, 'store'>
}

export class Applier {
  readonly #parts: ApplyParts
  #batch: Batch | undefined
  #running: Promise<void> | undefined
  #checkpointing: Promise<void> | undefined
  #rowsSince = 0
  #bytesBefore = 0
  #failure: Error | undefined
  #isStopped = false

  constructor(parts: ApplyParts) {
    this.#parts = parts
  }

  /** Why the overlay does not become smaller; undefined while it does. */
  get failure(): Error | undefined {
    return this.#failure
  }

  /** Resolves once SQLite has all that was durable at the call. Rejects where it cannot. */
  async flush(): Promise<void> {
    await this.#running?.catch(() => {})
    // A batch for which there was no room comes first.
    if (this.#batch !== undefined) await this.start()
    if (this.#parts.overlay.size > 0) await this.start()
  }

  /** Resolves once SQLite has what was durable when this, or the run that is under way, began. */
  start(): Promise<void> {
    this.#running ??= this.#run().finally(() => (this.#running = undefined))
    return this.#running
  }

  /** Nothing is written to SQLite from its resolution on. */
  async stop(): Promise<void> {
    this.#isStopped = true
    await this.#running?.catch(() => {})
    await this.#checkpointing
  }

  async #run(): Promise<void> {
    await this.#checkpointing
    try {
      this.#batch ??= this.#freeze()
      while (this.#batch.next < this.#batch.rows.length) {
        // Before the first too: who has waited for the batch before reads SQLite while it is whole.
        await nextTurn()
        this.#applySlice(this.#batch)
      }
    } catch (error) {
      this.#failure = inWordsOfStores(error) as Error
      throw this.#failure
    }
    this.#failure = undefined
    this.#rowsSince += this.#batch.rows.length
    this.#batch = undefined
    this.#parts.overlay.melt()
    this.#parts.groups.forget()
    if (this.#isCheckpointDue())
      this.#checkpointing = this.#checkpoint().finally(() => (this.#checkpointing = undefined))
  }

  #freeze(): Batch {
    const { overlay, groups } = this.#parts
    const state = { rev: groups.lastRev, ...overlay.end }
    return { rows: overlay.freeze(), next: 0, state }
  }

  #applySlice(batch: Batch): void {
    const { rows, next, state } = batch
    let end = next
    for (let units = 0; end < rows.length && end - next < SLICE_ROWS; end++) {
      units += rows[end]!.row.json.length
      if (end > next && units > SLICE_UNITS) break
    }
    this.#parts.rows.apply(rows, next, end, end === rows.length ? state : undefined)
    // Newer rows of these positions remember these; what is before them is of no use any more.
    for (let i = next; i < end; i++) rows[i]!.row.base = undefined
    batch.next = end
  }

  #isCheckpointDue(): boolean {
    const { file, log, checkpointFrames } = this.#parts
    return (
      !this.#isStopped &&
      (this.#rowsSince >= REPLAY_ROWS ||
        log.written - this.#bytesBefore >= REPLAY_BYTES ||
        file.frames() >= checkpointFrames)
    )
  }

  async #checkpoint(): Promise<void> {
    const { file, rows, log, counted, onBroken, onCheckpoint } = this.#parts
    const bytes = log.written
    try {
      counted.syncs.add()
      await file.sync()
    } catch (error) {
      return onBroken(error)
    }
    try {
      // Those who were just answered go on first.
      await nextTurn()
      file.copyLog()
    } catch (error) {
      // Where the database has no room to grow, everything stays in SQLite's log, which is as good.
      const why = inWordsOfStores(error)
      return why instanceof StoreFull ? undefined : onBroken(why)
    }
    try {
      counted.checkpoints.add()
      counted.syncs.add()
      await file.syncData()
    } catch (error) {
      return onBroken(error)
    }
    this.#rowsSince = 0
    this.#bytesBefore = bytes
    try {
      removeDead(log, rows)
    } catch {
      // What stays takes room, and no more: the next checkpoint comes back to it.
    }
    onCheckpoint()
  }
}

/** Removes the segments that SQLite, as it is on the disk, does not need. */
function removeDead(log: Segments, rows: SqliteRows): void {
  const { segment } = rows.state()
  const held = rows.held()
  for (const number of log.numbers)
    if (number < segment && (held.get(number) ?? 0) === 0) {
      log.remove(number)
      rows.forgetSegment(number)
    }
}
