/** CSV as S3 Select reads it: fields of a record, and their names. */
import { SelectError } from './select-error.ts'
import type { SelectRecord, Value } from './value.ts'

export interface CsvFormat {
  /** NONE: the first record is one like others. USE: it names the columns. IGNORE: it is passed over. */
  readonly headers: 'NONE' | 'USE' | 'IGNORE'
  /** Begins a record that is none. */
  readonly comments: string | undefined
  readonly quote: string
  /** Before a quote that means itself; the quote again, where it is the same. */
  readonly escape: string
  readonly recordDelimiter: string
  readonly fieldDelimiter: string
  /** Delimiters of records may stand in quotes. */
  readonly quotedDelimiters: boolean
}

const FIELDS_MAX = 10_000

/** Whether a record ends here: no quote in it is open. */
export function isWhole({ quote, escape, quotedDelimiters }: CsvFormat, line: string): boolean {
  if (!quotedDelimiters || quote === '' || !line.includes(quote)) return true
  let isOpen = false
  for (let at = 0; at < line.length; at++) {
    if (isOpen && line[at] === escape && escape !== quote) at++
    else if (line[at] === quote) isOpen = !isOpen
  }
  return !isOpen
}

export function fieldsOf(format: CsvFormat, line: string): readonly string[] {
  const { quote, fieldDelimiter } = format
  const fields =
    quote === '' || !line.includes(quote) ? line.split(fieldDelimiter) : quotedFields(format, line)
  if (fields.length > FIELDS_MAX) throw new SelectError('CSVParsingError', 'Too many columns.')
  return fields
}

function quotedFields(
  { quote, escape, fieldDelimiter }: CsvFormat,
  line: string,
): readonly string[] {
  const fields: string[] = []
  for (let at = 0; ;) {
    if (line[at] !== quote) {
      const end = line.indexOf(fieldDelimiter, at)
      fields.push(line.slice(at, end < 0 ? line.length : end))
      if (end < 0) return fields
      at = end + fieldDelimiter.length
      continue
    }
    let field = ''
    for (at++; at < line.length; at++) {
      const next = line[at + 1]
      const isEscaped =
        line[at] === escape && (next === quote || (escape !== quote && next === escape))
      if (isEscaped) field += line[++at]
      else if (line[at] === quote) break
      else field += line[at]
    }
    // What stands between the quote and the delimiter belongs to the field.
    const end = line.indexOf(fieldDelimiter, at + 1)
    fields.push(field + line.slice(at + 1, end < 0 ? line.length : end))
    if (end < 0) return fields
    at = end + fieldDelimiter.length
  }
}

/** Names of columns: as they are written, and in any case of letters. */
export class CsvHeader {
  readonly names: readonly string[]
  readonly #exact = new Map<string, number>()
  readonly #upper = new Map<string, number>()

  constructor(names: readonly string[]) {
    this.names = names
    for (const [index, name] of names.entries()) {
      if (!this.#exact.has(name)) this.#exact.set(name, index)
      const upper = name.toUpperCase()
      if (!this.#upper.has(upper)) this.#upper.set(upper, index)
    }
  }

  indexOf(name: string, isExact: boolean): number | undefined {
    return this.#exact.get(name) ?? (isExact ? undefined : this.#upper.get(name.toUpperCase()))
  }
}

export class CsvRecord implements SelectRecord {
  readonly #fields: readonly string[]
  readonly #header: CsvHeader | undefined

  constructor(fields: readonly string[], header: CsvHeader | undefined) {
    this.#fields = fields
    this.#header = header
  }

  named(name: string, isExact: boolean): Value {
    const index = this.#header?.indexOf(name, isExact) ?? positionIn(name)
    if (index === undefined) throw new SelectError('MissingHeaders', `${name}.`)
    return this.#fields[index]
  }

  all(): readonly (readonly [name: string, value: Value])[] {
    const names = this.#header?.names
    return this.#fields.map((field, index) => [names?.[index] ?? `_${index + 1}`, field])
  }
}

/** `_1` is the first. */
function positionIn(name: string): number | undefined {
  const position = /^_(\d{1,6})$/.exec(name)?.[1]
  if (position === undefined) return undefined
  if (Number(position) === 0) throw new SelectError('InvalidColumnIndex')
  return Number(position) - 1
}
