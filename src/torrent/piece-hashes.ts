/**
 * The hashes of a row of files as their bytes pass by: SHA-1 of each piece (version 1) and the leaves
 * and pieces of each file's tree (version 2). Memory is one block, whatever the files' sizes, besides
 * the hashes themselves.
 */
import { createHash, type Hash } from 'node:crypto'
import {
  BLOCK_BYTES,
  blocksIn,
  leafOf,
  pieceHash,
  rootOf,
  rootOfPieces,
  SHA256_BYTES,
} from './merkle.ts'

/** What version 2 says of a file. */
export interface FileHashes {
  /** Undefined: a file without bytes. */
  readonly root: Buffer | undefined
  /** Hashes of its pieces, where it is longer than one. */
  readonly layer: Buffer | undefined
}

/** SHA-1 of the pieces of a row of bytes. */
export class PieceSha1 {
  readonly #pieceBytes: number
  readonly #pieces: Buffer[] = []
  #hash: Hash = createHash('sha1')
  #count = 0

  constructor(pieceBytes: number) {
    this.#pieceBytes = pieceBytes
  }

  update(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length;) {
      const part = bytes.subarray(at, at + this.#pieceBytes - this.#count)
      this.#hash.update(part)
      at += part.length
      this.#count += part.length
      if (this.#count === this.#pieceBytes) this.#close()
    }
  }

  /** So many zeros: a pad file. */
  pad(count: number): void {
    const zeros = Buffer.alloc(Math.min(count, BLOCK_BYTES))
    for (let left = count; left > 0; left -= zeros.length) this.update(zeros.subarray(0, left))
  }

  /** All hashes, 20 bytes each; the last piece may be short. */
  finish(): Buffer {
    if (this.#count > 0) this.#close()
    return Buffer.concat(this.#pieces)
  }

  #close(): void {
    this.#pieces.push(this.#hash.digest())
    this.#hash = createHash('sha1')
    this.#count = 0
  }
}

/** The tree of one file (BEP 52). */
export class FileTree {
  readonly #pieceBytes: number
  readonly #pieces: Buffer[] = []
  #leaves: Buffer[] = []
  readonly #block: Buffer = Buffer.allocUnsafe(BLOCK_BYTES)
  #filled = 0

  constructor(pieceBytes: number) {
    this.#pieceBytes = pieceBytes
  }

  update(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length;) {
      if (this.#filled === 0 && bytes.length - at >= BLOCK_BYTES) {
        this.#add(bytes.subarray(at, at + BLOCK_BYTES))
        at += BLOCK_BYTES
        continue
      }
      const part = bytes.subarray(at, at + BLOCK_BYTES - this.#filled)
      this.#block.set(part, this.#filled)
      this.#filled += part.length
      at += part.length
      if (this.#filled === BLOCK_BYTES) this.#flush()
    }
  }

  finish(): FileHashes {
    if (this.#filled > 0) this.#flush()
    if (this.#pieces.length === 0) {
      const leaves = Buffer.concat(this.#leaves)
      return { root: leaves.length === 0 ? undefined : rootOf(leaves, 0), layer: undefined }
    }
    if (this.#leaves.length > 0) this.#closePiece()
    const layer = Buffer.concat(this.#pieces)
    // One piece and no more: its root is the file's, and there is no layer.
    if (layer.length === SHA256_BYTES) return { root: layer, layer: undefined }
    return { root: rootOfPieces(layer, this.#pieceBytes), layer }
  }

  #flush(): void {
    this.#add(this.#block.subarray(0, this.#filled))
    this.#filled = 0
  }

  #add(block: Uint8Array): void {
    this.#leaves.push(leafOf(block))
    if (this.#leaves.length === blocksIn(this.#pieceBytes)) this.#closePiece()
  }

  #closePiece(): void {
    this.#pieces.push(pieceHash(Buffer.concat(this.#leaves), this.#pieceBytes))
    this.#leaves = []
  }
}
