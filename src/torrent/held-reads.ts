/**
 * Reading a file of a torrent while it is downloaded: exactly the pieces that a range needs are asked for
 * first, a few ahead of the reader, and what a reader has asked for is in no hurry once he is gone.
 */
import type { ByteSpan } from '../api/byte-range.ts'
import type { Body } from '../lib/stream.ts'
import { DiskError, type DiskIoBackend } from './disk-io.ts'
import type { HeldFile, HeldTorrent } from './held-torrent.ts'
import type { Patience } from './piece-waits.ts'
import type { TorrentSession } from './session.ts'

export interface ReadOptions {
  /** Without any progress of the torrent, a reader waits so long. */
  readonly idleMs: number
  /** For the first bytes at most so long: clients give a silent server a minute. */
  readonly firstMs: number
}

export const READ_DEFAULTS: ReadOptions = { idleMs: 30_000, firstMs: 45_000 }

/** What is asked for ahead of a reader. */
const AHEAD_BYTES: number = 4 * 1024 ** 2
const AHEAD_PIECES_LEAST = 2
const AHEAD_PIECES_MOST = 64
/** How often a reader looks whether what he waits for is only to be written. */
const HURRY_MS = 50
/** Handed on at once. */
const CHUNK_BYTES: number = 512 * 1024

export class HeldReads {
  readonly #session: TorrentSession
  readonly #disk: DiskIoBackend
  readonly #options: ReadOptions

  constructor(session: TorrentSession, disk: DiskIoBackend, options: ReadOptions = READ_DEFAULTS) {
    this.#session = session
    this.#disk = disk
    this.#options = options
  }

  /** Bytes of the file; the first are at hand when this resolves. Rejects with `Stalled`. */
  async open(file: HeldFile, span: ByteSpan, signal: AbortSignal): Promise<Body> {
    const { torrent } = file
    const either = AbortSignal.any([signal, torrent.ending.signal, this.#session.ending])
    const chunks = this.#chunks(file, span, either)
    const first = await chunks.next()
    return joined(first, chunks)
  }

  async *#chunks(
    { torrent, index }: HeldFile,
    { start, end }: ByteSpan,
    signal: AbortSignal,
  ): AsyncGenerator<Uint8Array, void, undefined> {
    const { metainfo, progress } = torrent.contents!
    const { pieceBytes, files } = metainfo.info
    const { offset } = files[index]!
    const span = progress.piecesBetween(offset + start, offset + end)
    const ahead = Math.ceil(AHEAD_BYTES / pieceBytes)
    const window = Math.min(AHEAD_PIECES_MOST, Math.max(AHEAD_PIECES_LEAST, ahead))
    const wanted = new Wanted(this.#session, torrent)
    let totalMs = this.#options.firstMs
    try {
      for (let piece = span.first; piece < span.end; piece++) {
        wanted.reach(piece, Math.min(span.end, piece + window))
        if (!progress.has(piece)) await this.#arrival(torrent, piece, totalMs, signal)
        totalMs = Infinity
        const from = Math.max(offset + start - piece * pieceBytes, 0)
        const to = Math.min(offset + end - piece * pieceBytes, pieceBytes)
        for (let at = from; at < to; at += CHUNK_BYTES) {
          signal.throwIfAborted()
          yield await this.#read(torrent, piece, at, Math.min(CHUNK_BYTES, to - at))
        }
      }
    } finally {
      wanted.drop()
    }
  }

  /** The disk lets a verified piece wait for others, so that they are written together: not while it is waited for. */
  async #arrival(
    torrent: HeldTorrent,
    piece: number,
    totalMs: number,
    signal: AbortSignal,
  ): Promise<void> {
    const timer = setInterval(() => this.#hurry(torrent, piece), HURRY_MS)
    try {
      await torrent.waits.wait(piece, this.#patience(torrent, totalMs), signal)
    } finally {
      clearInterval(timer)
    }
  }

  #hurry({ storage }: HeldTorrent, piece: number): void {
    if (storage === undefined) return
    const isVerified = this.#disk
      .cachedPieces(storage)
      .some((cached) => cached.piece === piece && cached.isVerified && cached.dirtyBytes > 0)
    // Where it fails, the disk tries again, and the engine hears of it.
    if (isVerified) this.#disk.flushPiece(storage, piece).catch(() => undefined)
  }

  #read(torrent: HeldTorrent, piece: number, offset: number, length: number): Promise<Uint8Array> {
    if (torrent.storage === undefined) throw new DiskError('the torrent is being closed')
    return this.#disk.readChunk(torrent.storage, piece, offset, length, true)
  }

  #patience(torrent: HeldTorrent, totalMs: number): Patience {
    const progress = (): number => this.#session.progressOf(torrent)
    return { idleMs: this.#options.idleMs, totalMs, progress }
  }
}

/** What one reader wants, among all readers of a torrent. */
class Wanted {
  readonly #session: TorrentSession
  readonly #torrent: HeldTorrent
  readonly #pieces = new Set<number>()
  #reached = 0

  constructor(session: TorrentSession, torrent: HeldTorrent) {
    this.#session = session
    this.#torrent = torrent
  }

  /** The reader is at a piece, and wants those before `end`. */
  reach(piece: number, end: number): void {
    const { demand } = this.#torrent
    const { progress } = this.#torrent.contents!
    const asked: number[] = []
    for (let next = Math.max(piece, this.#reached); next < end; next++) {
      if (progress.has(next)) continue
      asked.push(next)
      this.#pieces.add(next)
      demand.set(next, (demand.get(next) ?? 0) + 1)
    }
    this.#reached = Math.max(this.#reached, end)
    if (asked.length > 0) this.#session.prioritise(this.#torrent, asked)
  }

  /** Nothing any more. */
  drop(): void {
    const { demand } = this.#torrent
    const { progress } = this.#torrent.contents!
    const relaxed: number[] = []
    for (const piece of this.#pieces) {
      const left = (demand.get(piece) ?? 1) - 1
      if (left > 0) demand.set(piece, left)
      else demand.delete(piece)
      if (left === 0 && !progress.has(piece)) relaxed.push(piece)
    }
    this.#pieces.clear()
    if (relaxed.length > 0) this.#session.relax(this.#torrent, relaxed)
  }
}

async function* joined(
  first: IteratorResult<Uint8Array, void>,
  rest: AsyncGenerator<Uint8Array, void, undefined>,
): AsyncGenerator<Uint8Array, void, undefined> {
  if (first.done === true) return
  try {
    yield first.value
    yield* rest
  } finally {
    await rest.return()
  }
}
