/** What a SelectObjectContent request says of the object's form, and of the form of the results. */
import type {
  CSVInput,
  CSVOutput,
  InputSerialization,
  OutputSerialization,
} from '@aws-sdk/client-s3'
import { S3Error } from '../api/error.ts'
import type { InputFormat } from '../select/input.ts'
import type { OutputFormat } from '../select/output.ts'
import { charactersOf } from '../select/value.ts'

export interface SelectInput {
  readonly format: InputFormat
  readonly isGzip: boolean
}

/** Delimiters and quotes have few characters. */
const MARK_MAX = 2

export function inputFormatOf(said: InputSerialization | undefined): SelectInput {
  if (said === undefined) throw new S3Error('MissingRequiredParameter')
  const { CSV: csv, JSON: json, Parquet: parquet, CompressionType: compression = 'NONE' } = said
  if (parquet !== undefined) throw notHere('Parquet')
  if (csv !== undefined && json !== undefined) throw new S3Error('ObjectSerializationConflict')
  if (compression === 'BZIP2') throw notHere('BZIP2')
  if (compression !== 'NONE' && compression !== 'GZIP') {
    throw new S3Error('InvalidCompressionFormat')
  }
  const isGzip = compression === 'GZIP'
  if (json !== undefined) {
    const { Type: type } = json
    if (type !== 'DOCUMENT' && type !== 'LINES') throw new S3Error('InvalidJsonType')
    return { format: { kind: 'json', type }, isGzip }
  }
  if (csv === undefined) throw new S3Error('InvalidDataSource')
  return { format: csvFormatOf(csv), isGzip }
}

function notHere(what: string): S3Error {
  return new S3Error('NotImplemented', { message: `${what} is not implemented here.` })
}

function csvFormatOf(csv: CSVInput): InputFormat {
  const { FileHeaderInfo: headers = 'NONE' } = csv
  if (headers !== 'NONE' && headers !== 'USE' && headers !== 'IGNORE') {
    throw new S3Error('InvalidFileHeaderInfo')
  }
  const quote = markOf(csv.QuoteCharacter, '"', 1)
  const escape = markOf(csv.QuoteEscapeCharacter, '"', 1)
  return {
    kind: 'csv',
    headers,
    comments: csv.Comments === undefined || csv.Comments === '' ? undefined : csv.Comments,
    quote,
    escape: escape === '"' ? quote : escape,
    recordDelimiter: delimiterOf(csv.RecordDelimiter, '\n'),
    fieldDelimiter: delimiterOf(csv.FieldDelimiter, ','),
    quotedDelimiters: csv.AllowQuotedRecordDelimiter === true,
  }
}

function markOf(said: string | undefined, preset: string, max: number): string {
  if (said === undefined) return preset
  if (charactersOf(said).length > max) throw new S3Error('InvalidRequestParameter')
  return said
}

function delimiterOf(said: string | undefined, preset: string): string {
  if (said === '') throw new S3Error('InvalidRequestParameter')
  return markOf(said, preset, MARK_MAX)
}

export function outputFormatOf(said: OutputSerialization | undefined): OutputFormat {
  const { CSV: csv, JSON: json } = said ?? {}
  if (csv !== undefined && json !== undefined) throw new S3Error('ObjectSerializationConflict')
  if (json !== undefined) {
    return { kind: 'json', recordDelimiter: delimiterOf(json.RecordDelimiter, '\n') }
  }
  if (csv === undefined) throw new S3Error('MissingRequiredParameter')
  return csvOutputOf(csv)
}

function csvOutputOf(csv: CSVOutput): OutputFormat {
  const { QuoteFields: fields = 'ASNEEDED' } = csv
  if (fields !== 'ALWAYS' && fields !== 'ASNEEDED') throw new S3Error('InvalidQuoteFields')
  return {
    kind: 'csv',
    quote: markOf(csv.QuoteCharacter, '"', 1),
    escape: markOf(csv.QuoteEscapeCharacter, '"', 1),
    fieldDelimiter: delimiterOf(csv.FieldDelimiter, ','),
    recordDelimiter: delimiterOf(csv.RecordDelimiter, '\n'),
    always: fields === 'ALWAYS',
  }
}
