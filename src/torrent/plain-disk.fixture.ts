/** A disk in memory for tests of engines: no bound, nothing durable, no journal but `resume`. */
import { hash } from 'node:crypto'
import {
  type DiskIoBackend,
  type DiskStats,
  type DiskTorrent,
  DiskError,
  type HashKinds,
  type PieceHashes,
  type Registered,
} from './disk-io.ts'
import { BLOCK_BYTES, leafOf, pieceHash, rootOf } from './merkle.ts'

interface Held {
  readonly torrent: DiskTorrent
  readonly row: Buffer
  readonly have: Uint8Array
}

export class PlainDisk implements DiskIoBackend {
  readonly name = 'plain'
  readonly held: Map<number, Held> = new Map()
  readonly registrations: Map<string, Held> = new Map()
  /** Called before each write and read; throws where the test wants an error. */
  fault: (what: 'read' | 'write' | 'hash') => void = () => {}
  isFull = false
  hashed = 0
  blocks: ReadonlyMap<number, Uint8Array> = new Map()
  #drained: (() => void)[] = []
  #last = 0

  async register(torrent: DiskTorrent): Promise<Registered> {
    const { info } = torrent
    const held = this.registrations.get(torrent.id) ?? {
      torrent,
      row: Buffer.alloc(info.totalBytes),
      have: new Uint8Array(Math.ceil(info.pieceCount / 8)),
    }
    this.registrations.set(torrent.id, held)
    this.held.set(++this.#last, held)
    return { storage: this.#last, resume: { have: held.have.slice(), blocks: this.blocks } }
  }
  async unregister(storage: number): Promise<void> {
    this.held.delete(storage)
  }
  writeChunk(storage: number, piece: number, offset: number, bytes: Uint8Array): boolean {
    this.fault('write')
    const { row, torrent } = this.#of(storage)
    row.set(bytes, piece * torrent.info.pieceBytes + offset)
    return this.isFull
  }
  writeBlockDirect(s: number, p: number, at: number, a: Uint8Array, b: Uint8Array): boolean {
    this.writeChunk(s, p, at, a)
    return this.writeChunk(s, p, at + a.length, b)
  }
  drained(): Promise<void> {
    return this.isFull ? new Promise((resolve) => this.#drained.push(resolve)) : Promise.resolve()
  }
  drain(): void {
    this.isFull = false
    for (const resolve of this.#drained.splice(0)) resolve()
  }
  async readChunk(s: number, piece: number, offset: number, length: number): Promise<Uint8Array> {
    this.fault('read')
    const { row, torrent } = this.#of(s)
    const at = piece * torrent.info.pieceBytes + offset
    return row.subarray(at, at + length)
  }
  async readPiece(storage: number, piece: number): Promise<Uint8Array> {
    return this.#piece(storage, piece)
  }
  async hashPiece(storage: number, piece: number): Promise<Uint8Array> {
    return (await this.hashPieces(storage, piece, { v1: true, v2: false })).v1!
  }
  async hashPieceV2(storage: number, piece: number): Promise<Uint8Array> {
    return (await this.hashPieces(storage, piece, { v1: false, v2: true })).v2!
  }
  async hashPieces(storage: number, piece: number, kinds: HashKinds): Promise<PieceHashes> {
    this.fault('hash')
    this.hashed++
    const { torrent, have } = this.#of(storage)
    const bytes = this.#piece(storage, piece)
    const v1 = kinds.v1 ? hash('sha1', bytes, 'buffer') : undefined
    const { info } = torrent
    const start = piece * info.pieceBytes
    const file = info.files.find(
      (each) =>
        !each.isPad && each.offset < start + bytes.length && start < each.offset + each.sizeBytes,
    )
    const own =
      file === undefined ? 0 : Math.min(info.pieceBytes, file.offset + file.sizeBytes - start)
    const leaves: Buffer[] = []
    for (let at = 0; kinds.v2 && at < own; at += BLOCK_BYTES)
      leaves.push(leafOf(bytes.subarray(at, Math.min(at + BLOCK_BYTES, own))))
    const isSmall = file !== undefined && file.sizeBytes <= info.pieceBytes
    const joined = Buffer.concat(leaves)
    const isRight =
      v1 === undefined || v1.equals(info.pieces!.subarray(piece * 20, piece * 20 + 20))
    if (isRight) have[piece >> 3]! |= 0x80 >> (piece & 7)
    const v2 = isSmall
      ? rootOf(joined, 0)
      : kinds.v2
        ? pieceHash(joined, info.pieceBytes)
        : undefined
    return { v1, v2: kinds.v2 ? v2 : undefined, leaves: kinds.v2 ? joined : undefined }
  }
  async hashBlock(storage: number, piece: number, offset: number): Promise<Uint8Array> {
    return leafOf(this.#piece(storage, piece).subarray(offset, offset + BLOCK_BYTES))
  }
  async clearPiece(): Promise<void> {}
  async flushPiece(): Promise<void> {}
  async flushAll(): Promise<void> {}
  async erase({ id }: Pick<DiskTorrent, 'id'>): Promise<void> {
    this.registrations.delete(id)
  }
  cachedPieces(): [] {
    return []
  }
  stats(): DiskStats {
    throw new Error('a plain disk counts nothing')
  }
  async [Symbol.asyncDispose](): Promise<void> {}

  #of(storage: number): Held {
    const held = this.held.get(storage)
    if (held === undefined) throw new DiskError(`nothing is registered as ${storage}`)
    return held
  }
  #piece(storage: number, piece: number): Buffer {
    const { row, torrent } = this.#of(storage)
    const start = piece * torrent.info.pieceBytes
    return row.subarray(start, start + torrent.info.pieceBytes)
  }
}
