/** The hashes of one piece as its bytes pass by, in order: SHA-1 over all, and the Merkle root of BEP 52. */
import { createHash, hash, type Hash } from 'node:crypto'
import { BLOCK_BYTES, rootOf, SHA256_BYTES } from '../merkle.ts'
import type { PieceHashes } from '../disk-io.ts'
import type { PieceTree } from './geometry.ts'

/** Bytes, or so many zeros. */
export type HashedPart = Uint8Array | number

export interface DigestOptions {
  readonly v1: boolean
  readonly tree: PieceTree | undefined
}

const ZEROS = new Uint8Array(BLOCK_BYTES)

export class PieceDigest {
  readonly #sha1: Hash | undefined
  readonly #tree: PieceTree | undefined
  readonly #leaves: Buffer
  /** Of the leaf that is not whole yet. */
  #leaf: Hash | undefined
  #leafBytes = 0
  /** Bytes of the tree that have been seen. */
  #seen = 0

  constructor({ v1, tree }: DigestOptions) {
    this.#sha1 = v1 ? createHash('sha1') : undefined
    this.#tree = tree
    const leaves = Math.ceil((tree?.bytes ?? 0) / BLOCK_BYTES)
    this.#leaves = Buffer.alloc(leaves * SHA256_BYTES)
  }

  update(part: HashedPart): void {
    if (part instanceof Uint8Array) {
      this.#sha1?.update(part)
      if (this.#tree !== undefined) this.#grow(part.subarray(0, this.#tree.bytes - this.#seen))
      return
    }
    for (let left = part; left > 0; left -= BLOCK_BYTES)
      this.update(ZEROS.subarray(0, Math.min(left, BLOCK_BYTES)))
  }

  finish(): PieceHashes {
    if (this.#leafBytes > 0) this.#closeLeaf(this.#leaf!.digest())
    const v1 = this.#sha1?.digest()
    if (this.#tree === undefined) return { v1, v2: undefined, leaves: undefined }
    return { v1, v2: rootOf(this.#leaves, 0, this.#tree.width), leaves: this.#leaves }
  }

  #grow(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length;) {
      if (this.#leafBytes === 0 && bytes.length - at >= BLOCK_BYTES) {
        this.#seen += BLOCK_BYTES
        this.#closeLeaf(hash('sha256', bytes.subarray(at, at + BLOCK_BYTES), 'buffer'))
        at += BLOCK_BYTES
        continue
      }
      this.#leaf ??= createHash('sha256')
      const part = bytes.subarray(at, at + BLOCK_BYTES - this.#leafBytes)
      this.#leaf.update(part)
      this.#leafBytes += part.length
      this.#seen += part.length
      at += part.length
      if (this.#leafBytes === BLOCK_BYTES) this.#closeLeaf(this.#leaf.digest())
    }
  }

  #closeLeaf(leaf: Buffer): void {
    leaf.copy(this.#leaves, Math.floor((this.#seen - 1) / BLOCK_BYTES) * SHA256_BYTES)
    this.#leaf = undefined
    this.#leafBytes = 0
  }
}
