/** For the contract of engines: a disk that can be made to fail, and small swarms on this machine. */
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, onTestFinished } from 'vitest'
import {
  download,
  pieceOf,
  sample,
  type Sample,
  type SampleOptions,
} from './disk/contract-samples.ts'
import { MemoryDisk } from './disk/memory-disk.ts'
import type { HashKinds, PieceHashes, Registered, StorageIndex } from './disk-io.ts'
import type { EngineEvents, EngineOptions, TorrentEngine, TorrentOrder } from './engine.ts'

/** Opens an engine; who asks closes it. */
export type OpenEngine = (
  disk: TriedDisk,
  options: EngineOptions,
  events: EngineEvents,
) => Promise<TorrentEngine>

/** What happens in a swarm of two takes less. */
const PATIENCE_MS = 15_000

export type DiskCall = 'read' | 'write' | 'hash' | 'other'

/** A disk in memory that tells of its calls, and fails, waits and lies where a test says so. */
export class TriedDisk extends MemoryDisk {
  /** Throws where the call should fail. */
  fault: (call: DiskCall, piece: number) => void = () => {}
  /** What a read is answered with. */
  spoil: (bytes: Uint8Array) => Uint8Array = (bytes) => bytes
  /** Each hash waits for it. */
  hashing: Promise<unknown> = Promise.resolve()
  readonly written: Set<number> = new Set()
  readonly hashed: Set<number> = new Set()
  /** Calls on a storage, and when the last one was begun or ended. */
  calls = 0
  #full: PromiseWithResolvers<void> | undefined

  /** From here on each write is told that the disk is full. */
  fill(): void {
    this.#full = Promise.withResolvers<void>()
  }

  drain(): void {
    this.#full?.resolve()
    this.#full = undefined
  }

  override writeChunk(
    storage: StorageIndex,
    piece: number,
    offset: number,
    bytes: Uint8Array,
  ): boolean {
    this.calls++
    this.fault('write', piece)
    this.written.add(piece)
    return super.writeChunk(storage, piece, offset, bytes) || this.#full !== undefined
  }

  override async drained(): Promise<void> {
    await this.#full?.promise
  }

  override async readChunk(
    storage: StorageIndex,
    piece: number,
    offset: number,
    length: number,
  ): Promise<Uint8Array> {
    this.calls++
    this.fault('read', piece)
    return this.spoil(await super.readChunk(storage, piece, offset, length))
  }

  override async hashPieces(
    storage: StorageIndex,
    piece: number,
    kinds: HashKinds,
  ): Promise<PieceHashes> {
    this.calls++
    this.fault('hash', piece)
    this.hashed.add(piece)
    await this.hashing
    const hashes = await super.hashPieces(storage, piece, kinds)
    this.calls++
    return hashes
  }

  override async flushAll(storage?: StorageIndex): Promise<void> {
    this.calls++
    return super.flushAll(storage)
  }
}

/** An engine with its disk, and what it has told. */
export interface Member {
  readonly engine: TorrentEngine
  readonly disk: TriedDisk
  /** In the order of their coming. */
  readonly pieces: number[]
  readonly done: Set<string>
  readonly errors: { readonly id: string; readonly error: Error }[]
}

export async function member(
  open: OpenEngine,
  limits: Partial<EngineOptions['limits']> = {},
): Promise<Member> {
  const disk = new TriedDisk()
  const told = { pieces: [] as number[], done: new Set<string>(), errors: [] as Member['errors'] }
  const engine = await open(
    disk,
    {
      listen: { host: '127.0.0.1', port: 0 },
      finds: { dht: false, local: false, portMapping: false },
      limits: { downloadRateMax: 0, uploadRateMax: 0, connectionsMax: 0, ...limits },
    },
    {
      onPiece: (_, piece) => void told.pieces.push(piece),
      onDone: (id) => void told.done.add(id),
      onError: (id, error) => void told.errors.push({ id, error }),
    },
  )
  onTestFinished(async () => {
    disk.drain()
    await engine[Symbol.asyncDispose]()
    await disk[Symbol.asyncDispose]()
  })
  return { engine, disk, ...told }
}

export function orderOf(
  of: Sample,
  registered: Registered,
  rest: Partial<TorrentOrder> = {},
): TorrentOrder {
  return {
    id: of.torrent.id,
    source: { metainfo: of.metainfo, registered },
    trackers: [],
    wanted: undefined,
    seeds: true,
    ...rest,
  }
}

/** Registers the torrent with the member's disk, and gives it to the engine. */
export async function give(
  { engine, disk }: Member,
  of: Sample,
  rest: Partial<TorrentOrder> = {},
): Promise<Registered> {
  const registered = await disk.register(of.torrent)
  await engine.add(orderOf(of, registered, rest))
  return registered
}

/** Puts the pieces (all, by default) on the member's disk, as if they had been downloaded before. */
export async function fillWith(
  { disk }: Member,
  of: Sample,
  pieces?: Iterable<number>,
): Promise<void> {
  const { storage } = await disk.register(of.torrent)
  await download(disk, storage, of, pieces)
  await disk.unregister(storage)
  disk.written.clear()
  disk.hashed.clear()
}

/** A member that has all of it and serves it. */
export async function seeder(
  open: OpenEngine,
  of: Sample,
  limits: Partial<EngineOptions['limits']> = {},
): Promise<Member> {
  const seed = await member(open, limits)
  await fillWith(seed, of)
  await give(seed, of)
  return seed
}

export function connect(one: Member, of: Sample, other: Member): void {
  one.engine.addPeer(of.torrent.id, '127.0.0.1', other.engine.port)
}

/** Waits until it holds. */
export async function until(what: string, holds: () => boolean): Promise<void> {
  for (const end = Date.now() + PATIENCE_MS; !holds();) {
    if (Date.now() > end) expect.fail(`it never came to be: ${what}`)
    await sleep(10)
  }
}

export function isDone(one: Member, of: Sample): boolean {
  return one.done.has(of.torrent.id)
}

/** All bytes of these pieces, or of all of them, are on the disk as they should be. */
export async function expectPieces(
  { disk }: Member,
  { storage }: Registered,
  of: Sample,
  pieces: Iterable<number> = Array.from({ length: of.torrent.info.pieceCount }, (_, i) => i),
): Promise<void> {
  for (const piece of pieces) {
    const found = await disk.readPiece(storage, piece)
    expect(Buffer.compare(found, pieceOf(of, piece)), `piece ${piece}`).toBe(0)
  }
}

/** Forty pieces and a bit, in four files. */
export function movie(options: SampleOptions = {}): Promise<Sample> {
  const piece = 64 * 1024
  return sample({ sizes: [10 * piece + 1, 20 * piece, 16_385, 10 * piece], ...options })
}
