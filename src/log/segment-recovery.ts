/**
 * From the files of a folder to the log that they hold. A torn end, which was never acknowledged, is
 * cut off; what was on stable storage and is not as it was written is `LogCorrupt`, and nothing is
 * touched.
 */
import path from 'node:path'
import type { LogDisk } from './disk.ts'
import { LogCorrupt, LogForeign } from './errors.ts'
import {
  CLOSED,
  CONTROL,
  decodeHeader,
  FORMAT_VERSION,
  HEADER_BYTES,
  PURGE,
  RESET,
  type SegmentHeader,
  strideOf,
  TRUNCATE,
} from './segment-format.ts'
import { filesIn, segmentName } from './segment-files.ts'
import { SegmentScan } from './segment-scan.ts'
import { type Segment, SegmentState } from './segment-state.ts'

export interface Recovered {
  /** Ascending; none where the folder is new. */
  readonly segments: Segment[]
  readonly spares: number[]
  readonly state: SegmentState
  /** Of the next record. */
  readonly group: number
  /** Bytes that were cut off. */
  readonly tornBytes: number
  /** The last record says that the log was closed in order. */
  readonly isClosed: boolean
}

interface Opened {
  readonly segment: Segment
  readonly header: SegmentHeader
}

export async function recover(disk: LogDisk, folder: string): Promise<Recovered> {
  const { segments: numbers, spares } = filesIn(disk, folder)
  const opened: Opened[] = []
  try {
    for (const number of numbers) opened.push(await openSegment(disk, folder, number))
    checkComplete(opened)
    return await replay(disk, opened, [...spares])
  } catch (error) {
    for (const { segment } of opened) await disk.close(segment.fd).catch(() => {})
    throw error
  }
}

async function openSegment(disk: LogDisk, folder: string, number: number): Promise<Opened> {
  const file = path.join(folder, segmentName(number))
  const fd = await disk.open(file, 'r+')
  try {
    const bytes = Buffer.alloc(HEADER_BYTES)
    const header = decodeHeader(bytes.subarray(0, disk.read(fd, bytes, 0)))
    if (header === 'foreign') throw new LogForeign(`${file} is no segment of a log`)
    if (typeof header === 'number')
      throw new LogForeign(
        `${file} was written by a newer program: it has version ${header}, known are versions up to ${FORMAT_VERSION}`,
      )
    if (header === undefined) throw new LogCorrupt(file, 0, 'the header is damaged')
    if (header.number !== number)
      throw new LogCorrupt(file, 0, `this is segment ${header.number} by its header`)
    const sizeBytes = disk.sizeOf(fd)
    return {
      header,
      segment: { fd, file, number, salt: header.salt, end: HEADER_BYTES, sizeBytes },
    }
  } catch (error) {
    await disk.close(fd).catch(() => {})
    throw error
  }
}

function checkComplete(opened: readonly Opened[]): void {
  for (let i = 1; i < opened.length; i++) {
    const { segment } = opened[i]!
    if (segment.number !== opened[i - 1]!.segment.number + 1)
      throw new LogCorrupt(segment.file, 0, 'the segment before this one is missing')
  }
}

async function replay(
  disk: LogDisk,
  opened: readonly Opened[],
  spares: number[],
): Promise<Recovered> {
  const segments = opened.map(({ segment }) => segment)
  const first = opened[0]?.header
  const boundary = first && first.boundary.index > 0 ? first.boundary : undefined
  const state = new SegmentState((first?.nextIndex ?? 1) - 1, boundary)
  let group = first?.group ?? 0
  let tornBytes = 0
  let isClosed = false
  for (const [i, { segment, header }] of opened.entries()) {
    if (state.last + 1 !== header.nextIndex)
      throw new LogCorrupt(segment.file, 0, 'it does not go on where the segment before it ends')
    const end = opened[i + 1]?.header.previousEnd
    const limit = end ?? segment.sizeBytes
    const { salt } = segment
    const scan = new SegmentScan(
      { disk, fd: segment.fd, salt, group: header.group, limit },
      HEADER_BYTES,
    )
    const replayed = new Replay(state, segment).run(scan)
    if (end !== undefined && replayed.end !== end)
      throw new LogCorrupt(segment.file, scan.at, 'a record is damaged')
    group = replayed.group
    isClosed = replayed.isClosed
    segment.end = replayed.end
    if (end === undefined) tornBytes = await settle(disk, segment, scan, state.last)
  }
  checkReach(state, segments)
  return { segments, spares, state, group, tornBytes, isClosed }
}

/** Cuts off the torn end, and makes durable what was read: a process that was killed may not have come to it. */
async function settle(
  disk: LogDisk,
  segment: Segment,
  scan: SegmentScan,
  lastIndex: number,
): Promise<number> {
  const behind = scan.behind(lastIndex)
  if (behind === 'damage') throw new LogCorrupt(segment.file, scan.at, 'a record is damaged')
  const isTorn = behind === 'torn' || scan.at !== segment.end
  const tornBytes = isTorn ? segment.sizeBytes - segment.end : 0
  if (isTorn) {
    await disk.truncate(segment.fd, segment.end)
    segment.sizeBytes = segment.end
  }
  await disk.datasync(segment.fd)
  return tornBytes
}

/** All entries that count are there: none stood in a segment that is gone. */
function checkReach(state: SegmentState, segments: readonly Segment[]): void {
  const run = state.firstRun()
  const start = run?.first ?? state.last + 1
  if (start > state.firstIndex)
    throw new LogCorrupt(
      segments[0]!.file,
      0,
      `entries ${state.firstIndex} to ${start - 1} stood in a segment that is missing`,
    )
}

/** Applies changes, each once its last record was read. */
class Replay {
  readonly #state: SegmentState
  readonly #segment: Segment
  /** Of the change that is being read: offset, size, kind (or 16 + what a control record says), index, term. */
  #change: number[] = []

  constructor(state: SegmentState, segment: Segment) {
    this.#state = state
    this.#segment = segment
  }

  /** `end`: behind the last change that is whole; `group`: of the record that comes there. */
  run(scan: SegmentScan): { end: number; group: number; isClosed: boolean } {
    let end = scan.at
    let group = scan.nextGroup
    let isClosed = false
    for (;;) {
      const { at } = scan
      const head = scan.next()
      if (head === undefined) return { end, group, isClosed }
      const what = head.kind === CONTROL ? 16 + scan.payloadByte() : head.kind
      this.#change.push(at, head.size, what, head.index, head.term)
      if (!head.endsChange) continue
      this.#apply()
      end = scan.at
      group = scan.nextGroup
      isClosed = what === 16 + CLOSED
    }
  }

  #apply(): void {
    const change = this.#change
    const state = this.#state
    for (let i = 0; i < change.length; i += 5) {
      const [offset, size, what, index, term] = [
        change[i]!,
        change[i + 1]!,
        change[i + 2]!,
        change[i + 3]!,
        change[i + 4]!,
      ]
      if (what < CONTROL) {
        if (index !== state.last + 1)
          throw new LogCorrupt(this.#segment.file, offset, `entry ${index} follows ${state.last}`)
        state.append(this.#segment, term, offset, strideOf(size))
      } else if (what === 16 + TRUNCATE) state.truncate(index)
      else if (what === 16 + PURGE) state.purge({ index, term })
      else if (what === 16 + RESET) state.reset()
    }
    change.length = 0
  }
}
