/**
 * Sort keys in letters that every service takes and compares alike: six bits of the key's UTF-8 bytes to a
 * character, in an alphabet that stands in the order of ASCII. Texts compare as the bytes of their keys
 * do, and a key of 1024 bytes has 1366 characters.
 */
import { SORT_BYTES_MAX } from './limits.ts'

const BASE64URL = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
const ORDERED = '-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz~'
const TO_ORDERED: Uint8Array = translation(BASE64URL, ORDERED)
const FROM_ORDERED: Uint8Array = translation(ORDERED, BASE64URL)

/** Of a key, or of an end of a range: what is longer than any key is cut where no key can tell. */
export function encodeOrdered(text: string): string {
  const bytes = Buffer.from(text)
  return translated(bytes.subarray(0, SORT_BYTES_MAX + 1).toString('base64url'), TO_ORDERED)
}

export function decodeOrdered(ordered: string): string {
  return Buffer.from(translated(ordered, FROM_ORDERED), 'base64url').toString()
}

function translated(text: string, table: Uint8Array): string {
  const bytes = Buffer.from(text, 'latin1')
  for (let i = 0; i < bytes.length; i++) bytes[i] = table[bytes[i]!]!
  return bytes.toString('latin1')
}

function translation(from: string, to: string): Uint8Array {
  const table = new Uint8Array(256)
  for (let i = 0; i < from.length; i++) table[from.charCodeAt(i)] = to.charCodeAt(i)
  return table
}
