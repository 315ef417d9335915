/**
 * All rows of metadata as one stream of JSON lines: what `sluice export` writes and `sluice import` reads.
 *
 *     {"format":"sluice-rows","version":1,"engine":"sqlite","exported":"2026-11-20T15:00:00.000Z"}
 *     {"partition":"photos","table":"object","sort":"cat.jpg","value":{…},"bytes":"…base64…"}
 *     {"rows":1,"sha256":"…"}
 *
 * The digest is that of all bytes before the last line. Rows of a table stand in their order, each once.
 * Revs are not in it: whoever reads a row has to read it again after an import. Nor are the blobs.
 */
import { createHash } from 'node:crypto'
import { open } from 'node:fs/promises'
import { checkCommit } from '../../metadata/limits.ts'
import type { Json, Table, Write } from '../../metadata/store.ts'
import { compareUtf8 } from '../lib/utf8.ts'
import { TABLES } from './all-rows.ts'
import { MaintenanceError } from './maintenance-error.ts'

export const FORMAT = 'sluice-rows'
export const VERSION = 1
/** A row of the largest size in JSON and Base64 takes less. */
const LINE_BYTES_MAX: number = 64 * 1024 * 1024
const READ_BYTES: number = 1024 * 1024
const NEWLINE = 10
const WORDS: ReadonlySet<string> = new Set(TABLES)

/** A row and where it belongs. */
export interface StreamRow {
  readonly partition: string
  readonly write: Write
}

/** What the last line says. */
export interface StreamSum {
  readonly rows: number
  /** Hex. */
  readonly sha256: string
}

export function headerText(engine: string, nowMs: number): string {
  const exported = new Date(nowMs).toISOString()
  return `${JSON.stringify({ format: FORMAT, version: VERSION, engine, exported })}\n`
}

export function rowText({ partition, write }: StreamRow): string {
  const { table, sort, value, bytes } = write
  const beside = bytes && Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  const line = { partition, table, sort, value, bytes: beside?.toString('base64') }
  return `${JSON.stringify(line)}\n`
}

export function sumText(sum: StreamSum): string {
  return `${JSON.stringify(sum)}\n`
}

/**
 * The rows of a file, some at a time, with how many of its bytes they took. That the stream is whole is
 * known at its end: `MaintenanceError` where it is not, and the message says why. Nothing of it is to be
 * used before one whole reading.
 */
export async function* streamRows(
  file: string,
): AsyncGenerator<{ readonly rows: readonly StreamRow[]; readonly bytes: number }, StreamSum> {
  const reader = new StreamReader(file)
  for await (const lines of linesOf(file)) {
    const rows: StreamRow[] = []
    let bytes = 0
    for (const line of lines) {
      const row = reader.take(line)
      if (row) rows.push(row)
      bytes += line.length
    }
    yield { rows, bytes }
  }
  return reader.end()
}

class StreamReader {
  readonly #file: string
  readonly #hash = createHash('sha256')
  #number = 0
  #rows = 0
  #last: StreamRow | undefined
  #sum: StreamSum | undefined

  constructor(file: string) {
    this.#file = file
  }

  /** A line with its line feed; gives the row that it says, if it says one. */
  take(line: Buffer): StreamRow | undefined {
    this.#number++
    if (this.#sum) throw this.#problem('something follows the last line')
    const isWhole = line.at(-1) === NEWLINE
    const value = isWhole ? parsed(line) : undefined
    if (this.#number === 1) this.#checkHeader(value)
    else if (value === undefined) throw this.#problem(isWhole ? DAMAGED : TORN)
    else if ('sha256' in value) return this.#close(value)
    this.#hash.update(line)
    return this.#number === 1 ? undefined : this.#row(value!)
  }

  end(): StreamSum {
    if (this.#sum === undefined) throw this.#problem(TORN)
    return this.#sum
  }

  #checkHeader(header: Fields | undefined): void {
    if (header?.['format'] !== FORMAT)
      throw new MaintenanceError(`${this.#file} is not an export: its first line does not say so`)
    if (header['version'] !== VERSION)
      throw new MaintenanceError(
        `${this.#file} has version ${String(header['version'])} of the format, known is ${VERSION}: a newer program wrote it`,
      )
  }

  #row({ partition, table, sort, value, bytes }: Fields): StreamRow {
    const isRow =
      typeof partition === 'string' &&
      typeof sort === 'string' &&
      WORDS.has(String(table)) &&
      value !== undefined &&
      value !== null &&
      (bytes === undefined || typeof bytes === 'string')
    if (!isRow) throw this.#problem(DAMAGED)
    const place = { table: table as Table, sort, value: value as Json }
    const write = bytes === undefined ? place : { ...place, bytes: Buffer.from(bytes, 'base64') }
    const row: StreamRow = { partition, write }
    try {
      checkCommit({ partition, expects: [], writes: [write] })
    } catch {
      throw this.#problem(DAMAGED)
    }
    const last = this.#last
    const isBehind =
      last === undefined ||
      last.partition !== partition ||
      last.write.table !== table ||
      compareUtf8(last.write.sort, sort) < 0
    if (!isBehind) throw this.#problem('its row is not behind the one before')
    this.#rows++
    this.#last = row
    return row
  }

  #close({ rows, sha256 }: Fields): undefined {
    if (rows !== this.#rows) throw this.#problem('rows are missing, or there are too many')
    if (sha256 !== this.#hash.digest('hex')) throw this.#problem('a line before is damaged')
    this.#sum = { rows, sha256 }
  }

  #problem(what: string): MaintenanceError {
    return new MaintenanceError(`${this.#file}:${this.#number}: ${what}: nothing was changed`)
  }
}

const DAMAGED = 'the line is damaged'
const TORN = 'the export is cut off'

type Fields = { readonly [name: string]: unknown }

function parsed(line: Buffer): Fields | undefined {
  try {
    const value: unknown = JSON.parse(line.toString())
    return typeof value === 'object' && value !== null ? (value as Fields) : undefined
  } catch {
    return undefined
  }
}

/** The lines of a file with their line feeds; the last may be without. */
async function* linesOf(file: string): AsyncGenerator<readonly Buffer[]> {
  await using handle = await open(file, 'r')
  let rest = Buffer.alloc(0)
  for (;;) {
    const chunk = Buffer.allocUnsafe(READ_BYTES)
    const { bytesRead } = await handle.read(chunk, 0, READ_BYTES)
    if (bytesRead === 0) break
    const bytes = Buffer.concat([rest, chunk.subarray(0, bytesRead)])
    const lines: Buffer[] = []
    let at = 0
    for (let end = bytes.indexOf(NEWLINE); end >= 0; end = bytes.indexOf(NEWLINE, at)) {
      lines.push(bytes.subarray(at, end + 1))
      at = end + 1
    }
    rest = bytes.subarray(at)
    if (rest.length > LINE_BYTES_MAX)
      throw new MaintenanceError(`${file} is not an export: a line of it has no end`)
    yield lines
  }
  if (rest.length > 0) yield [rest]
}
