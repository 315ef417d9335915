/**
 * What speaks to peers: libtorrent or WebTorrent behind one small interface. An engine brings blocks to a
 * `DiskIoBackend` that it is made with, and reads from it what peers ask for; it keeps nothing itself.
 */
import type { Info } from './metainfo.ts'
import type { Registered } from './disk-io.ts'

/** What is to be downloaded: a .torrent file, or a magnet link, of which the info comes from peers. */
export type TorrentSource =
  | { readonly metainfo: Uint8Array; readonly registered: Registered }
  | {
      readonly magnet: string
      /** Called once with the info dictionary, checked: the answer says where on the disk it is. */
      readonly onInfo: (info: Info) => Promise<Registered>
    }

export interface TorrentOrder {
  /** The info hash in hex, as in `DiskTorrent.id`. */
  readonly id: string
  readonly source: TorrentSource
  /** Beside those that the source names. */
  readonly trackers: readonly string[]
  /** Indices in `Info.files` that are wanted; undefined: all. */
  readonly wanted: readonly number[] | undefined
  /** Whether to go on serving peers when all that is wanted is there. */
  readonly seeds: boolean
}

export type EngineState =
  | 'metadata'
  | 'checking'
  | 'downloading'
  | 'seeding'
  | 'finished'
  | 'stopped'

export interface EngineStatus {
  readonly id: string
  readonly state: EngineState
  readonly peers: number
  readonly seeds: number
  /** Bytes a second, payload alone. */
  readonly downloadRate: number
  readonly uploadRate: number
  /** Payload since it was added. */
  readonly downloadedBytes: number
  readonly uploadedBytes: number
  /** Pieces that failed their hash. */
  readonly hashFailures: number
  /** Why it stands still, in words for people; undefined where it does not. */
  readonly problem: string | undefined
}

/** What an engine tells; calls come from the event loop, never from within a call of the engine. */
export interface EngineEvents {
  /** A piece is verified and durable, and peers are told of it. */
  onPiece(id: string, piece: number): void
  /** All that is wanted is there. */
  onDone(id: string): void
  /** The torrent has stopped: its disk failed, or its source is no good. */
  onError(id: string, error: Error): void
}

/** Rates and peers of the whole session. 0: no bound. */
export interface EngineLimits {
  readonly downloadRateMax: number
  readonly uploadRateMax: number
  readonly connectionsMax: number
}

export interface EngineOptions {
  /** Where peers may reach it. Port 0: any that is free. */
  readonly listen: { readonly host: string; readonly port: number }
  /** DHT, local discovery, UPnP: all off unless asked for. */
  readonly finds: { readonly dht: boolean; readonly local: boolean; readonly portMapping: boolean }
  readonly limits: EngineLimits
}

export interface TorrentEngine extends AsyncDisposable {
  readonly name: string
  /** The port that peers reach it at. */
  readonly port: number
  /** Whether it knows BEP 52 (version 2); of a hybrid, one that does not takes version 1. */
  readonly knowsV2: boolean
  /** Resolves once it is at work, or waits for the info of a magnet. Rejects where the source is no good. */
  add(order: TorrentOrder): Promise<void>
  /** Resolves once the engine has no more calls for its disk; the disk's `unregister` comes after it. */
  remove(id: string): Promise<void>
  /** Another peer to try, beside those that are found. */
  addPeer(id: string, host: string, port: number): void
  setWanted(id: string, wanted: readonly number[]): void
  /** These pieces before all others, in this order, as soon as can be; a later call adds to it. */
  prioritise(id: string, pieces: readonly number[]): void
  /** These pieces are in no hurry any more: who wanted them has gone. */
  relax(id: string, pieces: readonly number[]): void
  status(id: string): EngineStatus | undefined
}
