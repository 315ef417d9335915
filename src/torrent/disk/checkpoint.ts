/** The journal of a torrent in one object: `SLDC`, a version, and entries in varints. */
import { DiskError } from '../disk-io.ts'
import { ChunkLost } from './chunk-store.ts'
import type { JournalEntry } from './journal-keys.ts'
import { VarintReader, VarintWriter } from './varints.ts'

const MAGIC = 'SLDC'
const VERSION = 1

export interface Checkpoint {
  /** All entries up to this one are in it. */
  readonly seq: number
  readonly pieceCount: number
  /** Ascending by seq. */
  readonly entries: readonly JournalEntry[]
}

export function writeCheckpoint({ seq, pieceCount, entries }: Checkpoint): Uint8Array {
  const writer = new VarintWriter().writeBytes(Buffer.from(MAGIC)).write(VERSION)
  writer.write(seq).write(pieceCount).write(entries.length)
  let before = 0
  for (const entry of entries) {
    writer.write(entry.seq - before).write(entry.isChunk ? 1 : 0)
    writer.write(entry.ranges.length).writeBytes(entry.ranges)
    before = entry.seq
  }
  return writer.finish()
}

/** Throws ChunkLost for what is none, and DiskError for a newer program's. */
export function readCheckpoint(bytes: Uint8Array): Checkpoint {
  const reader = new VarintReader(bytes)
  let version: number
  try {
    if (Buffer.from(reader.readBytes(MAGIC.length)).toString('latin1') !== MAGIC)
      throw new RangeError('it begins otherwise')
    version = reader.read()
  } catch (cause) {
    throw new ChunkLost('no checkpoint of a torrent', { cause })
  }
  if (version !== VERSION)
    throw new DiskError(
      `a torrent’s checkpoint of version ${version}: a newer program has written it`,
    )
  try {
    const [seq, pieceCount, count] = [reader.read(), reader.read(), reader.read()]
    const entries: JournalEntry[] = []
    for (let before = 0; entries.length < count;) {
      before += reader.read()
      const isChunk = reader.read() === 1
      entries.push({ seq: before, isChunk, ranges: reader.readBytes(reader.read()).slice() })
    }
    return { seq, pieceCount, entries }
  } catch (cause) {
    throw new ChunkLost('a damaged checkpoint of a torrent', { cause })
  }
}
