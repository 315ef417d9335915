import { expect, onTestFinished, test } from 'vitest'
import { bytesOf } from '../../s3/s3.fixture.ts'
import type { TorrentEngine } from '../engine.ts'
import { movie, orderOf, until } from '../engine-contract-swarm.ts'
import { WebtorrentEngine } from '../webtorrent/engine.ts'
import { ChunkDisk } from './chunk-disk.ts'
import { ChunkFiles } from './chunk-files.ts'
import { download, expectAll, expectBytes } from './contract-samples.ts'
import { memoryS3 } from './disk.fixture.ts'

const QUICK = { lingerMs: 5, chunkBytes: 256 * 1024, budgetBytes: 1024 ** 2 }

async function engineOn(disk: ChunkDisk): Promise<{
  readonly engine: TorrentEngine
  readonly done: Set<string>
  readonly pieces: number[]
}> {
  const done = new Set<string>()
  const pieces: number[] = []
  const engine = await WebtorrentEngine.open(
    disk,
    {
      listen: { host: '127.0.0.1', port: 0 },
      finds: { dht: false, local: false, portMapping: false },
      limits: { downloadRateMax: 0, uploadRateMax: 0, connectionsMax: 0 },
    },
    {
      onPiece: (_, piece) => pieces.push(piece),
      onDone: (id) => done.add(id),
      onError: (id, error) => expect.fail(`${id}: ${error.message}`),
    },
  )
  onTestFinished(async () => {
    await engine[Symbol.asyncDispose]()
    await disk[Symbol.asyncDispose]()
  })
  return { engine, done, pieces }
}

test.each(['v1', 'hybrid'] as const)(
  '%s: a torrent goes from the chunks of one bucket into those of another, and becomes objects',
  async (version) => {
    const of = await movie({ version })
    const [seedS3, leechS3] = [await memoryS3(), await memoryS3()]
    const seedDisk = new ChunkDisk(seedS3.store, QUICK)
    const filled = await seedDisk.register(of.torrent)
    await download(seedDisk, filled.storage, of)
    await seedDisk.unregister(filled.storage)
    const seed = await engineOn(seedDisk)
    await seed.engine.add(orderOf(of, await seedDisk.register(of.torrent)))

    const disk = new ChunkDisk(leechS3.store, QUICK)
    const leech = await engineOn(disk)
    const registered = await disk.register(of.torrent)
    await leech.engine.add(orderOf(of, registered))
    leech.engine.addPeer(of.torrent.id, '127.0.0.1', seed.engine.port)
    await until('the torrent is done', () => leech.done.has(of.torrent.id))
    await expectAll(disk, registered.storage, of)
    // What peers were told of is stored already.
    expect(disk.stats().dirtyBytesNow).toBe(0)
    const files = new ChunkFiles(disk)
    for (const [index, { offset, sizeBytes, isPad }] of of.torrent.info.files.entries()) {
      if (isPad) continue
      await files.assemble(registered.storage, index, { bucket: 'b', key: `f${index}` })
      const { Body } = await leechS3.fixture.get(`f${index}`)
      expectBytes(await bytesOf(Body), of.row.subarray(offset, offset + sizeBytes))
    }
  },
)
