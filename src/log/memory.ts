/** Entries in this process's memory: gone with it. For tests, and for logs that need not last. */
import { checkHardState, checkIndex, checkKept, checkRange, LogBounds } from './bounds.ts'
import { Durability } from './durability.ts'
import { StoreClosed } from './errors.ts'
import { ListBatch } from './list-batch.ts'
import {
  type EntryBatch,
  type HardState,
  type LogEntry,
  type LogId,
  type LogStats,
  type LogStore,
  type MetaStore,
  type Problem,
  RANGE_BYTES_MAX,
  type StorageEngine,
} from './store.ts'

export function openInMemory(): StorageEngine {
  const log = new MemoryLog()
  const meta = new MemoryState()
  return {
    log,
    meta,
    async [Symbol.asyncDispose]() {
      await log[Symbol.asyncDispose]()
      await meta[Symbol.asyncDispose]()
    },
  }
}

const NO_PROBLEMS: AsyncIterable<Problem> = {
  [Symbol.asyncIterator]: () => ({ next: async () => ({ done: true, value: undefined }) }),
}

class MemoryLog implements LogStore {
  readonly isWriteDurable: boolean = false
  readonly #bounds = new LogBounds(0, undefined)
  readonly #durability = new Durability()
  /** The first has index `firstIndex()`. */
  #entries: LogEntry[] = []
  #durable = 0
  #changes = 0
  #isClosed = false

  async persistEntries(entries: readonly LogEntry[]): Promise<void> {
    this.#checkOpen()
    this.#bounds.append(entries)
    this.#keep(entries)
    if (entries.length > 0) this.#changes++
  }

  async replaceRange(from: number, entries: readonly LogEntry[]): Promise<void> {
    this.#checkOpen()
    const isChange = from <= this.#bounds.last || entries.length > 0
    this.#bounds.replace(from, entries)
    this.#cut(from)
    this.#keep(entries)
    if (isChange) this.#changes++
  }

  async truncate(from: number): Promise<void> {
    this.#checkOpen()
    if (!this.#bounds.truncate(from)) return
    this.#cut(from)
    this.#changes++
  }

  async purge(upTo: LogId): Promise<void> {
    this.#checkOpen()
    const first = this.firstIndex()
    if (!this.#bounds.purge(upTo)) return
    this.#entries.splice(0, upTo.index - first + 1)
    this.#changes++
  }

  /** There is no stable storage: this is as near as it comes. */
  async flush(): Promise<void> {
    this.#checkOpen()
    this.#durable = this.lastIndex()
    this.#durability.reached(this.#durable)
  }

  async reset(): Promise<void> {
    this.#checkOpen()
    this.#bounds.reset()
    this.#entries = []
    this.#durable = 0
    this.#changes++
  }

  async entry(index: number): Promise<LogEntry | undefined> {
    this.#checkOpen()
    checkIndex(index)
    checkKept(this.#bounds.boundary, index)
    return this.#entries[index - this.firstIndex()]
  }

  getEntries(from: number, to: number, options?: { readonly maxBytes?: number }): EntryBatch {
    this.#checkOpen()
    const maxBytes = options?.maxBytes ?? RANGE_BYTES_MAX
    checkRange(from, to, maxBytes)
    if (from <= Math.min(to, this.lastIndex())) checkKept(this.#bounds.boundary, from)
    const first = this.firstIndex()
    return ListBatch.within(
      this.#entries.slice(from - first, Math.max(0, to - first + 1)),
      maxBytes,
    )
  }

  firstIndex(): number {
    return (this.#bounds.boundary?.index ?? 0) + 1
  }

  lastIndex(): number {
    return this.#bounds.last
  }

  durableIndex(): number {
    return Math.min(this.#durable, this.lastIndex())
  }

  lastLogId(): LogId | undefined {
    const { last, boundary } = this.#bounds
    const { index, term } = this.#entries.at(-1) ?? boundary ?? { index: 0, term: 0 }
    return last === 0 ? undefined : { index, term }
  }

  termOf(index: number): number | undefined {
    const { boundary } = this.#bounds
    if (index === boundary?.index) return boundary.term
    return this.#entries[index - this.firstIndex()]?.term
  }

  purgeBoundary(): LogId | undefined {
    return this.#bounds.boundary
  }

  async waitDurable(index: number): Promise<void> {
    this.#checkOpen()
    checkIndex(index)
    if (index > this.durableIndex()) await this.#durability.wait(index)
  }

  verify(): AsyncIterable<Problem> {
    this.#checkOpen()
    return NO_PROBLEMS
  }

  stats(): LogStats {
    return {
      engine: 'memory',
      firstIndex: this.firstIndex(),
      lastIndex: this.lastIndex(),
      durableIndex: this.durableIndex(),
      sizeBytes: 0,
      files: 0,
      changes: this.#changes,
      syncs: 0,
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true
    this.#durability.failed(new StoreClosed('The log is closed'))
    this.#entries = []
  }

  /** Payloads often stand in buffers that are used again. */
  #keep(entries: readonly LogEntry[]): void {
    for (const { index, term, kind, payload } of entries)
      this.#entries.push({ index, term, kind, payload: new Uint8Array(payload) })
  }

  #cut(from: number): void {
    this.#entries.length = Math.min(this.#entries.length, from - this.firstIndex())
    this.#durable = Math.min(this.#durable, from - 1)
  }

  #checkOpen(): void {
    if (this.#isClosed) throw new StoreClosed('The log is closed')
  }
}

class MemoryState implements MetaStore {
  #state: HardState | undefined
  #isClosed = false

  async saveHardState(state: HardState): Promise<void> {
    this.#checkOpen()
    checkHardState(state)
    this.#state = { ...state }
  }

  async loadHardState(): Promise<HardState | undefined> {
    this.#checkOpen()
    return this.#state
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true
  }

  #checkOpen(): void {
    if (this.#isClosed) throw new StoreClosed('The store of the state is closed')
  }
}
