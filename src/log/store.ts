/**
 * The log: numbered entries in order, and beside them a small state that survives as they do. It is
 * the storage that Raft asks of a node (its log, and the term and vote of its hard state), and what the
 * gateway keeps the history of its metadata in.
 *
 * What an engine promises here, `contract.ts` tests; the errors are in `errors.ts`.
 */

/** Place of an entry, and the term in which it was written. */
export interface LogId {
  /** From 1 on, without gaps, at most 2^53 - 1. */
  readonly index: number
  /** 0 to 2^53 - 1. */
  readonly term: number
}

/** 0: nothing (a new leader's first entry); 1: a command; 2: a change of the membership. */
export type EntryKind = 0 | 1 | 2

export interface LogEntry extends LogId {
  readonly kind: EntryKind
  /** At most `ENTRY_BYTES_MAX`. */
  readonly payload: Uint8Array
}

/** Most bytes of an entry's payload. */
export const ENTRY_BYTES_MAX: number = 64 * 1024 * 1024
/** Most bytes of payloads that one call writes. */
export const CALL_BYTES_MAX: number = 256 * 1024 * 1024
/** Bytes that one `getEntries` reads, where the caller names no bound of its own; at least one entry comes all the same. */
export const RANGE_BYTES_MAX: number = 16 * 1024 * 1024

/**
 * Entries that were read together, and are decoded when they are asked for. Payloads are views into
 * what was read: they stay as they are, and keep all of it in memory.
 */
export interface EntryBatch extends Iterable<LogEntry> {
  /** Index of the first one; of no meaning where there is none. */
  readonly first: number
  readonly length: number
  /** The entry at that position, 0 to `length` - 1. Throws `LogCorrupt` where its bytes are not as they were written. */
  at(position: number): LogEntry
}

/** Something in the files that is not as it was written. */
export interface Problem {
  /** The file, or where the engine has none of its own, the table. */
  readonly where: string
  /** Byte in the file, or index of the entry. */
  readonly at: number
  readonly message: string
}

export interface LogStats {
  /** `segment`, `sqlite`, `memory`. */
  readonly engine: string
  readonly firstIndex: number
  readonly lastIndex: number
  readonly durableIndex: number
  /** On disk, what waits to be used again included; 0 for an engine in memory. */
  readonly sizeBytes: number
  readonly files: number
  /** Since it was opened: calls that changed something, and syncs that they shared. */
  readonly changes: number
  readonly syncs: number
}

/**
 * Calls that change the log take effect in the order in which they are made, each whole or not at
 * all, a crash at any moment included; those that are made at the same time share syncs. A change is
 * seen by reads once it is as durable as `isWriteDurable` says, and then its promise resolves.
 *
 * Entries that are given to a call are left alone until it has resolved.
 *
 * Every call rejects (or throws, where it answers at once) with `StoreClosed` after the store was
 * closed. Changes reject with `StoreFull` where there is no room: nothing of them remains, and of what
 * was called after them neither; and with `StorePoisoned` once a sync has failed, for then nobody can
 * tell what the disk has. Mistakes of the caller are `RangeError`s, and change nothing.
 */
export interface LogStore extends AsyncDisposable {
  /** Whether what `persistEntries` resolved for survives a power cut without a `flush`. */
  readonly isWriteDurable: boolean

  /** Appends entries that go on right behind the last one; `LogGap` where they do not. */
  persistEntries(entries: readonly LogEntry[]): Promise<void>
  /** Undefined behind the last; rejects with `LogCompacted` where it was purged, `LogCorrupt` where it is damaged. */
  entry(index: number): Promise<LogEntry | undefined>
  /**
   * Entries `from` to `to`, both included: as many from the beginning as there are and as fit into
   * `maxBytes`, at least one. `LogCompacted` where the first was purged.
   */
  getEntries(
    from: number,
    to: number,
    options?: { readonly maxBytes?: number },
  ): EntryBatch | Promise<EntryBatch>
  /**
   * Entries up to this one are gone: a snapshot stands in for them. The boundary survives a restart.
   * Behind the last entry: the log is empty, and goes on behind the boundary. At or before an earlier
   * boundary: nothing happens.
   */
  purge(upTo: LogId): Promise<void>
  /** Entries from this one on are gone. `LogCompacted` at or before the boundary; nothing behind the last. */
  truncate(from: number): Promise<void>
  /** `truncate`, then `persistEntries`, as one: a crash leaves all of the old entries, or all of the new. */
  replaceRange(from: number, entries: readonly LogEntry[]): Promise<void>
  /** What was called before is on stable storage once it resolves. */
  flush(): Promise<void>
  /** Everything is gone, the boundary too: the next entry has index 1. The state beside the log stays. */
  reset(): Promise<void>

  /** Of the first entry there is, or will be: 1, or the one behind the boundary. */
  firstIndex(): number
  /** Of the last entry; of the boundary where there is none, and 0 where nothing was ever written. */
  lastIndex(): number
  /** Up to this one, entries survive a power cut. */
  durableIndex(): number
  /** Of the last entry, or the boundary; undefined where nothing was ever written. */
  lastLogId(): LogId | undefined
  /** Of an entry or of the boundary. */
  termOf(index: number): number | undefined
  /** What `purge` was last told. */
  purgeBoundary(): LogId | undefined
  /** Resolves once `durableIndex` has reached it. */
  waitDurable(index: number): Promise<void>

  /** Reads all that is kept, and tells what is not as it was written. */
  verify(): AsyncIterable<Problem>
  stats(): LogStats
}

/** What a node must not forget: in Raft, whom it has voted for in which term. */
export interface HardState {
  /** 0 to 2^53 - 1. */
  readonly term: number
  /** At most `VOTE_BYTES_MAX` bytes of UTF-8; the meaning is the caller's. */
  readonly vote?: string
}

export const VOTE_BYTES_MAX = 256

export interface MetaStore extends AsyncDisposable {
  /** Durable once it resolves; after that, no older state is ever loaded again. Calls take effect in order. */
  saveHardState(state: HardState): Promise<void>
  /** The last one that was saved. */
  loadHardState(): Promise<HardState | undefined>
}

/** A log and the state beside it. Closing it closes both. */
export interface StorageEngine extends AsyncDisposable {
  readonly log: LogStore
  readonly meta: MetaStore
}
