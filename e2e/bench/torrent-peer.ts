/**
 * One side of a download that is measured, as a process of its own:
 *
 *   torrent-peer.ts '{"side":"seed", ...}'     serves until its standard input ends; tells its port
 *   torrent-peer.ts '{"side":"leech", ...}'    downloads, tells what it cost, and ends
 */
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { type MeasuredDisk, openMeasuredDisk } from './torrent-disks.ts'
import type { DiskIoBackend } from '../../src/torrent/disk-io.ts'
import type { EngineEvents, EngineOptions, TorrentEngine } from '../../src/torrent/engine.ts'
import { FINISHED, LISTENS, loadNative, STOPPED } from '../../src/torrent/libtorrent/native.ts'
import { openEngine } from '../../src/torrent/open-engine.ts'
import { readMetainfo } from '../../src/torrent/read-metainfo.ts'

export interface PeerOrder {
  readonly side: 'seed' | 'leech'
  /** `libtorrent-own`: with its own disk. `webtorrent-own`: with its own folder of files. */
  readonly engine: 'libtorrent' | 'webtorrent' | 'libtorrent-own' | 'webtorrent-own'
  /** Of ours. */
  readonly disk: MeasuredDisk
  readonly torrent: string
  /** Where files are, or go. */
  readonly folder: string
  /** Of the seed. */
  readonly port: number
}

/** What a download has cost. */
export interface PeerResult {
  readonly ms: number
  readonly cpuMs: number
  /** Above what it was before. */
  readonly rssGrowthMB: number
  /** Of our disk: most that was not stored at a time, and what was sent to the store. */
  readonly dirtyMaxMB: number
  readonly puts: number
  readonly putMB: number
}

const OPTIONS: EngineOptions = {
  listen: { host: '127.0.0.1', port: 0 },
  finds: { dht: false, local: false, portMapping: false },
  limits: { downloadRateMax: 0, uploadRateMax: 0, connectionsMax: 0 },
}

/** Something that downloads: begins when it is told where from, and resolves when it has all. */
interface Measured {
  readonly disk?: DiskIoBackend
  download(port: number): Promise<void>
}

/** libtorrent as it is, in a process of Node.js like all the others. */
async function ownLibtorrent(order: PeerOrder): Promise<Measured & { readonly port: number }> {
  const native = loadNative()
  const [listens, done] = [Promise.withResolvers<number>(), Promise.withResolvers<void>()]
  const { engine } = native.start(
    {
      ...OPTIONS.listen,
      ...OPTIONS.finds,
      ...OPTIONS.limits,
      isLoopback: true,
      ownDisk: order.folder,
    },
    () => 0,
    (event, _, number, text) => {
      if (event === LISTENS) listens.resolve(number)
      if (event === FINISHED) done.resolve()
      if (event === STOPPED) done.reject(new Error(String(text)))
    },
    () => {},
  )
  const port = await listens.promise
  const metainfo = readFileSync(order.torrent)
  const nothing = { trackers: [], have: undefined, pieces: [], blocks: [], wanted: undefined }
  native.add(engine, { key: 1, metainfo, magnet: '', ...nothing })
  await sleep(300)
  return {
    port,
    async download(from) {
      native.connect(engine, 1, '127.0.0.1', from)
      await done.promise
    },
  }
}

async function ourEngine(order: PeerOrder): Promise<Measured> {
  const metainfo = readFileSync(order.torrent)
  const { info, pieceLayers } = readMetainfo(metainfo)
  const id = (info.hashes.v1 ?? info.hashes.v2)!.toString('hex')
  const disk: DiskIoBackend = await openMeasuredDisk(order.disk, order.folder)
  const done = Promise.withResolvers<void>()
  const events: EngineEvents = {
    onPiece: () => {},
    onDone: () => done.resolve(),
    onError: (_, error) => done.reject(error),
  }
  const choice = order.engine === 'webtorrent' ? 'webtorrent' : 'libtorrent'
  const engine: TorrentEngine = await openEngine(choice, disk, OPTIONS, events)
  const place = { bucket: 'b', prefix: '' }
  const registered = await disk.register({ id, place, info, pieceLayers })
  const source = { metainfo, registered }
  await engine.add({ id, source, trackers: [], wanted: undefined, seeds: true })
  return {
    disk,
    async download(from) {
      engine.addPeer(id, '127.0.0.1', from)
      await done.promise
      await disk.flushAll()
    },
  }
}

async function ownWebtorrent(order: PeerOrder): Promise<Measured> {
  const name: string = 'webtorrent'
  const { default: Client } = (await import(name)) as {
    readonly default: new (options: object) => {
      add(
        metainfo: Uint8Array,
        options: object,
      ): { on(event: string, act: (error: Error) => void): void; addPeer(address: string): void }
    }
  }
  const off = { dht: false, lsd: false, utp: false, natUpnp: false, natPmp: false, tracker: false }
  const torrent = new Client(off).add(readFileSync(order.torrent), { path: order.folder })
  const [ready, done] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  torrent.on('ready', () => ready.resolve())
  torrent.on('done', () => done.resolve())
  torrent.on('error', (error) => done.reject(error))
  await ready.promise
  return {
    async download(from) {
      torrent.addPeer(`127.0.0.1:${from}`)
      await done.promise
    },
  }
}

async function measured(order: PeerOrder, peer: Measured): Promise<PeerResult> {
  const MB = 1_000_000
  let [dirtyMax, rssMax] = [0, 0]
  const rss = process.memoryUsage.rss()
  const look = (): void => {
    dirtyMax = Math.max(dirtyMax, peer.disk?.stats().dirtyBytesNow ?? 0)
    rssMax = Math.max(rssMax, process.memoryUsage.rss())
  }
  const looking = setInterval(look, 20)
  const before = process.cpuUsage()
  const began = performance.now()
  await peer.download(order.port)
  const ms = performance.now() - began
  const { user, system } = process.cpuUsage(before)
  look()
  clearInterval(looking)
  const { upstreamPuts = 0, upstreamPutBytes = 0 } = peer.disk?.stats() ?? {}
  return {
    ms,
    cpuMs: (user + system) / 1000,
    rssGrowthMB: (rssMax - rss) / MB,
    dirtyMaxMB: dirtyMax / MB,
    puts: upstreamPuts,
    putMB: upstreamPutBytes / MB,
  }
}

const order = JSON.parse(process.argv[2]!) as PeerOrder
if (order.side === 'seed') {
  const seed = await ownLibtorrent(order)
  console.log(seed.port)
  process.stdin.resume()
  process.stdin.on('end', () => process.exit(0))
} else {
  const open =
    order.engine === 'libtorrent-own'
      ? ownLibtorrent
      : order.engine === 'webtorrent-own'
        ? ownWebtorrent
        : ourEngine
  const result = await measured(order, await open(order))
  console.log(JSON.stringify(result))
  process.exit(0)
}
