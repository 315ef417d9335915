import { expect, test } from 'vitest'
import { bdecode, type BencodedDictionary } from './bencode.ts'
import { PEERS_MAX, SWARMS_MAX, Tracker } from './tracker.ts'

class Clock {
  time = 0
  now(): number {
    return this.time
  }
}

const HASH = '%124Vx%9A%BC%DE%F1%23%45%67%89%AB%CD%EF%124Vx%9A'
const ID = '-XX0001-123456789012'

function opened(): { tracker: Tracker; clock: Clock } {
  const clock = new Clock()
  return { tracker: new Tracker(clock, () => 0), clock }
}

function announce(
  tracker: Tracker,
  port: number,
  more = '',
  { address = '127.0.0.1', hash = HASH, left = 1 } = {},
): BencodedDictionary {
  const query = `info_hash=${hash}&peer_id=${ID}&port=${port}&uploaded=0&downloaded=0&left=${left}&compact=1${more}`
  return bdecode(tracker.announce(query, address)) as BencodedDictionary
}

/** Ports of the compact peers. */
function ports(answer: BencodedDictionary, name = 'peers', bytes = 6): number[] {
  const peers = Buffer.from(answer.bytes(name) ?? [])
  const found: number[] = []
  for (let at = 0; at < peers.length; at += bytes) found.push(peers.readUInt16BE(at + bytes - 2))
  return found
}

test('two clients of a torrent find each other, and a client never finds itself', () => {
  const { tracker } = opened()
  expect(ports(announce(tracker, 1))).toEqual([])
  const second = announce(tracker, 2)
  expect(ports(second)).toEqual([1])
  expect([...second.bytes('peers')!.subarray(0, 4)]).toEqual([127, 0, 0, 1])
  expect(second.integer('incomplete')).toBe(2)
  expect(second.integer('interval')).toBeGreaterThan(0)
  expect(ports(announce(tracker, 1))).toEqual([2])
  expect(ports(announce(tracker, 3, '', { hash: HASH.replace('V', 'W') }))).toEqual([])
})

test('seeds are counted, and are not told of each other', () => {
  const { tracker } = opened()
  announce(tracker, 1, '', { left: 0 })
  const seed = announce(tracker, 2, '&event=completed', { left: 0 })
  expect(ports(seed)).toEqual([])
  expect(seed.integer('complete')).toBe(2)
  expect(ports(announce(tracker, 3))).toEqual([1, 2])
  const scraped = bdecode(tracker.scrape(`info_hash=${HASH}`)) as BencodedDictionary
  const [numbers] = [...scraped.dictionary('files')!.entries.values()] as BencodedDictionary[]
  expect(numbers!.integer('complete')).toBe(2)
  expect(numbers!.integer('incomplete')).toBe(1)
  expect(numbers!.integer('downloaded')).toBe(1)
})

test('who stops is gone, and so is who was silent for long', () => {
  const { tracker, clock } = opened()
  announce(tracker, 1)
  announce(tracker, 2)
  expect(ports(announce(tracker, 1, '&event=stopped'))).toEqual([2])
  expect(ports(announce(tracker, 3))).toEqual([2])
  clock.time += 31 * 60_000
  expect(ports(announce(tracker, 4))).toEqual([])
  announce(tracker, 4, '&event=stopped')
  expect(tracker.swarms).toBe(0)
})

test('IPv6 peers come apart; an IPv4 address inside of one is itself', () => {
  const { tracker } = opened()
  announce(tracker, 1, '', { address: '2001:db8::1' })
  announce(tracker, 2, '', { address: '::ffff:10.0.0.1' })
  const answer = announce(tracker, 3)
  expect(ports(answer)).toEqual([2])
  expect([...answer.bytes('peers')!.subarray(0, 4)]).toEqual([10, 0, 0, 1])
  expect(ports(answer, 'peers6', 18)).toEqual([1])
  expect(Buffer.from(answer.bytes('peers6')!).toString('hex', 0, 16)).toBe(
    '20010db8000000000000000000000001',
  )
})

test('peers come as dictionaries where a client wants no compact ones', () => {
  const { tracker } = opened()
  announce(tracker, 1)
  const [peer] = announce(tracker, 2, '&compact=0').list('peers') ?? []
  // The first `compact` counts.
  expect(peer).toBeUndefined()
  const query = `info_hash=${HASH}&peer_id=${ID}&port=2&left=1&compact=0`
  const answer = bdecode(tracker.announce(query, '127.0.0.1')) as BencodedDictionary
  const [full] = answer.list('peers') as BencodedDictionary[]
  expect(full!.text('peer id')).toBe(ID)
  expect(full!.text('ip')).toBe('127.0.0.1')
  expect(full!.integer('port')).toBe(1)
})

test('no more peers are told than wanted', () => {
  const { tracker } = opened()
  for (let port = 1; port <= 60; port++) announce(tracker, port)
  expect(ports(announce(tracker, 100))).toHaveLength(50)
  expect(ports(announce(tracker, 100, '&numwant=3'))).toHaveLength(3)
  expect(ports(announce(tracker, 100, '&numwant=0'))).toHaveLength(0)
  expect(ports(announce(tracker, 100, '&numwant=-5'))).toHaveLength(0)
})

test('memory is bounded, whoever announces what', () => {
  const { tracker } = opened()
  for (let port = 1; port <= PEERS_MAX + 10; port++) announce(tracker, port)
  const answer = announce(tracker, 9999)
  expect(answer.integer('incomplete')).toBe(PEERS_MAX)
  for (let i = 0; i < SWARMS_MAX + 5; i++)
    announce(tracker, 1, '', { hash: String(i).padStart(20, 'x') })
  expect(tracker.swarms).toBe(SWARMS_MAX)
})

test.each([
  ['info_hash', 'peer_id=-XX0001-123456789012&port=1'],
  ['info_hash', 'info_hash=short&peer_id=-XX0001-123456789012&port=1'],
  ['peer_id', `info_hash=${HASH}&port=1`],
  ['port', `info_hash=${HASH}&peer_id=${ID}`],
  ['port', `info_hash=${HASH}&peer_id=${ID}&port=0`],
  ['port', `info_hash=${HASH}&peer_id=${ID}&port=65536`],
  ['port', `info_hash=${HASH}&peer_id=${ID}&port=x`],
  ['left', `info_hash=${HASH}&peer_id=${ID}&port=1&left=x`],
])('a malformed announce is told what is wrong with %s', (word, query) => {
  const { tracker } = opened()
  const answer = bdecode(tracker.announce(query, '127.0.0.1')) as BencodedDictionary
  expect(answer.text('failure reason')).toContain(word)
  expect(tracker.swarms).toBe(0)
})
