/**
 * Rows in a database of Firestore (native mode), shared by any number of gateways.
 *
 * Reads are strongly consistent; a range is one query. A commit is one request in which every write has
 * its precondition; where rows are only to be looked at, a transaction reads them before. Where the
 * service is not sure that it carried out a commit, and its rows do not tell, the commit rejects
 * rather than guess.
 *
 * A scan shows the rows as of one moment; a folded one is several scans.
 */
import { randomUUID } from 'node:crypto'
import { Calls } from './calls.ts'
import { shapeOf } from './commit-shape.ts'
import { Database, type DatabaseOptions, type DocumentWrite } from './firestore-database.ts'
import { documentOf, preconditionOf, revOf, rowOf } from './firestore-documents.ts'
import { failureOf, NotSent, Stale } from './firestore-failures.ts'
import { foldedScan, type PlainScan } from './fold.ts'
import { checkCommit, checkPosition, checkRange } from './limits.ts'
import type { Commit, MetadataStore, Range, Rev, Row, Table } from './store.ts'

/** Calls at a time: what one connection carries. */
const CALLS_MAX = 100

interface Plan {
  readonly writes: DocumentWrite[]
  /** By name. */
  readonly checks: ReadonlyMap<string, Rev>
  /** Names of the rows that are written and not removed. */
  readonly puts: string[]
  readonly commitId: string
  readonly isRepeatable: boolean
}

export class FirestoreStore implements MetadataStore {
  readonly name: string = 'firestore'
  readonly #database: Database
  readonly #calls: Calls

  private constructor(database: Database, { waitMs }: DatabaseOptions) {
    this.#database = database
    this.#calls = new Calls({ service: 'Firestore', failureOf, atOnceMax: CALLS_MAX, waitMs })
  }

  /** Rejects with `StoreUnavailable`, in one line, where the database is missing or out of reach. */
  static async open(options: DatabaseOptions): Promise<FirestoreStore> {
    return new FirestoreStore(await Database.open(options), options)
  }

  async get(partition: string, table: Table, sort: string): Promise<Row | undefined> {
    this.#calls.checkOpen()
    checkPosition(partition, sort)
    const name = this.#database.places.row(partition, table, sort)
    return this.#calls.run(this.#get(name))
  }

  async scan(partition: string, table: Table, range: Range): Promise<readonly Row[]> {
    this.#calls.checkOpen()
    checkRange(partition, range)
    const plain: PlainScan = async (part) => {
      const query = this.#database.places.query(partition, table, part)
      const documents = await this.#calls.ask(() => this.#database.query(query))
      return documents.map(rowOf)
    }
    const { fold } = range
    return this.#calls.run(fold === undefined ? plain(range) : foldedScan(plain, range, fold))
  }

  async commit(commit: Commit): Promise<boolean> {
    this.#calls.checkOpen()
    checkCommit(commit)
    const plan = this.#planOf(commit)
    if (plan === undefined) return false
    if (plan.writes.length === 0 && plan.checks.size === 0) return true
    const attempt = (): Promise<void> => this.#attempt(plan)
    return this.#calls.run(this.#calls.write(attempt, plan.isRepeatable, () => this.#stands(plan)))
  }

  /** Waits for what is under way. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#calls.close()
    await this.#database.close()
  }

  async #get(name: string): Promise<Row | undefined> {
    const document = await this.#calls.ask(() => this.#database.document(name))
    return document && rowOf(document)
  }

  /** None where it expects what cannot be. */
  #planOf(commit: Commit): Plan | undefined {
    const { partition } = commit
    const shape = shapeOf(commit)
    if (shape === undefined) return undefined
    const { places } = this.#database
    // Of no order, for Firestore may index it.
    const commitId = randomUUID()
    const puts: string[] = []
    const writes: DocumentWrite[] = []
    for (const { write, rev } of shape.writes) {
      const name = places.row(partition, write.table, write.sort)
      const currentDocument = preconditionOf(rev)
      if (currentDocument === 'never') return undefined
      if (write.value !== null) puts.push(name)
      const request =
        write.value === null ? { delete: name } : { update: documentOf(name, write, commitId) }
      writes.push({ ...request, ...(currentDocument && { currentDocument }) })
    }
    const checks = new Map(
      shape.checks.map(({ table, sort, rev }) => [places.row(partition, table, sort), rev]),
    )
    return { writes, checks, puts, commitId, isRepeatable: shape.isRepeatable }
  }

  async #attempt({ writes, checks }: Plan): Promise<void> {
    if (checks.size === 0) return this.#database.commit(writes)
    const isReadOnly = writes.length === 0
    const { found, transaction } = await this.#database
      .read([...checks.keys()], {
        mask: { fieldPaths: ['r'] },
        newTransaction: isReadOnly ? { readOnly: {} } : { readWrite: {} },
      })
      .catch((error: unknown) => {
        throw new NotSent((error as Error).message, { cause: error })
      })
    for (const [name, rev] of checks) {
      const time = found.get(name)?.updateTime
      if ((time ? revOf(time) : 0) === rev) continue
      // Others wait for it; they need not be told if that fails.
      if (transaction && !isReadOnly)
        void this.#calls.run(this.#database.rollback(transaction).catch(() => undefined))
      throw new Stale('a row has changed')
    }
    if (!isReadOnly) await this.#database.commit(writes, transaction)
  }

  /** Whether a commit that is in doubt is there for all to see. If not, it may have been, or still come. */
  async #stands({ puts, commitId }: Plan): Promise<boolean> {
    if (puts.length === 0) return false
    const mask = { fieldPaths: ['r'] }
    const { found } = await this.#calls.ask(() => this.#database.read(puts, { mask }))
    return [...found.values()].some(({ fields }) => fields?.['r']?.stringValue === commitId)
  }
}
