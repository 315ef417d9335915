/** Results as text: CSV or JSON, a record each. */
import { timestampText, type Value } from './value.ts'

export type OutputFormat =
  | {
      readonly kind: 'csv'
      readonly quote: string
      readonly escape: string
      readonly fieldDelimiter: string
      readonly recordDelimiter: string
      readonly always: boolean
    }
  | { readonly kind: 'json'; readonly recordDelimiter: string }

export type Row = readonly (readonly [name: string, value: Value])[]

/** Writes one result, with its delimiter. */
export function writerOf(format: OutputFormat): (row: Row) => string {
  if (format.kind === 'json') return (row) => jsonText(row) + format.recordDelimiter
  const { fieldDelimiter, recordDelimiter } = format
  const write = fieldWriter(format)
  return (row) => row.map(([, value]) => write(value)).join(fieldDelimiter) + recordDelimiter
}

function fieldWriter({
  quote,
  escape,
  fieldDelimiter,
  recordDelimiter,
  always,
}: Extract<OutputFormat, { readonly kind: 'csv' }>): (value: Value) => string {
  return (value) => {
    const text = fieldText(value)
    const needs =
      always ||
      (quote !== '' && text.includes(quote)) ||
      text.includes(fieldDelimiter) ||
      text.includes(recordDelimiter) ||
      /[\r\n]/.test(text)
    return needs ? quote + text.replaceAll(quote, escape + quote) + quote : text
  }
}

function fieldText(value: Value): string {
  if (value === null || value === undefined) return ''
  if (value instanceof Date) return timestampText(value)
  return typeof value === 'object' ? jsonOf(value) : String(value)
}

/** What is missing is left out. */
function jsonText(row: Row): string {
  const members = row.flatMap(([name, value]) =>
    value === undefined ? [] : [`${JSON.stringify(name)}:${jsonOf(value)}`],
  )
  return `{${members.join(',')}}`
}

function jsonOf(value: Value): string {
  if (typeof value === 'bigint') return String(value)
  if (value instanceof Date) return JSON.stringify(timestampText(value))
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null'
  if (Array.isArray(value)) return `[${(value as Value[]).map(jsonOf).join(',')}]`
  const members = Object.entries(value as Record<string, Value>).map(
    ([name, member]) => `${JSON.stringify(name)}:${jsonOf(member)}`,
  )
  return `{${members.join(',')}}`
}
