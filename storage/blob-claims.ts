/** What callers say of a blob, checked: ids, ranges, announced sizes. Faults of the program, not of a user. */
import { isUlid } from '../src/lib/ulid.ts'
import type { BlobId, ByteRange } from './store.ts'

/** A ULID and nothing else: a name that leads out of no directory. */
export function checkBlobId(id: BlobId): void {
  if (!isUlid(id)) throw new TypeError(`not a blob id: ${JSON.stringify(id)}`)
}

export function checkRange(id: BlobId, { start, end }: ByteRange): void {
  const isRange = Number.isSafeInteger(start) && Number.isSafeInteger(end)
  if (!isRange || start < 0 || end <= start) {
    throw new RangeError(`blob ${id}: no range of bytes: ${start} to ${end}`)
  }
}

/** A body must be as long as was announced, where it was. */
export function checkSize(id: BlobId, size: number, announced: number | undefined): void {
  if (announced !== undefined && size !== announced) {
    throw new RangeError(`blob ${id}: ${announced} bytes were announced, ${size} came`)
  }
}

/** Bound of one `delete`. */
export const DELETE_MAX = 1000

export function checkDelete(ids: readonly BlobId[]): void {
  if (ids.length > DELETE_MAX) throw new RangeError(`${ids.length} blobs in one delete`)
  for (const id of ids) checkBlobId(id)
}
