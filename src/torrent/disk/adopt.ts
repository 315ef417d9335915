/**
 * Pieces that need not be downloaded, since their bytes are in the bucket: in the chunks of another
 * torrent or of another place, or in an object that was made of a file with the same root. They are read
 * once, hashed, and taken over by reference: nothing is stored twice.
 */
import type { DiskPlace, DiskTorrent } from '../disk-io.ts'
import type { Info } from '../metainfo.ts'
import { TorrentError } from '../metainfo.ts'
import { readInfo } from '../read-metainfo.ts'
import { rootKeyOf } from './assemble-file.ts'
import { CHUNK_BYTES } from './chunk-writer.ts'
import { ChunkLost, type ChunkStore, type Run } from './chunk-store.ts'
import { Geometry } from './geometry.ts'
import { Journal } from './journal.ts'
import { torrentsOf } from './journal-keys.ts'
import { Spans } from './spans.ts'
import type { TorrentDisk } from './torrent-disk.ts'
import { encodeRanges } from './varints.ts'

/** Where the kept bytes of a piece may be. It is believed only after they were read. */
export interface Candidate {
  readonly piece: number
  readonly runs: readonly Run[]
}

/** Pieces of one chunk that is made by reference; together they are at most about as much as others. */
interface Batch {
  readonly pieces: Map<number, readonly Run[]>
  bytes: number
}

/** Takes over what is right of the candidates; which pieces those were. Rejects with DiskError. */
export async function adopt(
  disk: TorrentDisk,
  candidates: AsyncIterable<Candidate> | Iterable<Candidate>,
): Promise<readonly number[]> {
  const adopted: number[] = []
  let batch: Batch = { pieces: new Map(), bytes: 0 }
  const finish = async (): Promise<void> => {
    adopted.push(...(await take(disk, batch)))
    batch = { pieces: new Map(), bytes: 0 }
  }
  for await (const { piece, runs } of candidates) {
    if (!disk.isWanted(piece) || batch.pieces.has(piece)) continue
    if (!(await isRight(disk, piece, runs))) continue
    batch.pieces.set(piece, runs)
    batch.bytes += disk.geometry.keptBytesOf(piece)
    if (batch.bytes >= CHUNK_BYTES) await finish()
  }
  await finish()
  return adopted
}

async function isRight(disk: TorrentDisk, piece: number, runs: readonly Run[]): Promise<boolean> {
  try {
    const parts: Uint8Array[] = []
    for (const run of runs) parts.push(await disk.store.get(disk.torrent.place.bucket, run))
    return await disk.isRight(piece, Buffer.concat(parts))
  } catch (error) {
    if (error instanceof ChunkLost) return false
    throw error
  }
}

async function take(disk: TorrentDisk, { pieces, bytes }: Batch): Promise<readonly number[]> {
  const left = [...pieces].filter(([piece]) => disk.isWanted(piece)).sort(([a], [b]) => a - b)
  if (left.length === 0) return []
  const { journal, torrent, store } = disk
  const spans = new Spans()
  for (const [piece] of left) spans.add(piece, piece + 1)
  const ranges = encodeRanges(spans.edges)
  if (ranges.length > journal.keys.rangeBytesMax) {
    // More than a name can hold: in halves.
    const half = Math.ceil(left.length / 2)
    const first = await take(disk, { pieces: new Map(left.slice(0, half)), bytes: bytes / 2 })
    const second = await take(disk, { pieces: new Map(left.slice(half)), bytes: bytes / 2 })
    return [...first, ...second]
  }
  const entry = { seq: journal.nextSeq(), isChunk: true, ranges }
  try {
    const runs = joined(left.flatMap(([, each]) => each))
    const words = { contentType: undefined, metadata: {} }
    await store.assemble(torrent.place.bucket, journal.keys.entry(entry), runs, words)
    for (const [piece] of left) disk.counters.dedupBytes += disk.geometry.keptBytesOf(piece)
    journal.add(entry)
    return left.map(([piece]) => piece)
  } catch (error) {
    // An object that changed under us is no source any more.
    if (error instanceof ChunkLost) return []
    throw error
  } finally {
    journal.giveUp(entry.seq)
  }
}

function joined(runs: readonly Run[]): Run[] {
  const result: Run[] = []
  for (const run of runs) {
    const last = result.at(-1)
    if (
      last !== undefined &&
      last.key === run.key &&
      last.end === run.start &&
      last.etag === run.etag
    )
      result[result.length - 1] = { ...last, end: run.end }
    else result.push(run)
  }
  return result
}

/**
 * What may have bytes of the torrent: below its own prefix, and at the other places of its bucket that
 * are given. First objects by their roots, then the torrents that are there.
 */
export async function* candidatesOf(
  disk: TorrentDisk,
  places: readonly DiskPlace[],
): AsyncGenerator<Candidate, void, undefined> {
  const { place } = disk.torrent
  const prefixes = new Set(
    [place, ...places.filter(({ bucket }) => bucket === place.bucket)].map(({ prefix }) => prefix),
  )
  for (const prefix of prefixes) {
    yield* byRoots(disk, prefix)
    for await (const id of torrentsBelow(disk.store, place.bucket, prefix)) {
      if (prefix === place.prefix && id === disk.torrent.id) continue
      yield* byTorrent(disk, { bucket: place.bucket, prefix }, id)
    }
  }
}

/** Objects that were made of files with the same root. */
async function* byRoots(disk: TorrentDisk, prefix: string): AsyncGenerator<Candidate> {
  const { store, torrent } = disk
  const { bucket } = torrent.place
  for (const [index, { root, offset, sizeBytes }] of torrent.info.files.entries()) {
    if (root === undefined || !isAnyWanted(disk, offset, sizeBytes)) continue
    const named = await store.find(bucket, rootKeyOf(prefix, root.toString('hex')))
    if (named !== undefined) yield* ofObject(disk, index, Buffer.from(named).toString())
  }
}

/** An object that may be a file of the torrent: all of its pieces that are in that file alone. */
export async function* ofObject(
  disk: TorrentDisk,
  index: number,
  key: string,
): AsyncGenerator<Candidate, void, undefined> {
  const { store, geometry, torrent } = disk
  const { offset, sizeBytes } = torrent.info.files[index]!
  const object = await store.look(torrent.place.bucket, key)
  if (object?.sizeBytes !== sizeBytes) return
  for (const { piece, start, end } of geometry.piecesIn(offset, offset + sizeBytes)) {
    if (end - start !== geometry.keptBytesOf(piece)) continue
    const from = piece * geometry.pieceBytes + start - offset
    yield { piece, runs: [{ key, start: from, end: from + end - start, etag: object.etag }] }
  }
}

function isAnyWanted(disk: TorrentDisk, offset: number, sizeBytes: number): boolean {
  for (const { piece } of disk.geometry.piecesIn(offset, offset + sizeBytes))
    if (disk.isWanted(piece)) return true
  return false
}

/** Each begins where the names of the one before end. */
async function* torrentsBelow(
  store: ChunkStore,
  bucket: string,
  prefix: string,
): AsyncGenerator<string> {
  const base = torrentsOf(prefix)
  for (let after = ''; ;) {
    let id: string | undefined
    for await (const { key } of store.list(bucket, base, after)) {
      id = key.slice(base.length).split('/')[0]!
      break
    }
    if (id === undefined) return
    if (/^(?:[0-9a-f]{40}|[0-9a-f]{64})$/.test(id)) yield id
    after = `${base}${id}/\u{10ffff}`
  }
}

/** Pieces of another torrent that should be the same: by their version 1 hashes, or by the roots of their files. */
async function* byTorrent(
  disk: TorrentDisk,
  place: DiskPlace,
  id: string,
): AsyncGenerator<Candidate> {
  const { store, geometry } = disk
  const info = await infoAt(store, place, id)
  if (info === undefined || info.pieceBytes !== geometry.pieceBytes) return
  const same = samePieces(disk, info)
  if (same.size === 0) return
  const other: DiskTorrent = { id, place, info, pieceLayers: new Map() }
  const theirs = new Geometry(other)
  const journal = await Journal.read(store, other, theirs)
  for (const [piece, their] of same) {
    const found = journal.locate(their)
    const bytes = theirs.keptBytesOf(their)
    if (found !== undefined && bytes === geometry.keptBytesOf(piece))
      yield { piece, runs: [{ key: found.key, start: found.offset, end: found.offset + bytes }] }
  }
}

async function infoAt(store: ChunkStore, place: DiskPlace, id: string): Promise<Info | undefined> {
  const bytes = await store.find(place.bucket, `${torrentsOf(place.prefix)}${id}/info`)
  try {
    return bytes && readInfo(bytes)
  } catch (error) {
    if (error instanceof TorrentError) return undefined
    throw error
  }
}

const SHA1_BYTES = 20

/** Ours to theirs. */
function samePieces(disk: TorrentDisk, info: Info): Map<number, number> {
  const same = new Map<number, number>()
  const ours = disk.torrent.info
  if (ours.pieces !== undefined && info.pieces !== undefined) {
    const theirs = new Map<string, number>()
    for (let piece = 0; piece < info.pieceCount; piece++)
      theirs.set(hashAt(info.pieces, piece), piece)
    for (let piece = 0; piece < ours.pieceCount; piece++) {
      const their = theirs.get(hashAt(ours.pieces, piece))
      if (their !== undefined && disk.isWanted(piece)) same.set(piece, their)
    }
  }
  const roots = new Map(
    info.files.flatMap((file) => (file.root ? [[file.root.toString('hex'), file] as const] : [])),
  )
  for (const { root, offset, sizeBytes } of ours.files) {
    const file = root && roots.get(root.toString('hex'))
    if (file === undefined) continue
    const [first, their] = [offset / ours.pieceBytes, file.offset / info.pieceBytes]
    for (let i = 0; i * ours.pieceBytes < sizeBytes; i++)
      if (disk.isWanted(first + i)) same.set(first + i, their + i)
  }
  return same
}

function hashAt(pieces: Uint8Array, piece: number): string {
  return Buffer.from(pieces.buffer, pieces.byteOffset + piece * SHA1_BYTES, SHA1_BYTES).toString(
    'latin1',
  )
}
