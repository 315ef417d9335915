/**
 * The end of the last segment: groups of records are written there and made durable, a new segment is
 * begun where it is full, and those that a snapshot stands in for are used again or removed.
 */
import path from 'node:path'
import { isFull } from '../lib/disk.ts'
import { StoreFull } from '../lib/store-error.ts'
import { type Change, isFlush, sizeOf } from './changes.ts'
import type { LogDisk } from './disk.ts'
import { StorePoisoned } from './errors.ts'
import { RecordPieces } from './record-pieces.ts'
import { CONTROL_STRIDE, GROUPS, RECORD_BYTES, strideOf } from './segment-format.ts'
import { createSegment, spareName, SPARES_MAX } from './segment-files.ts'
import type { Recovered } from './segment-recovery.ts'
import type { Segment, SegmentState } from './segment-state.ts'

/** Groups of fewer bytes find room that was made for them: a sync that need not note a new size is half as dear. */
const SMALL_GROUP_BYTES: number = 256 * 1024
const ROOM: Buffer = Buffer.alloc(1024 * 1024)
export interface WriterOptions {
  readonly disk: LogDisk
  readonly folder: string
  /** A segment of so many bytes is full. */
  readonly segmentBytes: number
  /** A number of 32 bits that nobody can foresee. */
  readonly salt: () => number
}

export class SegmentWriter {
  readonly #options: WriterOptions
  readonly #disk: LogDisk
  readonly #segments: Segment[]
  readonly #spares: number[]
  readonly #pieces: RecordPieces
  #group: number
  #isClosed: boolean
  /** Why nothing is written any more. */
  #poison: StorePoisoned | undefined
  syncs = 0

  private constructor(options: WriterOptions, { segments, spares, group, isClosed }: Recovered) {
    this.#options = options
    this.#disk = options.disk
    this.#pieces = new RecordPieces(options.disk)
    this.#segments = segments
    this.#spares = spares
    this.#group = group
    this.#isClosed = isClosed
  }

  static async open(options: WriterOptions, recovered: Recovered): Promise<SegmentWriter> {
    const writer = new SegmentWriter(options, recovered)
    if (recovered.segments.length === 0) await writer.#begin(recovered.state)
    return writer
  }

  get segments(): readonly Segment[] {
    return this.#segments
  }

  get spareCount(): number {
    return this.#spares.length
  }

  checkSound(): void {
    if (this.#poison) throw this.#poison
  }

  /** The group is on stable storage, and the state knows of it, once this resolves. */
  async append(group: readonly Change[], state: SegmentState): Promise<void> {
    this.checkSound()
    if (group.every(isFlush) || (this.#isClosed && group.every(({ op }) => op === 'close'))) return
    let segment = this.#segments.at(-1)!
    if (segment.end >= this.#options.segmentBytes) segment = await this.#begin(state)
    let end: number
    try {
      await this.#makeRoom(segment, group)
      end = await this.#pieces.write(group, segment, this.#group)
    } catch (error) {
      await this.#cutBack(segment, error)
      throw new StoreFull('No room for the log', { cause: error })
    }
    await this.#orPoison(this.#sync(segment))
    this.#group = (this.#group + 1) % GROUPS
    this.#isClosed = group.at(-1)!.op === 'close'
    apply(group, state, segment)
    segment.end = end
    segment.sizeBytes = Math.max(segment.sizeBytes, end)
  }

  /** Gives back the segments before the first that counts, of which spares are kept. What fails is tried again the next time. */
  async release(state: SegmentState): Promise<void> {
    const needed = state.firstRun()?.segment ?? this.#segments.at(-1)!
    if (this.#segments[0] === needed && this.#spares.length <= SPARES_MAX) return
    const { folder } = this.#options
    try {
      while (this.#segments[0] !== needed) {
        const { fd, file, number } = this.#segments[0]!
        const isSpare = this.#spares.length < SPARES_MAX
        if (isSpare) await this.#disk.rename(file, path.join(folder, spareName(number)))
        else await this.#disk.remove(file)
        this.#segments.shift()
        if (isSpare) this.#spares.push(number)
        await this.#disk.close(fd)
      }
      while (this.#spares.length > SPARES_MAX) {
        await this.#disk.remove(path.join(folder, spareName(this.#spares[0]!)))
        this.#spares.shift()
      }
      await this.#disk.syncFolder(folder)
    } catch {
      // They only take up room: nothing that counts is in them.
    }
  }

  async close(): Promise<void> {
    for (const { fd } of this.#segments) await this.#disk.close(fd)
  }

  /** The next segment, which goes on where the last one ends. */
  async #begin(state: SegmentState): Promise<Segment> {
    const { disk, folder, salt } = this.#options
    const last = this.#segments.at(-1)
    const header = {
      salt: salt(),
      number: (last?.number ?? 0) + 1,
      previousEnd: last?.end ?? 0,
      nextIndex: state.last + 1,
      boundary: state.boundary ?? { index: 0, term: 0 },
      group: this.#group,
    }
    try {
      const made = await createSegment(disk, folder, header, this.#spares.at(-1))
      this.#spares.pop()
      this.#segments.push(made)
      return made
    } catch (error) {
      if (!isFull(error)) throw this.#poisonWith(error)
      throw new StoreFull('No room for the log', { cause: error })
    }
  }

  async #makeRoom(segment: Segment, group: readonly Change[]): Promise<void> {
    const bytes = group.reduce((sum, change) => sum + sizeOf(change), 0)
    const end = segment.end + bytes
    const left = this.#options.segmentBytes - end
    if (end <= segment.sizeBytes || bytes > SMALL_GROUP_BYTES || left <= 0) return
    const room = ROOM.subarray(0, left)
    try {
      await this.#disk.write(segment.fd, room, end)
      segment.sizeBytes = end + room.length
    } catch (error) {
      // The group itself may still fit.
      if (!isFull(error)) throw error
    }
  }

  /** What was written of a group that did not fit goes, for good, before anyone is told so. */
  async #cutBack(segment: Segment, error: unknown): Promise<void> {
    if (!isFull(error)) throw this.#poisonWith(error)
    await this.#orPoison(this.#disk.truncate(segment.fd, segment.end))
    await this.#orPoison(this.#sync(segment))
    segment.sizeBytes = segment.end
  }

  async #sync(segment: Segment): Promise<void> {
    this.syncs++
    await this.#disk.datasync(segment.fd)
  }

  async #orPoison(done: Promise<void>): Promise<void> {
    try {
      await done
    } catch (error) {
      throw this.#poisonWith(error)
    }
  }

  #poisonWith(cause: unknown): StorePoisoned {
    this.#poison = new StorePoisoned('The disk failed to make the log durable', { cause })
    return this.#poison
  }
}

/** Where the records of the group stand, now that they are durable. */
function apply(group: readonly Change[], state: SegmentState, segment: Segment): void {
  let at = segment.end
  for (const { op, index, term, entries } of group) {
    if (op !== 'append') at += CONTROL_STRIDE
    if (op === 'truncate') state.truncate(index)
    else if (op === 'purge') state.purge({ index, term })
    else if (op === 'reset') state.reset()
    for (let i = 0; i < entries.length; i++) {
      const entry = entries[i]!
      const stride = strideOf(RECORD_BYTES + entry.payload.length)
      state.append(segment, entry.term, at, stride)
      at += stride
    }
  }
}
