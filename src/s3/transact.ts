/**
 * Read, decide, commit, or again: the only way in which `src/s3` writes rows.
 *
 * The body reads through `Tx`; each read is remembered as an expectation of the commit, and writes
 * are held back until it. If an expectation no longer holds, nothing is written and the body runs
 * again from the start. A body that throws commits nothing, and its error is true of the moment of
 * its reads.
 *
 * Which errors mean what: `OutcomeUnknown`: the commit may have happened or not. Any other error:
 * it did not.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import {
  COMMIT_EXPECTS_MAX,
  COMMIT_WRITES_MAX,
  type Expect,
  type MetadataStore,
  type Range,
  type Rev,
  type Row,
  type Table,
  type Write,
} from '../../metadata/store.ts'
import { StoreFull, StoreUnavailable } from '../lib/store-error.ts'
import { only, type RowOf, writeRow } from './rows.ts'

/** The store failed while committing: the writes may have been made or not. */
export class OutcomeUnknown extends StoreUnavailable {
  override readonly name: string = 'OutcomeUnknown'
}

/** Others were always first: nothing was written. */
export class Contended extends StoreUnavailable {
  override readonly name: string = 'Contended'
}

/** One attempt at a transaction in one partition. Reads do not see the writes held back. */
export interface Tx {
  readonly partition: string
  /** 0 for the first; from 1 on, whatever was cached before is suspect. */
  readonly attempt: number
  /** A row; the commit expects it (or its absence) unchanged. */
  get<T extends Table>(table: T, sort: string): Promise<Row<RowOf[T]> | undefined>
  /** As `get`, without the row's bytes: for who only replaces or removes it. */
  look<T extends Table>(table: T, sort: string): Promise<Row<RowOf[T]> | undefined>
  /** Rows; the commit expects each of them unchanged (rows that join the range are not noticed). At most 50 in all. */
  scan<T extends Table>(table: T, range: Range): Promise<readonly Row<RowOf[T]>[]>
  /** Writes a row; a second write of the same row replaces the first. */
  put<T extends Table>(table: T, sort: string, value: RowOf[T], bytes?: Uint8Array): void
  /** Removes a row; of one that is not there, nothing. */
  delete(table: Table, sort: string): void
  /** The commit expects the row at this revision, read elsewhere (0: absent). */
  expect(table: Table, sort: string, rev: Rev): void
  /** Called when the commit is done, before the transaction resolves; what it rejects with, the transaction does. At most one. */
  confirm(check: () => Promise<void> | undefined): void
}

const ATTEMPTS_MAX = 64
/** Attempts that follow each other at once; later ones wait. */
const PROMPT_ATTEMPTS = 4
const WAIT_MAX_MS = 64

/** Runs `body` until its commit is accepted, and gives its result. A body without writes commits nothing. */
export async function transact<T>(
  store: MetadataStore,
  partition: string,
  body: (tx: Tx) => Promise<T>,
): Promise<T> {
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
    if (attempt >= PROMPT_ATTEMPTS) await sleep(waitMs(attempt))
    const tx = new Attempt(store, partition, attempt)
    const result = await body(tx)
    if (tx.writes.length === 0) return result
    if (await commit(store, tx)) {
      if (tx.check !== undefined) await tx.check()
      return result
    }
  }
  throw new Contended(`no commit in ${ATTEMPTS_MAX} attempts`)
}

async function commit(store: MetadataStore, tx: Attempt): Promise<boolean> {
  if (tx.expects.length > COMMIT_EXPECTS_MAX || tx.writes.length > COMMIT_WRITES_MAX) {
    throw new RangeError(`commit of ${tx.expects.length} expects, ${tx.writes.length} writes`)
  }
  try {
    return await store.commit({
      partition: tx.partition,
      expects: tx.expects,
      writes: tx.writes,
    })
  } catch (error) {
    if (error instanceof StoreFull) throw error
    throw new OutcomeUnknown('the metadata store failed during a commit', { cause: error })
  }
}

let spread = 0

/** Grows with the attempt; successive askers are spread over it evenly (golden ratio), so that they do not meet again. */
function waitMs(attempt: number): number {
  spread = (spread + 0.618_033_988_75) % 1
  return Math.min(2 ** (attempt - PROMPT_ATTEMPTS), WAIT_MAX_MS) * spread
}

class Attempt implements Tx {
  readonly #store: MetadataStore
  readonly partition: string
  readonly attempt: number
  /** A handful, mostly two: searched in order. */
  readonly expects: Expect[] = []
  readonly writes: Write[] = []
  check: (() => Promise<void> | undefined) | undefined

  constructor(store: MetadataStore, partition: string, attempt: number) {
    this.#store = store
    this.partition = partition
    this.attempt = attempt
  }

  async get<T extends Table>(table: T, sort: string): Promise<Row<RowOf[T]> | undefined> {
    const row = await this.#store.get(this.partition, table, sort)
    this.expect(table, sort, row === undefined ? 0 : row.rev)
    return row as Row<RowOf[T]> | undefined
  }

  async look<T extends Table>(table: T, sort: string): Promise<Row<RowOf[T]> | undefined> {
    const [row] = await this.#store.scan(this.partition, table, only(sort))
    this.expect(table, sort, row === undefined ? 0 : row.rev)
    return row as Row<RowOf[T]> | undefined
  }

  async scan<T extends Table>(table: T, range: Range): Promise<readonly Row<RowOf[T]>[]> {
    const rows = await this.#store.scan(this.partition, table, range)
    for (const row of rows) this.expect(table, row.sort, row.rev)
    return rows as readonly Row<RowOf[T]>[]
  }

  put<T extends Table>(table: T, sort: string, value: RowOf[T], bytes?: Uint8Array): void {
    this.#write(writeRow(table, sort, value, bytes))
  }

  delete(table: Table, sort: string): void {
    this.#write({ table, sort, value: null })
  }

  #write(write: Write): void {
    for (let at = 0; at < this.writes.length; at++) {
      const { table, sort } = this.writes[at]!
      if (sort !== write.sort || table !== write.table) continue
      this.writes[at] = write
      return
    }
    this.writes.push(write)
  }

  confirm(check: () => Promise<void> | undefined): void {
    this.check = check
  }

  /** The first revision seen is the one expected: had it changed since, the attempt must fail. */
  expect(table: Table, sort: string, rev: Rev): void {
    for (const expect of this.expects) {
      if (expect.sort === sort && expect.table === table) return
    }
    this.expects.push({ table, sort, rev })
  }
}
