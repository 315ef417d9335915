/**
 * Gives back what the commit log keeps for rows that are gone. A segment of which rows hold less than
 * half is read through, and their records are appended to the log again, as they are: same rev, new
 * place. Once SQLite durably has the new places nothing is held in the old segment, and it is removed
 * as any other that is dead (sqlite-apply.ts). So a crash at any step costs some work, and no row.
 *
 * It works as long as it finds such segments, a few records at a time and with pauses, in groups with
 * whatever else is committed; a row that has been written meanwhile is left alone. A segment that turns
 * out to be damaged stays as it is.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Counted } from './sqlite-counted.ts'
import type { Groups, Move } from './sqlite-group.ts'
import { recordsOf } from './sqlite-records.ts'
import { SegmentFile } from './sqlite-replay.ts'
import type { SqliteRows } from './sqlite-rows.ts'
import type { Segments } from './sqlite-segments.ts'

/** A segment that rows hold less of is read through. */
const HELD_SHARE_MIN = 0.5
/** Bytes that are appended at a time. */
const MOVE_BYTES: number = 256 * 1024
const PAUSE_MS = 5

export interface ReclaimParts {
  readonly store: number
  readonly rows: SqliteRows
  readonly log: Segments
  readonly groups: Groups
  /** Commits them; rejects where they cannot be. */
  readonly commit: (moves: readonly Move[], sizeBytes: number) => Promise<unknown>
  readonly counted: Counted
}

export class Reclaimer {
  readonly #parts: ReclaimParts
  /** Segments that have been read through, and are not dead yet. */
  readonly #done = new Set<number>()
  #running: Promise<void> | undefined
  #isStopped = false

  constructor(parts: ReclaimParts) {
    this.#parts = parts
  }

  /** Begins to work where there is something to do. Never rejects: what fails is tried again another time. */
  start(): void {
    if (this.#isStopped || this.#running) return
    this.#running = this.#run()
      .catch(() => {})
      .finally(() => (this.#running = undefined))
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    await this.#running
  }

  async #run(): Promise<void> {
    for (;;) {
      const victim = this.#victim()
      if (victim === undefined) return
      this.#done.add(victim)
      await this.#empty(victim)
      if (this.#isStopped) return
    }
  }

  /** The segment that least is held of. */
  #victim(): number | undefined {
    const { log, rows } = this.#parts
    const applied = rows.state().segment
    for (const number of this.#done) if (!log.numbers.has(number)) this.#done.delete(number)
    const candidates = [...rows.held()]
      .filter(([number]) => number < applied && !this.#done.has(number))
      .filter(([number, held]) => held < log.sizeOf(number) * HELD_SHARE_MIN)
      .toSorted(([, a], [, b]) => a - b)
    return candidates[0]?.[0]
  }

  async #empty(victim: number): Promise<void> {
    const { log, store } = this.#parts
    using file = new SegmentFile(log.fileOf(victim), victim, store)
    let moves: Move[] = []
    let bytes = 0
    for (let at = file.begin; at < file.sizeBytes;) {
      const frame = file.frame(at)
      if (frame === undefined) throw file.damaged(at)
      const begin = at
      at += frame.length
      for (const { partition, table, sort, rev, json, place } of recordsOf(frame)) {
        const known =
          place.segment === 0 ? undefined : this.#parts.groups.known(partition, table, sort)
        if (known?.rev !== rev || known.segment !== victim) continue
        const bodyAt = place.at - begin
        const body = frame.subarray(bodyAt, bodyAt + place.length)
        moves.push({ partition, table, sort, rev, json, bytes: body, segment: victim })
        bytes += place.held
      }
      if (bytes >= MOVE_BYTES || at >= file.sizeBytes) {
        await this.#move(victim, moves, bytes)
        moves = []
        bytes = 0
      }
      if (this.#isStopped) return
    }
  }

  async #move(victim: number, moves: readonly Move[], sizeBytes: number): Promise<void> {
    try {
      if (moves.length > 0) await this.#parts.commit(moves, sizeBytes)
      this.#parts.counted.reclaimed.add(sizeBytes)
    } catch (error) {
      this.#done.delete(victim)
      throw error
    }
    await sleep(PAUSE_MS)
  }
}
