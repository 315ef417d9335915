/**
 * The files of a folder: `segment-00000001.log` and on, in the order in which they were begun, and
 * `spare-….log`, whose room is used again. A segment gets its name once its header is on stable storage.
 */
import path from 'node:path'
import type { LogDisk } from './disk.ts'
import { LogForeign, StorePoisoned } from './errors.ts'
import { encodeHeader, HEADER_BYTES, type SegmentHeader } from './segment-format.ts'
import type { Segment } from './segment-state.ts'

/** Segments that wait to be used again; more are removed. */
export const SPARES_MAX = 2

const NAME = /^(segment|spare)-(\d{8,16})\.log$/
/** The lock, and the state beside the log. */
const NEIGHBOURS = new Set(['lock.db', 'lock.db-journal', 'lock.pid', 'state', 'state.new'])
/** What systems put into folders of their own accord. */
const ALIEN = /^\.|^lost\+found$/

export function segmentName(number: number): string {
  return `segment-${String(number).padStart(8, '0')}.log`
}

export function spareName(number: number): string {
  return `spare-${String(number).padStart(8, '0')}.log`
}

export interface FolderFiles {
  /** Numbers, ascending. */
  readonly segments: readonly number[]
  readonly spares: readonly number[]
}

/** What is in the folder; `LogForeign` where something is that is not ours. */
export function filesIn(disk: LogDisk, folder: string): FolderFiles {
  const segments: number[] = []
  const spares: number[] = []
  for (const name of disk.list(folder)) {
    const [, kind, digits] = NAME.exec(name) ?? []
    if (kind !== undefined) (kind === 'segment' ? segments : spares).push(Number(digits))
    else if (!NEIGHBOURS.has(name) && !ALIEN.test(name))
      throw new LogForeign(`${path.join(folder, name)} is no file of a log: nothing was touched`)
  }
  return { segments: segments.sort((a, b) => a - b), spares: spares.sort((a, b) => a - b) }
}

/** Makes a segment, of a spare file where there is one: durable, its name too. */
export async function createSegment(
  disk: LogDisk,
  folder: string,
  header: SegmentHeader,
  spare: number | undefined,
): Promise<Segment> {
  const from = path.join(folder, spareName(spare ?? header.number))
  const file = path.join(folder, segmentName(header.number))
  if (spare === undefined) await disk.remove(from)
  const fd = await disk.open(from, spare === undefined ? 'wx+' : 'r+')
  let isNamed = false
  try {
    await disk.write(fd, encodeHeader(header), 0)
    await disk.datasync(fd)
    isNamed = true
    await disk.rename(from, file)
    await disk.syncFolder(folder)
  } catch (error) {
    await disk.close(fd).catch(() => {})
    // Whether the name is there is not known: then it is not known either where the log goes on.
    throw isNamed
      ? new StorePoisoned('The disk failed to begin a segment', { cause: error })
      : error
  }
  const { number, salt } = header
  return { fd, file, number, salt, end: HEADER_BYTES, sizeBytes: disk.sizeOf(fd) }
}
