/**
 * Torrents of a gateway, made and joined: disk, engine, session, what reads and watches. It is loaded only
 * where `torrents.engine` is not off.
 */
import { createTorrentDisk, type TorrentFiles } from './torrent/disk-of-gateway.ts'
import type { Facts } from './api/facts.ts'
import type { Requester, S3Api } from './api/operations.ts'
import type { TorrentsConfig } from './config-torrents.ts'
import { fetchUrl } from './fetch-url.ts'
import type { TorrentDesk } from './http/open.ts'
import type { Clock } from './lib/ids.ts'
import type { Meter } from './lib/meter.ts'
import { StartError } from './listen.ts'
import type { Log } from './log.ts'
import { Outbound } from './outbound.ts'
import { heldFacts, withHeldFiles } from './torrent/held-objects.ts'
import { HeldReads, READ_DEFAULTS } from './torrent/held-reads.ts'
import { openEngine } from './torrent/open-engine.ts'
import { TorrentRegistry } from './torrent/registry.ts'
import { TorrentSession } from './torrent/session.ts'
import { callFor, SESSION_DEFAULTS, type SessionParts } from './torrent/session-parts.ts'
import { measureTorrents } from './torrent/torrent-metrics.ts'
import { SessionDesk } from './torrent/torrent-desk.ts'
import { TorrentWatch, withWatch } from './torrent/watch.ts'

/** The watched place is looked through so often. */
const WATCH_MS = 10_000

export interface TorrentsParts {
  readonly config: TorrentsConfig
  readonly api: S3Api
  readonly facts: Facts
  readonly clock: Clock
  readonly meter: Meter
  readonly log: Log
  /** Absent: the one that is configured. */
  readonly open?: typeof openEngine
}

export interface Torrents {
  /** The S3 that also answers for files which are still downloaded. */
  readonly api: S3Api
  readonly facts: Facts
  readonly desk: TorrentDesk
  /** Goes on with all torrents; the bucket of the registry is there by then. Rejects with StartError. */
  start(): Promise<void>
  /** Nobody is kept waiting any more; everything that was written is kept. */
  close(): Promise<void>
}

export function openTorrents({
  config,
  api,
  facts,
  clock,
  meter,
  log,
  open = openEngine,
}: TorrentsParts): Torrents {
  const outbound = new Outbound(config.allow, 'torrents.allow')
  const ownerOf = async (bucket: string): Promise<Requester> => {
    const { owner } = await facts.bucket(bucket)
    return { id: owner[0], displayName: owner[1] }
  }
  const gateway: TorrentFiles = createTorrentDisk(api, ownerOf, config.memoryBytes)
  const { disk, files } = gateway
  const parts: SessionParts = {
    api,
    disk,
    files,
    registry: new TorrentRegistry(api, config.bucket, () => callFor({ ownerOf }, config.bucket)),
    ownerOf,
    fetchUrl: (url, sizeMax, signal) => fetchUrl(outbound, url, sizeMax, signal),
    refusal: (url) => outbound.refusal(url),
    clock,
    log,
    options: { ...SESSION_DEFAULTS, seeds: config.seeds, seedRatio: config.seedRatio },
  }
  const session = new TorrentSession(parts)
  gateway.onLost = (id, piece) => session.lose(id, piece)
  measureTorrents(meter, session, disk)
  const { readTimeoutMs } = config
  const firstMs = Math.min(READ_DEFAULTS.firstMs, readTimeoutMs)
  const reads = new HeldReads(session, disk, { idleMs: readTimeoutMs, firstMs })
  const { watch: place } = config
  const watch = place && new TorrentWatch(parts, session, { place, intervalMs: WATCH_MS })
  return {
    api: { ...api, ...withHeldFiles(api, session, reads), ...(watch && withWatch(api, watch)) },
    facts: heldFacts(facts, session),
    desk: new SessionDesk(session),
    async start() {
      const engine = await open(config.engine, disk, config, session.events).catch(
        (error: unknown) => {
          throw error instanceof Error ? new StartError(`torrents: ${error.message}`) : error
        },
      )
      log.info('torrents', { engine: engine.name, host: config.listen.host, port: engine.port })
      await session.start(engine)
      watch?.start()
    },
    async close() {
      await watch?.stop()
      await session[Symbol.asyncDispose]()
      await disk[Symbol.asyncDispose]()
    },
  }
}
