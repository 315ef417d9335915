/**
 * Dates as S3 writes and reads them. Both written forms have whole seconds (S3 cuts the rest off), so
 * that a listing and a Last-Modified header name the same instant.
 */

const DAY_MS = 86_400_000
/** `00` to `59`. */
const TWO = Array.from({ length: 60 }, (_, n) => String(n).padStart(2, '0'))

/** The date's part of a text, kept for the day last asked for: neighbours in a page share their day. */
class Days {
  readonly #write: (midnight: Date) => string
  #day = Number.NaN
  #text = ''

  constructor(write: (midnight: Date) => string) {
    this.#write = write
  }

  at(day: number): string {
    if (day !== this.#day) {
      this.#text = this.#write(new Date(day * DAY_MS))
      this.#day = day
    }
    return this.#text
  }
}

const isoDays = new Days((midnight) => midnight.toISOString().slice(0, -13))
const httpDays = new Days((midnight) => midnight.toUTCString().slice(0, -12))

function clockOf(secondOfDay: number): string {
  const minute = Math.floor(secondOfDay / 60)
  return `${TWO[Math.floor(minute / 60)]}:${TWO[minute % 60]}:${TWO[secondOfDay % 60]}`
}

/** `2026-03-04T05:06:07.000Z`. */
export function writeIsoDate(date: Date): string {
  const ms = date.getTime()
  const day = Math.floor(ms / DAY_MS)
  return `${isoDays.at(day)}${clockOf(Math.floor((ms - day * DAY_MS) / 1000))}.000Z`
}

/** `Wed, 04 Mar 2026 05:06:07 GMT` (RFC 9110, IMF-fixdate). */
export function writeHttpDate(date: Date): string {
  const ms = date.getTime()
  const day = Math.floor(ms / DAY_MS)
  return `${httpDays.at(day)}${clockOf(Math.floor((ms - day * DAY_MS) / 1000))} GMT`
}

const ISO = /^\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(Z|[+-]\d\d:?\d\d)?)?$/
/** IMF-fixdate, and the two obsolete forms of RFC 9110; numeric zones are met in the wild. */
const HTTP =
  /^(?:[A-Z][a-z]{2,8},? )?(?:\d{1,2}[ -][A-Z][a-z]{2}[ -]\d{2,4} \d\d:\d\d:\d\d (?:GMT|UTC|[+-]\d{4})|[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4})$/

/** A date in any form that clients send (RFC 9110's three, ISO 8601; no zone is UTC); undefined for anything else. */
export function readDate(text: string): Date | undefined {
  const trimmed = text.trim()
  const iso = ISO.exec(trimmed)
  let ms = Number.NaN
  if (iso) ms = Date.parse(iso[1] === undefined && trimmed.includes('T') ? `${trimmed}Z` : trimmed)
  else if (HTTP.test(trimmed))
    ms = Date.parse(
      /\d{4}$/.test(trimmed) && !/[+-]\d{4}$/.test(trimmed) ? `${trimmed} GMT` : trimmed,
    )
  return Number.isNaN(ms) ? undefined : new Date(ms)
}
