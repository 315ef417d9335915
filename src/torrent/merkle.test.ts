import { createHash } from 'node:crypto'
import { expect, test } from 'vitest'
import { BLOCK_BYTES, leafOf, paddingAt, pieceHash, rootOf, rootOfPieces } from './merkle.ts'

const sha256 = (...parts: Uint8Array[]): Buffer =>
  createHash('sha256').update(Buffer.concat(parts)).digest()
const ZERO = Buffer.alloc(32)

/** The whole tree of a file, level by level, by the letter of BEP 52. */
function rootByTheBook(content: Buffer): Buffer {
  let level: Buffer[] = []
  for (let at = 0; at < content.length; at += BLOCK_BYTES)
    level.push(sha256(content.subarray(at, at + BLOCK_BYTES)))
  while (!Number.isInteger(Math.log2(level.length))) level.push(ZERO)
  while (level.length > 1) {
    const above: Buffer[] = []
    for (let i = 0; i < level.length; i += 2) above.push(sha256(level[i]!, level[i + 1]!))
    level = above
  }
  return level[0]!
}

function leavesOf(content: Buffer): Buffer {
  const leaves: Buffer[] = []
  for (let at = 0; at < content.length; at += BLOCK_BYTES)
    leaves.push(leafOf(content.subarray(at, at + BLOCK_BYTES)))
  return Buffer.concat(leaves)
}

test('one block is its own root', () => {
  expect(rootOf(leavesOf(Buffer.from('abc')), 0)).toEqual(sha256(Buffer.from('abc')))
})

test('padding is zeros at the leaves, and the root of such a subtree above them', () => {
  expect(paddingAt(0)).toEqual(ZERO)
  expect(paddingAt(2)).toEqual(sha256(sha256(ZERO, ZERO), sha256(ZERO, ZERO)))
})

test.each([1, 2, 3, 4, 5, 7, 8, 9, 31, 33])(
  'the root of %i blocks is the same over the leaves and over pieces of any size',
  (blocks) => {
    const content = Buffer.alloc(blocks * BLOCK_BYTES - 5)
    for (let i = 0; i < content.length; i++) content[i] = (i * 31 + (i >> 14)) & 255
    const root = rootByTheBook(content)
    expect(rootOf(leavesOf(content), 0)).toEqual(root)
    for (let pieceBytes = BLOCK_BYTES; pieceBytes < content.length; pieceBytes *= 2) {
      const layer: Buffer[] = []
      for (let at = 0; at < content.length; at += pieceBytes)
        layer.push(pieceHash(leavesOf(content.subarray(at, at + pieceBytes)), pieceBytes))
      expect(rootOfPieces(Buffer.concat(layer), pieceBytes)).toEqual(root)
    }
  },
)
