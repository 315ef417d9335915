import { expect, test } from 'vitest'
import { sample } from './contract-samples.ts'
import { blockBits, Geometry } from './geometry.ts'
import { Spans } from './spans.ts'

test.each(['v1', 'v2', 'hybrid'] as const)(
  '%s: kept bytes are those of files, and all others padding',
  async (version) => {
    const { torrent } = await sample({ version })
    const geometry = new Geometry(torrent)
    const { info } = torrent
    const isFile = new Uint8Array(info.totalBytes)
    for (const { offset, sizeBytes, isPad } of info.files)
      if (!isPad) isFile.fill(1, offset, offset + sizeBytes)
    for (let piece = 0; piece < info.pieceCount; piece++) {
      const at = piece * info.pieceBytes
      const length = geometry.lengthOf(piece)
      const pads = geometry.padsOf(piece)
      let kept = 0
      for (let i = 0; i < length; i++) {
        if ((isFile[at + i] === 1) === pads.covers(i, i + 1)) expect(`${piece}: ${i}`).toBe('right')
        if (i % 997 === 0) expect(geometry.keptBefore(piece, i)).toBe(kept)
        kept += isFile[at + i]!
      }
      expect(geometry.keptBytesOf(piece)).toBe(kept)
      expect(geometry.isPadded(piece)).toBe(kept < length)
    }
  },
)

test('pieces over bytes are told with what of each is meant', async () => {
  const { torrent } = await sample({ sizes: [300] })
  const geometry = new Geometry({
    ...torrent,
    info: { ...torrent.info, pieceBytes: 100, pieceCount: 3 },
  })
  expect([...geometry.piecesIn(50, 250)]).toEqual([
    { piece: 0, start: 50, end: 100 },
    { piece: 1, start: 0, end: 100 },
    { piece: 2, start: 0, end: 50 },
  ])
  expect([...geometry.piecesIn(100, 100)]).toEqual([])
})

test('a block counts once all of it is there, the last one as short as it is', () => {
  const spans = new Spans([0, 16_384, 20_000, 32_768, 32_768, 40_000])
  expect(blockBits(spans, 40_000)).toEqual(new Uint8Array([0b1010_0000]))
})
