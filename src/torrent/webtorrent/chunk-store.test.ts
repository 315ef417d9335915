/** The store in abstract-chunk-store's own tests, and what WebTorrent needs beyond them. */
import { createRequire } from 'node:module'
import { expect, onTestFinished, test } from 'vitest'
import { pieceOf, sample, type Sample } from '../disk/contract-samples.ts'
import { MemoryDisk } from '../disk/memory-disk.ts'
import { DiskError, type StorageIndex } from '../disk-io.ts'
import type { Info } from '../metainfo.ts'
import { DiskChunkStore, type ChunkStoreOptions, type Held } from './chunk-store.ts'

const unheld: Held = { add: () => {}, remove: () => {}, waitFor: () => {} }

/** A torrent of a hundred and more pieces of so many bytes, whose hashes nobody knows. */
async function anyTorrent(pieceBytes: number): Promise<Info> {
  const { torrent } = await sample({ sizes: [1] })
  const totalBytes = 200 * pieceBytes
  const file = { ...torrent.info.files[0]!, sizeBytes: totalBytes }
  return { ...torrent.info, pieceBytes, totalBytes, pieceCount: 200, files: [file] }
}

/** As the published tests make it. */
function PublishedStore(chunkLength: number): DiskChunkStore {
  const disk = new MemoryDisk()
  disks.push(disk)
  const registering = async (): Promise<StorageIndex> => {
    const info = await anyTorrent(chunkLength)
    const torrent = { id: 'a', place: { bucket: 'b', prefix: '' }, info, pieceLayers: new Map() }
    return (await disk.register(torrent)).storage
  }
  return storeOn(disk, registering(), { chunkLength, sha1Of: () => undefined })
}
const disks: MemoryDisk[] = []

function storeOn(
  disk: MemoryDisk,
  bound: Promise<StorageIndex>,
  rest: Partial<ChunkStoreOptions> & { readonly chunkLength: number },
): DiskChunkStore {
  return new DiskChunkStore({
    disk,
    bound,
    totalBytes: () => undefined,
    sha1Of: () => undefined,
    held: unheld,
    onFailure: () => {},
    ...rest,
  })
}

/** What the published tests ask of their test runner. */
interface Tape {
  error(error: unknown): void
  ok(value: unknown): void
  equal(found: unknown, expected: unknown): void
  deepEqual(found: unknown, expected: unknown): void
  end(): void
}

const published = createRequire(import.meta.url)('abstract-chunk-store/tests') as (
  test: (name: string, run: (tape: Tape) => void) => void,
  Store: unknown,
) => void

published((name, run) => {
  test(`abstract-chunk-store: ${name}`, async () => {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const asserting =
      (assert: (...words: readonly unknown[]) => void) =>
      (...words: readonly unknown[]): void => {
        try {
          assert(...words)
        } catch (error) {
          reject(error)
        }
      }
    run({
      error: asserting((error) => expect(error ?? null).toBeNull()),
      ok: asserting((value) => expect(value).toBeTruthy()),
      equal: asserting((found, expected) => expect(found).toBe(expected)),
      deepEqual: asserting((found, expected) => expect(found).toEqual(expected)),
      end: resolve,
    })
    await promise
    for (const disk of disks.splice(0)) await disk[Symbol.asyncDispose]()
  })
}, PublishedStore)

async function opened(of: Sample): Promise<{ disk: MemoryDisk; bound: Promise<StorageIndex> }> {
  const disk = new MemoryDisk()
  onTestFinished(() => disk[Symbol.asyncDispose]())
  return { disk, bound: disk.register(of.torrent).then(({ storage }) => storage) }
}

const put = (store: DiskChunkStore, index: number, bytes: Uint8Array): Promise<Error | null> =>
  new Promise((resolve) => {
    store.put(index, bytes, resolve)
  })

test('a piece that is put is verified by the disk, the short last one too', async () => {
  const of = await sample({ sizes: [200_001] })
  const { disk, bound } = await opened(of)
  const { info } = of.torrent
  const store = storeOn(disk, bound, {
    chunkLength: info.pieceBytes,
    totalBytes: () => info.totalBytes,
    sha1Of: (piece) => info.pieces!.subarray(piece * 20, piece * 20 + 20),
  })
  for (let piece = 0; piece < info.pieceCount; piece++)
    expect(await put(store, piece, pieceOf(of, piece))).toBeFalsy()
  await disk.unregister(await bound)
  const { resume } = await disk.register(of.torrent)
  expect([...resume.have]).toEqual([0b1111_0000])
})

test('what the disk does not have as the torrent says is an error, and told', async () => {
  const of = await sample({ sizes: [200_001] })
  const { disk, bound } = await opened(of)
  const failures: Error[] = []
  const store = storeOn(disk, bound, {
    chunkLength: of.torrent.info.pieceBytes,
    sha1Of: () => new Uint8Array(20),
    onFailure: (error) => void failures.push(error),
  })
  const error = await put(store, 0, pieceOf(of, 0))
  expect(error).toBeInstanceOf(DiskError)
  expect(failures).toEqual([error])
})

test('bytes in hand are counted from the put to its answer', async () => {
  const of = await sample({ sizes: [200_001] })
  const { disk, bound } = await opened(of)
  const counts: number[] = []
  const held = {
    ...unheld,
    add: (bytes: number): void => void counts.push(bytes),
    remove: (bytes: number): void => void counts.push(-bytes),
  }
  const store = storeOn(disk, bound, { chunkLength: of.torrent.info.pieceBytes, held })
  await put(store, 0, pieceOf(of, 0))
  await put(store, 1, new Uint8Array(5))
  expect(counts).toEqual([65_536, -65_536])
})

test('it is closed when what was put is on the disk', async () => {
  const of = await sample({ sizes: [200_001] })
  const { disk, bound } = await opened(of)
  const store = storeOn(disk, bound, { chunkLength: of.torrent.info.pieceBytes })
  let isPut = false
  store.put(0, pieceOf(of, 0), () => (isPut = true))
  await new Promise((resolve) => {
    store.close(resolve)
  })
  expect(isPut).toBe(true)
})
