/** Reads all segments again, a slice at a time, and tells what is not as it was written. */
import type { LogDisk } from './disk.ts'
import { decodeHeader, HEADER_BYTES } from './segment-format.ts'
import { SegmentScan } from './segment-scan.ts'
import type { Segment } from './segment-state.ts'
import type { Problem } from './store.ts'

/** Bytes that are read before others have their turn. */
const SLICE_BYTES: number = 1024 * 1024

/** `segments`: those there are at the moment; what is appended after a segment is begun is left out. */
export async function* findProblems(
  disk: LogDisk,
  segments: () => readonly Segment[],
  lastIndex: number,
): AsyncGenerator<Problem, void, undefined> {
  let number = 0
  for (;;) {
    const segment = segments().find((found) => found.number > number)
    if (segment === undefined) return
    number = segment.number
    yield* problemsIn(disk, segment, () => segments().includes(segment), lastIndex)
  }
}

async function* problemsIn(
  disk: LogDisk,
  segment: Segment,
  isThere: () => boolean,
  lastIndex: number,
): AsyncGenerator<Problem, void, undefined> {
  const { fd, file, salt, end } = segment
  const bytes = Buffer.alloc(HEADER_BYTES)
  const header = decodeHeader(bytes.subarray(0, disk.read(fd, bytes, 0)))
  if (typeof header !== 'object' || header.salt !== salt) {
    yield { where: file, at: 0, message: 'the header is damaged' }
    return
  }
  const scan = new SegmentScan({ disk, fd, salt, group: header.group, limit: end }, HEADER_BYTES)
  while (scan.at < end) {
    const until = scan.at + SLICE_BYTES
    while (scan.at < until && scan.at < end) {
      if (scan.next() !== undefined) continue
      yield { where: file, at: scan.at, message: 'a record is damaged' }
      if (!isThere() || !scan.skip(lastIndex)) return
    }
    await new Promise<void>((resolve) => setImmediate(resolve))
    // Purged meanwhile: its descriptor is closed.
    if (!isThere()) return
  }
}
