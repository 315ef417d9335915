/** Of WebTorrent, which brings no types, what the engine calls. Names with an underscore are its own affairs: see where they are used. */
import type { EventEmitter } from 'node:events'
import type { Server } from 'node:net'

/** A connection to a peer. */
export interface Wire extends EventEmitter {
  /** In hex. */
  readonly peerId: string
  readonly isSeeder: boolean
  destroy(): void
}

/** The interface of abstract-chunk-store. */
export interface ChunkStore {
  readonly chunkLength: number
  put(index: number, bytes: Uint8Array, done?: (error: Error | null) => void): void
  get(index: number, options: GetOptions | null | undefined, done: GetDone): void
  close(done?: (error: Error | null) => void): void
  destroy(done?: (error: Error | null) => void): void
}

export interface GetOptions {
  readonly offset?: number
  readonly length?: number
}

export type GetDone = (error: Error | null, bytes?: Uint8Array) => void

export interface Torrent extends EventEmitter {
  readonly infoHash: string
  readonly destroyed: boolean
  readonly ready: boolean
  /** The info dictionary, once it is there. */
  readonly infoBuffer: Uint8Array | undefined
  readonly wires: readonly Wire[]
  readonly received: number
  readonly uploaded: number
  readonly downloadSpeed: number
  readonly uploadSpeed: number
  readonly pieces: readonly unknown[]
  addPeer(address: string): boolean
  critical(start: number, end: number): void
  select(start: number, end: number): void
  deselect(start: number, end: number): void
  pause(): void
  resume(): void
  destroy(options: { readonly destroyStore: boolean }, done: () => void): void
  _verifyPieces: (done: (error: Error | null) => void) => void
  _markVerified(piece: number): void
  _select(start: number, end: number, priority: number, notify: undefined, isStream: true): void
  _deselect(start: number, end: number, isStream: true): void
}

export interface AddOptions {
  readonly store: (this: unknown, chunkLength: number) => ChunkStore
  readonly storeCacheSlots: number
  readonly announce: readonly string[]
  readonly deselect: boolean
}

export interface Client extends EventEmitter {
  readonly torrentPort: number
  add(source: Uint8Array | string, options: AddOptions): Torrent
  throttleDownload(rate: number): void
  destroy(done: () => void): void
  readonly _connPool: { readonly tcpServer: Server }
}

export interface ClientOptions {
  readonly torrentPort: number
  readonly dht: boolean
  readonly lsd: boolean
  readonly utp: boolean
  readonly natUpnp: boolean
  readonly natPmp: boolean
  readonly maxConns: number
  readonly downloadLimit: number
  readonly uploadLimit: number
}

interface PeerPrototype {
  swarm: object | null
  handshake: (this: PeerPrototype) => void
}

/** The package is plain JavaScript, loaded when it is chosen: a third of a second. */
export async function newClient(options: ClientOptions): Promise<Client> {
  const Client = (await load('webtorrent')) as new (options: ClientOptions) => Client
  const Peer = (await load('webtorrent/lib/peer.js')) as { readonly prototype: PeerPrototype }
  mend(Peer.prototype)
  return new Client(options)
}

async function load(name: string): Promise<unknown> {
  return ((await import(name)) as { readonly default: unknown }).default
}

let isMended = false

/** A peer that was turned away while its encrypted handshake was under way would end the process. */
function mend(peer: PeerPrototype): void {
  if (isMended) return
  isMended = true
  const { handshake } = peer
  peer.handshake = function handshakeUnlessGone() {
    if (this.swarm !== null) handshake.call(this)
  }
}
