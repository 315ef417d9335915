/**
 * The values of S3 Select's SQL, and how they compare. What CSV holds is text: beside a number it counts
 * as one where it is written like one, as with S3.
 */
import { SelectError } from './select-error.ts'

/** Undefined: MISSING, which in comparisons is as unknown as null. Objects and arrays come out of JSON. */
export type Value = string | number | bigint | boolean | null | undefined | Date | object

/** What of a record a path can lead to. */
export interface Fields {
  /** The value of that name; undefined: there is none. */
  named(name: string, isExact: boolean): Value
}

/** One of the records that a query goes over. */
export interface SelectRecord extends Fields {
  /** What `*` means: names and values, in order. */
  all(): readonly (readonly [name: string, value: Value])[]
}

/** Of a condition: null where it is unknown. */
export type Truth = boolean | null

const NUMBER = /^\s*[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?\s*$/

/** The number that a text is; undefined: it is none. */
export function numberIn(text: string): number | undefined {
  return NUMBER.test(text) ? Number(text) : undefined
}

/** For arithmetic. Null of what is unknown; throws for what is no number. */
export function numberOf(value: Value): number | null {
  if (value === null || value === undefined) return null
  if (typeof value === 'number') return value
  if (typeof value === 'bigint') return Number(value)
  const number = typeof value === 'string' ? numberIn(value) : undefined
  if (number === undefined)
    throw new SelectError('UnsupportedSqlOperation', `${kindOf(value)} is no number.`)
  return number
}

/** The code points of a text: what SQL counts as characters. */
export function charactersOf(text: string): string[] {
  return Array.from(text)
}

/** For functions of text; null of what is unknown. */
export function textOf(value: Value): string | null {
  if (value === null || value === undefined) return null
  if (typeof value === 'string') return value
  if (value instanceof Date) return timestampText(value)
  return typeof value === 'object' ? JSON.stringify(value) : String(value)
}

export function kindOf(value: Value): string {
  if (value instanceof Date) return 'a timestamp'
  return typeof value === 'object' ? 'a list or structure' : `a ${typeof value}`
}

/** `2007-04-05T14:30:00Z`, with a fraction where there is one. */
export function timestampText(value: Date): string {
  return value.toISOString().replace('.000Z', 'Z')
}

/** A condition's value. Throws for what is neither true nor false. */
export function truthOf(value: Value): Truth {
  if (typeof value === 'boolean') return value
  if (value === null || value === undefined) return null
  if (typeof value === 'string' && /^(?:true|false)$/i.test(value)) {
    return value.toLowerCase() === 'true'
  }
  throw new SelectError('UnsupportedSqlOperation', `${kindOf(value)} is no condition.`)
}

/** Negative, 0, positive; null where one is unknown; undefined where they are of kinds that do not compare. */
export function compare(a: Value, b: Value): number | null | undefined {
  if (a === null || a === undefined || b === null || b === undefined) return null
  if (typeof a === 'string' && typeof b === 'string') return order(a, b)
  if (a instanceof Date && b instanceof Date) return a.getTime() - b.getTime()
  if (typeof a === 'boolean' || typeof b === 'boolean') return compareBooleans(a, b)
  if (typeof a === 'object' || typeof b === 'object') return undefined
  const left = typeof a === 'string' ? numberIn(a) : a
  const right = typeof b === 'string' ? numberIn(b) : b
  return left === undefined || right === undefined ? undefined : order(left, right)
}

function compareBooleans(a: Value, b: Value): number | undefined {
  const left = asBoolean(a)
  const right = asBoolean(b)
  return left === undefined || right === undefined ? undefined : Number(left) - Number(right)
}

function asBoolean(value: Value): boolean | undefined {
  if (typeof value === 'boolean') return value
  if (typeof value !== 'string' || !/^(?:true|false)$/i.test(value)) return undefined
  return value.toLowerCase() === 'true'
}

function order<T extends string | number | bigint>(a: T, b: T): number {
  return a < b ? -1 : a > b ? 1 : 0
}
