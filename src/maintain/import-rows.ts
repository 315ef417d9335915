/**
 * Reads a stream of rows (`rows-stream.ts`) into a metadata store that nobody else is at. The whole stream
 * is checked before anything changes. An import that is cut off has left `import-state.ts`'s row: the
 * same import again brings it to its end.
 */
import {
  COMMIT_BYTES_MAX,
  COMMIT_WRITES_MAX,
  type Commit,
  type MetadataStore,
  type Write,
} from '../../metadata/store.ts'
import { allPartitions } from '../s3/partitions.ts'
import { isNote, ROOT } from '../s3/rows.ts'
import { allRows, TABLES } from './all-rows.ts'
import { atOnce } from './at-once.ts'
import { IMPORT_SORT, type ImportState, readImport, writeImport } from './import-state.ts'
import { MaintenanceError } from './maintenance-error.ts'
import type { Progress } from './progress.ts'
import { type StreamRow, streamRows, type StreamSum } from './rows-stream.ts'

const COMMITS_AT_ONCE = 16
/** Of rows as JSON in UTF-8; what an engine adds to it has room beside. */
const COMMIT_BYTES: number = COMMIT_BYTES_MAX / 2

export interface RowsImport {
  readonly metadata: MetadataStore
  readonly file: string
  /** Of the file. */
  readonly sizeBytes: number
  /** `fresh`: the store must be empty. `replace`: it is emptied first. `merge`: what is there stays. */
  readonly mode: ImportState['mode']
  /** False: blobs are sealed here, so that no object's bytes may stand in rows. */
  readonly takesBodies: boolean
  /** With `merge`: a row that is there is replaced by that of the stream. */
  readonly replacesRows: boolean
  readonly nowMs: number
  readonly signal: AbortSignal
  readonly progress: Progress
}

export interface ImportSummary {
  /** In the stream. */
  readonly rows: number
  readonly written: number
  /** That were there, and stayed as they were. */
  readonly kept: number
  /** Before the import. */
  readonly removed: number
}

export async function importRows(options: RowsImport): Promise<ImportSummary> {
  const { metadata, mode, signal, progress } = options
  const { rows, sha256 } = await check(options)
  const isAgain = await checkState(options, sha256)
  await writeImport(metadata, { sha256, mode, begun: options.nowMs })
  let removed = 0
  if (mode === 'replace') removed = await empty(metadata, signal, progress)
  const keepsRows = mode === 'merge' && !options.replacesRows
  let written = 0
  progress.begin('writing rows', { items: rows })
  await atOnce(commitsOf(options.file), COMMITS_AT_ONCE, async (commit) => {
    signal.throwIfAborted()
    const count = await (keepsRows ? writeAbsent(metadata, commit) : writeAll(metadata, commit))
    written += count
    progress.add(commit.writes.length, 0)
  })
  await writeImport(metadata, null)
  // Rows that the first attempt has written are not rows that were there.
  return { rows, written, kept: isAgain ? 0 : rows - written, removed }
}

/** One whole reading. */
async function check(options: RowsImport): Promise<StreamSum> {
  const { file, sizeBytes, signal, progress, takesBodies } = options
  progress.begin('checking the export', { bytes: sizeBytes })
  const stream = streamRows(file)
  for (;;) {
    signal.throwIfAborted()
    const step = await stream.next()
    if (step.done) return step.value
    if (!takesBodies && step.value.rows.some(({ write }) => write.bytes !== undefined))
      throw new MaintenanceError(
        'the export holds bytes of small objects, which would stay in clear beside sealed blobs: use sluice migrate, which seals them',
      )
    progress.add(step.value.rows.length, step.value.bytes)
  }
}

/** Whether this is an import that was cut off before. Throws where the store is not ready for this one. */
async function checkState(
  { metadata, mode, signal }: RowsImport,
  sha256: string,
): Promise<boolean> {
  const state = await readImport(metadata)
  if (state?.sha256 === sha256 && state.mode === mode) return true
  if (mode === 'replace') return false
  if (state !== undefined)
    throw new MaintenanceError(
      'another import was cut off here: repeat that one, or replace everything with --replace',
    )
  if (mode === 'fresh' && !(await isEmpty(metadata, signal)))
    throw new MaintenanceError(
      'there are rows already: say --merge to keep them, or --replace to remove them first',
    )
  return false
}

async function isEmpty(metadata: MetadataStore, signal: AbortSignal): Promise<boolean> {
  for await (const partition of allPartitions(metadata))
    for (const table of TABLES) {
      if (isNote(partition, table)) continue
      for await (const _ of allRows(metadata, partition, table, signal)) return false
    }
  return true
}

/** Removes every row; those of the root last, for they say where the others are. */
async function empty(
  metadata: MetadataStore,
  signal: AbortSignal,
  progress: Progress,
): Promise<number> {
  progress.begin('removing rows')
  const partitions: string[] = []
  for await (const partition of allPartitions(metadata))
    if (partition !== ROOT) partitions.push(partition)
  let removed = 0
  for (const partition of [...partitions, ROOT])
    for (const table of TABLES) {
      let writes: Write[] = []
      const flush = async (): Promise<void> => {
        if (writes.length === 0) return
        await metadata.commit({ partition, expects: [], writes })
        removed += writes.length
        progress.add(writes.length, 0)
        writes = []
      }
      for await (const { sort } of allRows(metadata, partition, table, signal)) {
        if (partition === ROOT && table === 'page' && sort === IMPORT_SORT) continue
        writes.push({ table, sort, value: null })
        if (writes.length === COMMIT_WRITES_MAX) await flush()
      }
      await flush()
    }
  return removed
}

/** The rows of the stream in as few commits as may be. */
async function* commitsOf(file: string): AsyncGenerator<Commit> {
  let partition = ''
  let writes: Write[] = []
  let size = 0
  for await (const { rows } of streamRows(file))
    for (const row of rows) {
      const added = sizeOf(row)
      const isFull = writes.length === COMMIT_WRITES_MAX || size + added > COMMIT_BYTES
      if (writes.length > 0 && (isFull || row.partition !== partition)) {
        yield { partition, expects: [], writes }
        writes = []
        size = 0
      }
      partition = row.partition
      writes.push(row.write)
      size += added
    }
  if (writes.length > 0) yield { partition, expects: [], writes }
}

function sizeOf({ write: { sort, value, bytes } }: StreamRow): number {
  return Buffer.byteLength(JSON.stringify(value)) + Buffer.byteLength(sort) + (bytes?.length ?? 0)
}

async function writeAll(metadata: MetadataStore, commit: Commit): Promise<number> {
  await metadata.commit(commit)
  return commit.writes.length
}

/** Writes the rows that are not there; gives their number. */
async function writeAbsent(
  metadata: MetadataStore,
  { partition, writes }: Commit,
): Promise<number> {
  const expects = writes.map(({ table, sort }) => ({ table, sort, rev: 0 }))
  if (await metadata.commit({ partition, expects, writes })) return writes.length
  let written = 0
  for (const write of writes) {
    const absent = [{ table: write.table, sort: write.sort, rev: 0 }]
    if (await metadata.commit({ partition, expects: absent, writes: [write] })) written++
  }
  return written
}
