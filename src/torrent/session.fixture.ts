/** For tests: a session over a fake engine, a disk in memory, and the real S3 on memory stores. */
import { MemoryStore } from '../../metadata/memory.ts'
import { MemoryStorage } from '../../storage/memory.ts'
import { UNRESTRICTED } from '../api/access.ts'
import { S3Error } from '../api/error.ts'
import type { Call, S3Api } from '../api/operations.ts'
import { payloadOf } from '../api/payload-of.ts'
import { SILENT } from '../lib/meter.ts'
import { Ulids } from '../lib/ulid.ts'
import { openS3, type S3 } from '../s3/open.ts'
import { bytesOf, FixtureClock, OPTIONS, OWNER } from '../s3/s3.fixture.ts'
import { createMetainfo, type CreateOptions, type TorrentVersion } from './create-metainfo.ts'
import { MemoryDisk } from './disk/memory-disk.ts'
import type { DiskIoBackend } from './disk-io.ts'
import { FakeEngine, type Seeded } from './engine.fixture.ts'
import type { FileStore } from './file-store.ts'
import type { Info } from './metainfo.ts'
import { readMetainfo } from './read-metainfo.ts'
import { TorrentRegistry } from './registry.ts'
import { LocalRowHasher } from './row-hasher.ts'
import { TorrentSession } from './session.ts'
import { SESSION_DEFAULTS, type SessionOptions } from './session-parts.ts'
import type { AddRequest } from './torrent-input.ts'

export const CALL: Call = {
  requestId: 'TESTTESTTESTTEST',
  requester: { id: OWNER[0], displayName: OWNER[1] },
  access: UNRESTRICTED,
  signal: new AbortController().signal,
}

export const PIECE_BYTES = 32_768

/** Bytes that do not repeat from block to block. */
export function content(sizeBytes: number, seed = 1): Buffer {
  const bytes = Buffer.alloc(sizeBytes)
  for (let i = 0; i < sizeBytes; i++) bytes[i] = (i * seed + (i >> 8) * 7 + (i >> 16) + seed) & 255
  return bytes
}

/** A torrent with these files, and what the swarm has of it. */
export interface Made extends Seeded {
  readonly file: Buffer
  readonly id: string
  readonly contents: Readonly<Record<string, Buffer>>
}

export async function made(
  contents: Readonly<Record<string, Buffer>>,
  options: Partial<CreateOptions> & { readonly version?: TorrentVersion } = {},
): Promise<Made> {
  const sources = Object.entries(contents).map(([path, bytes]) => ({
    path: path.split('/'),
    sizeBytes: bytes.length,
    async *read() {
      if (bytes.length > 0) yield bytes
    },
  }))
  const file = await createMetainfo(sources, {
    name: 'show',
    version: 'v1',
    pieceBytes: PIECE_BYTES,
    hasher: (of) => new LocalRowHasher(of),
    ...options,
  })
  const metainfo = readMetainfo(file)
  const { info } = metainfo
  const row = new Uint8Array(info.totalBytes)
  for (const { path, offset, isPad } of info.files)
    if (!isPad) row.set(contents[path.join('/')]!, offset)
  const id = (info.hashes.v1 ?? info.hashes.v2)!.toString('hex')
  return { file, metainfo, row, id, contents }
}

/** Makes objects by reading and putting; finds damage where a test says there is some. */
export class PlainFiles implements FileStore {
  readonly infos: Map<number, Info> = new Map()
  readonly damaged: Set<number> = new Set()
  readonly assembled: string[] = []
  failing: Error | undefined
  readonly #disk: DiskIoBackend
  readonly #api: S3Api

  constructor(disk: DiskIoBackend, api: S3Api) {
    this.#disk = disk
    this.#api = api
  }

  async assemble(
    storage: number,
    file: number,
    { bucket, key }: { readonly bucket: string; readonly key: string },
  ): Promise<string> {
    if (this.failing !== undefined) throw this.failing
    const { files, pieceBytes } = this.infos.get(storage)!
    const { offset, sizeBytes } = files[file]!
    const parts: Uint8Array[] = []
    for (let at = offset; at < offset + sizeBytes;) {
      const piece = Math.floor(at / pieceBytes)
      const end = Math.min((piece + 1) * pieceBytes, offset + sizeBytes)
      parts.push(await this.#disk.readChunk(storage, piece, at - piece * pieceBytes, end - at))
      at = end
    }
    const Body = payloadOf(Buffer.concat(parts))
    const { ETag: etag } = await this.#api.PutObject!({ Bucket: bucket, Key: key, Body }, CALL)
    this.assembled.push(key)
    return etag!
  }

  async adopt(
    storage: number,
    file: number,
    from: { readonly bucket: string; readonly key: string },
  ): Promise<readonly number[]> {
    const info = this.infos.get(storage)!
    const { offset, sizeBytes } = info.files[file]!
    const { Body } = await this.#api.GetObject!({ Bucket: from.bucket, Key: from.key }, CALL)
    const bytes = await bytesOf(Body)
    const adopted: number[] = []
    const first = Math.ceil(offset / info.pieceBytes)
    for (let piece = first; piece < info.pieceCount; piece++) {
      const start = piece * info.pieceBytes - offset
      const end = Math.min(start + info.pieceBytes, info.totalBytes - offset)
      if (end > sizeBytes) break
      this.#disk.writeChunk(storage, piece, 0, bytes.subarray(start, end))
      const hash = await this.#disk.hashPiece(storage, piece)
      if (Buffer.compare(hash, info.pieces!.subarray(piece * 20, piece * 20 + 20)) === 0)
        adopted.push(piece)
      else await this.#disk.clearPiece(storage, piece)
    }
    return adopted
  }

  async adoptFrom(): Promise<readonly number[]> {
    return []
  }

  async scrub(storage: number, pieces: readonly number[] | undefined): Promise<readonly number[]> {
    const found = [...this.damaged].filter(
      (piece) => pieces === undefined || pieces.includes(piece),
    )
    for (const piece of found) {
      this.damaged.delete(piece)
      await this.#disk.clearPiece(storage, piece)
    }
    return found
  }
}

/** A memory disk that tells the store of files what is registered, and can be away. */
export class RigDisk extends MemoryDisk {
  files: PlainFiles | undefined
  failing: Error | undefined

  override async register(
    torrent: Parameters<MemoryDisk['register']>[0],
  ): ReturnType<MemoryDisk['register']> {
    if (this.failing !== undefined) throw this.failing
    const registered = await super.register(torrent)
    this.files?.infos.set(registered.storage, torrent.info)
    return registered
  }

  override async hashPieces(
    ...of: Parameters<MemoryDisk['hashPieces']>
  ): ReturnType<MemoryDisk['hashPieces']> {
    if (this.failing !== undefined) throw this.failing
    return super.hashPieces(...of)
  }

  override async flushAll(...of: Parameters<MemoryDisk['flushAll']>): Promise<void> {
    if (this.failing !== undefined) throw this.failing
    return super.flushAll(...of)
  }
}

export interface RigOptions extends Partial<SessionOptions> {
  readonly urls?: Readonly<Record<string, Uint8Array>>
}

export class Rig implements AsyncDisposable {
  readonly s3: S3
  readonly disk: RigDisk = new RigDisk()
  readonly files: PlainFiles
  readonly logged: string[] = []
  readonly #swarm: readonly Seeded[]
  readonly #options: RigOptions
  session!: TorrentSession
  engine!: FakeEngine

  constructor(swarm: readonly Seeded[], options: RigOptions = {}) {
    this.#swarm = swarm
    this.#options = options
    const clock = new FixtureClock()
    this.s3 = openS3({
      metadata: new MemoryStore(),
      storage: new MemoryStorage(),
      clock,
      ids: new Ulids(clock),
      options: { ...OPTIONS, putBytesMax: 2 ** 30 },
      meter: SILENT,
      policies: {
        check: () => ({ isPublic: false, opensToWriters: false }),
        lets: () => false,
      },
      people: { name: () => undefined, byEmail: () => undefined },
      sweep: { onError: () => undefined },
    })
    this.files = new PlainFiles(this.disk, this.s3.api)
    this.disk.files = this.files
  }

  /** Makes the buckets `state` and `b`, and starts; `prepare` sees the engine before it has work. */
  async start(prepare: (engine: FakeEngine) => void = () => undefined): Promise<this> {
    const { api, facts } = this.s3
    for (const Bucket of ['state', 'box'])
      await api.CreateBucket!({ Bucket }, CALL).catch((error: unknown) => {
        if (!(error instanceof S3Error) || error.code !== 'BucketAlreadyOwnedByYou') throw error
      })
    this.session = new TorrentSession({
      api,
      disk: this.disk,
      files: this.files,
      registry: new TorrentRegistry(api, 'state', () => CALL),
      ownerOf: async (bucket) => {
        const { owner } = await facts.bucket(bucket)
        return { id: owner[0], displayName: owner[1] }
      },
      fetchUrl: async (url) => {
        const bytes = this.#options.urls?.[url]
        if (bytes === undefined) throw new Error('the server answered 404')
        return bytes
      },
      refusal: (url) => (url.includes('//10.') ? 'a private network' : undefined),
      clock: new FixtureClock(),
      log: {
        info: (message) => this.logged.push(message),
        warn: (message) => this.logged.push(message),
      },
      options: { ...SESSION_DEFAULTS, retryMs: 2, retryMaxMs: 20, ...this.#options },
    })
    this.engine = new FakeEngine(this.disk, this.session.events, this.#swarm)
    prepare(this.engine)
    await this.session.start(this.engine)
    return this
  }

  /** Ends, and starts anew over what is stored. */
  async restart(prepare?: (engine: FakeEngine) => void): Promise<this> {
    await this.session[Symbol.asyncDispose]()
    return this.start(prepare)
  }

  add(
    torrent: Uint8Array | string,
    more: Partial<AddRequest> = {},
  ): ReturnType<TorrentSession['add']> {
    return this.session.add({
      torrent,
      bucket: 'box',
      prefix: 'in',
      files: undefined,
      peers: [],
      seeds: undefined,
      overwrite: false,
      ...more,
    })
  }

  async bytes(key: string, api: S3Api = this.s3.api, more: object = {}): Promise<Buffer> {
    const { Body } = await api.GetObject!({ Bucket: 'box', Key: key, ...more }, CALL)
    return bytesOf(Body)
  }

  async put(key: string, bytes: Uint8Array): Promise<void> {
    await this.s3.api.PutObject!({ Bucket: 'box', Key: key, Body: payloadOf(bytes) }, CALL)
  }

  async keys(bucket = 'box'): Promise<readonly string[]> {
    const { Contents } = await this.s3.api.ListObjectsV2!({ Bucket: bucket }, CALL)
    return (Contents ?? []).map(({ Key }) => Key!)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.session[Symbol.asyncDispose]()
    await this.disk[Symbol.asyncDispose]()
  }
}
