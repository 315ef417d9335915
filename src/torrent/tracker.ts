/**
 * A BitTorrent tracker over HTTP (BEP 3 announce, BEP 23 compact peers, BEP 7 IPv6, BEP 48 scrape): two
 * clients of one torrent find each other by it.
 *
 * It believes nobody: a peer's address is the one that its request came from, and swarms and the peers
 * in them are bounded, so that strangers can neither point others somewhere nor fill memory. What it
 * knows is gone when the process ends; clients announce themselves again.
 */
import { isIPv6 } from 'node:net'
import type { Clock } from '../lib/ids.ts'
import { bencode, type Encodable } from './bencode.ts'

/** Swarms remembered; the one that was silent longest goes first. */
export const SWARMS_MAX = 10_000
/** Peers of one swarm. */
export const PEERS_MAX = 2_000
/** Peers told in one answer, at most, and where the client names no number. */
const TOLD_MAX = 200
const TOLD = 50
/** Seconds after which clients are asked to announce themselves again. */
const INTERVAL_S = 15 * 60
/** A peer that was silent this long is gone. */
const SILENCE_MS: number = 2 * INTERVAL_S * 1000
/** Info hashes of one scrape. */
const SCRAPED_MAX = 64
const HASH_BYTES = 20

interface Peer {
  readonly id: string
  readonly address: string
  readonly port: number
  readonly isSeed: boolean
  readonly seenAt: number
}

interface Swarm {
  /** By address and port; the one that announced itself last stands last. */
  readonly peers: Map<string, Peer>
  completed: number
}

/** What the client asked for cannot be answered; BitTorrent tells it in the answer's `failure reason`. */
class Refusal extends Error {}

export class Tracker {
  readonly #clock: Clock
  readonly #random: () => number
  /** By info hash (latin1); the one that was announced to last stands last. */
  readonly #swarms = new Map<string, Swarm>()

  /** `random`: 0 to 1, like Math.random: which peers are told. */
  constructor(clock: Clock, random: () => number) {
    this.#clock = clock
    this.#random = random
  }

  get swarms(): number {
    return this.#swarms.size
  }

  /** The bencoded answer to `announce`; `query` as on the wire, without the question mark. */
  announce(query: string, address: string): Buffer {
    return answered(() => this.#announce(readQuery(query), plainAddress(address)))
  }

  /** The bencoded answer to `scrape`. */
  scrape(query: string): Buffer {
    return answered(() => {
      const hashes = readQuery(query)
        .filter(([name]) => name === 'info_hash')
        .map(([, value]) => checkedHash(value))
      if (hashes.length === 0) throw new Refusal('info_hash is missing')
      if (hashes.length > SCRAPED_MAX) throw new Refusal('too many info hashes')
      return { files: new Map(hashes.map((hash) => [hash, this.#numbers(hash)])) }
    })
  }

  #announce(query: Query, address: string): Encodable {
    const value = (name: string): string | undefined => query.find(([key]) => key === name)?.[1]
    const hash = checkedHash(value('info_hash'))
    const id = value('peer_id')
    if (id?.length !== HASH_BYTES) throw new Refusal('peer_id has to have 20 bytes')
    const port = integer(value('port'), 'port')
    if (port === undefined || port < 1 || port > 65_535) throw new Refusal('port is no port')
    const isSeed = integer(value('left'), 'left') === 0
    const swarm = this.#swarm(hash)
    const name = `${address} ${port}`
    swarm.peers.delete(name)
    if (value('event') === 'stopped') {
      if (swarm.peers.size === 0) this.#swarms.delete(hash)
    } else {
      if (value('event') === 'completed') swarm.completed++
      if (swarm.peers.size >= PEERS_MAX) deleteOldest(swarm.peers)
      swarm.peers.set(name, { id, address, port, isSeed, seenAt: this.#clock.now() })
    }
    const wanted = Math.min(integer(value('numwant'), 'numwant') ?? TOLD, TOLD_MAX)
    // Seeds have nothing to learn from each other.
    const others = [...swarm.peers.values()].filter(
      (peer) => !(peer.address === address && peer.port === port) && !(isSeed && peer.isSeed),
    )
    const told = pick(others, Math.max(0, wanted), this.#random)
    const { complete, incomplete } = numbersOf(swarm)
    return {
      interval: INTERVAL_S,
      complete,
      incomplete,
      ...(value('compact') === '0' ? { peers: told.map(inFull) } : compact(told)),
    }
  }

  /** The swarm, without the peers that are gone, as the one that was announced to last. */
  #swarm(hash: string): Swarm {
    const known = this.#swarms.get(hash)
    const swarm = known ?? { peers: new Map<string, Peer>(), completed: 0 }
    if (known !== undefined) this.#swarms.delete(hash)
    else if (this.#swarms.size >= SWARMS_MAX) deleteOldest(this.#swarms)
    this.#swarms.set(hash, swarm)
    this.#forgetSilent(swarm)
    return swarm
  }

  #forgetSilent({ peers }: Swarm): void {
    const since = this.#clock.now() - SILENCE_MS
    for (const [name, { seenAt }] of peers) {
      if (seenAt >= since) break
      peers.delete(name)
    }
  }

  #numbers(hash: string): Encodable {
    const swarm = this.#swarms.get(hash)
    if (swarm === undefined) return { complete: 0, downloaded: 0, incomplete: 0 }
    this.#forgetSilent(swarm)
    return { ...numbersOf(swarm), downloaded: swarm.completed }
  }
}

function answered(ask: () => Encodable): Buffer {
  try {
    return bencode(ask())
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    return bencode({ 'failure reason': error.message })
  }
}

type Query = readonly (readonly [name: string, value: string])[]

/** Values are bytes, as latin1: an info hash is no text. */
function readQuery(query: string): Query {
  return query
    .split('&')
    .filter((pair) => pair !== '')
    .map((pair) => {
      const equals = pair.indexOf('=')
      return equals < 0
        ? [pair, '']
        : [pair.slice(0, equals), unescapeBytes(pair.slice(equals + 1))]
    })
}

function unescapeBytes(text: string): string {
  return text.replace(/%([0-9a-f]{2})/gi, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  )
}

function checkedHash(value: string | undefined): string {
  if (value?.length !== HASH_BYTES) throw new Refusal('info_hash has to have 20 bytes')
  return value
}

function integer(value: string | undefined, name: string): number | undefined {
  if (value === undefined || value === '') return undefined
  if (!/^-?\d{1,19}$/.test(value)) throw new Refusal(`${name} is no number`)
  return Number(value)
}

/** IPv4 as itself, not inside an IPv6 address. */
function plainAddress(address: string): string {
  return address.startsWith('::ffff:') && address.includes('.') ? address.slice(7) : address
}

function numbersOf({ peers }: Swarm): { complete: number; incomplete: number } {
  let complete = 0
  for (const { isSeed } of peers.values()) if (isSeed) complete++
  return { complete, incomplete: peers.size - complete }
}

function deleteOldest(map: Map<string, unknown>): void {
  const oldest = map.keys().next()
  if (oldest.done !== true) map.delete(oldest.value)
}

/** `count` of them, each as likely as the next. */
function pick(peers: readonly Peer[], count: number, random: () => number): readonly Peer[] {
  if (peers.length <= count) return peers
  const left = [...peers]
  for (let i = 0; i < count; i++) {
    const at = i + Math.floor(random() * (left.length - i))
    ;[left[i], left[at]] = [left[at]!, left[i]!]
  }
  return left.slice(0, count)
}

function inFull({ id, address, port }: Peer): Encodable {
  return { 'peer id': Buffer.from(id, 'latin1'), ip: address, port }
}

/** Address and port, 6 or 18 bytes each. */
function compact(peers: readonly Peer[]): { peers: Buffer; peers6?: Buffer } {
  const v4 = peers.filter(({ address }) => !isIPv6(address))
  const v6 = peers.filter(({ address }) => isIPv6(address))
  const packed = { peers: Buffer.concat(v4.map((peer) => pack(bytes4(peer.address), peer.port))) }
  if (v6.length === 0) return packed
  return {
    ...packed,
    peers6: Buffer.concat(v6.map((peer) => pack(bytes6(peer.address), peer.port))),
  }
}

function pack(address: Uint8Array, port: number): Buffer {
  return Buffer.concat([address, Buffer.from([port >> 8, port & 255])])
}

function bytes4(address: string): Uint8Array {
  return Uint8Array.from(address.split('.'), Number)
}

function bytes6(address: string): Uint8Array {
  const [head = '', tail] = (address.split('%')[0] ?? '').split('::')
  const groups = (text: string): number[] =>
    text === '' ? [] : text.split(':').map((group) => Number.parseInt(group, 16))
  const [before, after] = [groups(head), groups(tail ?? '')]
  const zeros = tail === undefined ? 0 : 8 - before.length - after.length
  const all = [...before, ...Array<number>(zeros).fill(0), ...after]
  return Uint8Array.from(all.flatMap((group) => [group >> 8, group & 255]))
}
