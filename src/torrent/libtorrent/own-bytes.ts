/**
 * Of a torrent of version 2 alone, libtorrent fills each file up to a whole piece with zeros, and reads and
 * writes them like all others. Our disk knows the bytes of files only.
 */
import type { Info } from '../metainfo.ts'

/** Bytes at the beginning of each piece that are a file's; undefined: pieces are as long as they seem. */
export function ownBytes(info: Info): Int32Array | undefined {
  if (info.hashes.v1 !== undefined) return undefined
  const { pieceBytes } = info
  const own = new Int32Array(info.pieceCount).fill(pieceBytes)
  for (const { offset, sizeBytes } of info.files) {
    const end = offset + sizeBytes
    if (end % pieceBytes !== 0) own[Math.floor(end / pieceBytes)] = end % pieceBytes
  }
  return own
}
