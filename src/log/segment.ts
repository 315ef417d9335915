/**
 * The default engine: entries in files of 64 MiB, each written once, one write and one sync a group.
 *
 * Everything that happens to the log is appended to it, also that entries were cut off, replaced or
 * purged; so each change is whole or absent, whatever ends the process (`segment-format.ts` says how).
 * Payloads are not kept in memory: 4 bytes an entry are, and reads go to the page cache.
 *
 * A sync that fails poisons the store: what the disk has is then not known, not even by a later sync.
 */
import { randomInt } from 'node:crypto'
import type { FolderLock } from '../lib/folder-lock.ts'
import type { Change } from './changes.ts'
import { LOG_DISK, type LogDisk } from './disk.ts'
import { GroupedLog, type Keeping } from './grouped.ts'
import { readBatch, readEntry } from './segment-batch.ts'
import { recover } from './segment-recovery.ts'
import type { SegmentState } from './segment-state.ts'
import { findProblems } from './segment-verify.ts'
import { SegmentWriter } from './segment-writer.ts'
import { StateFile } from './state-file.ts'
import type {
  EntryBatch,
  LogEntry,
  LogId,
  LogStats,
  LogStore,
  MetaStore,
  Problem,
  StorageEngine,
} from './store.ts'

const SEGMENT_BYTES: number = 64 * 1024 * 1024

export interface SegmentOptions {
  /** The folder, which exists; nothing else is in it. */
  readonly path: string
  /** The real one unless a test has its own. */
  readonly disk?: LogDisk
  /** A segment of so many bytes is full; 64 MiB where nothing is said. */
  readonly segmentBytes?: number
  /** Numbers of 32 bits that nobody can foresee. */
  readonly salt?: () => number
}

/**
 * Takes the folder and reads what is in it. `StoreLocked` where another process has it, `LogForeign`
 * or `LogCorrupt` where what is there is not ours, a newer program's, or damaged.
 */
export async function openSegments(options: SegmentOptions): Promise<StorageEngine> {
  const { path: folder, disk = LOG_DISK, segmentBytes = SEGMENT_BYTES } = options
  const salt = options.salt ?? ((): number => randomInt(2 ** 32))
  const lock = disk.lock(folder)
  try {
    const recovered = await recover(disk, folder)
    const writer = await SegmentWriter.open({ disk, folder, segmentBytes, salt }, recovered)
    const log = new GroupedLog(new Segments(disk, writer, recovered.state))
    const meta = await StateFile.open(disk, folder)
    return new SegmentEngine(log, meta, lock)
  } catch (error) {
    lock.release()
    throw error
  }
}

class SegmentEngine implements StorageEngine {
  readonly log: LogStore
  readonly meta: MetaStore
  readonly #lock: FolderLock

  constructor(log: LogStore, meta: MetaStore, lock: FolderLock) {
    this.log = log
    this.meta = meta
    this.#lock = lock
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.log[Symbol.asyncDispose]()
      await this.meta[Symbol.asyncDispose]()
    } finally {
      this.#lock.release()
    }
  }
}

class Segments implements Keeping {
  readonly engine = 'segment'
  readonly #disk: LogDisk
  readonly #writer: SegmentWriter
  readonly #state: SegmentState

  constructor(disk: LogDisk, writer: SegmentWriter, state: SegmentState) {
    this.#disk = disk
    this.#writer = writer
    this.#state = state
  }

  get last(): number {
    return this.#state.last
  }

  get boundary(): LogId | undefined {
    return this.#state.boundary
  }

  checkSound(): void {
    this.#writer.checkSound()
  }

  append(group: readonly Change[]): Promise<void> {
    return this.#writer.append(group, this.#state)
  }

  tidy(): Promise<void> {
    return this.#writer.release(this.#state)
  }

  termOf(index: number): number | undefined {
    return this.#state.termOf(index)
  }

  entry(index: number): LogEntry {
    return readEntry(this.#disk, this.#state, index)
  }

  range(from: number, to: number, maxBytes: number): EntryBatch {
    return readBatch(this.#disk, this.#state, from, to, maxBytes)
  }

  problems(): AsyncIterable<Problem> {
    return findProblems(this.#disk, () => this.#writer.segments, this.#state.last)
  }

  measures(): Pick<LogStats, 'sizeBytes' | 'files' | 'syncs'> {
    const { segments, spareCount, syncs } = this.#writer
    const sizeBytes = segments.reduce((sum, segment) => sum + segment.sizeBytes, 0)
    return { sizeBytes, files: segments.length + spareCount, syncs }
  }

  close(): Promise<void> {
    return this.#writer.close()
  }
}
