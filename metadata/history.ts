/**
 * The history of metadata: every commit that held, in order, as its log keeps it. Whoever follows it keeps
 * the index of the last one that he has; that cursor is good for as long as the log reaches back to it.
 */
import type { LogEntry, LogStore } from '../src/log/store.ts'
import { decodeEntry, type LoggedCommit } from './logged-entry.ts'
import { COMMAND } from './logged-rows.ts'

/** A commit, and its place in the history. */
export interface HistoryCommit extends LoggedCommit {
  readonly index: number
  readonly term: number
}

/** What a reader is given at once. */
export interface HistoryPage {
  readonly commits: readonly HistoryCommit[]
  /** To be asked for next: everything up to here was given, or is no commit. */
  readonly cursor: number
}

export interface History {
  /** First index that can still be read, and the last there is. */
  readonly firstIndex: number
  readonly lastIndex: number
  /** In which writes are made now. */
  readonly term: number
  /**
   * Commits behind the cursor (0: from the beginning), at most so many; none where there are none yet.
   * Rejects with `LogCompacted` where the log does not reach back that far.
   */
  read(cursor: number, limit: number): Promise<HistoryPage>
  /** Resolves once there is something behind the cursor; rejects when the signal says so, or the store is closed. */
  arrived(cursor: number, signal: AbortSignal): Promise<void>
  /** Of an entry that can be read, or the last that was purged. */
  termOf(index: number): number | undefined
  /** The newest copy of all rows, with the index of the entry that it is of; undefined where there is none. */
  copy(): Promise<HistoryCopy | undefined>
  /** Another gateway writes from now on, in that later term: this one never does again, restarts included. */
  fence(term: number): Promise<void>
}

export interface HistoryCopy {
  readonly index: number
  readonly term: number
  /** A file of lines (`jsonl-snapshot.ts`), which stays readable for whoever has opened it. */
  readonly file: string
}

/** Bytes of entries that a page is made of. */
const PAGE_BYTES: number = 4 * 1024 * 1024

export async function readHistory(
  log: LogStore,
  cursor: number,
  limit: number,
): Promise<HistoryPage> {
  const to = Math.min(log.lastIndex(), cursor + limit)
  const batch = await log.getEntries(cursor + 1, to, { maxBytes: PAGE_BYTES })
  const commits: HistoryCommit[] = []
  for (const entry of batch) if (entry.kind === COMMAND) commits.push(commitOf(entry))
  return { commits, cursor: cursor + batch.length }
}

export function commitOf({ index, term, payload }: LogEntry): HistoryCommit {
  return { index, term, ...decodeEntry(index, payload) }
}

/** Those who wait for what comes. */
export class Followers {
  readonly #waiting = new Set<{ readonly cursor: number; readonly tell: () => void }>()
  #closed: Error | undefined

  /** As `History.arrived`, where nothing is behind the cursor yet. */
  wait(cursor: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      signal.throwIfAborted()
      if (this.#closed) throw this.#closed
      const end = (): void => {
        this.#waiting.delete(waiting)
        signal.removeEventListener('abort', end)
        if (signal.aborted) reject(signal.reason as Error)
        else if (this.#closed) reject(this.#closed)
        else resolve()
      }
      const waiting = { cursor, tell: end }
      this.#waiting.add(waiting)
      signal.addEventListener('abort', end)
    })
  }

  /** There is something, up to that index. */
  reached(index: number): void {
    for (const { cursor, tell } of this.#waiting) if (index > cursor) tell()
  }

  close(error: Error): void {
    this.#closed = error
    for (const { tell } of this.#waiting) tell()
  }
}
