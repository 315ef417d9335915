/** Times as requests write them: `20130524T000000Z` (ISO 8601 basic), or a Date header (RFC 1123). */

export interface RequestTime {
  /** `YYYYMMDD'T'HHMMSS'Z'`, as it is signed. */
  readonly stamp: string
  readonly ms: number
}

const RFC_1123 = /^[A-Z][a-z]{2}, \d{1,2} [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d (?:GMT|UTC|[+-]\d{4})$/

/** Either form; undefined for what is no time. */
export function parseRequestTime(text: string): RequestTime | undefined {
  const ms = parseStamp(text)
  if (!Number.isNaN(ms)) return { stamp: text, ms }
  if (!RFC_1123.test(text)) return undefined
  const parsed = Date.parse(text)
  return Number.isNaN(parsed) ? undefined : { stamp: stampOf(parsed), ms: parsed }
}

const DAYS = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]

/** NaN for anything but `YYYYMMDD'T'HHMMSS'Z'`. */
export function parseStamp(text: string): number {
  if (text.length !== 16 || text.charCodeAt(8) !== 0x54 || text.charCodeAt(15) !== 0x5a) return NaN
  const year = digits(text, 0, 4)
  const month = digits(text, 4, 6)
  const day = digits(text, 6, 8)
  const hour = digits(text, 9, 11)
  const minute = digits(text, 11, 13)
  const second = digits(text, 13, 15)
  // A digit that is none makes its number NaN, which no comparison accepts.
  const fits =
    year >= 1000 &&
    month >= 1 &&
    month <= 12 &&
    day >= 1 &&
    day <= DAYS[month - 1]! &&
    hour <= 23 &&
    minute <= 59 &&
    second <= 60
  return fits ? Date.UTC(year, month - 1, day, hour, minute, second) : NaN
}

function digits(text: string, start: number, end: number): number {
  let value = 0
  for (let at = start; at < end; at++) {
    const digit = text.charCodeAt(at) - 0x30
    if (digit < 0 || digit > 9) return NaN
    value = value * 10 + digit
  }
  return value
}

export function stampOf(ms: number): string {
  return isoSeconds(ms).replace(/[-:]/g, '')
}

/** `2013-05-24T00:00:00Z`, as errors tell times. */
export function isoSeconds(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`
}
