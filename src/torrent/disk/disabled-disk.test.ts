import { expect, test } from 'vitest'
import { opened, sample, writePiece } from './contract-samples.ts'
import { DisabledDisk } from './disabled-disk.ts'

test('a disabled disk takes everything, keeps nothing, and calls every piece good', async () => {
  const disk = await opened(async () => new DisabledDisk())
  const of = await sample({ version: 'hybrid' })
  const { storage } = await disk.register(of.torrent)
  expect(writePiece(disk, storage, of, 1)).toBe(false)
  const { v1, v2 } = await disk.hashPieces(storage, 1, { v1: true, v2: true })
  expect(v1).toEqual(of.torrent.info.pieces!.subarray(20, 40))
  expect(v2?.length).toBe(32)
  expect(await disk.readChunk(storage, 1, 0, 10)).toEqual(new Uint8Array(10))
  expect(disk.cachedPieces(storage)).toEqual([])
  expect(() => disk.writeChunk(storage, 99, 0, new Uint8Array(1))).toThrow(RangeError)
  await disk.unregister(storage)
  const { resume } = await disk.register(of.torrent)
  expect([...resume.have].every((byte) => byte === 0)).toBe(true)
})

test('its zeros are what a torrent of a magnet is told where nothing is known', async () => {
  const disk = await opened(async () => new DisabledDisk())
  const of = await sample({ version: 'v2', withoutLayers: true })
  const { storage } = await disk.register(of.torrent)
  expect((await disk.hashPieceV2(storage, 1)).length).toBe(32)
})
