/** Magnet links (BEP 9, 53; `x.pe` peers, `ws` web seeds): read, and bounded. */
import { TorrentError } from './metainfo.ts'

export interface Magnet {
  /** 40 hex digits. One of the two is there. */
  readonly v1: string | undefined
  /** 64 hex digits. */
  readonly v2: string | undefined
  readonly name: string | undefined
  readonly trackers: readonly string[]
  readonly webSeeds: readonly string[]
  /** host:port */
  readonly peers: readonly string[]
  /** Indices of wanted files, as ranges (BEP 53): `0`, `2-5`. */
  readonly files: readonly string[] | undefined
}

const MAGNET_LENGTH_MAX = 64 * 1024
/** Of each kind; more are left out. */
const ADDRESSES_MAX = 100
const BASE32 = 'abcdefghijklmnopqrstuvwxyz234567'
/** Multihash: SHA-256, 32 bytes. */
const SHA256_MULTIHASH = /^1220([0-9a-f]{64})$/i

/** Throws TorrentError where the link names no torrent. */
export function readMagnet(link: string): Magnet {
  if (link.length > MAGNET_LENGTH_MAX) throw new TorrentError('the magnet link is too long')
  const url = URL.parse(link.trim())
  if (url?.protocol !== 'magnet:') throw new TorrentError('this is no magnet link')
  const params = [...url.searchParams].map(([name, value]): readonly [string, string] => [
    // `tr.1`, `xt.2`: numbered where a link has several.
    name.toLowerCase().replace(/\.\d+$/, ''),
    value,
  ])
  const all = (name: string): string[] =>
    params.flatMap(([key, value]) => (key === name && value !== '' ? [value] : []))
  const topics = all('xt')
  const v1 = first(topics, 'urn:btih:', hexOfV1)
  const v2 = first(topics, 'urn:btmh:', (text) => SHA256_MULTIHASH.exec(text)?.[1]?.toLowerCase())
  if (v1 === undefined && v2 === undefined)
    throw new TorrentError(
      'the magnet link has no usable info hash (xt=urn:btih:... or urn:btmh:...)',
    )
  const files = all('so')
    .flatMap((text) => text.split(','))
    .filter((range) => /^\d+(-\d+)?$/.test(range))
  return {
    v1,
    v2,
    name: all('dn')[0],
    trackers: distinct(all('tr').filter((tracker) => URL.canParse(tracker))),
    webSeeds: distinct(all('ws').filter((seed) => /^https?:/i.test(seed) && URL.canParse(seed))),
    peers: distinct(all('x.pe').filter((peer) => peerOf(peer) !== undefined)),
    files: files.length === 0 ? undefined : files,
  }
}

/** The link with nothing but its hashes, its name, its trackers, and these web seeds. */
export function writeMagnet(
  { v1, v2, name, trackers }: Magnet,
  webSeeds: readonly string[],
): string {
  const topics = [...(v1 ? [`urn:btih:${v1}`] : []), ...(v2 ? [`urn:btmh:1220${v2}`] : [])]
  const words = topics.map((topic) => `xt=${topic}`)
  const add = (key: string, value: string): unknown =>
    words.push(`${key}=${encodeURIComponent(value)}`)
  if (name !== undefined) add('dn', name)
  for (const tracker of trackers) add('tr', tracker)
  for (const seed of webSeeds) add('ws', seed)
  return `magnet:?${words.join('&')}`
}

function first(
  topics: readonly string[],
  scheme: string,
  read: (text: string) => string | undefined,
): string | undefined {
  for (const topic of topics) {
    if (!topic.toLowerCase().startsWith(scheme)) continue
    const found = read(topic.slice(scheme.length))
    if (found !== undefined) return found
  }
  return undefined
}

/** 40 hex digits, or 32 of base 32 as older links have them. */
function hexOfV1(text: string): string | undefined {
  if (/^[0-9a-f]{40}$/i.test(text)) return text.toLowerCase()
  if (!/^[a-z2-7]{32}$/i.test(text)) return undefined
  let bits = 0n
  for (const digit of text.toLowerCase()) bits = (bits << 5n) | BigInt(BASE32.indexOf(digit))
  return bits.toString(16).padStart(40, '0')
}

function distinct(addresses: readonly string[]): readonly string[] {
  return [...new Set(addresses)].slice(0, ADDRESSES_MAX)
}

/** `host:port`, the host perhaps an IPv6 address in brackets; undefined where it is none. */
export function peerOf(text: string): { readonly host: string; readonly port: number } | undefined {
  const match = /^(?:\[([0-9a-f:.]{2,45})\]|([a-z0-9.-]{1,253})):(\d{1,5})$/i.exec(text)
  const port = Number(match?.[3])
  if (match === null || port < 1 || port > 65_535) return undefined
  return { host: match[1] ?? match[2]!, port }
}
