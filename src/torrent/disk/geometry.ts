/**
 * Where the bytes of a torrent lie in its pieces: how long each is, which of its bytes are padding that
 * nobody writes or keeps, and what its hashes should be.
 *
 * Padding is whatever no file covers: pad files (BEP 47), and the gaps that version 2 has between files
 * without naming them. It reads as zeros.
 */
import { BLOCK_BYTES, blocksIn, powerOfTwo, SHA256_BYTES } from '../merkle.ts'
import type { DiskTorrent } from '../disk-io.ts'
import type { InfoFile } from '../info-files.ts'
import { Spans } from './spans.ts'

const SHA1_BYTES = 20

/** Hashes that the torrent gives for a piece; undefined where it has none, or not yet (layers of a magnet). */
export interface ExpectedHashes {
  readonly v1: Uint8Array | undefined
  readonly v2: Uint8Array | undefined
}

/** The tree over a piece: its first bytes that are hashed, and leaves of the whole tree, a power of two. */
export interface PieceTree {
  readonly bytes: number
  readonly width: number
}

/** Bytes of a file within a piece. */
export interface PieceRange {
  readonly piece: number
  readonly start: number
  readonly end: number
}

export class Geometry {
  readonly pieceBytes: number
  readonly pieceCount: number
  readonly totalBytes: number
  /** Files with bytes that are kept, by offset. */
  readonly #files: readonly InfoFile[]
  readonly #torrent: DiskTorrent
  /** A byte a piece: whether some of it is padding. */
  readonly #isPadded: Uint8Array

  constructor(torrent: DiskTorrent) {
    const { info } = torrent
    this.#torrent = torrent
    this.pieceBytes = info.pieceBytes
    this.pieceCount = info.pieceCount
    this.totalBytes = info.totalBytes
    this.#files = info.files.filter(({ isPad, sizeBytes }) => !isPad && sizeBytes > 0)
    this.#isPadded = new Uint8Array(info.pieceCount)
    let end = 0
    for (const { offset, sizeBytes } of this.#files) {
      this.#markPadded(end, offset)
      end = offset + sizeBytes
    }
    this.#markPadded(end, this.totalBytes)
  }

  #markPadded(start: number, end: number): void {
    if (start >= end) return
    const first = Math.floor(start / this.pieceBytes)
    this.#isPadded.fill(1, first, Math.ceil(end / this.pieceBytes))
  }

  lengthOf(piece: number): number {
    return Math.min(this.pieceBytes, this.totalBytes - piece * this.pieceBytes)
  }

  /** Throws RangeError for what is no piece of the torrent, or reaches beyond it. */
  check(piece: number, offset: number, length: number): void {
    if (!Number.isInteger(piece) || piece < 0 || piece >= this.pieceCount)
      throw new RangeError(`no piece ${piece}: the torrent has ${this.pieceCount}`)
    const isWithin = Number.isInteger(offset) && Number.isInteger(length)
    if (!isWithin || offset < 0 || length < 0 || offset + length > this.lengthOf(piece))
      throw new RangeError(
        `no bytes ${offset} to ${offset + length} in piece ${piece} of ${this.lengthOf(piece)} bytes`,
      )
  }

  isPadded(piece: number): boolean {
    return this.#isPadded[piece] === 1
  }

  /** Bytes of the piece that are padding, as ranges within it. */
  padsOf(piece: number): Spans {
    const pads = new Spans()
    if (!this.isPadded(piece)) return pads
    let from = 0
    const length = this.lengthOf(piece)
    for (const { start, end } of this.#filesIn(piece)) {
      pads.add(from, start)
      from = end
    }
    pads.add(from, length)
    return pads
  }

  /** Bytes of the piece that are kept. */
  keptBytesOf(piece: number): number {
    const length = this.lengthOf(piece)
    return this.isPadded(piece) ? length - this.padsOf(piece).bytes : length
  }

  /** Bytes that are kept before `offset` within the piece. */
  keptBefore(piece: number, offset: number): number {
    if (!this.isPadded(piece)) return offset
    let padded = 0
    for (const [start, end] of this.padsOf(piece).within(0, offset)) padded += end - start
    return offset - padded
  }

  /** Of version 2, the file that begins at the piece or before it; of version 1 alone, the piece itself. */
  treeOf(piece: number): PieceTree {
    const length = this.lengthOf(piece)
    const file = this.#treeFile(piece)
    if (file === undefined) return { bytes: length, width: powerOfTwo(blocksIn(length)) }
    const bytes = Math.min(this.pieceBytes, file.offset + file.sizeBytes - piece * this.pieceBytes)
    const isLong = file.sizeBytes > this.pieceBytes
    return {
      bytes,
      width: isLong ? this.pieceBytes / BLOCK_BYTES : powerOfTwo(blocksIn(file.sizeBytes)),
    }
  }

  expected(piece: number): ExpectedHashes {
    const { info, pieceLayers } = this.#torrent
    const v1 = info.pieces?.subarray(piece * SHA1_BYTES, (piece + 1) * SHA1_BYTES)
    const file = this.#treeFile(piece)
    if (file?.root === undefined) return { v1, v2: undefined }
    if (file.sizeBytes <= this.pieceBytes) return { v1, v2: file.root }
    const layer = pieceLayers.get(file.root.toString('hex'))
    const at = (piece - file.offset / this.pieceBytes) * SHA256_BYTES
    return { v1, v2: layer?.subarray(at, at + SHA256_BYTES) }
  }

  /** The pieces over bytes of the row, with what of each is meant. */
  *piecesIn(start: number, end: number): Generator<PieceRange> {
    for (let at = start; at < end;) {
      const piece = Math.floor(at / this.pieceBytes)
      const pieceAt = piece * this.pieceBytes
      const until = Math.min(end, pieceAt + this.pieceBytes)
      yield { piece, start: at - pieceAt, end: until - pieceAt }
      at = until
    }
  }

  #treeFile(piece: number): InfoFile | undefined {
    if (this.#torrent.info.hashes.v2 === undefined) return undefined
    const file = this.#files[this.#firstFileIn(piece)]
    return file !== undefined && file.offset <= piece * this.pieceBytes ? file : undefined
  }

  *#filesIn(piece: number): Generator<{ readonly start: number; readonly end: number }> {
    const pieceAt = piece * this.pieceBytes
    const length = this.lengthOf(piece)
    for (let i = this.#firstFileIn(piece); i < this.#files.length; i++) {
      const { offset, sizeBytes } = this.#files[i]!
      if (offset >= pieceAt + length) return
      const end = Math.min(length, offset + sizeBytes - pieceAt)
      yield { start: Math.max(0, offset - pieceAt), end }
    }
  }

  /** Index of the first file that ends behind the piece's first byte. */
  #firstFileIn(piece: number): number {
    const pieceAt = piece * this.pieceBytes
    let low = 0
    let high = this.#files.length
    while (low < high) {
      const middle = (low + high) >> 1
      const { offset, sizeBytes } = this.#files[middle]!
      if (offset + sizeBytes <= pieceAt) low = middle + 1
      else high = middle
    }
    return low
  }
}

/** A bit for each block of 16 KiB that is there whole, the first is the highest of the first byte. */
export function blockBits(spans: Spans, length: number): Uint8Array {
  const bits = new Uint8Array(Math.ceil(blocksIn(length) / 8))
  for (let block = 0; block * BLOCK_BYTES < length; block++) {
    const start = block * BLOCK_BYTES
    if (spans.covers(start, Math.min(length, start + BLOCK_BYTES)))
      bits[block >> 3]! |= 128 >> (block & 7)
  }
  return bits
}
