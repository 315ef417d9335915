/** CAST: values of one kind as those of another; what cannot be is CastFailed. */
import type { CastType } from './query.ts'
import { SelectError } from './select-error.ts'
import { parseTimestamp } from './timestamp.ts'
import { kindOf, numberIn, textOf, type Value } from './value.ts'

export function castTo(to: CastType, value: Value): Value {
  if (value === null || value === undefined) return value
  const made = cast(to, value)
  if (made !== undefined) return made
  throw new SelectError('CastFailed', `${kindOf(value)} to ${to}.`)
}

function cast(to: CastType, value: NonNullable<Value>): Value {
  switch (to) {
    case 'STRING':
      return textOf(value)!
    case 'BOOL':
      return asBoolean(value)
    case 'INT': {
      if (typeof value === 'bigint') return value
      const number = asNumber(value)
      return number === undefined ? undefined : Math.trunc(number)
    }
    case 'FLOAT':
    case 'DECIMAL':
      return asNumber(value)
    default:
      if (value instanceof Date) return value
      return typeof value === 'string' ? parseTimestamp(value) : undefined
  }
}

function asNumber(value: NonNullable<Value>): number | undefined {
  if (typeof value === 'number') return value
  if (typeof value === 'bigint') return Number(value)
  if (typeof value === 'boolean') return Number(value)
  return typeof value === 'string' ? numberIn(value) : undefined
}

function asBoolean(value: NonNullable<Value>): boolean | undefined {
  if (typeof value === 'boolean') return value
  if (typeof value === 'number') return value !== 0
  if (typeof value !== 'string') return undefined
  const word = value.trim().toLowerCase()
  return word === 'true' ? true : word === 'false' ? false : undefined
}
