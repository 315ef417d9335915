/**
 * Our engines beside the clients that people use: each downloads from each, version by version, and what
 * has come is the same to the byte. They find each other by the gateway's tracker. The table at the end
 * says what went how.
 */
import type { ChildProcess } from 'node:child_process'
import { hash, randomBytes } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, type TestContext, test } from 'vitest'
import { ASSEMBLING } from '../../src/api/access.ts'
import { createMetainfo, type TorrentVersion } from '../../src/torrent/create-metainfo.ts'
import { ChunkDisk } from '../../src/torrent/disk/chunk-disk.ts'
import { MemoryDisk } from '../../src/torrent/disk/memory-disk.ts'
import { openRemoteS3, type RemoteS3 } from '../../src/torrent/disk/remote-s3.ts'
import { S3ChunkStore } from '../../src/torrent/disk/s3-chunk-store.ts'
import type { DiskIoBackend, StorageIndex } from '../../src/torrent/disk-io.ts'
import type { TorrentEngine } from '../../src/torrent/engine.ts'
import { hasNative } from '../../src/torrent/libtorrent/native.ts'
import { BLOCK_BYTES } from '../../src/torrent/merkle.ts'
import type { Metainfo } from '../../src/torrent/metainfo.ts'
import { type EngineChoice, openEngine } from '../../src/torrent/open-engine.ts'
import { readMetainfo } from '../../src/torrent/read-metainfo.ts'
import { LocalRowHasher } from '../../src/torrent/row-hasher.ts'
import { ACCESS_KEY, freePort, type Gateway, SECRET_KEY, startGateway } from '../harness/gateway.ts'
import { type Client, CLIENTS, listens } from './clients.ts'

const PIECE_BYTES = 64 * 1024
const FILES: Readonly<Record<string, number>> = {
  'film.bin': 2_500_001,
  'extras/one.bin': 1,
  'extras/two.bin': 16_385,
  'notes.txt': 700_000,
}
const PATIENCE_MS = 60_000
const AGAIN_MS = 1000
const VERSIONS: readonly TorrentVersion[] = ['v1', 'hybrid', 'v2']
type Ours = 'libtorrent' | 'webtorrent'
const ENGINES: readonly Ours[] = ['libtorrent', 'webtorrent']

const folder = mkdtempSync(join(tmpdir(), 'sluice-interop-'))
const CONTENTS = new Map(
  Object.entries(FILES).map(([path, size]) => [path, randomBytes(size)] as const),
)
const HASHES = Object.fromEntries(
  [...CONTENTS].map(([path, bytes]) => [path, hash('sha256', bytes)]),
)
const results = new Map<string, string>()
let gateway: Gateway
let remote: RemoteS3
let count = 0

beforeAll(async () => {
  gateway = await startGateway({
    metadata: 'memory',
    storage: 'memory',
    env: { SLUICE_TORRENT_TRACKER: 'on', SLUICE_BUCKETS: 'torrents' },
  })
  remote = await openRemoteS3({
    endpoint: gateway.endpoint,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials: { accessKeyId: ACCESS_KEY, secretAccessKey: SECRET_KEY },
  })
})

afterAll(async () => {
  await remote[Symbol.asyncDispose]()
  await gateway[Symbol.asyncDispose]()
  rmSync(folder, { recursive: true, force: true })
  console.log(`\n${table()}`)
})

interface Torrent extends Metainfo {
  readonly id: string
  readonly file: string
  readonly encoded: Buffer
  /** A folder that holds the data. */
  readonly data: string
}

/** One of its own for each test: who is left of another swarm does not help. */
async function newTorrent(version: TorrentVersion): Promise<Torrent> {
  const name = `set-${++count}`
  const data = join(folder, `${name}-data`)
  for (const [path, bytes] of CONTENTS) {
    const at = join(data, name, path)
    mkdirSync(dirname(at), { recursive: true })
    writeFileSync(at, bytes)
  }
  const files = [...CONTENTS].map(([path, bytes]) => ({
    path: path.split('/'),
    sizeBytes: bytes.length,
    async *read() {
      yield bytes
    },
  }))
  const encoded = await createMetainfo(files, {
    name,
    version,
    pieceBytes: PIECE_BYTES,
    trackers: [[`${gateway.endpoint}/announce`]],
    hasher: (options) => new LocalRowHasher(options),
  })
  const file = join(folder, `${name}.torrent`)
  writeFileSync(file, encoded)
  const metainfo = readMetainfo(encoded)
  // Clients of version 1 know nothing of padding: to them it is files like all others.
  for (const { path, sizeBytes, isPad } of metainfo.info.files) {
    if (!isPad) continue
    mkdirSync(join(data, name, ...path.slice(0, -1)), { recursive: true })
    writeFileSync(join(data, name, ...path), Buffer.alloc(sizeBytes))
  }
  const { v1, v2 } = metainfo.info.hashes
  return { ...metainfo, id: (v1 ?? v2)!.toString('hex'), file, encoded, data }
}

interface Peer {
  readonly engine: TorrentEngine
  readonly disk: DiskIoBackend
  readonly storage: StorageIndex
  readonly done: Promise<void>
}

async function ourPeer(
  onTestFinished: TestContext['onTestFinished'],
  choice: EngineChoice,
  disk: DiskIoBackend,
  of: Torrent,
): Promise<Peer> {
  const done = Promise.withResolvers<void>()
  done.promise.catch(() => {})
  const engine = await openEngine(
    choice,
    disk,
    {
      listen: { host: '127.0.0.1', port: 0 },
      finds: { dht: false, local: false, portMapping: false },
      limits: { downloadRateMax: 0, uploadRateMax: 0, connectionsMax: 0 },
    },
    {
      onPiece: () => {},
      onDone: () => done.resolve(),
      onError: (_, error) => done.reject(error),
    },
  )
  onTestFinished(async () => {
    await engine[Symbol.asyncDispose]()
    await disk[Symbol.asyncDispose]()
  })
  const { id, info, pieceLayers } = of
  const place = { bucket: 'torrents', prefix: `${info.name}/` }
  const registered = await disk.register({ id, place, info, pieceLayers })
  const source = { metainfo: of.encoded, registered }
  await engine.add({ id, source, trackers: [], wanted: undefined, seeds: true })
  return { engine, disk, storage: registered.storage, done: done.promise }
}

/** Puts the data on the disk, as a download would have. */
async function fill(disk: DiskIoBackend, of: Torrent): Promise<void> {
  const { id, info, pieceLayers } = of
  const place = { bucket: 'torrents', prefix: `${info.name}/` }
  const { storage } = await disk.register({ id, place, info, pieceLayers })
  const row = Buffer.alloc(info.totalBytes)
  for (const { path, offset, isPad } of info.files)
    if (!isPad) row.set(CONTENTS.get(path.join('/'))!, offset)
  const kinds = { v1: info.hashes.v1 !== undefined, v2: info.hashes.v2 !== undefined }
  const hashing: Promise<unknown>[] = []
  for (let piece = 0; piece < info.pieceCount; piece++) {
    const bytes = row.subarray(piece * PIECE_BYTES, (piece + 1) * PIECE_BYTES)
    for (let at = 0; at < bytes.length; at += BLOCK_BYTES)
      disk.writeChunk(storage, piece, at, bytes.subarray(at, at + BLOCK_BYTES))
    hashing.push(disk.hashPieces(storage, piece, kinds))
  }
  await Promise.all(hashing)
  await disk.unregister(storage)
}

/** Hashes of what is on the disk, file by file. */
async function filesOf(
  { disk, storage }: Peer,
  { info }: Torrent,
): Promise<Record<string, string>> {
  const pieces = await Promise.all(
    Array.from({ length: info.pieceCount }, (_, piece) => disk.readPiece(storage, piece)),
  )
  const row = Buffer.concat(pieces)
  return Object.fromEntries(
    info.files
      .filter(({ isPad }) => !isPad)
      .map(({ path, offset, sizeBytes }) => [
        path.join('/'),
        hash('sha256', row.subarray(offset, offset + sizeBytes)),
      ]),
  )
}

async function running(
  onTestFinished: TestContext['onTestFinished'],
  client: Client,
  of: Torrent,
  data: string,
): Promise<number> {
  const home = mkdtempSync(join(folder, 'home-'))
  const port = await freePort()
  const child: ChildProcess = client.start({ torrent: of.file, folder: data, home, port })
  onTestFinished(() => void child.kill('SIGKILL'))
  await listens(port, PATIENCE_MS)
  return port
}

/** Connects to the client until the work is done: it may not be ready at first. */
async function meanwhile<T>(peer: Peer, of: Torrent, port: number, work: Promise<T>): Promise<T> {
  const ending = new AbortController()
  const late = sleep(PATIENCE_MS, undefined, { signal: ending.signal }).then(() => {
    throw new Error(`not done in time: ${JSON.stringify(peer.engine.status(of.id))}`)
  })
  const connecting = setInterval(() => peer.engine.addPeer(of.id, '127.0.0.1', port), AGAIN_MS)
  try {
    return await Promise.race([work, late])
  } finally {
    clearInterval(connecting)
    ending.abort()
    late.catch(() => {})
  }
}

async function clientHasAll(where: string, of: Torrent): Promise<void> {
  const isThere = ([path, bytes]: readonly [string, Buffer]): boolean => {
    try {
      return readFileSync(join(where, of.info.name, path)).equals(bytes)
    } catch {
      return false
    }
  }
  for (const end = Date.now() + PATIENCE_MS; Date.now() < end; await sleep(100))
    if ([...CONTENTS].every(isThere)) return
}

function newDisk(kind: 'memory' | 'chunk'): DiskIoBackend {
  if (kind === 'memory') return new MemoryDisk()
  const call = { requestId: 'TORRENTTORRENT00', requester: undefined, access: ASSEMBLING }
  const store = new S3ChunkStore(remote.api, { call, partBytesMin: 5 * 1024 ** 2 })
  return new ChunkDisk(store, { lingerMs: 50 })
}

const cellOf = (...words: readonly string[]): string => words.join(' ')

/** Remembers how it went, for the table. */
async function noted(cell: string, work: () => Promise<void>): Promise<void> {
  const began = performance.now()
  results.set(cell, 'FAILED')
  await work()
  results.set(cell, `${((performance.now() - began) / 1000).toFixed(1)} s`)
}

function columns(): string[][] {
  return ENGINES.flatMap((engine) => [
    [engine, 'from'],
    [engine, 'to'],
  ])
}

function table(): string {
  const head = [
    'client',
    'version',
    'disk',
    ...columns().map(([engine, way]) => `${engine} ${way === 'from' ? 'downloads' : 'seeds'}`),
  ]
  const rows = CLIENTS.flatMap(({ name }) =>
    VERSIONS.flatMap((version) =>
      ['memory', 'chunk'].map((disk) => [
        name,
        version,
        disk,
        ...columns().map(
          ([engine, way]) => results.get(cellOf(engine!, way!, name, version, disk)) ?? '',
        ),
      ]),
    ),
  ).filter((row) => row.slice(3).some((cell) => cell !== ''))
  return [head, head.map(() => '---'), ...rows].map((row) => `| ${row.join(' | ')} |`).join('\n')
}

for (const engine of ENGINES)
  // Its addon is built where Debian's packages can be installed.
  describe.skipIf(engine === 'libtorrent' && !hasNative())(`${engine} and`, () => {
    for (const client of CLIENTS) for (const version of VERSIONS) pair(engine, client, version)
  })

function pair(engine: Ours, client: Client, version: TorrentVersion): void {
  const reason =
    client.without[version] ??
    (engine === 'webtorrent' && version === 'v2' ? 'knows version 1 alone' : undefined)
  // A reason is no test that was skipped: there is nothing to be done about it.
  if (reason !== undefined) {
    for (const way of ['from', 'to'])
      results.set(cellOf(engine, way, client.name, version, 'memory'), reason)
    return
  }
  // Chunks on a gateway, with the client that knows all versions.
  const disks =
    client.name === 'python3-libtorrent' ? (['memory', 'chunk'] as const) : (['memory'] as const)
  for (const kind of disks) {
    const cell = (way: string): string => cellOf(engine, way, client.name, version, kind)
    const run = client.isAlone ? test : test.concurrent
    const title = `${client.name}, ${version}, disk ${kind}`
    run(`${title}: we download`, ({ expect, onTestFinished }) =>
      noted(cell('from'), async () => {
        const of = await newTorrent(version)
        const peer = await ourPeer(onTestFinished, engine, newDisk(kind), of)
        const port = await running(onTestFinished, client, of, of.data)
        await meanwhile(peer, of, port, peer.done)
        expect(await filesOf(peer, of)).toEqual(HASHES)
      }),
    )
    run(`${title}: we seed`, ({ expect, onTestFinished }) =>
      noted(cell('to'), async () => {
        const of = await newTorrent(version)
        const disk = newDisk(kind)
        await fill(disk, of)
        const peer = await ourPeer(onTestFinished, engine, disk, of)
        const into = join(folder, `${of.info.name}-into`)
        mkdirSync(into)
        const port = await running(onTestFinished, client, of, into)
        await meanwhile(peer, of, port, clientHasAll(into, of))
        for (const [path, bytes] of CONTENTS)
          expect(readFileSync(join(into, of.info.name, path)).equals(bytes), path).toBe(true)
      }),
    )
  }
}
