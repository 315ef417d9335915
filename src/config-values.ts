/** Values that many keys of the configuration have: sizes, durations, words, names. */
import * as z from 'zod'
import { preset } from './config-options.ts'
import { parseDuration, parseSize, UnitError } from './config-units.ts'

/** Written with a unit; in bytes or milliseconds afterwards. */
export type Measured = z.ZodType<number, string | number>

/** `words`: what is allowed, for the error. */
export function measured(
  parse: (text: string | number) => number,
  least: number,
  most: number,
  words: string,
): Measured {
  return z.union([z.string(), z.number()]).transform((text, context) => {
    try {
      const value = parse(text)
      if (value >= least && value <= most) return value
      context.addIssue({ code: 'custom', message: `"${text}" is out of bounds: ${words}` })
    } catch (error) {
      if (!(error instanceof UnitError)) throw error
      context.addIssue({ code: 'custom', message: error.message })
    }
    return z.NEVER
  })
}

type WithPreset<T extends z.ZodType> = z.ZodPrefault<T>

/** A size, with the preset of the key. */
export function size(
  key: string,
  least: number,
  most: number,
  words: string,
): WithPreset<Measured> {
  return measured(parseSize, least, most, words).prefault(preset(key))
}

/** A duration, with the preset of the key. */
export function duration(
  key: string,
  least: number,
  most: number,
  words: string,
): WithPreset<Measured> {
  return measured(parseDuration, least, most, words).prefault(preset(key))
}

/** One of some words, with the preset of the key. */
export function choice<const T extends readonly [string, ...string[]]>(
  key: string,
  words: T,
): z.ZodPrefault<z.ZodType<T[number], T[number]>> {
  return (z.enum(words) as unknown as z.ZodType<T[number], T[number]>).prefault(
    preset(key) as T[number],
  )
}

export const TEXT: z.ZodString = z.string().min(1)
/** As a file or a variable writes it. */
export const FLAG: z.ZodType<boolean, boolean | 'true' | 'false'> = z.union([
  z.boolean(),
  z.enum(['true', 'false']).transform((word) => word === 'true'),
])
export const PORT: z.ZodInt = z.int().min(0).max(65_535)

export const BUCKET: z.ZodString = z
  .string()
  .regex(
    /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/,
    'a bucket name has 3 to 63 characters of a-z, 0-9, "." and "-", and begins and ends with a letter or digit',
  )

/** A name, an address or a network. */
export const PLACE: z.ZodString = z
  .string()
  .regex(
    /^([a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?|[0-9.]+\/([0-9]|[12][0-9]|3[0-2])|[0-9a-f:.]*:[0-9a-f:.]*(\/([0-9]{1,2}|1[01][0-9]|12[0-8]))?)$/i,
    'a name, an address or a network (10.0.0.0/8) is expected',
  )
