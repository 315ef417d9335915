/**
 * WebTorrent as an engine: plain JavaScript, so that torrents work with nothing but npm. It speaks TCP alone
 * here, knows version 1 of torrents and takes hybrids by it, and asks for pieces in their order.
 */
import { isIPv6 } from 'node:net'
import { bencode } from '../bencode.ts'
import type { DiskIoBackend } from '../disk-io.ts'
import type {
  EngineEvents,
  EngineOptions,
  EngineStatus,
  TorrentEngine,
  TorrentOrder,
} from '../engine.ts'
import type { Metainfo } from '../metainfo.ts'
import { readMetainfo } from '../read-metainfo.ts'
import { Gate } from './gate.ts'
import { WebtorrentTorrent } from './torrent.ts'
import { type Client, newClient } from './wire.ts'

const UNBOUND = -1
/** Connections of a torrent, where no bound is given. */
const CONNECTIONS_MAX = 200

export class WebtorrentEngine implements TorrentEngine {
  readonly name = 'webtorrent'
  readonly knowsV2 = false
  readonly #client: Client
  readonly #disk: DiskIoBackend
  readonly #gate: Gate
  readonly #events: EngineEvents
  readonly #torrents = new Map<string, WebtorrentTorrent>()
  #closing: Promise<void> | undefined

  /** Resolves once peers can reach it. Rejects where it cannot listen. */
  static async open(
    disk: DiskIoBackend,
    options: EngineOptions,
    events: EngineEvents,
  ): Promise<WebtorrentEngine> {
    const { finds, limits, listen } = options
    const client = await newClient({
      torrentPort: 0,
      dht: finds.dht,
      lsd: finds.local,
      utp: false,
      natUpnp: finds.portMapping,
      natPmp: finds.portMapping,
      maxConns: limits.connectionsMax || CONNECTIONS_MAX,
      downloadLimit: limits.downloadRateMax || UNBOUND,
      uploadLimit: limits.uploadRateMax || UNBOUND,
    })
    await listening(client, listen)
    return new WebtorrentEngine(client, disk, options, events)
  }

  private constructor(
    client: Client,
    disk: DiskIoBackend,
    { limits }: EngineOptions,
    events: EngineEvents,
  ) {
    this.#client = client
    this.#disk = disk
    this.#events = events
    this.#gate = new Gate(client, limits.downloadRateMax)
    client.on('error', (error: Error) => {
      for (const torrent of this.#torrents.values())
        torrent.stop(`WebTorrent failed: ${error.message}`, error)
    })
  }

  get port(): number {
    return this.#client.torrentPort
  }

  async add(order: TorrentOrder): Promise<void> {
    if (this.#closing !== undefined) throw new Error('the engine is closed')
    if (this.#torrents.has(order.id)) throw new Error(`torrent ${order.id} is there already`)
    const { source, id } = order
    const metainfo = 'magnet' in source ? undefined : readMetainfo(source.metainfo)
    if (metainfo === undefined ? !isV1(id) : metainfo.info.hashes.v1 === undefined)
      throw new Error('WebTorrent knows version 1 of torrents alone, and this one is of version 2')
    const torrent = new WebtorrentTorrent(order, metainfo?.info, {
      disk: this.#disk,
      held: this.#gate,
      events: this.#events,
    })
    this.#torrents.set(id, torrent)
    const magnet = new URL('magnet' in source ? source.magnet : 'magnet:').searchParams
    const added = this.#client.add(
      // Nothing else of a magnet, which may name files of this machine, and addresses to fetch from.
      metainfo === undefined ? `magnet:?xt=urn:btih:${id}` : encoded(metainfo),
      {
        // Called with `new`.
        store: function store(chunkLength) {
          return torrent.newStore(chunkLength)
        },
        storeCacheSlots: 0,
        announce: [...order.trackers, ...magnet.getAll('tr')],
        deselect: true,
      },
    )
    torrent.attach(added)
    try {
      await torrent.added
      for (const address of magnet.getAll('x.pe')) torrent.addPeer(address)
    } catch (error) {
      if (this.#torrents.get(id) === torrent) this.#torrents.delete(id)
      throw error
    }
  }

  async remove(id: string): Promise<void> {
    const torrent = this.#torrents.get(id)
    if (torrent === undefined) return
    await torrent.remove()
    if (this.#torrents.get(id) === torrent) this.#torrents.delete(id)
  }

  addPeer(id: string, host: string, port: number): void {
    this.#torrents.get(id)?.addPeer(isIPv6(host) ? `[${host}]:${port}` : `${host}:${port}`)
  }

  setWanted(id: string, wanted: readonly number[]): void {
    this.#torrents.get(id)?.setWanted(wanted)
  }

  prioritise(id: string, pieces: readonly number[]): void {
    this.#torrents.get(id)?.prioritise(pieces)
  }

  relax(id: string, pieces: readonly number[]): void {
    this.#torrents.get(id)?.relax(pieces)
  }

  status(id: string): EngineStatus | undefined {
    return this.#torrents.get(id)?.status()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing ??= this.#close()
    await this.#closing
  }

  async #close(): Promise<void> {
    await Promise.all([...this.#torrents.values()].map((torrent) => torrent.remove()))
    this.#torrents.clear()
    await new Promise<void>((resolve) => {
      this.#client.destroy(resolve)
    })
  }
}

/**
 * WebTorrent listens on all addresses, at a port of its choice, as soon as it is made. In the same moment,
 * before anybody can have come, that is undone and done again where it should be.
 */
async function listening(client: Client, { host, port }: EngineOptions['listen']): Promise<void> {
  const server = client._connPool.tcpServer
  server.close()
  await new Promise<void>((resolve, reject) => {
    client.once('listening', resolve)
    client.once('error', reject)
    server.listen(port, host)
  })
  client.removeAllListeners('error')
}

function isV1(id: string): boolean {
  return id.length === 40
}

/** As a .torrent file of version 1, without the layers of version 2, which can be long. */
function encoded({ info, trackers, webSeeds }: Metainfo): Buffer {
  return Buffer.concat([
    Buffer.from('d13:announce-list'),
    bencode(trackers.map((tier) => [...tier])),
    Buffer.from('4:info'),
    info.encoded,
    Buffer.from('8:url-list'),
    bencode([...webSeeds]),
    Buffer.from('e'),
  ])
}
