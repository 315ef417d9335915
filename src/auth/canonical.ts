/**
 * The canonical form of a request, as Signature Version 4 wants it of S3 (AWS: "Create a canonical
 * request"): the path is never normalised, and each byte is percent-encoded exactly once however the
 * client sent it. Texts are latin1: one character, one byte.
 */

const PERCENT = 0x25

/** Bytes that stand for themselves in a query. */
const UNRESERVED = keptBytes('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~')
/** And in a path, where slashes divide. */
const PATH_KEPT = keptBytes('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/')
const ESCAPED: readonly string[] = Array.from(
  { length: 256 },
  (_, byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`,
)

function keptBytes(characters: string): Uint8Array {
  const kept = new Uint8Array(256)
  for (const character of characters) kept[character.charCodeAt(0)] = 1
  return kept
}

/** The path as it is signed: `/a b/%7e//..` becomes `/a%20b/~//..`. */
export function canonicalPath(path: string): string {
  return encodedOnce(path, PATH_KEPT)
}

/**
 * The query as it is signed: names and values encoded once, sorted by name, then value. `?uploads`
 * has an empty value, a plus is a plus, duplicates stay. The parameter `omitted` is left out.
 */
export function canonicalQuery(query: string, omitted?: string): string {
  if (query === '') return ''
  const pairs: { readonly name: string; readonly value: string }[] = []
  let sorted = true
  let last = ''
  for (let at = 0; at < query.length;) {
    let end = query.indexOf('&', at)
    if (end < 0) end = query.length
    if (end > at) {
      let equals = query.indexOf('=', at)
      if (equals < 0 || equals > end) equals = end
      const name = encodedOnce(query.substring(at, equals), UNRESERVED)
      if (name !== omitted) {
        const value =
          equals === end ? '' : encodedOnce(query.substring(equals + 1, end), UNRESERVED)
        pairs.push({ name, value })
        if (name <= last) sorted = false
        last = name
      }
    }
    at = end + 1
  }
  if (!sorted) pairs.sort((a, b) => order(a.name, b.name) || order(a.value, b.value))
  let text = ''
  for (const { name, value } of pairs)
    text += text === '' ? `${name}=${value}` : `&${name}=${value}`
  return text
}

function order(a: string, b: string): number {
  if (a === b) return 0
  return a < b ? -1 : 1
}

/** Bytes behind a percent-encoded text; what is no escape stands for itself. */
export function percentDecoded(text: string): string {
  if (!text.includes('%')) return text
  let decoded = ''
  for (let at = 0; at < text.length; at++) {
    const byte = escapeAt(text, at)
    if (byte < 0) {
      decoded += text.charAt(at)
    } else {
      decoded += String.fromCharCode(byte)
      at += 2
    }
  }
  return decoded
}

/** The text itself where it is already encoded as it should be, which is the rule. */
function encodedOnce(text: string, kept: Uint8Array): string {
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (kept[code] === 1) continue
    if (code !== PERCENT) return encoded(text, kept)
    const byte = escapeAt(text, at)
    if (byte < 0 || kept[byte] === 1 || lowerCaseEscape(text, at)) return encoded(text, kept)
    at += 2
  }
  return text
}

function encoded(text: string, kept: Uint8Array): string {
  let result = ''
  for (let at = 0; at < text.length; at++) {
    let byte = escapeAt(text, at)
    if (byte < 0) byte = text.charCodeAt(at)
    else at += 2
    result += kept[byte] === 1 ? String.fromCharCode(byte) : ESCAPED[byte]
  }
  return result
}

/** The byte that an escape at this place stands for; -1 where there is none. */
function escapeAt(text: string, at: number): number {
  if (text.charCodeAt(at) !== PERCENT) return -1
  const high = digit(text.charCodeAt(at + 1))
  const low = digit(text.charCodeAt(at + 2))
  return high < 0 || low < 0 ? -1 : high * 16 + low
}

/** Value of a hex digit; -1 for anything else, the NaN beyond the end of a text included. */
function digit(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30
  if (code >= 0x41 && code <= 0x46) return code - 0x37
  if (code >= 0x61 && code <= 0x66) return code - 0x57
  return -1
}

function lowerCaseEscape(text: string, at: number): boolean {
  return text.charCodeAt(at + 1) >= 0x61 || text.charCodeAt(at + 2) >= 0x61
}
