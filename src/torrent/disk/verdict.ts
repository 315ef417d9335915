/** Whether a piece is what its torrent says. */
import type { HashKinds, PieceHashes } from '../disk-io.ts'
import type { ExpectedHashes } from './geometry.ts'

/** `unknown`: the torrent cannot say. */
export type Verdict = 'good' | 'bad' | 'unknown'

/** Of a hybrid both have to agree; what it cannot say yet (layers of a magnet) does not count. */
export function verdictOf(hashes: PieceHashes, expected: ExpectedHashes): Verdict {
  const first = compared(hashes.v1, expected.v1)
  const second = compared(hashes.v2, expected.v2)
  if (first === 'bad' || second === 'bad') return 'bad'
  return first === 'good' || second === 'good' ? 'good' : 'unknown'
}

function compared(found: Uint8Array | undefined, expected: Uint8Array | undefined): Verdict {
  if (found === undefined || expected === undefined) return 'unknown'
  return Buffer.compare(found, expected) === 0 ? 'good' : 'bad'
}

/** Of the hashes, those that are wanted. */
export function onlyOf(kinds: HashKinds, { v1, v2, leaves }: PieceHashes): PieceHashes {
  return {
    v1: kinds.v1 ? v1 : undefined,
    v2: kinds.v2 ? v2 : undefined,
    leaves: kinds.v2 ? leaves : undefined,
  }
}

/** The bit of a piece or a block, in BitTorrent's order. */
export function setBit(bits: Uint8Array, index: number): void {
  bits[index >> 3]! |= 128 >> (index & 7)
}

export function hasBit(bits: Uint8Array, index: number): boolean {
  return (bits[index >> 3]! & (128 >> (index & 7))) !== 0
}
