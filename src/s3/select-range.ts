/**
 * ScanRange: the records that begin within some bytes of an object, so that several requests can share it.
 * A record that begins there is read to its end.
 */
import type { ScanRange } from '@aws-sdk/client-s3'
import { S3Error } from '../api/error.ts'
import type { Body } from '../lib/stream.ts'
import type { SelectInput } from './select-format.ts'

export interface Scan {
  /** First byte at which a record may begin; what is read begins there or, above 0, a delimiter earlier. */
  readonly start: number
  /** Last byte at which one may. */
  readonly last: number
  readonly delimiter: Buffer
}

/** Undefined: all of the object. Rejects with InvalidScanRange, and what cannot be cut into records. */
export function scanOf(
  said: ScanRange | undefined,
  { format, isGzip }: SelectInput,
  size: number,
): Scan | undefined {
  if (said?.Start === undefined && said?.End === undefined) return undefined
  const isCuttable =
    !isGzip && (format.kind === 'json' ? format.type === 'LINES' : !format.quotedDelimiters)
  if (!isCuttable) {
    throw new S3Error('InvalidScanRange', {
      message: 'A scan range needs an object that is not compressed, of CSV or of lines of JSON.',
    })
  }
  // An end alone counts from the end.
  const [start, last] =
    said.Start === undefined
      ? [Math.max(0, size - said.End!), size - 1]
      : [said.Start, Math.min(said.End ?? size - 1, size - 1)]
  const isGood = Number.isSafeInteger(start) && start >= 0 && last >= start
  if (!isGood) throw new S3Error('InvalidScanRange')
  const delimiter = format.kind === 'json' ? '\n' : format.recordDelimiter
  return { start, last, delimiter: Buffer.from(delimiter) }
}

/** Where the bytes that `recordsIn` is given begin. */
export function readFrom({ start, delimiter }: Scan): number {
  return Math.max(0, start - delimiter.length)
}

/** The records that begin in the range, of an object's bytes from `readFrom` on. */
export async function* recordsIn(scan: Scan, body: AsyncIterable<Uint8Array>): Body {
  const { start, last, delimiter } = scan
  let at = readFrom(scan)
  let isOpen = start === 0
  let held: Buffer = Buffer.alloc(0)
  for await (const chunk of body) {
    const bytes = Buffer.concat([held, chunk])
    let begin = 0
    let from = 0
    while (from >= 0) {
      const found = bytes.indexOf(delimiter, from)
      if (found < 0) break
      const next = found + delimiter.length
      if (!isOpen && at + next >= start) {
        isOpen = true
        begin = next
      }
      if (at + next > last) {
        if (isOpen && begin < next) yield bytes.subarray(begin, next)
        return
      }
      from = next
    }
    // What may be the begin of a delimiter waits for the next chunk.
    const end = Math.max(bytes.length - delimiter.length + 1, from, begin)
    if (isOpen && end > begin) yield bytes.subarray(begin, end)
    held = bytes.subarray(end)
    at += end
  }
  if (isOpen && held.length > 0) yield held
}
