/**
 * Metadata: small ordered rows, written in atomic commits.
 *
 * A row lives at (partition, table, sort). The partition is the atomic domain: a commit touches one
 * partition. S3's semantics use one partition a bucket, so that every S3 write is one commit.
 *
 * A commit is plain data: it can be run in a SQLite transaction, sent as a DynamoDB
 * TransactWriteItems or a Cosmos batch, appended as one line, or replicated as one log entry.
 */

/** A JSON value; rows hold nothing else, so that every engine can store them. */
export type Json =
  | string
  | number
  | boolean
  | null
  | readonly Json[]
  | { readonly [name: string]: Json }

/** Revision of a row. 0: absent; otherwise opaque, new at every write, never seen again. */
export type Rev = number | string

/** The tables of a partition; `src/s3/rows.ts` says what stands in each. */
export type Table =
  | 'bucket'
  | 'object'
  | 'version'
  | 'page'
  | 'upload'
  | 'part'
  | 'garbage'
  | 'share'
  | 'config'
  | 'event'

export interface Row<V = Json> {
  /** Position in the table: valid UTF-8, at most 1024 bytes (any character, NUL too); rows sort by its bytes. */
  readonly sort: string
  readonly rev: Rev
  readonly value: V
  /** Small payload beside the value (an inlined object body), at most 64 KiB. Only `get` reads it: a scan leaves it out. */
  readonly bytes?: Uint8Array
}

/**
 * Folds the rows of a scan into groups: of all rows whose sort key has the same text up to and
 * including the first `delimiter` at or behind position `from` (UTF-16 units, as String.indexOf
 * counts), only the first is returned. Rows without it are all returned. However many rows a group
 * hides, it costs about one seek.
 */
export interface Fold {
  /** Not empty. */
  readonly delimiter: string
  readonly from: number
}

export interface Range {
  /** First sort key wanted, inclusive. */
  readonly from: string
  /** End of the range, exclusive; none: to the end of the table. */
  readonly to?: string
  /** Most rows to return, 1 to 1001. */
  readonly limit: number
  readonly fold?: Fold
}

/** The row must still be at this revision (0: must be absent), or the whole commit is refused. */
export interface Expect {
  readonly table: Table
  readonly sort: string
  readonly rev: Rev
}

/** Writes the row, or removes it where `value` is null. */
export interface Write {
  readonly table: Table
  readonly sort: string
  readonly value: Json
  readonly bytes?: Uint8Array
}

/**
 * All or nothing: at most 50 expects and 50 writes, 4 MiB and 100 steps in all (the tightest engines' bounds); a row
 * is written at most once.
 *
 * Steps: one for each row that is written, two where it is removed; one for each row that is only expected, two
 * where it is expected to be absent; and one for each 128 KiB.
 */
export interface Commit {
  readonly partition: string
  readonly expects: readonly Expect[]
  readonly writes: readonly Write[]
}

export const COMMIT_EXPECTS_MAX = 50
export const COMMIT_WRITES_MAX = 50
export const COMMIT_STEPS_MAX = 100
export const COMMIT_STEP_BYTES: number = 128 * 1024
export const COMMIT_BYTES_MAX: number = 4 * 1024 * 1024
export const ROW_BYTES_MAX: number = 64 * 1024
export const SCAN_LIMIT_MAX = 1001

/**
 * An ordered, partitioned row store. Reads are strongly consistent: a `get` or `scan` that starts
 * after a `commit` resolved sees that commit, and nothing that a reader has been shown is lost in a
 * crash.
 *
 * Errors: every method rejects with `StoreUnavailable` where the engine cannot answer now
 * (retryable; a commit may then have happened or not), with `StoreFull` where there is no room
 * (nothing was written), and never with an S3 error: S3's words belong to `src/s3`.
 */
export interface MetadataStore extends AsyncDisposable {
  /** For logs and metrics: `sqlite`. */
  readonly name: string
  get(partition: string, table: Table, sort: string): Promise<Row | undefined>
  /** Rows in ascending order; fewer than `limit` rows means that the range is exhausted. */
  scan(partition: string, table: Table, range: Range): Promise<readonly Row[]>
  /** True: committed and durable. False: an expectation did not hold, and nothing was written. */
  commit(commit: Commit): Promise<boolean>
}
