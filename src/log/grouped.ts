/** What engines on disk have in common: calls are checked as they come, wait in line, and are read once they are durable. */
import { checkIndex, checkKept, checkRange, LogBounds } from './bounds.ts'
import { type Change, ChangeLine, isFlush } from './changes.ts'
import { Durability } from './durability.ts'
import { StoreClosed } from './errors.ts'
import { ListBatch } from './list-batch.ts'
import {
  type EntryBatch,
  type LogEntry,
  type LogId,
  type LogStats,
  type LogStore,
  type Problem,
  RANGE_BYTES_MAX,
} from './store.ts'

/** Where entries are kept. */
export interface Keeping {
  readonly engine: string
  /** As `LogStore.lastIndex` and `purgeBoundary`: of what is durable. */
  readonly last: number
  readonly boundary: LogId | undefined
  /** Throws where nothing may be written any more. */
  checkSound(): void
  /** Resolves once the group is durable, and reads see it. Where it rejects, nothing of it remains. */
  append(group: readonly Change[]): Promise<void>
  /** What is left to do once the group was answered. Never rejects. */
  tidy(): Promise<void>
  /** Of an entry or the boundary. */
  termOf(index: number): number | undefined
  /** The entry, which is there. */
  entry(index: number): LogEntry
  /** Entries from the first on, which are there, as far as they fit; at least one. */
  range(from: number, to: number, maxBytes: number): EntryBatch
  problems(): AsyncIterable<Problem>
  measures(): Pick<LogStats, 'sizeBytes' | 'files' | 'syncs'>
  close(): Promise<void>
}

export class GroupedLog implements LogStore {
  readonly isWriteDurable: boolean = true
  readonly #keeping: Keeping
  /** As calls were accepted; what is kept follows. */
  #bounds: LogBounds
  readonly #durability = new Durability()
  readonly #line: ChangeLine
  #changes = 0
  #closing: Promise<void> | undefined

  constructor(keeping: Keeping) {
    this.#keeping = keeping
    this.#bounds = new LogBounds(keeping.last, keeping.boundary)
    this.#line = new ChangeLine({
      run: async (group) => {
        await keeping.append(group)
        for (const change of group) if (change.op !== 'close' && !isFlush(change)) this.#changes++
        this.#durability.reached(keeping.last)
      },
      tidy: () => keeping.tidy(),
      failed: (error) => {
        this.#bounds = new LogBounds(keeping.last, keeping.boundary)
        this.#durability.failed(error)
      },
    })
  }

  async persistEntries(entries: readonly LogEntry[]): Promise<void> {
    this.#checkWritable()
    const payloadBytes = this.#bounds.append(entries)
    if (entries.length === 0) return
    await this.#line.add({ op: 'append', index: 0, term: 0, entries, payloadBytes })
  }

  async replaceRange(from: number, entries: readonly LogEntry[]): Promise<void> {
    this.#checkWritable()
    const op = from === this.#bounds.last + 1 ? 'append' : 'truncate'
    const payloadBytes = this.#bounds.replace(from, entries)
    await this.#line.add({ op, index: from, term: 0, entries, payloadBytes })
  }

  async truncate(from: number): Promise<void> {
    this.#checkWritable()
    await (this.#bounds.truncate(from) ? this.#do('truncate', from, 0) : this.flush())
  }

  async purge(upTo: LogId): Promise<void> {
    this.#checkWritable()
    const { index, term } = upTo
    await (this.#bounds.purge(upTo) ? this.#do('purge', index, term) : this.flush())
  }

  async reset(): Promise<void> {
    this.#checkWritable()
    this.#bounds.reset()
    await this.#do('reset', 0, 0)
  }

  /** All that was answered is durable: what was called before has only to be answered. */
  async flush(): Promise<void> {
    this.#checkWritable()
    await this.#do('append', 0, 0)
  }

  async entry(index: number): Promise<LogEntry | undefined> {
    this.#checkOpen()
    checkIndex(index)
    if (index > this.#keeping.last) return undefined
    checkKept(this.#keeping.boundary, index)
    return this.#keeping.entry(index)
  }

  getEntries(from: number, to: number, options?: { readonly maxBytes?: number }): EntryBatch {
    this.#checkOpen()
    const maxBytes = options?.maxBytes ?? RANGE_BYTES_MAX
    checkRange(from, to, maxBytes)
    const end = Math.min(to, this.#keeping.last)
    if (from > end) return NO_ENTRIES
    checkKept(this.#keeping.boundary, from)
    return this.#keeping.range(from, end, maxBytes)
  }

  firstIndex(): number {
    return (this.#keeping.boundary?.index ?? 0) + 1
  }

  lastIndex(): number {
    return this.#keeping.last
  }

  durableIndex(): number {
    return this.#keeping.last
  }

  lastLogId(): LogId | undefined {
    const index = this.#keeping.last
    const term = this.#keeping.termOf(index)
    return term === undefined ? undefined : { index, term }
  }

  termOf(index: number): number | undefined {
    return this.#keeping.termOf(index)
  }

  purgeBoundary(): LogId | undefined {
    return this.#keeping.boundary
  }

  async waitDurable(index: number): Promise<void> {
    this.#checkWritable()
    checkIndex(index)
    if (index > this.#keeping.last) await this.#durability.wait(index)
  }

  verify(): AsyncIterable<Problem> {
    this.#checkOpen()
    return this.#keeping.problems()
  }

  stats(): LogStats {
    return {
      engine: this.#keeping.engine,
      firstIndex: this.firstIndex(),
      lastIndex: this.lastIndex(),
      durableIndex: this.durableIndex(),
      changes: this.#changes,
      ...this.#keeping.measures(),
    }
  }

  /** Answers what waits, then closes the files. */
  [Symbol.asyncDispose](): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    // A store that cannot be written any more is closed all the same.
    await this.#do('close', 0, 0).catch(() => {})
    await this.#line.idle()
    this.#durability.failed(new StoreClosed('The log is closed'))
    await this.#keeping.close()
  }

  #do(op: Change['op'], index: number, term: number): Promise<void> {
    return this.#line.add({ op, index, term, entries: [], payloadBytes: 0 })
  }

  #checkOpen(): void {
    if (this.#closing) throw new StoreClosed('The log is closed')
  }

  #checkWritable(): void {
    this.#checkOpen()
    this.#keeping.checkSound()
  }
}

const NO_ENTRIES: EntryBatch = new ListBatch([])
