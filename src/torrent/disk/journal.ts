/**
 * Which pieces of a torrent are stored, and where: in memory, and in the names of the torrent's objects
 * (journal-keys.ts). Opening it lists names and reads at most one checkpoint; no piece is read.
 */
import { DiskError, type DiskTorrent } from '../disk-io.ts'
import { ChunkLost, type ChunkStore } from './chunk-store.ts'
import { readCheckpoint, writeCheckpoint } from './checkpoint.ts'
import type { Geometry } from './geometry.ts'
import { type JournalEntry, JournalKeys } from './journal-keys.ts'
import { Spans } from './spans.ts'
import { decodeRanges, encodeRanges } from './varints.ts'
import { setBit } from './verdict.ts'

/** Entries since the last checkpoint that make it worth another: so many, or a part of all. */
const CHECKPOINT_ENTRIES = 128
const CHECKPOINT_PART = 8

/** Stored bytes of an unfinished piece. */
export interface ScratchPart {
  readonly key: string
  readonly spans: Spans
  readonly version: string | undefined
}

/** A piece in its chunk: where its kept bytes begin. */
export interface Location {
  readonly key: string
  readonly offset: number
}

export class Journal {
  readonly keys: JournalKeys
  /** Of unfinished pieces, as it was found; the oldest first. */
  readonly scratch: ReadonlyMap<number, readonly ScratchPart[]>
  readonly #store: ChunkStore
  readonly #bucket: string
  readonly #geometry: Geometry
  #entries: JournalEntry[] = []
  /** By piece: its entry, or -1; and where it begins in the chunk. */
  readonly #entryOf: Int32Array
  readonly #offsetOf: Uint32Array
  /** By entry: pieces that are still had from it. */
  readonly #live: number[] = []
  #count = 0
  #lastSeq = 0
  #checkpointSeq: number | undefined
  #sinceCheckpoint = 0
  /** Entries on their way, whose fate is not known: a checkpoint must not claim to have them. */
  readonly #underWay = new Set<number>()

  private constructor(
    store: ChunkStore,
    bucket: string,
    keys: JournalKeys,
    geometry: Geometry,
    scratch: ReadonlyMap<number, readonly ScratchPart[]>,
  ) {
    this.keys = keys
    this.scratch = scratch
    this.#store = store
    this.#bucket = bucket
    this.#geometry = geometry
    this.#entryOf = new Int32Array(geometry.pieceCount).fill(-1)
    this.#offsetOf = new Uint32Array(geometry.pieceCount)
  }

  /** Makes the place the torrent’s, where it is nobody’s. */
  static async open(store: ChunkStore, torrent: DiskTorrent, geometry: Geometry): Promise<Journal> {
    await claimPlace(store, torrent, new JournalKeys(torrent))
    return Journal.read(store, torrent, geometry)
  }

  /** What is there; nothing is changed. */
  static async read(store: ChunkStore, torrent: DiskTorrent, geometry: Geometry): Promise<Journal> {
    const keys = new JournalKeys(torrent)
    const { bucket } = torrent.place
    const [checkpoint, scratch] = await Promise.all([
      newestCheckpoint(store, bucket, keys),
      listScratch(store, bucket, keys, geometry),
    ])
    const journal = new Journal(store, bucket, keys, geometry, scratch.parts)
    journal.#lastSeq = scratch.lastSeq
    for (const entry of checkpoint?.entries ?? []) journal.#apply(entry)
    journal.#checkpointSeq = checkpoint?.seq
    journal.#lastSeq = Math.max(journal.#lastSeq, checkpoint?.seq ?? 0)
    journal.#sinceCheckpoint = 0
    const after = checkpoint === undefined ? '' : keys.afterEntry(checkpoint.seq)
    for await (const { key } of store.list(bucket, keys.chunks, after)) {
      const entry = keys.readEntry(key)
      if (entry !== undefined) journal.#apply(entry)
    }
    return journal
  }

  /** Pieces that are stored. */
  get count(): number {
    return this.#count
  }

  has(piece: number): boolean {
    return this.#entryOf[piece]! >= 0
  }

  haveBits(): Uint8Array {
    const bits = new Uint8Array(Math.ceil(this.#geometry.pieceCount / 8))
    for (let piece = 0; piece < this.#entryOf.length; piece++)
      if (this.has(piece)) setBit(bits, piece)
    return bits
  }

  /** Undefined where the piece is not stored. */
  locate(piece: number): Location | undefined {
    const entry = this.#entries[this.#entryOf[piece]!]
    return entry && { key: this.keys.entry(entry), offset: this.#offsetOf[piece]! }
  }

  /** A number for what is going to be stored; `add` or `giveUp` comes after it. */
  nextSeq(): number {
    this.#lastSeq += 1
    this.#underWay.add(this.#lastSeq)
    return this.#lastSeq
  }

  giveUp(seq: number): void {
    this.#underWay.delete(seq)
  }

  /** The entry is stored, durably. */
  add(entry: JournalEntry): void {
    this.#underWay.delete(entry.seq)
    this.#apply(entry)
  }

  /** These are not had any more, from now on; resolves once that is durable. Chunks that are left empty are removed. */
  async drop(pieces: Iterable<number>): Promise<void> {
    const spans = new Spans()
    for (const piece of pieces) if (this.has(piece)) spans.add(piece, piece + 1)
    for (const part of partsThatFit(spans.edges, this.keys.rangeBytesMax)) {
      const entry = { seq: this.nextSeq(), isChunk: false, ranges: encodeRanges(part) }
      const emptied = this.#apply(entry)
      try {
        await this.#store.put(this.#bucket, this.keys.entry(entry), [])
      } finally {
        this.giveUp(entry.seq)
      }
      for (const chunk of emptied) await this.#store.remove(this.#bucket, chunk, undefined)
    }
  }

  /** Where there is much since the last one. What is under way is for the next. */
  async checkpointIfDue(): Promise<void> {
    const due = Math.max(CHECKPOINT_ENTRIES, this.#entries.length / CHECKPOINT_PART)
    if (this.#sinceCheckpoint < due) return
    this.#sinceCheckpoint = 0
    const seq = Math.min(this.#lastSeq, ...[...this.#underWay].map((each) => each - 1))
    const old = this.#checkpointSeq
    if (seq === old) return
    const isKept = ({ isChunk }: JournalEntry, i: number): boolean => !isChunk || this.#live[i]! > 0
    const entries = this.#entries.filter((entry, i) => entry.seq <= seq && isKept(entry, i))
    entries.sort((a, b) => a.seq - b.seq)
    const bytes = writeCheckpoint({ seq, pieceCount: this.#geometry.pieceCount, entries })
    await this.#store.put(this.#bucket, this.keys.checkpoint(seq), [bytes])
    this.#checkpointSeq = seq
    if (old !== undefined)
      await this.#store.remove(this.#bucket, this.keys.checkpoint(old), undefined)
  }

  /** Keys of chunks that have no piece left by it. */
  #apply(entry: JournalEntry): readonly string[] {
    const emptied: string[] = []
    const at = this.#entries.length
    this.#entries.push(entry)
    this.#lastSeq = Math.max(this.#lastSeq, entry.seq)
    this.#sinceCheckpoint += 1
    let live = 0
    let offset = 0
    for (const piece of piecesOf(entry, this.#geometry.pieceCount)) {
      const before = this.#entryOf[piece]!
      if (before >= 0) {
        this.#count -= 1
        this.#live[before]! -= 1
        if (this.#live[before] === 0) emptied.push(this.keys.entry(this.#entries[before]!))
      }
      this.#entryOf[piece] = entry.isChunk ? at : -1
      this.#offsetOf[piece] = offset
      offset += this.#geometry.keptBytesOf(piece)
      live += 1
    }
    if (entry.isChunk) this.#count += live
    this.#live.push(entry.isChunk ? live : 0)
    return emptied
  }
}

/** Ascending; DiskError where the entry is of another torrent. */
function* piecesOf({ ranges }: JournalEntry, pieceCount: number): Generator<number> {
  const edges = decodeRanges(ranges)
  if ((edges.at(-1) ?? 0) > pieceCount) throw new DiskError('a chunk has pieces beyond its torrent')
  for (let i = 0; i < edges.length; i += 2)
    for (let piece = edges[i]!; piece < edges[i + 1]!; piece++) yield piece
}

/** Ranges in parts whose encoded form is short enough. */
export function partsThatFit(edges: readonly number[], bytesMax: number): (readonly number[])[] {
  if (edges.length === 0) return []
  if (encodeRanges(edges).length <= bytesMax) return [edges]
  const middle = Math.floor(edges.length / 4) * 2
  return [
    ...partsThatFit(edges.slice(0, middle), bytesMax),
    ...partsThatFit(edges.slice(middle), bytesMax),
  ]
}

/** Its info dictionary says whose place it is, and lets other torrents find their pieces here. */
async function claimPlace(
  store: ChunkStore,
  { id, place: { bucket }, info }: DiskTorrent,
  { info: key }: JournalKeys,
): Promise<void> {
  const found = await store.find(bucket, key)
  if (found === undefined) await store.put(bucket, key, [info.encoded])
  else if (Buffer.compare(found, info.encoded) !== 0)
    throw new DiskError(`s3://${bucket}/${key} is not of torrent ${id}: its place is another’s`)
}

async function newestCheckpoint(
  store: ChunkStore,
  bucket: string,
  keys: JournalKeys,
): Promise<ReturnType<typeof readCheckpoint> | undefined> {
  let newest: number | undefined
  for await (const { key } of store.list(bucket, keys.checkpoints, ''))
    newest = keys.readCheckpoint(key) ?? newest
  if (newest === undefined) return undefined
  try {
    const bytes = await store.find(bucket, keys.checkpoint(newest))
    return bytes && readCheckpoint(bytes)
  } catch (error) {
    // All of it is in the names of the chunks too.
    if (error instanceof ChunkLost) return undefined
    throw error
  }
}

interface FoundScratch {
  readonly parts: ReadonlyMap<number, readonly ScratchPart[]>
  readonly lastSeq: number
}

async function listScratch(
  store: ChunkStore,
  bucket: string,
  keys: JournalKeys,
  geometry: Geometry,
): Promise<FoundScratch> {
  const found = new Map<number, { readonly seq: number; readonly part: ScratchPart }[]>()
  let lastSeq = 0
  for await (const { key } of store.list(bucket, keys.scratches, '')) {
    const name = keys.readScratch(key)
    if (name === undefined || name.piece >= geometry.pieceCount) continue
    if ((name.edges.at(-1) ?? 0) > geometry.lengthOf(name.piece)) continue
    lastSeq = Math.max(lastSeq, name.seq)
    const part = { key, spans: new Spans(name.edges), version: undefined }
    const others = found.get(name.piece)
    if (others === undefined) found.set(name.piece, [{ seq: name.seq, part }])
    else others.push({ seq: name.seq, part })
  }
  const parts = new Map<number, readonly ScratchPart[]>()
  for (const [piece, several] of found) {
    several.sort((a, b) => a.seq - b.seq)
    parts.set(
      piece,
      several.map(({ part }) => part),
    )
  }
  return { parts, lastSeq }
}
