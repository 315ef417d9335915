/** A layer: counts what any metadata store does, and how long it takes; changes nothing of it. */
import type { Counter, Histogram, Meter } from '../src/lib/meter.ts'
import type { Commit, MetadataStore, Range, Row, Table } from './store.ts'

type Method = 'get' | 'scan' | 'commit'

export class MeasuredMetadata implements MetadataStore {
  readonly name: string
  readonly #store: MetadataStore
  readonly #monotonicMs: () => number
  readonly #durations: Readonly<Record<Method, Histogram>>
  readonly #errors: Readonly<Record<Method, Counter>>
  readonly #refused: Counter

  /** `monotonicMs`: a clock that never goes back, in milliseconds. */
  constructor(store: MetadataStore, meter: Meter, monotonicMs: () => number) {
    this.name = store.name
    this.#store = store
    this.#monotonicMs = monotonicMs
    const engine = store.name
    const name = 'sluice_metadata_seconds'
    const help = 'Time that calls of the metadata store took'
    this.#durations = byMethod((method) => meter.histogram(name, help, { engine, method }))
    const errors = 'sluice_metadata_errors_total'
    const errorsHelp = 'Calls of the metadata store that failed'
    this.#errors = byMethod((method) => meter.counter(errors, errorsHelp, { engine, method }))
    this.#refused = meter.counter(
      'sluice_metadata_refused_total',
      'Commits that were refused, for an expectation did not hold',
      { engine },
    )
  }

  async get(partition: string, table: Table, sort: string): Promise<Row | undefined> {
    const start = this.#monotonicMs()
    try {
      return await this.#store.get(partition, table, sort)
    } catch (error) {
      this.#errors.get.add()
      throw error
    } finally {
      this.#durations.get.observe((this.#monotonicMs() - start) / 1000)
    }
  }

  async scan(partition: string, table: Table, range: Range): Promise<readonly Row[]> {
    const start = this.#monotonicMs()
    try {
      return await this.#store.scan(partition, table, range)
    } catch (error) {
      this.#errors.scan.add()
      throw error
    } finally {
      this.#durations.scan.observe((this.#monotonicMs() - start) / 1000)
    }
  }

  async commit(commit: Commit): Promise<boolean> {
    const start = this.#monotonicMs()
    try {
      const isDone = await this.#store.commit(commit)
      if (!isDone) this.#refused.add()
      return isDone
    } catch (error) {
      this.#errors.commit.add()
      throw error
    } finally {
      this.#durations.commit.observe((this.#monotonicMs() - start) / 1000)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#store[Symbol.asyncDispose]()
  }
}

function byMethod<T>(make: (method: Method) => T): Readonly<Record<Method, T>> {
  return { get: make('get'), scan: make('scan'), commit: make('commit') }
}
