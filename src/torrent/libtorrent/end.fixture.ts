/**
 * For tests: a process that ends in the middle of a download by libtorrent.
 *
 *   end.fixture.ts exit|throw|close
 */
import { download, sample } from '../disk/contract-samples.ts'
import { MemoryDisk } from '../disk/memory-disk.ts'
import type { EngineEvents, EngineOptions } from '../engine.ts'
import { LibtorrentEngine } from './engine.ts'

const how = process.argv[2]
const options: EngineOptions = {
  listen: { host: '127.0.0.1', port: 0 },
  finds: { dht: false, local: false, portMapping: false },
  limits: { downloadRateMax: 0, uploadRateMax: 0, connectionsMax: 0 },
}
const nothing: EngineEvents = { onPiece: () => {}, onDone: () => {}, onError: () => {} }
const of = await sample({ sizes: [16_000_000] })
const { id } = of.torrent
const [full, empty] = [new MemoryDisk(), new MemoryDisk()]
const filled = await full.register(of.torrent)
await download(full, filled.storage, of)
await full.unregister(filled.storage)
const seed = await LibtorrentEngine.open(full, options, nothing)
let pieces = 0
const leech = await LibtorrentEngine.open(empty, options, {
  ...nothing,
  onPiece() {
    if (++pieces === 20) end()
  },
})
for (const [engine, disk] of [
  [seed, full],
  [leech, empty],
] as const) {
  const source = { metainfo: of.metainfo, registered: await disk.register(of.torrent) }
  await engine.add({ id, source, trackers: [], wanted: undefined, seeds: true })
}
leech.addPeer(id, '127.0.0.1', seed.port)

function end(): void {
  if (how === 'exit') process.exit(7)
  if (how === 'throw') throw new Error('in the middle of it')
  // Nothing else keeps the process: it ends by itself when all is closed.
  void leech[Symbol.asyncDispose]().then(() => seed[Symbol.asyncDispose]())
  void Promise.all([full[Symbol.asyncDispose](), empty[Symbol.asyncDispose]()])
}
