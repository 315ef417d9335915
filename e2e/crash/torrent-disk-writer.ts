/**
 * A process that downloads a torrent onto a disk of chunks, as an engine would, until it is killed
 * (torrent-disk.crash.ts). Its arguments: the folder, and the seed of what it does. Lines that it writes:
 *
 *     open <have, hex> <bytes read> <objects read>   the torrent is registered
 *     piece <n>                                      its hash was right: it is verified and durable
 *     clear <n>                                      it is about to be forgotten
 */
import { readFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { randomOf } from '../../src/log/history.ts'
import type { DiskTorrent } from '../../src/torrent/disk-io.ts'
import { readMetainfo } from '../../src/torrent/read-metainfo.ts'
import { BUCKET, openFolderDisk } from '../harness/torrent-disk.ts'

const BLOCK_BYTES = 16_384
/** Pieces that are being downloaded at once. */
const LANES = 6

/** The torrent of `torrent` in a folder, whose bytes are `row`. */
export function torrentIn(folder: string): { readonly torrent: DiskTorrent; readonly row: Buffer } {
  const { info, pieceLayers } = readMetainfo(readFileSync(join(folder, 'torrent')))
  const id = info.hashes.v1!.toString('hex')
  const place = { bucket: BUCKET, prefix: 'p/' }
  return {
    torrent: { id, place, info, pieceLayers },
    row: readFileSync(join(folder, 'row')),
  }
}

/** Not by a stream: what is in its buffer when the process is killed would be lost. */
function say(line: string): void {
  writeSync(1, `${line}\n`)
}

async function main(folder: string, seed: number): Promise<void> {
  const random = randomOf(seed)
  const { torrent, row } = torrentIn(folder)
  const { pieceBytes, pieceCount } = torrent.info
  const { disk } = await openFolderDisk(folder, {
    // So little that pieces are put aside, and chunks so small that there are many.
    disk: { budgetBytes: 1024 ** 2, chunkBytes: 512 * 1024, lingerMs: 20 },
  })
  const { storage, resume } = await disk.register(torrent)
  const { readBytes, upstreamGetBytes } = disk.stats()
  say(`open ${Buffer.from(resume.have).toString('hex')} ${readBytes} ${upstreamGetBytes}`)
  const isHad = (piece: number): boolean => (resume.have[piece >> 3]! & (128 >> (piece & 7))) !== 0
  const missing = Array.from({ length: pieceCount }, (_, i) => i).filter((piece) => !isHad(piece))
  missing.sort(() => random() - 0.5)
  const found = new Map(resume.blocks)
  const had = Array.from({ length: pieceCount }, (_, i) => i).filter(isHad)

  const download = async (piece: number): Promise<void> => {
    const bytes = row.subarray(piece * pieceBytes, (piece + 1) * pieceBytes)
    const isWrong = random() < 0.1
    const there = found.get(piece)
    // What is there after a clear is what was written after it.
    found.delete(piece)
    for (let at = 0; at < bytes.length; at += BLOCK_BYTES) {
      const block = at / BLOCK_BYTES
      const isThere = there !== undefined && (there[block >> 3]! & (128 >> (block & 7))) !== 0
      if (isThere && random() < 0.9) continue
      const part = Uint8Array.from(bytes.subarray(at, at + BLOCK_BYTES))
      if (isWrong) part[0]! ^= 1
      if (disk.writeChunk(storage, piece, at, part)) await disk.drained()
      if (random() < 0.3) await sleep(random() * 3)
    }
    const { v1, v2 } = await disk.hashPieces(storage, piece, { v1: true, v2: true })
    const { pieces } = torrent.info
    const isRight = Buffer.compare(v1!, pieces!.subarray(piece * 20, piece * 20 + 20)) === 0
    if (isRight && v2 !== undefined) return say(`piece ${piece}`)
    await disk.clearPiece(storage, piece)
    missing.push(piece)
  }
  const lane = async (): Promise<void> => {
    for (;;) {
      const piece = missing.pop()
      if (piece !== undefined) await download(piece)
      else await refill()
    }
  }
  // Pieces that were had are forgotten, so that there is always something to do.
  const refill = async (): Promise<void> => {
    const piece = had.splice(Math.floor(random() * had.length), 1)[0]
    if (piece === undefined) return sleep(50)
    say(`clear ${piece}`)
    await disk.clearPiece(storage, piece)
    resume.have[piece >> 3]! &= ~(128 >> (piece & 7))
    missing.push(piece)
  }
  await Promise.all(Array.from({ length: LANES }, lane))
}

if (process.argv[1] === import.meta.filename) await main(process.argv[2]!, Number(process.argv[3]))
