/**
 * The rows of one partition from one metadata store into another, with what stands beside them, and
 * the comparison of both. To write a row twice changes nothing, so that a copy can begin again
 * from any place before the one where it was cut off. Revs differ afterwards; no row speaks of them.
 */
import { isDeepStrictEqual } from 'node:util'
import { setImmediate as turn } from 'node:timers/promises'
import {
  COMMIT_BYTES_MAX,
  COMMIT_WRITES_MAX,
  type Json,
  type MetadataStore,
  type Row,
  type Table,
  type Write,
} from '../../metadata/store.ts'
import type { ObjectStorage } from '../../storage/store.ts'
import { isInlined, TABLES } from './all-rows.ts'
import type { PartitionState } from './migration-state.ts'
import { lift, putBodies } from './lift-bodies.ts'
import { isNote } from '../s3/rows.ts'
import type { Progress } from './progress.ts'

const ROWS_PER_SCAN = 500
const GETS_AT_ONCE = 64
/** Of rows as JSON in UTF-8; what an engine adds to it has room beside. */
const COMMIT_BYTES: number = COMMIT_BYTES_MAX / 2
const TELL_MS = 500

export interface RowsCopy {
  readonly from: MetadataStore
  readonly to: MetadataStore
  /** Where bodies above `inlineMaxBytes` go, instead of into their rows. */
  readonly storage: ObjectStorage
  readonly inlineMaxBytes: number
  readonly verifies: boolean
  /** An earlier attempt was cut off. */
  readonly isAgain: boolean
  readonly signal: AbortSignal
  readonly progress: Progress
  /** So far the partition is copied. */
  tell(partition: string, state: PartitionState): Promise<void>
}

/** Copies what `begun` says is not there yet; gives the number of rows of the partition. */
export async function copyPartition(
  copy: RowsCopy,
  partition: string,
  begun: PartitionState | undefined,
): Promise<number> {
  let rows = begun?.rows ?? 0
  if (begun?.isDone === true) return rows
  let toldMs = performance.now()
  let told = rows
  for (const table of TABLES.slice(begun === undefined ? 0 : TABLES.indexOf(begun.table))) {
    const start = table === begun?.table ? begun.from : ''
    for await (const page of pages(copy.from, partition, table, start, copy.signal)) {
      const lifted = page.map((row) => lift(partition, table, row, copy.inlineMaxBytes))
      const bodies = lifted.flatMap(({ body }) => body ?? [])
      await putBodies(copy.storage, bodies, copy.isAgain, copy.verifies, copy.signal)
      await writePage(copy, partition, table, lifted)
      rows += page.length
      copy.progress.add(page.length, 0)
      if (page.length === 0 || performance.now() - toldMs < TELL_MS) continue
      const from = `${page.at(-1)!.sort}\0`
      await copy.tell(partition, { table, from, rows, isDone: false })
      toldMs = performance.now()
      told = rows
    }
  }
  // Of a partition without rows nothing need be remembered.
  if (rows > 0 || told > 0)
    await copy.tell(partition, { table: 'bucket', from: '', rows, isDone: true })
  return rows
}

/** Where the two first differ, in words; a number where they do not: of rows. */
export async function comparePartition(
  {
    from,
    to,
    signal,
    progress,
    inlineMaxBytes,
  }: Pick<RowsCopy, 'from' | 'to' | 'signal' | 'progress' | 'inlineMaxBytes'>,
  partition: string,
): Promise<number | string> {
  let rows = 0
  for (const table of TABLES) {
    const theirs = pages(to, partition, table, '', signal)
    for await (const page of pages(from, partition, table, '', signal)) {
      const other = (await theirs.next()).value ?? []
      for (let at = 0; at < Math.max(page.length, other.length); at++) {
        const sort = page[at]?.sort ?? other[at]?.sort ?? ''
        const row = page[at]
        const wanted = row === undefined ? row : lift(partition, table, row, inlineMaxBytes).row
        if (!isSame(wanted, other[at])) return `${table} row ${JSON.stringify(sort)}`
      }
      rows += page.length
      progress.add(page.length, 0)
    }
    const rest = await theirs.next()
    if (rest.done !== true && rest.value.length > 0)
      return `${table} row ${JSON.stringify(rest.value[0]?.sort)}`
  }
  return rows
}

function isSame(a: Row | undefined, b: Row | undefined): boolean {
  if (a === undefined || b === undefined || a.sort !== b.sort) return false
  const areBytesSame = Buffer.compare(a.bytes ?? NONE, b.bytes ?? NONE) === 0
  return areBytesSame && isDeepStrictEqual(plain(a.value), plain(b.value))
}

const NONE = new Uint8Array(0)

/** As any engine gives it back: without members that are undefined. */
function plain(value: Json): Json {
  return JSON.parse(JSON.stringify(value)) as Json
}

/** The rows of a table with their bytes, some at a time, without those of migrations. */
async function* pages(
  metadata: MetadataStore,
  partition: string,
  table: Table,
  start: string,
  signal: AbortSignal,
): AsyncGenerator<readonly Row[], void, undefined> {
  for (let from = start; ;) {
    signal.throwIfAborted()
    const rows = await metadata.scan(partition, table, { from, limit: ROWS_PER_SCAN })
    const own = isNote(partition, table) ? [] : rows
    yield await withBytes(metadata, partition, table, own)
    if (rows.length < ROWS_PER_SCAN) return
    from = `${rows.at(-1)!.sort}\0`
    await turn()
  }
}

async function withBytes(
  metadata: MetadataStore,
  partition: string,
  table: Table,
  rows: readonly Row[],
): Promise<readonly Row[]> {
  const whole: Row[] = []
  for (let at = 0; at < rows.length; at += GETS_AT_ONCE) {
    const some = rows.slice(at, at + GETS_AT_ONCE).map(async (row) => {
      if (!isInlined(table, row.value)) return row
      return (await metadata.get(partition, table, row.sort)) ?? row
    })
    whole.push(...(await Promise.all(some)))
  }
  return whole
}

/** In as few commits as the bounds of a commit allow, all under way at once. */
async function writePage(
  { to }: RowsCopy,
  partition: string,
  table: Table,
  lifted: readonly { readonly row: Row }[],
): Promise<void> {
  const commits: Promise<unknown>[] = []
  let writes: Write[] = []
  let size = 0
  const flush = (): void => {
    if (writes.length > 0) commits.push(to.commit({ partition, expects: [], writes }))
    writes = []
    size = 0
  }
  for (const { row } of lifted) {
    const { sort, value, bytes } = row
    const added =
      Buffer.byteLength(JSON.stringify(value)) + Buffer.byteLength(sort) + (bytes?.length ?? 0)
    if (writes.length === COMMIT_WRITES_MAX || size + added > COMMIT_BYTES) flush()
    writes.push(bytes === undefined ? { table, sort, value } : { table, sort, value, bytes })
    size += added
  }
  flush()
  // All are waited for, whichever fails: none must come behind a later attempt's.
  for (const outcome of await Promise.allSettled(commits)) {
    if (outcome.status === 'rejected') throw outcome.reason
  }
}
