/** The promises of `TorrentEngine`, as tests: an engine's own test file is a call of this. */
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { sample } from './disk/contract-samples.ts'
import { DiskError, type Registered } from './disk-io.ts'
import { faultPromises } from './engine-contract-faults.ts'
import {
  connect,
  expectPieces,
  fillWith,
  give,
  isDone,
  member,
  movie,
  type OpenEngine,
  orderOf,
  seeder,
  until,
} from './engine-contract-swarm.ts'
import type { Info } from './metainfo.ts'

export function engineContract(name: string, open: OpenEngine, knowsV2: boolean): void {
  describe(`an engine: ${name}`, () => {
    describe('downloading', () => {
      downloadPromises(open, knowsV2)
    })
    describe('choosing', () => {
      choicePromises(open)
    })
    describe('going on', () => {
      resumePromises(open)
    })
    describe('magnets', () => {
      magnetPromises(open)
    })
    describe('what goes wrong', () => {
      faultPromises(open)
    })
  })
}

function downloadPromises(open: OpenEngine, knowsV2: boolean): void {
  const versions = knowsV2 ? (['v1', 'hybrid', 'v2'] as const) : (['v1', 'hybrid'] as const)
  test.each(versions)('%s: all comes from a peer, and each piece is told once', async (version) => {
    const of = await sample({ version })
    const seed = await seeder(open, of)
    const leech = await member(open)
    const registered = await give(leech, of)
    connect(leech, of, seed)
    await until('all is there', () => isDone(leech, of))
    await expectPieces(leech, registered, of)
    const all = Array.from({ length: of.torrent.info.pieceCount }, (_, i) => i)
    expect(leech.pieces.toSorted((a, b) => a - b)).toEqual(all)
    expect([leech.errors, seed.errors]).toEqual([[], []])
    expect(leech.engine.status(of.torrent.id)).toMatchObject({
      state: 'seeding',
      hashFailures: 0,
      problem: undefined,
    })
  })

  // Who knows version 2 takes it: see the suite's other cases.
  test.runIf(!knowsV2)('a torrent of version 2 alone is refused in clear words', async () => {
    const of = await sample({ version: 'v2' })
    const leech = await member(open)
    await expect(give(leech, of)).rejects.toThrow('version 1')
  })

  test('what has come is served on', async () => {
    const of = await movie()
    const first = await seeder(open, of)
    const second = await member(open)
    await give(second, of)
    connect(second, of, first)
    await until('the second has all', () => isDone(second, of))
    await first.engine.remove(of.torrent.id)
    const third = await member(open)
    const registered = await give(third, of)
    connect(third, of, second)
    await until('the third has all', () => isDone(third, of))
    await expectPieces(third, registered, of)
    expect(first.engine.status(of.torrent.id)).toBeUndefined()
  })

  test('one that is not to seed serves nobody when it has all', async () => {
    const of = await movie()
    const seed = await seeder(open, of)
    const leech = await member(open)
    await give(leech, of, { seeds: false })
    connect(leech, of, seed)
    await until('all is there', () => isDone(leech, of))
    expect(leech.engine.status(of.torrent.id)?.state).toBe('finished')
    await until('no peer is left', () => leech.engine.status(of.torrent.id)?.peers === 0)
    const late = await member(open)
    await give(late, of)
    connect(late, of, leech)
    await sleep(300)
    expect(late.pieces).toEqual([])
  })

  test('torrents beside each other do not mix', async () => {
    const [one, two] = [await movie({ seed: 1 }), await movie({ seed: 2, version: 'hybrid' })]
    const seed = await seeder(open, one)
    await fillWith(seed, two)
    await give(seed, two)
    const leech = await member(open)
    const [first, second] = [await give(leech, one), await give(leech, two)]
    connect(leech, one, seed)
    connect(leech, two, seed)
    await until('both are there', () => isDone(leech, one) && isDone(leech, two))
    await expectPieces(leech, first, one)
    await expectPieces(leech, second, two)
    expect(leech.errors).toEqual([])
  })

  test('it tells how much has come, and from whom', async () => {
    const of = await movie()
    const seed = await seeder(open, of, { uploadRateMax: 1_000_000 })
    const leech = await member(open)
    await give(leech, of)
    connect(leech, of, seed)
    const status = (): ReturnType<typeof leech.engine.status> => leech.engine.status(of.torrent.id)
    await until('a peer is seen', () => status()?.peers === 1 && status()?.seeds === 1)
    expect(status()?.state).toBe('downloading')
    await until('bytes are counted', () => status()!.downloadedBytes > 0)
    expect(leech.engine.status('0'.repeat(40))).toBeUndefined()
  })
}

function choicePromises(open: OpenEngine): void {
  test('only wanted files come, and others when they are wanted later', async () => {
    const of = await movie()
    const seed = await seeder(open, of)
    const leech = await member(open)
    const registered = await give(leech, of, { wanted: [2] })
    connect(leech, of, seed)
    await until('the file is there', () => isDone(leech, of))
    const { offset, sizeBytes } = of.torrent.info.files[2]!
    const last = Math.floor((offset + sizeBytes - 1) / of.torrent.info.pieceBytes)
    expect(leech.pieces.toSorted((a, b) => a - b)).toEqual([...leech.disk.written])
    expect([...leech.disk.written]).toEqual([last])
    leech.done.clear()
    leech.engine.setWanted(of.torrent.id, [0, 1, 2, 3])
    await until('all is there', () => isDone(leech, of))
    await expectPieces(leech, registered, of)
  })

  test('pieces that are prioritised come before others', async () => {
    const of = await movie()
    const seed = await seeder(open, of, { uploadRateMax: 700_000 })
    const leech = await member(open)
    await give(leech, of)
    const urgent = [37, 38, 21]
    leech.engine.prioritise(of.torrent.id, urgent)
    connect(leech, of, seed)
    await until('they are there', () => urgent.every((piece) => leech.pieces.includes(piece)))
    expect(leech.pieces.length).toBeLessThan(15)
    leech.engine.relax(of.torrent.id, urgent)
  })

  test('the bound for downloads holds', async () => {
    const of = await movie()
    const seed = await seeder(open, of)
    const leech = await member(open, { downloadRateMax: 500_000 })
    await give(leech, of)
    connect(leech, of, seed)
    await until('something comes', () => leech.disk.written.size > 0)
    await sleep(1000)
    // 2.6 MB in all; a burst at the beginning is no offence.
    expect(leech.disk.stats().writtenBytes).toBeLessThan(1_800_000)
  })
}

function resumePromises(open: OpenEngine): void {
  test('what is there is neither fetched nor read again', async () => {
    const of = await movie()
    const seed = await seeder(open, of)
    const leech = await member(open)
    const there = Array.from({ length: 25 }, (_, i) => i)
    await fillWith(leech, of, there)
    const registered = await give(leech, of)
    connect(leech, of, seed)
    await until('all is there', () => isDone(leech, of))
    await expectPieces(leech, registered, of)
    expect(there.filter((piece) => leech.disk.written.has(piece))).toEqual([])
    expect(there.filter((piece) => leech.disk.hashed.has(piece))).toEqual([])
    expect(leech.pieces.filter((piece) => there.includes(piece))).toEqual([])
  })

  test('where all is there, it is done, and no byte is looked at', async () => {
    const of = await movie({ version: 'hybrid' })
    const seed = await seeder(open, of)
    await until('it is done', () => isDone(seed, of))
    expect([seed.disk.hashed.size, seed.disk.stats().readBytes, seed.pieces]).toEqual([0, 0, []])
  })

  test('a torrent that is removed comes back as it was', async () => {
    const of = await movie()
    const seed = await seeder(open, of, { uploadRateMax: 1_000_000 })
    const leech = await member(open)
    const first = await give(leech, of)
    connect(leech, of, seed)
    await until('some is there', () => leech.pieces.length > 5)
    await leech.engine.remove(of.torrent.id)
    const calls = leech.disk.calls
    await leech.disk.unregister(first.storage)
    const told = new Set(leech.pieces)
    leech.disk.hashed.clear()
    await sleep(100)
    expect(leech.disk.calls).toBe(calls)
    const again = await give(leech, of)
    expect(leech.engine.status(of.torrent.id)?.problem).toBeUndefined()
    connect(leech, of, seed)
    await until('all is there', () => isDone(leech, of))
    await expectPieces(leech, again, of)
    expect([...told].filter((piece) => leech.disk.hashed.has(piece))).toEqual([])
  })
}

function magnetPromises(open: OpenEngine): void {
  test.each(['v1', 'hybrid'] as const)('%s: the info comes from a peer', async (version) => {
    const of = await movie({ version })
    const seed = await seeder(open, of)
    const leech = await member(open)
    const infos: Info[] = []
    let registered: Registered | undefined
    const onInfo = async (info: Info): Promise<Registered> => {
      infos.push(info)
      registered = await leech.disk.register({ ...of.torrent, info, pieceLayers: new Map() })
      return registered
    }
    const magnet = `magnet:?xt=urn:btih:${of.torrent.id}&dn=whatever`
    await leech.engine.add({ ...orderOf(of, registered!), source: { magnet, onInfo } })
    expect(leech.engine.status(of.torrent.id)?.state).toBe('metadata')
    connect(leech, of, seed)
    await until('all is there', () => isDone(leech, of))
    expect(infos.map(({ name }) => name)).toEqual([of.torrent.info.name])
    await expectPieces(leech, registered!, of)
  })

  test('data of a magnet that is there is not fetched again', async () => {
    const of = await movie()
    const seed = await seeder(open, of)
    const leech = await member(open)
    const there = Array.from({ length: 30 }, (_, i) => i)
    await fillWith(leech, of, there)
    const magnet = `magnet:?xt=urn:btih:${of.torrent.id}`
    const onInfo = async (): Promise<Registered> => leech.disk.register(of.torrent)
    await leech.engine.add({
      ...orderOf(of, await seed.disk.register(await movie({ seed: 9 }).then((o) => o.torrent))),
      source: { magnet, onInfo },
    })
    connect(leech, of, seed)
    await until('all is there', () => isDone(leech, of))
    expect(there.filter((piece) => leech.disk.written.has(piece))).toEqual([])
    expect(leech.pieces.length).toBe(of.torrent.info.pieceCount - there.length)
  })

  test('only wanted files of a magnet come', async () => {
    const of = await movie()
    const seed = await seeder(open, of)
    const leech = await member(open)
    const source = {
      magnet: `magnet:?xt=urn:btih:${of.torrent.id}`,
      onInfo: async (): Promise<Registered> => leech.disk.register(of.torrent),
    }
    const order = { id: of.torrent.id, source, trackers: [], wanted: [0], seeds: true }
    await leech.engine.add(order)
    connect(leech, of, seed)
    await until('the file is there', () => isDone(leech, of))
    expect(leech.pieces.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 11 }, (_, i) => i))
  })

  test('where nobody takes the info, the torrent stops with the reason', async () => {
    const of = await movie()
    const seed = await seeder(open, of)
    const leech = await member(open)
    const source = {
      magnet: `magnet:?xt=urn:btih:${of.torrent.id}`,
      onInfo: async (): Promise<Registered> => {
        throw new DiskError('there is no such bucket')
      },
    }
    await leech.engine.add({
      id: of.torrent.id,
      source,
      trackers: [],
      wanted: undefined,
      seeds: true,
    })
    connect(leech, of, seed)
    await until('it stops', () => leech.errors.length > 0)
    expect(leech.engine.status(of.torrent.id)).toMatchObject({
      state: 'stopped',
      problem: expect.stringContaining('there is no such bucket'),
    })
    await leech.engine.remove(of.torrent.id)
  })

  test('a magnet without peers can be removed', async () => {
    const of = await movie()
    const leech = await member(open)
    const source = {
      magnet: `magnet:?xt=urn:btih:${of.torrent.id}`,
      onInfo: async (): Promise<Registered> => expect.fail('nobody has the info'),
    }
    const order = { id: of.torrent.id, source, trackers: [], wanted: undefined, seeds: true }
    await leech.engine.add(order)
    await leech.engine.remove(of.torrent.id)
    expect(leech.engine.status(of.torrent.id)).toBeUndefined()
    await leech.engine.add(order)
  })
}
