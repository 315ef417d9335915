/** The functions of S3 Select's SQL: their names, how many arguments they take, and what they give. */
import { SelectError } from './select-error.ts'
import {
  addToDate,
  datePart,
  differenceOf,
  extractFrom,
  formatDate,
  parseTimestamp,
} from './timestamp.ts'
import { charactersOf, compare, numberOf, textOf, type Value } from './value.ts'

export interface SqlFunction {
  readonly least: number
  readonly most: number
  readonly run: (args: readonly Value[], now: number) => Value
}

function ofText(run: (text: string) => Value): SqlFunction {
  return {
    least: 1,
    most: 1,
    run: ([value]) => {
      const text = textOf(value)
      return text === null ? null : run(text)
    },
  }
}

const lengthOf = ofText((text) => charactersOf(text).length)

export const FUNCTIONS: ReadonlyMap<string, SqlFunction> = new Map<string, SqlFunction>([
  ['LOWER', ofText((text) => text.toLowerCase())],
  ['UPPER', ofText((text) => text.toUpperCase())],
  ['CHAR_LENGTH', lengthOf],
  ['CHARACTER_LENGTH', lengthOf],
  ['LENGTH', lengthOf],
  ['SUBSTRING', { least: 2, most: 3, run: substring }],
  ['TRIM', { least: 2, most: 3, run: trim }],
  ['COALESCE', { least: 1, most: 100, run: coalesce }],
  ['NULLIF', { least: 2, most: 2, run: ([a, b]) => (compare(a, b) === 0 ? null : a) }],
  ['UTCNOW', { least: 0, most: 0, run: (_args, now) => new Date(now) }],
  ['TO_TIMESTAMP', { least: 1, most: 1, run: ([value]) => dateOf(value) }],
  ['TO_STRING', { least: 2, most: 2, run: toText }],
  [
    'EXTRACT',
    {
      least: 2,
      most: 2,
      run: ([part, value]) => {
        const date = dateOf(value)
        return date === null ? null : extractFrom(textOf(part)!, date)
      },
    },
  ],
  ['DATE_ADD', { least: 3, most: 3, run: dateAdd }],
  ['DATE_DIFF', { least: 3, most: 3, run: dateDiff }],
])

function coalesce(args: readonly Value[]): Value {
  return args.find((value) => value !== null && value !== undefined) ?? null
}

/** Positions count from 1; those before it are there and empty. */
function substring([value, from, count]: readonly Value[]): Value {
  const text = textOf(value)
  const start = numberOf(from)
  if (text === null || start === null || count === null) return null
  const characters = charactersOf(text)
  const first = Math.trunc(start) - 1
  if (count === undefined) return characters.slice(Math.max(first, 0)).join('')
  const length = numberOf(count)!
  if (length < 0)
    throw new SelectError('EvaluatorInvalidArguments', 'SUBSTRING has a length below 0.')
  return characters.slice(Math.max(first, 0), Math.max(first + Math.trunc(length), 0)).join('')
}

function trim([side, value, characters]: readonly Value[]): Value {
  const text = textOf(value)
  if (text === null || characters === null) return null
  const gone = new Set(characters === undefined ? [' '] : textOf(characters)!)
  const units = charactersOf(text)
  let start = 0
  let end = units.length
  if (side !== 'TRAILING') while (start < end && gone.has(units[start]!)) start++
  if (side !== 'LEADING') while (end > start && gone.has(units[end - 1]!)) end--
  return units.slice(start, end).join('')
}

function dateOf(value: Value): Date | null {
  if (value === null || value === undefined) return null
  if (value instanceof Date) return value
  const date = typeof value === 'string' ? parseTimestamp(value) : undefined
  if (date === undefined) throw new SelectError('CastFailed', 'It is no timestamp.')
  return date
}

function toText([value, pattern]: readonly Value[]): Value {
  const date = dateOf(value)
  const format = textOf(pattern)
  return date === null || format === null ? null : formatDate(date, format)
}

function dateAdd([part, count, value]: readonly Value[]): Value {
  const date = dateOf(value)
  const number = numberOf(count)
  if (date === null || number === null) return null
  const moved = addToDate(datePart(textOf(part)!), Math.trunc(number), date)
  if (Number.isNaN(moved.getTime()))
    throw new SelectError('EvaluatorInvalidArguments', 'DATE_ADD leads too far.')
  return moved
}

function dateDiff([part, from, to]: readonly Value[]): Value {
  const [early, late] = [dateOf(from), dateOf(to)]
  return early === null || late === null ? null : differenceOf(datePart(textOf(part)!), early, late)
}
