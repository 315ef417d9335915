/**
 * How many buckets and objects there are, for the gauges: a layer over the metadata that counts.
 *
 * Buckets are counted when asked. Objects are counted once, by a walk through all buckets that takes
 * at most a tenth of the loop's time, and from then on by what each commit adds and removes, which it
 * tells by its expectations. A commit that races the walk's own page may be counted twice or not:
 * the number is for a graph. Keys whose newest version is a delete marker count too.
 *
 * It also tells whether rows of older versions are being removed, which listings of versions ask.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Commit, MetadataStore, Range, Row, Table, Write } from '../metadata/store.ts'
import { ROOT } from './s3/rows.ts'

const PAGE_ROWS = 1000
/** Rest after each page, as a multiple of the time that it took. */
const REST = 9

/** How far the walk is: buckets before `partition` are counted, and in it the keys up to `sort`. */
interface Position {
  readonly partition: string
  readonly sort: string
}

export class CountedMetadata implements MetadataStore {
  readonly name: string
  private readonly inner: MetadataStore
  private counted = 0
  /** Undefined: the walk is done. */
  private position: Position | undefined = { partition: '', sort: '' }

  /** Commits that remove rows of older versions: those begun, and those not known to be over. */
  private removals = 0
  private removing = 0

  constructor(inner: MetadataStore) {
    this.inner = inner
    this.name = inner.name
  }

  /** Objects known of; while the walk is under way, those that it has met so far. */
  get objects(): number {
    return this.counted
  }

  /** A number that changes with every removal of rows of older versions; undefined while one is under way. */
  get versionRemovals(): number | undefined {
    return this.removing === 0 ? this.removals : undefined
  }

  async buckets(): Promise<number> {
    let count = 0
    for await (const page of this.pages(ROOT, 'bucket')) count += page.length
    return count
  }

  /** Walks through everything once, slowly; rejects where the store does or the signal says so. */
  async walk(signal: AbortSignal): Promise<void> {
    for await (const buckets of this.pages(ROOT, 'bucket')) {
      for (const { sort: partition } of buckets) {
        this.position = { partition, sort: '' }
        let started = performance.now()
        for await (const page of this.pages(partition, 'object')) {
          this.counted += page.length
          if (page.length > 0) this.position = { partition, sort: page.at(-1)!.sort }
          await sleep((performance.now() - started) * REST, undefined, { signal, ref: false })
          started = performance.now()
        }
        this.position = { partition: `${partition}\0`, sort: '' }
      }
    }
    this.position = undefined
  }

  get(partition: string, table: Table, sort: string): Promise<Row | undefined> {
    return this.inner.get(partition, table, sort)
  }

  scan(partition: string, table: Table, range: Range): Promise<readonly Row[]> {
    return this.inner.scan(partition, table, range)
  }

  commit(commit: Commit): Promise<boolean> {
    const committed = removesVersions(commit) ? this.removeBy(commit) : this.inner.commit(commit)
    const change = changeBy(commit, (write) => this.isCounted(commit.partition, write.sort))
    if (change === 0) return committed
    return committed.then((isDone) => {
      if (isDone) this.counted += change
      return isDone
    })
  }

  /** What failed may yet come to pass: then one is under way for ever. */
  private async removeBy(commit: Commit): Promise<boolean> {
    this.removals++
    this.removing++
    const isDone = await this.inner.commit(commit)
    this.removing--
    return isDone
  }

  [Symbol.asyncDispose](): PromiseLike<void> {
    return this.inner[Symbol.asyncDispose]()
  }

  /** False: the walk will still come by and count it. */
  private isCounted(partition: string, sort: string): boolean {
    if (this.position === undefined) return true
    if (partition !== this.position.partition) return partition < this.position.partition
    return sort <= this.position.sort
  }

  private async *pages(partition: string, table: Table): AsyncGenerator<readonly Row[]> {
    for (let from = ''; ;) {
      const page = await this.inner.scan(partition, table, { from, limit: PAGE_ROWS })
      yield page
      if (page.length < PAGE_ROWS) return
      from = `${page.at(-1)!.sort}\0`
    }
  }
}

function removesVersions({ writes }: Commit): boolean {
  for (const { table, value } of writes) if (table === 'version' && value === null) return true
  return false
}

/** Objects that a commit adds, less those that it removes. */
function changeBy(
  { partition, writes, expects }: Commit,
  isCounted: (write: Write) => boolean,
): number {
  let change = 0
  if (partition === ROOT) return change
  for (const write of writes) {
    if (write.table !== 'object') continue
    const expected = expects.find(({ table, sort }) => table === 'object' && sort === write.sort)
    // A write without an expectation does not know what it replaces.
    if (expected === undefined || !isCounted(write)) continue
    change += Number(write.value !== null) - Number(expected.rev !== 0)
  }
  return change
}
