/** The text of one header or parameter to its value, and S3's words where it cannot be one. */
import { S3Error } from '../api/error.ts'
import { MODEL } from '../api/model.gen.ts'
import type { Choice, Member } from '../api/model.ts'
import { readDate } from './date-text.ts'

/** Undefined: as if it were not there. Throws S3Error. */
export type Convert = (text: string) => unknown

/** Largest number of a parameter, as S3 counts them (a signed 32-bit integer). */
const PARAM_MAX = 2_147_483_647

function invalid(wire: string, text: string, message?: string): S3Error {
  const fields = { ArgumentName: wire, ArgumentValue: text }
  return new S3Error('InvalidArgument', message === undefined ? { fields } : { message, fields })
}

export function converterOf(member: Member): Convert {
  const { type, place, wire, item } = member
  const choice = MODEL.choices[wire]
  if (item !== undefined) return listConverter(wire, choice)
  switch (type) {
    case 'number':
      return numberConverter(wire, place === 'query' ? PARAM_MAX : Number.MAX_SAFE_INTEGER)
    case 'boolean':
      return booleanConverter(wire)
    case 'http-date':
    case 'date-time':
      return dateConverter(wire)
    default:
      return choice === undefined ? textConverter(wire) : choiceConverter(wire, choice)
  }
}

function textConverter(wire: string): Convert {
  if (wire.startsWith('response-')) return (text) => headerText(wire, text)
  if (wire === 'versionId')
    return (text) => {
      if (text === '') throw invalid(wire, text, 'Version id cannot be the empty string')
      return text
    }
  return (text) => text
}

/** What is to come back as a header must be able to: no line breaks, nothing beyond latin1. */
function headerText(wire: string, text: string): string {
  // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
  if (/[\0-\x08\x0a-\x1f\x7f]|[^\0-\xff]/.test(text))
    throw invalid(wire, text, 'Header value cannot be represented using ISO-8859-1.')
  return text
}

function choose(
  wire: string,
  { values, code = 'InvalidArgument', message, anyCase }: Choice,
  text: string,
): string {
  const wanted = anyCase ? text.toUpperCase() : text
  if (values.includes(wanted)) return wanted
  throw new S3Error(code, {
    ...(message !== undefined && { message: message.replace('{value}', () => text) }),
    fields: { ArgumentName: wire, ArgumentValue: text },
  })
}

function choiceConverter(wire: string, choice: Choice): Convert {
  return (text) => (text === '' ? undefined : choose(wire, choice, text))
}

function listConverter(wire: string, choice: Choice | undefined): Convert {
  return (text) => {
    const items = text.split(',').map((each) => each.trim())
    return choice === undefined ? items : items.map((each) => choose(wire, choice, each))
  }
}

function numberConverter(wire: string, most: number): Convert {
  const { min, max, message } = MODEL.bounds[wire] ?? { min: 0, max: most, message: undefined }
  return (text) => {
    if (text === '') return undefined
    const value = Number(text)
    if (!/^-?\d+$/.test(text) || !(Math.abs(value) <= most))
      throw invalid(
        wire,
        text,
        message ?? `Provided ${wire} not an integer or within integer range`,
      )
    if (value < min || value > max)
      throw invalid(
        wire,
        text,
        message ?? `Argument ${camelCase(wire)} must be an integer between ${min} and ${max}`,
      )
    return value
  }
}

/** `max-keys` in S3's own words: `maxKeys`. */
function camelCase(wire: string): string {
  return wire.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase())
}

function booleanConverter(wire: string): Convert {
  return (text) => {
    const lower = text.toLowerCase()
    if (lower === 'true') return true
    if (lower === 'false') return false
    if (lower === '') return undefined
    throw invalid(wire, text)
  }
}

/**
 * RFC 9110 has an unreadable date ignored in the conditions of HTTP; so does S3 in Expires and its
 * overrides, which are text to it. Its own headers it insists on: a condition must not vanish.
 */
function dateConverter(wire: string): Convert {
  if (!wire.startsWith('x-amz-')) return readDate
  return (text) => {
    const date = readDate(text)
    if (date === undefined) throw invalid(wire, text, `The value of ${wire} is not a date.`)
    return date
  }
}
