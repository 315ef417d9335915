/** Writes all rows of a metadata store as one stream (`rows-stream.ts`). The store must not change meanwhile. */
import { createHash } from 'node:crypto'
import type { MetadataStore, Row, Table } from '../../metadata/store.ts'
import { allPartitions } from '../s3/partitions.ts'
import { isNote } from '../s3/rows.ts'
import { allRows, TABLES } from './all-rows.ts'
import { readImport } from './import-state.ts'
import { MaintenanceError } from './maintenance-error.ts'
import type { Progress } from './progress.ts'
import { headerText, rowText, sumText } from './rows-stream.ts'

const CHUNK_BYTES: number = 256 * 1024
const GETS_AT_ONCE = 64

export interface RowsExport {
  readonly metadata: MetadataStore
  /** Takes the stream, piece after piece. */
  write(chunk: Buffer): Promise<void>
  readonly nowMs: number
  readonly signal: AbortSignal
  readonly progress: Progress
}

export interface ExportSummary {
  readonly rows: number
  readonly buckets: number
  readonly bytes: number
}

export async function exportRows(options: RowsExport): Promise<ExportSummary> {
  const { metadata, signal, progress } = options
  if (await readImport(metadata))
    throw new MaintenanceError('an import was cut off here: finish it with the same command first')
  progress.begin('exporting rows')
  const out = new Output(options)
  await out.add(headerText(metadata.name, options.nowMs))
  let rows = 0
  let buckets = 0
  for await (const partition of allPartitions(metadata)) {
    for (const table of TABLES) {
      let page: Row[] = []
      const flush = async (): Promise<void> => {
        for (const row of await whole(metadata, partition, table, page))
          await out.add(rowText({ partition, write: { table, ...row } }))
        rows += page.length
        progress.add(page.length, 0)
        page = []
      }
      for await (const row of allRows(metadata, partition, table, signal)) {
        if (isNote(partition, table)) continue
        if (partition === '' && table === 'bucket') buckets++
        page.push(row as Row)
        if (page.length === GETS_AT_ONCE) await flush()
      }
      await flush()
    }
  }
  await out.end(rows)
  return { rows, buckets, bytes: out.bytes }
}

/** With the bytes beside them, which a scan leaves out. */
function whole(
  metadata: MetadataStore,
  partition: string,
  table: Table,
  rows: readonly Row[],
): Promise<readonly Row[]> {
  return Promise.all(
    rows.map(async (row) => {
      const found = await metadata.get(partition, table, row.sort)
      if (found?.rev !== row.rev)
        throw new MaintenanceError('rows change while they are exported: who else is at work?')
      return found
    }),
  )
}

/** Gathers lines into pieces, and their digest. */
class Output {
  bytes = 0
  readonly #options: RowsExport
  readonly #hash = createHash('sha256')
  #text: string[] = []
  #length = 0

  constructor(options: RowsExport) {
    this.#options = options
  }

  async add(line: string): Promise<void> {
    this.#text.push(line)
    this.#length += line.length
    if (this.#length >= CHUNK_BYTES) await this.#flush()
  }

  async end(rows: number): Promise<void> {
    await this.#flush()
    this.#text.push(sumText({ rows, sha256: this.#hash.digest('hex') }))
    const last = Buffer.from(this.#text.join(''))
    this.bytes += last.length
    await this.#options.write(last)
  }

  async #flush(): Promise<void> {
    const chunk = Buffer.from(this.#text.join(''))
    this.#text = []
    this.#length = 0
    this.#hash.update(chunk)
    this.bytes += chunk.length
    await this.#options.write(chunk)
  }
}
