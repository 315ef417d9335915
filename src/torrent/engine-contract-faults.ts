/** Of the contract of engines: disks that fail and fill up, peers that lie, ends in the middle of it. */
import { networkInterfaces } from 'node:os'
import { connect as connectTo } from 'node:net'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { noise } from './disk/contract-samples.ts'
import { DiskError } from './disk-io.ts'
import {
  connect,
  type DiskCall,
  expectPieces,
  give,
  isDone,
  member,
  movie,
  type OpenEngine,
  orderOf,
  seeder,
  until,
} from './engine-contract-swarm.ts'

export function faultPromises(open: OpenEngine): void {
  diskPromises(open)
  peerPromises(open)
  endPromises(open)
}

function diskPromises(open: OpenEngine): void {
  test.each<DiskCall>(['write', 'hash'])(
    'a disk that fails to %s stops the torrent, with its own words',
    async (call) => {
      const of = await movie()
      const seed = await seeder(open, of)
      const leech = await member(open)
      const registered = await give(leech, of)
      leech.disk.fault = (what) => {
        const { written, hashed } = leech.disk
        if (what === call && (what === 'write' ? written : hashed).size > 3)
          throw new DiskError('the bucket is full')
      }
      connect(leech, of, seed)
      await until('it stops', () => leech.errors.length > 0)
      const status = leech.engine.status(of.torrent.id)
      expect(status).toMatchObject({
        state: 'stopped',
        problem: expect.stringContaining('the bucket is full'),
      })
      await sleep(100)
      const { length } = leech.pieces
      await sleep(200)
      expect([leech.pieces.length, leech.errors.length]).toEqual([length, 1])
      // Whoever sees to the disk adds it again.
      await leech.engine.remove(of.torrent.id)
      await leech.disk.unregister(registered.storage)
      leech.disk.fault = () => {}
      const again = await give(leech, of)
      connect(leech, of, seed)
      await until('all is there', () => isDone(leech, of))
      await expectPieces(leech, again, of)
    },
  )

  test('a disk that fails to read stops the torrent that is served from it', async () => {
    const of = await movie()
    const seed = await seeder(open, of)
    seed.disk.fault = (call) => {
      if (call === 'read') throw new DiskError('the bucket has gone')
    }
    const leech = await member(open)
    await give(leech, of)
    connect(leech, of, seed)
    await until('it stops', () => seed.errors.length > 0)
    expect(seed.engine.status(of.torrent.id)?.problem).toContain('the bucket has gone')
    expect(leech.pieces).toEqual([])
  })

  test('a full disk holds peers back, and they go on when it has drained', async () => {
    const piece = 256 * 1024
    const of = await movie({ sizes: [40 * 1024 * 1024], pieceBytes: piece })
    const seed = await seeder(open, of)
    const leech = await member(open)
    const registered = await give(leech, of)
    connect(leech, of, seed)
    await until('some is there', () => leech.pieces.length > 2)
    leech.disk.fill()
    await sleep(300)
    const held = leech.disk.stats().writtenBytes
    await sleep(700)
    const since = leech.disk.stats().writtenBytes - held
    expect(since).toBeLessThan(2 * 1024 * 1024)
    expect(isDone(leech, of)).toBe(false)
    leech.disk.drain()
    await until('all is there', () => isDone(leech, of))
    await expectPieces(leech, registered, of)
  })

  test('nobody is told of a piece before its hash is answered', async () => {
    const of = await movie()
    const seed = await seeder(open, of)
    const leech = await member(open)
    await give(leech, of)
    const hold = Promise.withResolvers<void>()
    leech.disk.hashing = hold.promise
    connect(leech, of, seed)
    await until('something is hashed', () => leech.disk.hashed.size > 0)
    await sleep(100)
    const late = await member(open)
    await give(late, of)
    connect(late, of, leech)
    await sleep(200)
    expect([leech.pieces, late.disk.written.size]).toEqual([[], 0])
    hold.resolve()
    await until('both have all', () => isDone(leech, of) && isDone(late, of))
  })
}

function peerPromises(open: OpenEngine): void {
  test('a peer that sends wrong data is found out, and the torrent comes all the same', async () => {
    const of = await movie()
    const liar = await seeder(open, of)
    liar.disk.spoil = (bytes) => Uint8Array.from(bytes, (byte) => byte ^ 1)
    const leech = await member(open)
    const registered = await give(leech, of)
    connect(leech, of, liar)
    const failures = (): number => leech.engine.status(of.torrent.id)!.hashFailures
    await until('a piece has failed', () => failures() > 0)
    const honest = await seeder(open, of)
    connect(leech, of, honest)
    await until('all is there', () => isDone(leech, of))
    await expectPieces(leech, registered, of)
    expect(new Set(leech.pieces).size).toBe(of.torrent.info.pieceCount)
    expect(leech.errors).toEqual([])
  })

  test('strangers who send nonsense do no harm', async () => {
    const of = await movie()
    const seed = await seeder(open, of)
    const hello = Buffer.concat([
      Buffer.from('\x13BitTorrent protocol', 'latin1'),
      Buffer.alloc(8, 0x10),
      Buffer.from(of.torrent.id, 'hex'),
      Buffer.from('-XX0001-nonsensical!'),
    ])
    const messages = Array.from({ length: 40 }, (_, i) => {
      const body = Buffer.from(noise(i * 7, i))
      const head = Buffer.from([0, 0, 0, i * 7 + 1, i])
      return Buffer.concat([head, body])
    })
    const sent = [
      Buffer.from('GET / HTTP/1.1\r\n\r\n'),
      Buffer.from(noise(2000, 1)),
      hello.subarray(0, 60),
      ...messages.map((message) => Buffer.concat([hello, message])),
      Buffer.concat([hello, ...messages]),
      Buffer.concat([hello, Buffer.from([0xff, 0xff, 0xff, 0xff, 6])]),
      // A request beyond the torrent, and one of a huge block.
      Buffer.concat([hello, Buffer.from([0, 0, 0, 13, 6, 0, 0, 255, 0, 0, 0, 0, 0, 0, 0, 64, 0])]),
      Buffer.concat([hello, Buffer.from([0, 0, 0, 13, 6, 0, 0, 0, 0, 0, 0, 0, 0, 127, 0, 0, 0])]),
    ]
    for (const bytes of sent) {
      const socket = connectTo(seed.engine.port, '127.0.0.1')
      socket.on('error', () => {})
      socket.write(bytes)
      setTimeout(() => socket.destroy(), 150)
      await sleep(10)
    }
    await sleep(200)
    const leech = await member(open)
    await give(leech, of)
    connect(leech, of, seed)
    await until('all is there', () => isDone(leech, of))
    expect(seed.errors).toEqual([])
  })

  test('it listens where it is told to, and nowhere else', async () => {
    const { engine } = await member(open)
    const reaches = async (host: string): Promise<boolean> => {
      const socket = connectTo(engine.port, host)
      const came = await Promise.race([
        once(socket, 'connect').then(() => true),
        once(socket, 'error').then(() => false),
      ]).catch(() => false)
      socket.destroy()
      return came
    }
    expect(await reaches('127.0.0.1')).toBe(true)
    const others = Object.values(networkInterfaces()).flatMap((each) => each ?? [])
    for (const { address, internal, family } of others)
      if (!internal && family === 'IPv4') expect(await reaches(address), address).toBe(false)
  })
}

function endPromises(open: OpenEngine): void {
  test('what is no torrent, and what is there already, is refused', async () => {
    const of = await movie()
    const leech = await member(open)
    const registered = await give(leech, of)
    await expect(leech.engine.add(orderOf(of, registered))).rejects.toThrow('there already')
    const source = { metainfo: Buffer.from('d4:infod4:name1:aee'), registered }
    await expect(
      leech.engine.add({ ...orderOf(of, registered), id: '0'.repeat(40), source }),
    ).rejects.toThrow(/piece length|torrent/)
    expect(leech.engine.status('0'.repeat(40))).toBeUndefined()
    expect(leech.errors).toEqual([])
  })

  test('removed while pieces are being written, it calls its disk no more', async () => {
    const of = await movie()
    const seed = await seeder(open, of)
    const leech = await member(open)
    const { storage } = await give(leech, of)
    const slow = Promise.withResolvers<void>()
    leech.disk.hashing = slow.promise
    connect(leech, of, seed)
    await until('hashes are under way', () => leech.disk.hashed.size > 3)
    let isRemoved = false
    const removed = leech.engine.remove(of.torrent.id).then(() => (isRemoved = true))
    await sleep(100)
    expect(isRemoved).toBe(false)
    slow.resolve()
    await removed
    const { calls } = leech.disk
    await leech.disk.unregister(storage)
    await sleep(200)
    expect(leech.disk.calls).toBe(calls)
    expect([leech.engine.status(of.torrent.id), leech.errors]).toEqual([undefined, []])
  })

  test('closed in the middle of it, it waits for its disk and is gone', async () => {
    const of = await movie()
    const seed = await seeder(open, of)
    const leech = await member(open)
    await give(leech, of)
    const slow = Promise.withResolvers<void>()
    leech.disk.hashing = slow.promise
    connect(leech, of, seed)
    await until('hashes are under way', () => leech.disk.hashed.size > 3)
    const closed = leech.engine[Symbol.asyncDispose]()
    slow.resolve()
    await closed
    const { calls } = leech.disk
    await sleep(100)
    expect(leech.disk.calls).toBe(calls)
    await expect(give(leech, await movie({ seed: 5 }))).rejects.toThrow('closed')
  })
}
