/** The Range header (RFC 9110 14.2) as S3 reads it, and the Content-Range that answers it. */
import { S3Error } from './error.ts'

/** Bytes `start` to `end`, the end exclusive. */
export interface ByteSpan {
  readonly start: number
  readonly end: number
}

/** `Content-Range` of these bytes of an object of `size`. */
export function contentRange({ start, end }: ByteSpan, size: number): string {
  return `bytes ${start}-${end - 1}/${size}`
}

const RANGE = /^bytes\s*=\s*(\d*)\s*-\s*(\d*)$/i

/**
 * The bytes that a Range header (RFC 9110 14.2) means of `size`; undefined where it is to be
 * ignored: malformed, or several ranges at once, which S3 does not serve. Rejects with InvalidRange
 * what names no byte of the object.
 */
export function parseRange(header: string, size: number): ByteSpan | undefined {
  const match = RANGE.exec(header.trim())
  if (match === null) return undefined
  const [, first = '', last = ''] = match
  if (first === '' && last === '') return undefined
  if (first === '') {
    const length = Math.min(Number(last), size)
    if (length > 0) return { start: size - length, end: size }
  } else {
    const start = Number(first)
    if (last !== '' && Number(last) < start) return undefined
    if (start < size) {
      return { start, end: last === '' ? size : Math.min(Number(last) + 1, size) }
    }
  }
  throw new S3Error('InvalidRange', {
    fields: { RangeRequested: header, ActualObjectSize: String(size) },
    headers: { 'content-range': `bytes */${size}` },
  })
}
