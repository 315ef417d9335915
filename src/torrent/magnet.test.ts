import fc from 'fast-check'
import { expect, test } from 'vitest'
import { peerOf, readMagnet, writeMagnet } from './magnet.ts'
import { TorrentError } from './metainfo.ts'

const V1 = '0123456789abcdef0123456789abcdef01234567'
const V2 = 'ab'.repeat(32)

test('a link tells hashes, name, trackers, web seeds, peers and wanted files', () => {
  const link = `magnet:?xt=urn:btih:${V1.toUpperCase()}&xt=urn:btmh:1220${V2}&dn=a+film&tr=http://t.example/announce&tr.1=udp://t.example:80&ws=http://s.example/x&x.pe=10.0.0.1:6881&so=0,2-4`
  expect(readMagnet(link)).toEqual({
    v1: V1,
    v2: V2,
    name: 'a film',
    trackers: ['http://t.example/announce', 'udp://t.example:80'],
    webSeeds: ['http://s.example/x'],
    peers: ['10.0.0.1:6881'],
    files: ['0', '2-4'],
  })
})

test('what is written is read as it was, without what is not meant to go on', () => {
  const link = `magnet:?xt=urn:btih:${V1}&xt=urn:btmh:1220${V2}&dn=a%26b&tr=http://t.example/a%3Fx=1&ws=http://10.0.0.1/&so=1&x.pe=h:1`
  const magnet = readMagnet(link)
  const again = readMagnet(writeMagnet(magnet, ['http://s.example/?a=1&b=2']))
  expect(again).toEqual({
    ...magnet,
    webSeeds: ['http://s.example/?a=1&b=2'],
    peers: [],
    files: undefined,
  })
})

test('a hash may be in base 32, as older links have it', () => {
  const { v1 } = readMagnet('magnet:?xt=urn:btih:AERUKZ4JVPG66AJDIVTYTK6N54ASGRLH')
  expect(v1).toBe(V1)
})

test('what names no torrent is refused', () => {
  for (const link of ['', 'http://x', 'magnet:', 'magnet:?dn=x', 'magnet:?xt=urn:btih:12'])
    expect(() => readMagnet(link), link).toThrow(TorrentError)
  expect(() => readMagnet(`magnet:?xt=urn:btih:${V1}&dn=${'x'.repeat(70_000)}`)).toThrow('too long')
})

test('addresses that are none, and more than a hundred, are left out', () => {
  const trackers = Array.from({ length: 200 }, (_, i) => `&tr=http://t${i}.example`).join('')
  const magnet = readMagnet(`magnet:?xt=urn:btih:${V1}&ws=file:///etc&x.pe=nowhere${trackers}`)
  expect(magnet).toMatchObject({ webSeeds: [], peers: [] })
  expect(magnet.trackers).toHaveLength(100)
})

test('a peer is a host and a port', () => {
  expect(peerOf('127.0.0.1:80')).toEqual({ host: '127.0.0.1', port: 80 })
  expect(peerOf('[::1]:80')).toEqual({ host: '::1', port: 80 })
  for (const text of ['x', 'x:0', 'x:65536', ':80', '::1:80', 'a b:80'])
    expect(peerOf(text)).toBeUndefined()
})

test('any text is read or refused, and nothing else happens', () => {
  const text = fc.oneof(
    fc.string(),
    fc.string().map((tail) => `magnet:?xt=urn:btih:${V1}&${tail}`),
  )
  fc.assert(
    fc.property(text, (link) => {
      try {
        expect(readMagnet(link).trackers.length).toBeLessThanOrEqual(100)
      } catch (error) {
        expect(error).toBeInstanceOf(TorrentError)
      }
    }),
  )
})
