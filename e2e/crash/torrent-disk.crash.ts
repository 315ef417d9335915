/**
 * A download killed with SIGKILL at random moments, again and again on the same folder: no piece whose hash
 * was answered is lost, and none is read or hashed again to know so.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { expect, test } from 'vitest'
import { createMetainfo } from '../../src/torrent/create-metainfo.ts'
import { LocalRowHasher } from '../../src/torrent/row-hasher.ts'
import { noise } from '../harness/tree.ts'
import { openFolderDisk } from '../harness/torrent-disk.ts'
import { torrentIn } from './torrent-disk-writer.ts'

/** 200 for the long run. */
const ROUNDS = Number(process.env['SLUICE_CRASH_TORRENT_ROUNDS'] ?? 8)
const WRITER = join(import.meta.dirname, 'torrent-disk-writer.ts')
const PIECE_BYTES = 128 * 1024
const SIZES = [5 * 1024 ** 2 + 333, 100_000, 3 * 1024 ** 2]

async function makeTorrent(folder: string): Promise<void> {
  const files = SIZES.map((sizeBytes, i) => {
    const bytes = noise(sizeBytes, i + 1)
    return { path: [`file-${i}`], sizeBytes, bytes, read: async () => one(bytes) }
  })
  const torrent = await createMetainfo(files, {
    name: 'crash',
    version: 'hybrid',
    pieceBytes: PIECE_BYTES,
    hasher: (options) => new LocalRowHasher(options),
  })
  const row = files.flatMap(({ bytes }) => [
    bytes,
    Buffer.alloc((PIECE_BYTES - (bytes.length % PIECE_BYTES)) % PIECE_BYTES),
  ])
  await writeFile(join(folder, 'torrent'), torrent)
  await writeFile(join(folder, 'row'), Buffer.concat(row))
}

async function* one(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}

/** Runs the writer for a moment. `known`: pieces that must be there, which it changes. */
async function killed(folder: string, seed: number, known: Set<number>): Promise<number> {
  const child = spawn(process.execPath, [WRITER, folder, String(seed)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const exited = once(child, 'exit')
  let done = 0
  try {
    for await (const line of createInterface(child.stdout)) {
      const [word, value = '', ...figures] = line.split(' ')
      if (word === 'open') {
        expectResumed(Buffer.from(value, 'hex'), known, figures.map(Number))
        setTimeout(() => child.kill('SIGKILL'), 20 + Math.random() * 400)
      } else if (word === 'piece') {
        known.add(Number(value))
        done++
      } else if (word === 'clear') known.delete(Number(value))
    }
  } finally {
    child.kill('SIGKILL')
  }
  const [code, signal] = (await exited) as [number | null, string | null]
  expect({ code, signal }).toEqual({ code: null, signal: 'SIGKILL' })
  return done
}

function expectResumed(
  have: Uint8Array,
  known: ReadonlySet<number>,
  [readBytes, fetchedBytes]: readonly number[],
): void {
  const lost = [...known].filter((piece) => (have[piece >> 3]! & (128 >> (piece & 7))) === 0)
  expect(lost).toEqual([])
  expect(readBytes).toBe(0)
  // The information of the torrent and a checkpoint, and no piece.
  expect(fetchedBytes).toBeLessThan(20_000)
}

test(
  `${ROUNDS} rounds of kill -9 during a download lose no verified piece and hash none again`,
  { timeout: 60_000 + ROUNDS * 5000 },
  async () => {
    const folder = await mkdtemp(join(tmpdir(), 'sluice-torrent-'))
    try {
      await makeTorrent(folder)
      const known = new Set<number>()
      let done = 0
      for (let round = 0; round < ROUNDS; round++) done += await killed(folder, round, known)
      expect(done).toBeGreaterThan(ROUNDS)
      await using opened = await openFolderDisk(folder)
      const { torrent, row } = torrentIn(folder)
      const { storage, resume } = await opened.disk.register(torrent)
      for (const piece of known) {
        expect(resume.have[piece >> 3]! & (128 >> (piece & 7)), `piece ${piece}`).not.toBe(0)
        const found = await opened.disk.readPiece(storage, piece)
        const expected = row.subarray(piece * PIECE_BYTES, (piece + 1) * PIECE_BYTES)
        expect(Buffer.compare(found, expected), `piece ${piece}`).toBe(0)
      }
      const signal = new AbortController().signal
      expect(await opened.files.scrub(storage, undefined, signal)).toEqual([])
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  },
)
