/**
 * How rows stand in PostgreSQL, cell by cell: keys as text that anyone can read with psql, in the order
 * of their bytes, and lists of cells as array literals, so that one statement takes any number of rows.
 */
const NUL = '\u0000'
const ESCAPE = '\u0001'
const ESCAPED_NUL = '\u0001\u0002'
const ESCAPED_ESCAPE = '\u0001\u0003'

/**
 * The key as PostgreSQL's text, which may not hold NUL: U+0000 becomes U+0001 U+0002, and U+0001 becomes
 * U+0001 U+0003. That keeps the order of the bytes, and leaves every common key as it is.
 */
export function escapeKey(key: string): string {
  if (!key.includes(NUL) && !key.includes(ESCAPE)) return key
  return key.replaceAll(ESCAPE, ESCAPED_ESCAPE).replaceAll(NUL, ESCAPED_NUL)
}

/** The key of what `escapeKey` made. */
export function unescapeKey(text: string): string {
  if (!text.includes(ESCAPE)) return text
  return text.replaceAll(ESCAPED_NUL, NUL).replaceAll(ESCAPED_ESCAPE, ESCAPE)
}

/** The least text that stands behind the escaped key itself: what any longer key goes on with is not less. */
export const LEAST_AFTER: string = ESCAPE

/**
 * Whether a search for the escaped `delimiter` in an escaped key finds what a search in the key would:
 * not where it begins with a character that also stands in the second place of an escape.
 */
export function isFoundEscaped(delimiter: string): boolean {
  return delimiter >= '\u0004'
}

/** A list of whole numbers. */
export function numbersLiteral(numbers: readonly (number | string)[]): string {
  return `{${numbers.join(',')}}`
}

export function textsLiteral(texts: readonly string[]): string {
  let literal = '{'
  for (let i = 0; i < texts.length; i++) {
    if (i > 0) literal += ','
    literal += quoted(texts[i]!)
  }
  return `${literal}}`
}

/** Bytes in hexadecimal, NULL where there are none: the driver sends parameters as text. */
export function bytesLiteral(list: readonly (Uint8Array | undefined)[]): string {
  let literal = '{'
  for (let i = 0; i < list.length; i++) {
    if (i > 0) literal += ','
    const bytes = list[i]
    literal += bytes === undefined ? 'NULL' : `"\\\\x${hexOf(bytes)}"`
  }
  return `${literal}}`
}

function hexOf({ buffer, byteOffset, byteLength }: Uint8Array): string {
  return Buffer.from(buffer, byteOffset, byteLength).toString('hex')
}

const SPECIAL = /["\\]/g

function quoted(text: string): string {
  return `"${text.replaceAll(SPECIAL, String.raw`\$&`)}"`
}

const REV = /^[1-9]\d{0,18}$/

/** Whether the engine may have given out that rev. */
export function isRev(rev: number | string): rev is string {
  return typeof rev === 'string' && REV.test(rev)
}
