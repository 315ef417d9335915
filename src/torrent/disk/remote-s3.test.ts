import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { configOf } from '../../config.ts'
import { type Server, startServer } from '../../server.ts'
import { ChunkDisk } from './chunk-disk.ts'
import { ChunkFiles } from './chunk-files.ts'
import { diskContract } from './contract.ts'
import { download, expectAll, expectBytes, opened, sample } from './contract-samples.ts'
import { INSIDE } from './disk.fixture.ts'
import { openRemoteS3, type RemoteS3 } from './remote-s3.ts'
import { S3ChunkStore } from './s3-chunk-store.ts'

const MIB = 1024 ** 2
const BUCKET = 'remote'
const KEY = { accessKeyId: 'tester', secretAccessKey: 'a secret of tests' }

let folder = ''
let server: Server
let remote: RemoteS3
let count = 0

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sluice-remote-'))
  server = await startServer(
    configOf({
      port: 0,
      data: folder,
      credentials: [KEY],
      buckets: [BUCKET],
      metadata: { engine: 'memory' },
      storage: { engine: 'memory' },
    }),
  )
  const { url } = server
  remote = await openRemoteS3({
    endpoint: url,
    region: 'us-east-1',
    credentials: KEY,
    forcePathStyle: true,
  })
})

afterAll(async () => {
  await remote[Symbol.asyncDispose]()
  await server.close()
  await rm(folder, { recursive: true })
})

function store(): S3ChunkStore {
  return new S3ChunkStore(remote.api, { call: INSIDE, partBytesMin: 5 * MIB })
}

/** Everything at a place of its own: the server is one for all tests. */
class OwnPlace extends ChunkDisk {
  readonly #below = `test-${++count}/`

  override register(
    torrent: Parameters<ChunkDisk['register']>[0],
  ): ReturnType<ChunkDisk['register']> {
    return super.register(this.#moved(torrent))
  }

  override erase(torrent: Parameters<ChunkDisk['erase']>[0]): ReturnType<ChunkDisk['erase']> {
    return super.erase(this.#moved(torrent))
  }

  #moved<T extends Parameters<ChunkDisk['erase']>[0]>(torrent: T): T {
    const place = { bucket: BUCKET, prefix: this.#below + torrent.place.prefix }
    return { ...torrent, place }
  }
}

diskContract(
  'chunk, over HTTP',
  async () => new OwnPlace(store(), { lingerMs: 2, retryMs: 5, chunkBytes: 256 * 1024 }),
)

test('at a remote S3 a file becomes an object whose short parts are sent again', async () => {
  const disk = new ChunkDisk(store(), { lingerMs: 2, retryMs: 5, chunkBytes: 8 * MIB })
  await opened(async () => disk)
  const of = await sample({
    pieceBytes: MIB,
    sizes: [MIB / 2, 25 * MIB, 100, 0],
    prefix: 'whole/',
    bucket: BUCKET,
  })
  const { storage } = await disk.register(of.torrent)
  await download(disk, storage, of)
  const files = new ChunkFiles(disk)
  for (const [index, { offset, sizeBytes }] of of.torrent.info.files.entries()) {
    const key = `whole/${index}`
    const etag = await files.assemble(storage, index, { bucket: BUCKET, key })
    const found = await remote.api.GetObject({ Bucket: BUCKET, Key: key }, INSIDE)
    expect(found.ETag).toBe(etag)
    const bytes: Uint8Array[] = []
    for await (const chunk of found.Body as AsyncIterable<Uint8Array>) bytes.push(chunk)
    expectBytes(Buffer.concat(bytes), of.row.subarray(offset, offset + sizeBytes))
  }
  await expectAll(disk, storage, of)
})

test('a remote S3 that is not there is an error, and nothing hangs', async () => {
  await using nowhere = await openRemoteS3({
    endpoint: 'http://127.0.0.1:1',
    region: 'us-east-1',
    credentials: KEY,
    maxAttempts: 1,
  })
  const disk = new ChunkDisk(new S3ChunkStore(nowhere.api, { call: INSIDE, partBytesMin: 5 * MIB }))
  await opened(async () => disk)
  const of = await sample()
  await expect(disk.register(of.torrent)).rejects.toThrow('ECONNREFUSED')
})
