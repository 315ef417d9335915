/** Timestamps: as texts are read (ISO 8601), as patterns write them, and what is counted of them. All in UTC. */
import { SelectError } from './select-error.ts'

const ISO =
  /^(\d{4})(?:-(\d\d)(?:-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?)?)?)?T?(Z|[+-]\d\d:?\d\d)?$/

/** Undefined: the text is none. Parts that are left out are their first. */
export function parseTimestamp(text: string): Date | undefined {
  const found = ISO.exec(text.trim())
  if (found === null) return undefined
  const [
    ,
    year,
    month = '01',
    day = '01',
    hour = '00',
    minute = '00',
    second = '00',
    fraction = '0',
    zone = 'Z',
  ] = found
  const ms = fraction.padEnd(3, '0').slice(0, 3)
  const offset = zone === 'Z' ? 'Z' : `${zone.slice(0, 3)}:${zone.slice(-2)}`
  const date = new Date(`${year}-${month}-${day}T${hour}:${minute}:${second}.${ms}${offset}`)
  return Number.isNaN(date.getTime()) ? undefined : date
}

export type DatePart = 'YEAR' | 'MONTH' | 'DAY' | 'HOUR' | 'MINUTE' | 'SECOND'

const PART_MS = { DAY: 86_400_000, HOUR: 3_600_000, MINUTE: 60_000, SECOND: 1000 }

/** Throws for a word that names no part. */
export function datePart(word: string): DatePart {
  if (word === 'YEAR' || word === 'MONTH' || word in PART_MS) return word as DatePart
  throw new SelectError('EvaluatorInvalidArguments', `${word} is no part of a date.`)
}

export function addToDate(part: DatePart, count: number, date: Date): Date {
  if (part !== 'YEAR' && part !== 'MONTH') return new Date(date.getTime() + count * PART_MS[part])
  const months = part === 'YEAR' ? count * 12 : count
  const moved = new Date(date)
  moved.setUTCDate(1)
  moved.setUTCMonth(moved.getUTCMonth() + months)
  const last = new Date(Date.UTC(moved.getUTCFullYear(), moved.getUTCMonth() + 1, 0)).getUTCDate()
  moved.setUTCDate(Math.min(date.getUTCDate(), last))
  return moved
}

/** Whole parts from one date to the other. */
export function differenceOf(part: DatePart, from: Date, to: Date): number {
  if (part !== 'YEAR' && part !== 'MONTH') {
    return Math.trunc((to.getTime() - from.getTime()) / PART_MS[part])
  }
  const [early, late, sign] = from <= to ? [from, to, 1] : [to, from, -1]
  let months =
    (late.getUTCFullYear() - early.getUTCFullYear()) * 12 + late.getUTCMonth() - early.getUTCMonth()
  if (addToDate('MONTH', months, early) > late) months--
  return sign * (part === 'YEAR' ? Math.trunc(months / 12) : months)
}

export function extractFrom(word: string, date: Date): number {
  switch (word) {
    case 'YEAR':
      return date.getUTCFullYear()
    case 'MONTH':
      return date.getUTCMonth() + 1
    case 'DAY':
      return date.getUTCDate()
    case 'HOUR':
      return date.getUTCHours()
    case 'MINUTE':
      return date.getUTCMinutes()
    case 'SECOND':
      return date.getUTCSeconds() + date.getUTCMilliseconds() / 1000
    case 'TIMEZONE_HOUR':
    case 'TIMEZONE_MINUTE':
      return 0
    default:
      throw new SelectError('EvaluatorInvalidArguments', `${word} is no part of a date.`)
  }
}

const MONTHS =
  'January February March April May June July August September October November December'.split(' ')
const SYMBOL =
  /'([^']*)'|yyyy|yy|y|MMMMM|MMMM|MMM|MM|M|dd|d|a|hh|h|HH|H|mm|m|ss|s|S{1,9}|n|XXXXX|XXXX|XXX|XX|X|xxxxx|xxxx|xxx|xx|x|[^A-Za-z']/g

/** TO_STRING: the date as the pattern has it (S3 Select, "TO_STRING"). */
export function formatDate(date: Date, pattern: string): string {
  let written = ''
  let end = 0
  for (const match of pattern.matchAll(SYMBOL)) {
    if (match.index !== end) break
    end += match[0].length
    written += match[1] ?? symbolText(match[0], date)
  }
  if (end !== pattern.length) throw new SelectError('EvaluatorInvalidTimestampFormatPattern')
  return written
}

function symbolText(symbol: string, date: Date): string {
  const two = (value: number): string => String(value).padStart(2, '0')
  const month = date.getUTCMonth()
  const hour = date.getUTCHours()
  const ms = String(date.getUTCMilliseconds()).padStart(3, '0')
  const texts: Readonly<Record<string, string>> = {
    yyyy: String(date.getUTCFullYear()).padStart(4, '0'),
    yy: two(date.getUTCFullYear() % 100),
    y: String(date.getUTCFullYear()),
    MMMMM: MONTHS[month]![0]!,
    MMMM: MONTHS[month]!,
    MMM: MONTHS[month]!.slice(0, 3),
    MM: two(month + 1),
    M: String(month + 1),
    dd: two(date.getUTCDate()),
    d: String(date.getUTCDate()),
    a: hour < 12 ? 'AM' : 'PM',
    hh: two(hour % 12 || 12),
    h: String(hour % 12 || 12),
    HH: two(hour),
    H: String(hour),
    mm: two(date.getUTCMinutes()),
    m: String(date.getUTCMinutes()),
    ss: two(date.getUTCSeconds()),
    s: String(date.getUTCSeconds()),
    n: String(date.getUTCMilliseconds() * 1_000_000),
  }
  if (symbol[0] === 'S') return ms.padEnd(symbol.length, '0').slice(0, symbol.length)
  if (symbol[0] === 'X') return 'Z'
  if (symbol[0] === 'x') return ['+00', '+0000', '+00:00', '+0000', '+00:00'][symbol.length - 1]!
  return texts[symbol] ?? symbol
}
