/** For the contract of disks: torrents with the bytes that they are of. */
import { expect, onTestFinished } from 'vitest'
import { createMetainfo, type SourceFile } from '../create-metainfo.ts'
import type { DiskIoBackend, DiskTorrent, StorageIndex } from '../disk-io.ts'
import { BLOCK_BYTES } from '../merkle.ts'
import { readMetainfo } from '../read-metainfo.ts'
import { LocalRowHasher } from '../row-hasher.ts'

export const PIECE_BYTES: number = 64 * 1024
/** A small file, one that ends within a block, one of exactly two pieces, one of a byte, and none. */
const SIZES: readonly number[] = [10_000, 5 * PIECE_BYTES + 20_001, 2 * PIECE_BYTES, 1, 0]

export interface SampleOptions {
  readonly version?: 'v1' | 'v2' | 'hybrid'
  readonly pieceBytes?: number
  readonly sizes?: readonly number[]
  readonly seed?: number
  readonly bucket?: string
  readonly prefix?: string
  /** As of a magnet whose layers have not come yet. */
  readonly withoutLayers?: boolean
}

/** A torrent, and what all of its bytes should be: padding is zeros. */
export interface Sample {
  readonly torrent: DiskTorrent
  /** In the torrent's row of bytes. */
  readonly row: Uint8Array
  /** As a .torrent file. */
  readonly metainfo: Uint8Array
}

/** Bytes that look like noise, always the same for a seed. */
export function noise(sizeBytes: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(sizeBytes)
  let state = (seed * 2_654_435_761 + 1) >>> 0
  for (let i = 0; i < sizeBytes; i++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    bytes[i] = state >>> 24
  }
  return bytes
}

export async function sample(options: SampleOptions = {}): Promise<Sample> {
  const { version = 'v1', pieceBytes = PIECE_BYTES, sizes = SIZES, seed = 1 } = options
  const contents = new Map<string, Uint8Array>()
  const files = sizes.map((sizeBytes, i): SourceFile => {
    const name = `file-${i}`
    const bytes = noise(sizeBytes, seed * 100 + i)
    contents.set(name, bytes)
    return {
      path: [name],
      sizeBytes,
      async *read() {
        if (sizeBytes > 0) yield bytes
      },
    }
  })
  const name = `sample-${seed}`
  const hasher = (of: ConstructorParameters<typeof LocalRowHasher>[0]): LocalRowHasher =>
    new LocalRowHasher(of)
  const metainfo = await createMetainfo(files, { name, version, pieceBytes, hasher })
  const { info, pieceLayers } = readMetainfo(metainfo)
  const row = new Uint8Array(info.totalBytes)
  for (const { path, offset, isPad } of info.files)
    if (!isPad) row.set(contents.get(path.at(-1)!)!, offset)
  return {
    torrent: {
      id: (info.hashes.v1 ?? info.hashes.v2)!.toString('hex'),
      place: { bucket: options.bucket ?? 'b', prefix: options.prefix ?? 'p/' },
      info,
      pieceLayers: options.withoutLayers === true ? new Map() : pieceLayers,
    },
    row,
    metainfo,
  }
}

/** The bytes of one piece. */
export function pieceOf({ torrent, row }: Sample, piece: number): Uint8Array {
  const { pieceBytes } = torrent.info
  return row.subarray(piece * pieceBytes, (piece + 1) * pieceBytes)
}

export function blocksOf(bytes: Uint8Array): { offset: number; bytes: Uint8Array }[] {
  return Array.from({ length: Math.ceil(bytes.length / BLOCK_BYTES) }, (_, i) => ({
    offset: i * BLOCK_BYTES,
    bytes: bytes.subarray(i * BLOCK_BYTES, (i + 1) * BLOCK_BYTES),
  }))
}

/** Writes a whole piece by blocks, each in memory that is used again at once. */
export function writePiece(
  disk: DiskIoBackend,
  storage: StorageIndex,
  of: Sample,
  piece: number,
): boolean {
  let isFull = false
  for (const { offset, bytes } of blocksOf(pieceOf(of, piece))) {
    const lent = Uint8Array.from(bytes)
    isFull = disk.writeChunk(storage, piece, offset, lent)
    lent.fill(0xee)
  }
  return isFull
}

/** All pieces of a torrent, written and verified; as an engine does it, pausing where the disk is full. */
export async function download(
  disk: DiskIoBackend,
  storage: StorageIndex,
  of: Sample,
  pieces: Iterable<number> = Array.from({ length: of.torrent.info.pieceCount }, (_, i) => i),
): Promise<void> {
  const { hashes } = of.torrent.info
  const kinds = { v1: hashes.v1 !== undefined, v2: hashes.v2 !== undefined }
  const hashing: Promise<unknown>[] = []
  for (const piece of pieces) {
    const isFull = writePiece(disk, storage, of, piece)
    const hashed = disk.hashPieces(storage, piece, kinds)
    hashed.catch(() => {})
    hashing.push(hashed)
    if (isFull) await disk.drained()
  }
  await Promise.all(hashing)
}

/** Reads all pieces that are there, and compares. */
export async function expectAll(
  disk: DiskIoBackend,
  storage: StorageIndex,
  of: Sample,
): Promise<void> {
  for (let piece = 0; piece < of.torrent.info.pieceCount; piece++)
    expectBytes(await disk.readPiece(storage, piece), pieceOf(of, piece))
}

/** As `toEqual`, but fast, and silent about a million bytes. */
export function expectBytes(found: Uint8Array, expected: Uint8Array): void {
  if (Buffer.compare(found, expected) === 0) return
  const at = found.findIndex((byte, i) => byte !== expected[i])
  expect(`${found.length} bytes, other from byte ${at} on`).toBe(`${expected.length} bytes`)
}

export type OpenDisk = () => Promise<DiskIoBackend>

/** Closes it with its test. */
export async function opened(open: OpenDisk): Promise<DiskIoBackend> {
  const disk = await open()
  onTestFinished(async () => disk[Symbol.asyncDispose]())
  return disk
}
