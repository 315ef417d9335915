/**
 * How far the files of a torrent are: which pieces are there, and which files have become whole by the
 * last one. A piece costs the files in it, whatever the number of files.
 */
import type { Info } from './metainfo.ts'

export interface PieceSpan {
  readonly first: number
  /** Exclusive. */
  readonly end: number
}

export class FileProgress {
  readonly #info: Info
  readonly #have: Uint8Array
  /** Pieces that each file lacks. */
  readonly #missing: Uint32Array
  /** Bytes of each file that are there. */
  readonly #bytes: Float64Array
  #pieces = 0

  /** `have` as in `Resume`; it is copied. */
  constructor(info: Info, have: Uint8Array) {
    this.#info = info
    this.#have = new Uint8Array(Math.ceil(info.pieceCount / 8))
    this.#missing = new Uint32Array(info.files.length)
    this.#bytes = new Float64Array(info.files.length)
    for (let file = 0; file < info.files.length; file++) {
      const { first, end } = this.piecesOf(file)
      this.#missing[file] = end - first
    }
    for (let piece = 0; piece < info.pieceCount; piece++) if (isSet(have, piece)) this.add(piece)
  }

  /** Pieces that are there. */
  get pieces(): number {
    return this.#pieces
  }

  has(piece: number): boolean {
    return isSet(this.#have, piece)
  }

  /** A copy, as in `Resume`. */
  have(): Uint8Array {
    return this.#have.slice()
  }

  bytesOf(file: number): number {
    return this.#bytes[file] ?? 0
  }

  isWhole(file: number): boolean {
    return this.#missing[file] === 0
  }

  /** The pieces that a file has bytes in; none of an empty one. */
  piecesOf(file: number): PieceSpan {
    const { offset, sizeBytes } = this.#info.files[file]!
    return this.piecesBetween(offset, offset + sizeBytes)
  }

  /** The pieces of a stretch of the torrent's row of bytes. */
  piecesBetween(start: number, end: number): PieceSpan {
    if (end <= start) return { first: 0, end: 0 }
    const { pieceBytes } = this.#info
    return { first: Math.floor(start / pieceBytes), end: Math.floor((end - 1) / pieceBytes) + 1 }
  }

  /** A piece is there: tells which files are whole by it. */
  add(piece: number): readonly number[] {
    if (this.has(piece)) return []
    this.#have[piece >> 3]! |= 0x80 >> (piece & 7)
    this.#pieces++
    const whole: number[] = []
    this.#eachFile(piece, (file, bytes) => {
      this.#bytes[file]! += bytes
      this.#missing[file]! -= 1
      if (this.#missing[file] === 0) whole.push(file)
    })
    return whole
  }

  /** A piece is lost: tells which files are not whole any more. */
  remove(piece: number): readonly number[] {
    if (!this.has(piece)) return []
    this.#have[piece >> 3]! &= ~(0x80 >> (piece & 7))
    this.#pieces--
    const broken: number[] = []
    this.#eachFile(piece, (file, bytes) => {
      this.#bytes[file]! -= bytes
      if (this.#missing[file] === 0) broken.push(file)
      this.#missing[file]! += 1
    })
    return broken
  }

  /** Files with bytes in the piece, and how many. */
  #eachFile(piece: number, visit: (file: number, bytes: number) => void): void {
    const { files, pieceBytes } = this.#info
    const start = piece * pieceBytes
    const end = start + pieceBytes
    for (let file = firstEndingAfter(files, start); file < files.length; file++) {
      const { offset, sizeBytes } = files[file]!
      if (offset >= end) break
      const bytes = Math.min(end, offset + sizeBytes) - Math.max(start, offset)
      if (bytes > 0) visit(file, bytes)
    }
  }
}

/** Whether a bit is set, the first being the highest of the first byte (BEP 3). */
export function isSet(bits: Uint8Array, index: number): boolean {
  return ((bits[index >> 3] ?? 0) & (0x80 >> (index & 7))) !== 0
}

/** Files stand in the order of their offsets: index of the first whose end lies behind `at`. */
function firstEndingAfter(
  files: readonly { readonly offset: number; readonly sizeBytes: number }[],
  at: number,
): number {
  let low = 0
  let high = files.length
  while (low < high) {
    const middle = (low + high) >> 1
    const { offset, sizeBytes } = files[middle]!
    if (offset + sizeBytes > at) high = middle
    else low = middle + 1
  }
  return low
}
