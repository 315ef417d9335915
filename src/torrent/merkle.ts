/**
 * The hash trees of BEP 52: binary trees of SHA-256 whose leaves are blocks of 16 KiB.
 *
 * A file's tree is padded at its leaves with hashes of zeros (not with hashes of zero bytes) to a power
 * of two. A layer above the leaves is therefore padded with the root of a subtree of such leaves.
 * Hashes stand one after the other in one buffer, 32 bytes each.
 */
import { hash } from 'node:crypto'

export const BLOCK_BYTES: number = 16 * 1024
export const SHA256_BYTES = 32

/** SHA-256 of one block: a leaf. The last block of a file is hashed as short as it is. */
export function leafOf(block: Uint8Array): Buffer {
  return hash('sha256', block, 'buffer')
}

/** Blocks of so many bytes. */
export function blocksIn(bytes: number): number {
  return Math.ceil(bytes / BLOCK_BYTES)
}

const paddings: Buffer[] = [Buffer.alloc(SHA256_BYTES)]

/** What a node is `levels` above the leaves with nothing but padding below it. */
export function paddingAt(levels: number): Buffer {
  while (paddings.length <= levels) {
    const below = paddings.at(-1)!
    paddings.push(hash('sha256', Buffer.concat([below, below]), 'buffer'))
  }
  return paddings[levels]!
}

/** Levels between leaves and the nodes that each cover `bytes` (a power of two, at least a block). */
export function levelsOf(bytes: number): number {
  return Math.log2(bytes / BLOCK_BYTES)
}

/**
 * The root over a layer whose nodes stand `level` levels above the leaves, padded to `width` nodes (a
 * power of two), by default to the least that holds the layer.
 */
export function rootOf(layer: Uint8Array, level: number, width?: number): Buffer {
  let count = layer.length / SHA256_BYTES
  if (count === 0) throw new RangeError('a tree without a node')
  let nodes = Buffer.from(layer)
  for (let wanted = width ?? powerOfTwo(count); wanted > 1; wanted /= 2, level++) {
    const pairs = Math.ceil(count / 2)
    const above = Buffer.allocUnsafe(pairs * SHA256_BYTES)
    for (let i = 0; i < pairs; i++) {
      const both = nodes.subarray(2 * i * SHA256_BYTES, (2 * i + 2) * SHA256_BYTES)
      const isPair = 2 * i + 1 < count
      const pair = isPair ? both : Buffer.concat([both, paddingAt(level)])
      hash('sha256', pair, 'buffer').copy(above, i * SHA256_BYTES)
    }
    nodes = above
    count = pairs
  }
  return nodes
}

/** The hash of one piece: the root over its leaves, padded to a whole piece. */
export function pieceHash(leaves: Uint8Array, pieceBytes: number): Buffer {
  return rootOf(leaves, 0, pieceBytes / BLOCK_BYTES)
}

/**
 * The root of a file out of its piece layer (hashes of whole pieces) or, where it is no longer than a
 * piece, out of its leaves.
 */
export function rootOfPieces(layer: Uint8Array, pieceBytes: number): Buffer {
  return rootOf(layer, levelsOf(pieceBytes))
}

/** The least power of two that is not below `n`. */
export function powerOfTwo(n: number): number {
  return 2 ** Math.ceil(Math.log2(n))
}
