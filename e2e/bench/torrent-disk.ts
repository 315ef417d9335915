/**
 * What a torrent's disk costs, without peers: blocks in, hashes out, everything durable in the end.
 *
 *     node tools/run.cjs node e2e/bench/torrent-disk.ts [--mib 256] [--rounds 5]
 *     node tools/run.cjs node e2e/bench/torrent-disk.ts --resume 1000000
 *
 * `bare` is the least that can be done: the same bytes copied once, hashed, written to a file and synced.
 * Runs are interleaved, figures are medians. CPU seconds count all threads of the process.
 */
import { createHash, hash, randomBytes } from 'node:crypto'
import { closeSync, fsyncSync, openSync, writeSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { createMetainfo } from '../../src/torrent/create-metainfo.ts'
import type { DiskIoBackend, DiskTorrent } from '../../src/torrent/disk-io.ts'
import { DisabledDisk } from '../../src/torrent/disk/disabled-disk.ts'
import type { ChunkStore, Run } from '../../src/torrent/disk/chunk-store.ts'
import { writeCheckpoint } from '../../src/torrent/disk/checkpoint.ts'
import { type JournalEntry, JournalKeys } from '../../src/torrent/disk/journal-keys.ts'
import { Spans } from '../../src/torrent/disk/spans.ts'
import { encodeRanges } from '../../src/torrent/disk/varints.ts'
import { MemoryDisk } from '../../src/torrent/disk/memory-disk.ts'
import { readMetainfo } from '../../src/torrent/read-metainfo.ts'
import { LocalRowHasher } from '../../src/torrent/row-hasher.ts'
import { BUCKET, openFolderDisk } from '../harness/torrent-disk.ts'

const BLOCK_BYTES = 16_384
const MIB = 1024 ** 2
/** Pieces whose blocks come at the same time. */
const LANES = 8

export interface DiskFigures {
  readonly cpuSeconds: number
  readonly seconds: number
  /** Growth over what was there before, at its most. */
  readonly rssMiB: number
  readonly dirtyMiB: number
  readonly puts: number
  readonly putMiB: number
}

export interface Load {
  readonly torrent: DiskTorrent
  readonly row: Uint8Array
}

/** A hybrid of one file. */
export async function makeLoad(mib: number, pieceBytes: number = MIB): Promise<Load> {
  const row = randomBytes(mib * MIB)
  const file = { path: ['load'], sizeBytes: row.length, read: async () => inChunks(row) }
  const metainfo = await createMetainfo([file], {
    name: 'load',
    version: 'hybrid',
    pieceBytes,
    hasher: (options) => new LocalRowHasher(options),
  })
  const { info, pieceLayers } = readMetainfo(metainfo)
  const id = info.hashes.v1!.toString('hex')
  return { torrent: { id, place: { bucket: BUCKET, prefix: '' }, info, pieceLayers }, row }
}

async function* inChunks(row: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < row.length; at += MIB) yield row.subarray(at, at + MIB)
}

/** Brings all of it onto the disk, as peers would bring it, and waits until it is durable. */
export async function measureDisk(
  disk: DiskIoBackend,
  { torrent, row }: Load,
): Promise<DiskFigures> {
  const { storage } = await disk.register(torrent)
  const { pieceBytes, pieceCount } = torrent.info
  const rssBefore = process.memoryUsage().rss
  let [rss, dirty] = [rssBefore, 0]
  const before = process.cpuUsage()
  const begin = performance.now()
  let next = 0
  const hashing: Promise<unknown>[] = []
  const lane = async (): Promise<void> => {
    for (let piece = next++; piece < pieceCount; piece = next++) {
      const bytes = row.subarray(piece * pieceBytes, (piece + 1) * pieceBytes)
      for (let at = 0; at < bytes.length; at += BLOCK_BYTES) {
        if (disk.writeChunk(storage, piece, at, bytes.subarray(at, at + BLOCK_BYTES)))
          await disk.drained()
        // Other pieces' blocks come in between.
        if (at % (8 * BLOCK_BYTES) === 0) await new Promise((resolve) => setImmediate(resolve))
      }
      dirty = Math.max(dirty, disk.stats().dirtyBytesNow)
      rss = Math.max(rss, process.memoryUsage.rss())
      hashing.push(disk.hashPieces(storage, piece, { v1: true, v2: true }))
    }
  }
  await Promise.all(Array.from({ length: LANES }, lane))
  await Promise.all(hashing)
  await disk.flushAll(storage)
  const seconds = (performance.now() - begin) / 1000
  const { user, system } = process.cpuUsage(before)
  const { upstreamPuts, upstreamPutBytes } = disk.stats()
  await disk.unregister(storage)
  return {
    cpuSeconds: (user + system) / 1e6,
    seconds,
    rssMiB: (rss - rssBefore) / MIB,
    dirtyMiB: dirty / MIB,
    puts: upstreamPuts,
    putMiB: upstreamPutBytes / MIB,
  }
}

/** The same bytes to a file, hashed on the way. */
function measureBare(folder: string, { row }: Load): DiskFigures {
  const before = process.cpuUsage()
  const begin = performance.now()
  const file = openSync(join(folder, 'bare'), 'w')
  const piece = Buffer.alloc(MIB)
  for (let at = 0; at < row.length; at += MIB) {
    for (let block = 0; block < MIB; block += BLOCK_BYTES)
      piece.set(row.subarray(at + block, at + block + BLOCK_BYTES), block)
    createHash('sha1').update(piece).digest()
    for (let block = 0; block < MIB; block += BLOCK_BYTES)
      hash('sha256', piece.subarray(block, block + BLOCK_BYTES), 'buffer')
    writeSync(file, piece)
  }
  fsyncSync(file)
  closeSync(file)
  const seconds = (performance.now() - begin) / 1000
  const { user, system } = process.cpuUsage(before)
  return { cpuSeconds: (user + system) / 1e6, seconds, rssMiB: 0, dirtyMiB: 0, puts: 0, putMiB: 0 }
}

/** A store that takes so many bytes a second. */
export class SlowChunks implements Pick<ChunkStore, 'put'> {
  readonly #store: ChunkStore
  readonly #bytesPerSecond: number
  #free = 0

  constructor(store: ChunkStore, bytesPerSecond: number) {
    this.#store = store
    this.#bytesPerSecond = bytesPerSecond
  }

  async put(bucket: string, key: string, body: readonly Uint8Array[]): Promise<string | undefined> {
    const bytes = body.reduce((sum, { length }) => sum + length, 0)
    const now = performance.now()
    this.#free = Math.max(now, this.#free) + (bytes / this.#bytesPerSecond) * 1000
    await sleep(this.#free - now)
    return this.#store.put(bucket, key, body)
  }

  /** As a whole store: the rest is as fast as it is. */
  whole(): ChunkStore {
    const store = this.#store
    return {
      put: (bucket, key, body) => this.put(bucket, key, body),
      get: (bucket, run: Run) => store.get(bucket, run),
      find: (bucket, key) => store.find(bucket, key),
      list: (bucket, prefix, after) => store.list(bucket, prefix, after),
      remove: (bucket, key, version) => store.remove(bucket, key, version),
      removeAll: (bucket, prefix) => store.removeAll(bucket, prefix),
      assemble: (bucket, key, runs, words) => store.assemble(bucket, key, runs, words),
      look: (bucket, key) => store.look(bucket, key),
    }
  }
}

/**
 * How long it takes to register a torrent of so many pieces of 256 KiB, all of which are had: in chunks of
 * 32 pieces of any place in it, a ninth of them newer than the checkpoint. In milliseconds.
 */
export async function measureResume(pieceCount: number): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-disk-'))
  try {
    const torrent = await torrentOf(pieceCount)
    const keys = new JournalKeys(torrent)
    const entries = entriesOf(pieceCount)
    const old = entries.slice(0, Math.floor((entries.length * 8) / 9))
    await using opened = await openFolderDisk(folder)
    const checkpoint = { seq: old.at(-1)!.seq, pieceCount, entries: old }
    await opened.store.put(BUCKET, keys.info, [torrent.info.encoded])
    await opened.store.put(BUCKET, keys.checkpoint(checkpoint.seq), [writeCheckpoint(checkpoint)])
    const tail = entries.slice(old.length)
    for (let at = 0; at < tail.length; at += 100)
      await Promise.all(
        tail.slice(at, at + 100).map((each) => opened.store.put(BUCKET, keys.entry(each), [])),
      )
    const begin = performance.now()
    const { resume } = await opened.disk.register(torrent)
    const ms = performance.now() - begin
    const had = resume.have.reduce((sum, byte) => sum + (byte === 255 ? 8 : 0), 0)
    if (had !== pieceCount) throw new Error(`${had} of ${pieceCount} pieces were found`)
    return ms
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** A torrent of version 1 with one file; what it says of its bytes is of no matter here. */
async function torrentOf(pieceCount: number): Promise<DiskTorrent> {
  const { torrent } = await makeLoad(1)
  const pieceBytes = MIB / 4
  const totalBytes = pieceCount * pieceBytes
  const [file] = torrent.info.files
  return {
    ...torrent,
    info: {
      ...torrent.info,
      hashes: { v1: torrent.info.hashes.v1! },
      files: [{ ...file!, sizeBytes: totalBytes, root: undefined }],
      pieces: new Uint8Array(20 * pieceCount),
      pieceBytes,
      pieceCount,
      totalBytes,
    },
  }
}

function entriesOf(pieceCount: number): JournalEntry[] {
  const pieces = new Uint32Array(pieceCount).map((_, i) => i)
  for (let i = pieceCount - 1; i > 0; i--) {
    const other = Math.floor(Math.random() * (i + 1))
    const swapped = pieces[i]!
    pieces[i] = pieces[other]!
    pieces[other] = swapped
  }
  return Array.from({ length: Math.ceil(pieceCount / 32) }, (_, i) => {
    const spans = new Spans()
    for (const piece of pieces.slice(i * 32, (i + 1) * 32).sort()) spans.add(piece, piece + 1)
    return { seq: i + 1, isChunk: true, ranges: encodeRanges(spans.edges) }
  })
}

type Kind =
  | 'bare'
  | 'disabled'
  | 'memory'
  | 'chunk on fs'
  | 'chunk on fs, sealed'
  | 'chunk, 10 MB/s'

async function measure(kind: Kind, load: Load): Promise<DiskFigures> {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-disk-'))
  try {
    if (kind === 'bare') return measureBare(folder, load)
    if (kind === 'disabled' || kind === 'memory') {
      await using disk = kind === 'memory' ? new MemoryDisk() : new DisabledDisk()
      return await measureDisk(disk, load)
    }
    const { createSecretKey } = await import('node:crypto')
    await using opened = await openFolderDisk(folder, {
      ...(kind === 'chunk on fs, sealed' && {
        seal: { keys: [{ id: 'bench', key: createSecretKey(randomBytes(32)) }] },
      }),
      ...(kind === 'chunk, 10 MB/s' && {
        between: (store: ChunkStore) => new SlowChunks(store, 10e6).whole(),
      }),
    })
    return await measureDisk(opened.disk, load)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1]!
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      mib: { type: 'string', default: '256' },
      rounds: { type: 'string', default: '5' },
      resume: { type: 'string', default: '0' },
      only: { type: 'string', default: 'bare,disabled,memory,chunk on fs,chunk on fs; sealed' },
    },
  })
  const pieces = Number(values.resume)
  if (pieces > 0) {
    const ms = await measureResume(pieces)
    return console.log(`${pieces} pieces are had again after ${ms.toFixed(0)} ms`)
  }
  const load = await makeLoad(Number(values.mib))
  const kinds = values.only.split(',').map((kind) => kind.replace(';', ',') as Kind)
  const runs = new Map(kinds.map((kind) => [kind, [] as DiskFigures[]]))
  for (let round = 0; round < Number(values.rounds); round++)
    for (const kind of kinds) runs.get(kind)!.push(await measure(kind, load))
  for (const [kind, figures] of runs) {
    const of = (pick: (each: DiskFigures) => number): number => median(figures.map(pick))
    console.log(
      [
        kind.padEnd(20),
        `${of((f) => f.cpuSeconds).toFixed(2)} cpu-s`,
        `${(Number(values.mib) / of((f) => f.seconds)).toFixed(0)} MiB/s`,
        `rss +${of((f) => f.rssMiB).toFixed(0)} MiB`,
        `dirty ${of((f) => f.dirtyMiB).toFixed(0)} MiB`,
        `${of((f) => f.puts)} puts`,
        `${(of((f) => f.putMiB) / Number(values.mib)).toFixed(3)}x`,
      ].join('  '),
    )
  }
}

if (process.argv[1] === import.meta.filename) await main()
