/** The records of a CSV or JSON object, a batch at a time, as its bytes come in. */
import { CsvHeader, CsvRecord, type CsvFormat, fieldsOf, isWhole } from './csv.ts'
import { type JsonFormat, jsonRecords, splitDocuments } from './json.ts'
import type { PathStep } from './query.ts'
import { SelectError } from './select-error.ts'
import type { SelectRecord } from './value.ts'

/** Characters of one record. */
export const RECORD_CHARS_MAX: number = 1024 * 1024
/** Characters of one JSON document that is no line. */
const DOCUMENT_CHARS_MAX = 64 * 1024 * 1024

export type InputFormat =
  | ({ readonly kind: 'csv' } & CsvFormat)
  | ({ readonly kind: 'json' } & JsonFormat)

type Batches = AsyncGenerator<readonly SelectRecord[], void, undefined>

/** `header`: the first record of the object, where the text begins behind it. */
export function recordsOf(
  format: InputFormat,
  from: readonly PathStep[],
  text: AsyncIterable<string>,
  header?: string,
): Batches {
  if (format.kind === 'json') return jsonBatches(format, from, text)
  if (from.some(({ kind }) => kind !== 'all')) throw new SelectError('InvalidKeyPath')
  return csvBatches(format, text, header)
}

async function* csvBatches(
  format: CsvFormat,
  text: AsyncIterable<string>,
  first: string | undefined,
): Batches {
  const { headers, comments } = format
  let header =
    headers === 'USE' && first !== undefined ? new CsvHeader(fieldsOf(format, first)) : undefined
  let isFirst = first === undefined
  for await (const lines of linesOf(text, format.recordDelimiter, (line) =>
    isWhole(format, line),
  )) {
    const batch: SelectRecord[] = []
    for (const line of lines) {
      if (line === '' || (comments !== undefined && line.startsWith(comments))) continue
      if (isFirst && headers !== 'NONE') {
        isFirst = false
        if (headers === 'USE') header = new CsvHeader(fieldsOf(format, line))
        continue
      }
      isFirst = false
      batch.push(new CsvRecord(fieldsOf(format, line), header))
    }
    yield batch
  }
}

async function* jsonBatches(
  { type }: JsonFormat,
  from: readonly PathStep[],
  text: AsyncIterable<string>,
): Batches {
  const documents =
    type === 'LINES' ? linesOf(text, '\n', () => true) : splitDocuments(text, DOCUMENT_CHARS_MAX)
  for await (const some of documents) {
    const batch: SelectRecord[] = []
    for (const document of some) {
      if (document.trim() !== '')
        for (const record of jsonRecords(document, from)) batch.push(record)
    }
    yield batch
  }
}

/**
 * The text between delimiters, a batch for each chunk. A line that is not `whole` (a quote in it is open)
 * goes on behind the delimiter. A carriage return before a newline is none of the line's.
 */
async function* linesOf(
  text: AsyncIterable<string>,
  delimiter: string,
  whole: (line: string) => boolean,
): AsyncGenerator<readonly string[], void, undefined> {
  const trims = delimiter === '\n'
  const trimmed = (line: string): string =>
    trims && line.endsWith('\r') ? line.slice(0, -1) : line
  let rest = ''
  /** Up to here the rest has been looked through for delimiters. */
  let looked = 0
  for await (const chunk of text) {
    rest += chunk
    const lines: string[] = []
    let begin = 0
    for (;;) {
      const end = rest.indexOf(delimiter, looked)
      if (end < 0) break
      looked = end + delimiter.length
      const line = rest.slice(begin, end)
      if (!whole(line)) continue
      checkLength(line.length)
      lines.push(trimmed(line))
      begin = looked
    }
    rest = rest.slice(begin)
    checkLength(rest.length)
    // A delimiter may be cut in two.
    looked = Math.max(looked - begin, rest.length - delimiter.length + 1, 0)
    yield lines
  }
  if (rest !== '') yield [trimmed(rest)]
}

function checkLength(length: number): void {
  if (length > RECORD_CHARS_MAX) throw new SelectError('OverMaxRecordSize')
}

/** UTF-8 to text; a byte order mark at its begin is none of it. Throws InvalidTextEncoding. */
export async function* decoded(
  bytes: AsyncIterable<Uint8Array>,
): AsyncGenerator<string, void, undefined> {
  const decoder = new TextDecoder('utf-8', { fatal: true })
  const decode = (chunk?: Uint8Array): string => {
    try {
      return chunk === undefined ? decoder.decode() : decoder.decode(chunk, { stream: true })
    } catch {
      throw new SelectError('InvalidTextEncoding')
    }
  }
  for await (const chunk of bytes) yield decode(chunk)
  const last = decode()
  if (last !== '') yield last
}
