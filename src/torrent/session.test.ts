import { afterEach, expect, test } from 'vitest'
import { S3Error } from '../api/error.ts'
import { DiskError } from './disk-io.ts'
import { TorrentError } from './metainfo.ts'
import { CALL, content, made, type Made, Rig, type RigOptions } from './session.fixture.ts'
import type { FakeEngine } from './engine.fixture.ts'

const rigs: Rig[] = []
afterEach(async () => {
  for (const rig of rigs.splice(0)) await rig[Symbol.asyncDispose]()
})

async function start(
  swarm: readonly Made[],
  options?: RigOptions,
  prepare?: (engine: FakeEngine) => void,
): Promise<Rig> {
  const rig = new Rig(swarm, options)
  await rig.start(prepare)
  rigs.push(rig)
  return rig
}

const SHOW = await made({
  'one.bin': content(100_000, 3),
  'two.bin': content(50_001, 5),
  'extras/empty': Buffer.alloc(0),
  'extras/three.txt': content(40_000, 7),
})

const state = (rig: Rig, id = SHOW.id): string => rig.session.status(id).state
async function becomes(rig: Rig, wanted: string, id = SHOW.id): Promise<void> {
  await expect.poll(() => state(rig, id), { interval: 5 }).toBe(wanted)
}

async function expectShow(rig: Rig, prefix = 'in/show/'): Promise<void> {
  for (const [path, bytes] of Object.entries(SHOW.contents))
    expect((await rig.bytes(prefix + path)).equals(bytes), path).toBe(true)
}

test('the files of a torrent become objects below its prefix, byte for byte, and nothing else', async () => {
  const rig = await start([SHOW])
  const { isNew, status } = await rig.add(SHOW.file)
  expect(isNew).toBe(true)
  expect(status).toMatchObject({
    id: SHOW.id,
    name: 'show',
    bucket: 'box',
    prefix: 'in/',
    files: 4,
  })
  await becomes(rig, 'seeding')
  await expectShow(rig)
  expect(await rig.keys()).toHaveLength(4)
  expect(rig.session.status(SHOW.id)).toMatchObject({ haveBytes: 190_001, filesDone: 4 })
})

test('each file is an object as soon as it is whole, while others are still missing', async () => {
  const rig = await start([SHOW], {}, (engine) => (engine.isHeld = true))
  await rig.add(SHOW.file)
  await expect.poll(() => rig.engine.asked).toContain(`add ${SHOW.id}`)
  const held = rig.session.find('box', 'in/show/extras/three.txt')!
  const { first, end } = held.torrent.contents!.progress.piecesOf(held.index)
  rig.session.prioritise(
    held.torrent,
    Array.from({ length: end - first }, (_, i) => first + i),
  )
  await expect.poll(() => rig.keys()).toEqual(['in/show/extras/empty', 'in/show/extras/three.txt'])
  expect(state(rig)).toBe('downloading')
})

test('only the files that are wanted are made; others may be wanted later, by name, index or folder', async () => {
  const rig = await start([SHOW])
  await rig.add(SHOW.file, { files: ['two.bin'], seeds: false })
  await becomes(rig, 'finished')
  expect(await rig.keys()).toEqual(['in/show/two.bin'])
  await rig.session.setWanted(SHOW.id, ['two.bin', 'extras/'])
  await expect.poll(() => rig.keys()).toHaveLength(3)
  await becomes(rig, 'finished')
  await rig.session.setWanted(SHOW.id, undefined)
  await expect.poll(() => rig.keys()).toHaveLength(4)
  await expectShow(rig)
  await expect(rig.session.setWanted(SHOW.id, ['none.bin'])).rejects.toThrow(/no file none\.bin/)
})

test('after a restart everything goes on with what is there: no piece comes twice', async () => {
  const rig = await start([SHOW], {}, (engine) => (engine.pieceMs = 4))
  await rig.add(SHOW.file)
  await expect.poll(() => rig.engine.came.length, { interval: 2 }).toBeGreaterThan(1)
  const before = [...rig.engine.came]
  await rig.restart()
  await becomes(rig, 'seeding')
  const all = [...before, ...rig.engine.came]
  expect(new Set(all).size).toBe(all.length)
  expect(all).toHaveLength(SHOW.metainfo.info.pieceCount)
  await expectShow(rig)
})

test('a file that became an object is not made again after a restart, even where somebody deleted it', async () => {
  const rig = await start([SHOW], { seeds: false })
  await rig.add(SHOW.file)
  await becomes(rig, 'finished')
  await rig.s3.api.DeleteObject!({ Bucket: 'box', Key: 'in/show/one.bin' }, CALL)
  const before = rig.files.assembled.length
  await rig.restart()
  await becomes(rig, 'finished')
  expect(rig.files.assembled).toHaveLength(before)
  expect(await rig.keys()).toHaveLength(3)
})

test('a magnet link waits for its info, then is a torrent like others, and stays one after a restart', async () => {
  const rig = await start([SHOW], {}, (engine) => (engine.isDead = true))
  const link = `magnet:?xt=urn:btih:${SHOW.id}&dn=something&x.pe=127.0.0.1:7001`
  await rig.add(link)
  expect(rig.session.status(SHOW.id)).toMatchObject({ state: 'metadata', name: 'something' })
  await expect.poll(() => rig.engine.asked).toContain(`peer ${SHOW.id} 127.0.0.1:7001`)
  await rig.restart((engine) => (engine.isDead = true))
  expect(rig.session.status(SHOW.id).state).toBe('metadata')
  rig.engine.isDead = false
  await becomes(rig, 'seeding')
  expect(rig.session.status(SHOW.id).name).toBe('show')
  await rig.restart((engine) => (engine.isDead = true))
  await becomes(rig, 'seeding')
  await expectShow(rig)
})

test('a magnet link may name its files; where it names none there are, it ends with an error that says so', async () => {
  const rig = await start([SHOW])
  await rig.add(`magnet:?xt=urn:btih:${SHOW.id}&so=1`)
  await becomes(rig, 'seeding')
  expect(await rig.keys()).toEqual(
    ['in/show/extras/three.txt'].slice(0, 0).concat(await rig.keys()),
  )
  expect(await rig.keys()).toHaveLength(1)
  await rig.session.remove(SHOW.id, true)
  await rig.add(`magnet:?xt=urn:btih:${SHOW.id}&so=77`)
  await becomes(rig, 'error')
  expect(rig.session.status(SHOW.id).problem).toContain('no file 77')
  await rig.session.setWanted(SHOW.id, ['one.bin'])
  await becomes(rig, 'seeding')
})

test('a magnet link replaces no object of others, and brings no web seed of a private network', async () => {
  const rig = await start([SHOW], {}, (engine) => (engine.isDead = true))
  await rig.put('in/show/one.bin', Buffer.from('mine'))
  const sources: string[] = []
  const add = rig.engine.add.bind(rig.engine)
  rig.engine.add = (order) => {
    if ('magnet' in order.source) sources.push(order.source.magnet)
    return add(order)
  }
  await rig.add(`magnet:?xt=urn:btih:${SHOW.id}&ws=http://10.0.0.1/x&ws=http://example.com/x`)
  rig.engine.isDead = false
  await becomes(rig, 'error')
  expect(rig.session.status(SHOW.id).problem).toContain('other objects stand at in/show/one.bin')
  expect((await rig.bytes('in/show/one.bin')).toString()).toBe('mine')
  expect(sources).toEqual([expect.stringMatching(/^magnet:.*example\.com/)])
  expect(sources[0]).not.toContain('10.0.0.1')
})

test('a torrent is added by URL and from an object too; what is no torrent is refused with a reason', async () => {
  const url = 'http://example.com/show.torrent'
  const rig = await start([SHOW], { urls: { [url]: SHOW.file } })
  await rig.add(url)
  await becomes(rig, 'seeding')
  await rig.session.remove(SHOW.id, true)
  await rig.put('a/show.torrent', SHOW.file)
  await rig.add('s3://box/a/show.torrent')
  await becomes(rig, 'seeding')
  await rig.session.remove(SHOW.id, true)
  const refused = async (torrent: string | Uint8Array, more = {}): Promise<string> => {
    const error: unknown = await rig.add(torrent, more).catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(TorrentError)
    return (error as Error).message
  }
  expect(await refused('http://example.com/none')).toContain('404')
  expect(await refused('s3://box/none.torrent')).toContain('does not exist')
  expect(await refused('show.torrent')).toContain('magnet link')
  expect(await refused('magnet:?xt=urn:btih:abc')).toContain('info hash')
  expect(await refused(Buffer.from('no bencode'))).toContain('bencoding')
  expect(await refused(SHOW.file, { peers: ['nowhere'] })).toContain('host:port')
  expect(await refused(SHOW.file, { prefix: 'x/.torrent/y' })).toContain('another prefix')
  expect(await refused(SHOW.file, { files: [] })).toContain('no file is wanted')
  await expect(rig.add(SHOW.file, { bucket: 'none' })).rejects.toThrow(S3Error)
  expect(rig.session.list()).toEqual([])
  expect(await rig.keys('state')).toEqual([])
})

test('web seeds in private networks are not passed on, others are', async () => {
  const seeded = await made(
    { 'x.bin': content(40_000) },
    { name: 'x.bin', webSeeds: ['http://10.0.0.1/x', 'http://example.com/x'] },
  )
  const rig = await start([seeded])
  const sources: string[] = []
  const { engine } = rig
  const add = engine.add.bind(engine)
  engine.add = (order) => {
    if ('metainfo' in order.source) sources.push(Buffer.from(order.source.metainfo).toString())
    return add(order)
  }
  await rig.add(seeded.file)
  await becomes(rig, 'seeding', seeded.id)
  expect(sources[0]).toContain('http://example.com/x')
  expect(sources[0]).not.toContain('10.0.0.1')
})

test('a store that fails makes the torrent wait, with a reason, and it goes on by itself', async () => {
  const rig = await start([SHOW])
  rig.disk.failing = new DiskError('the store does not answer')
  await rig.add(SHOW.file)
  await becomes(rig, 'waiting')
  expect(rig.session.status(SHOW.id).problem).toBe('the store does not answer')
  expect(rig.logged.filter((message) => message === 'torrent waits')).toHaveLength(1)
  rig.disk.failing = undefined
  await becomes(rig, 'seeding')
  expect(rig.session.status(SHOW.id).problem).toBeUndefined()
  await expectShow(rig)
})

test('so it does where the store fails in the middle, or when an object is made', async () => {
  const rig = await start([SHOW], {}, (engine) => (engine.pieceMs = 2))
  rig.files.failing = new S3Error('SlowDown')
  await rig.add(SHOW.file)
  await expect.poll(() => rig.engine.came.length).toBeGreaterThan(0)
  rig.disk.failing = new DiskError('away')
  await becomes(rig, 'waiting')
  rig.disk.failing = undefined
  await becomes(rig, 'waiting')
  rig.files.failing = undefined
  await becomes(rig, 'seeding')
  await expectShow(rig)
})

test('what fails for another reason ends the torrent with an error; others go on', async () => {
  const other = await made({ 'y.bin': content(70_000, 9) }, { name: 'y.bin' })
  const rig = await start([SHOW, other])
  await rig.add(SHOW.file, { files: ['one.bin'] })
  rig.session.events.onError(SHOW.id, new Error('no good'))
  await becomes(rig, 'error')
  expect(rig.session.status(SHOW.id).problem).toBe('no good')
  await rig.add(other.file)
  await becomes(rig, 'seeding', other.id)
  await rig.session.remove(SHOW.id, false)
  await rig.add(SHOW.file)
  await becomes(rig, 'seeding')
})

test('removing keeps the objects; with data it takes them too, but for those that were replaced', async () => {
  const rig = await start([SHOW])
  await rig.add(SHOW.file)
  await becomes(rig, 'seeding')
  await rig.session.remove(SHOW.id, false)
  expect(await rig.keys()).toHaveLength(4)
  expect(await rig.keys('state')).toEqual([])
  expect(() => rig.session.status(SHOW.id)).toThrow(S3Error)
  await rig.add(SHOW.file)
  await becomes(rig, 'seeding')
  await rig.put('in/show/one.bin', Buffer.from('mine'))
  await rig.session.remove(SHOW.id, true)
  expect(await rig.keys()).toEqual(['in/show/one.bin'])
  await rig.restart()
  expect(rig.session.list()).toEqual([])
})

test('a removal that was cut off is finished at the next start', async () => {
  const rig = await start([SHOW])
  await rig.add(SHOW.file)
  await becomes(rig, 'seeding')
  rig.disk.erase = () => Promise.reject(new DiskError('away'))
  await expect(rig.session.remove(SHOW.id, true)).rejects.toThrow('away')
  Reflect.deleteProperty(rig.disk, 'erase')
  await rig.restart()
  await expect.poll(() => rig.keys('state')).toEqual([])
  expect(await rig.keys()).toEqual([])
})

test('a removal that a store has cut off may be repeated', async () => {
  const rig = await start([SHOW])
  await rig.add(SHOW.file)
  await becomes(rig, 'seeding')
  rig.disk.erase = () => Promise.reject(new DiskError('away'))
  await expect(rig.session.remove(SHOW.id, false)).rejects.toThrow('away')
  expect(rig.session.list()).toEqual([])
  Reflect.deleteProperty(rig.disk, 'erase')
  await rig.session.remove(SHOW.id, false)
  expect(await rig.keys('state')).toEqual([])
  await expect(rig.session.remove(SHOW.id, false)).rejects.toThrow('no such torrent')
})

test('adding again tells what is there; for another place it is refused', async () => {
  const rig = await start([SHOW])
  await rig.add(SHOW.file)
  expect((await rig.add(SHOW.file)).isNew).toBe(false)
  expect((await rig.add(`magnet:?xt=urn:btih:${SHOW.id}`)).isNew).toBe(false)
  await expect(rig.add(SHOW.file, { prefix: 'elsewhere' })).rejects.toThrow(/remove it first/)
  const twice = await Promise.all([rig.add(SHOW.file), rig.add(SHOW.file)])
  expect(twice.map(({ isNew }) => isNew)).toEqual([false, false])
})

test('objects of others are not replaced, unless that is asked for', async () => {
  const rig = await start([SHOW])
  await rig.put('in/show/one.bin', Buffer.from('mine'))
  await expect(rig.add(SHOW.file)).rejects.toThrow('other objects stand at in/show/one.bin')
  expect((await rig.bytes('in/show/one.bin')).toString()).toBe('mine')
  await rig.add(SHOW.file, { overwrite: true })
  await becomes(rig, 'seeding')
  await expectShow(rig)
})

test('a torrent whose files are there as objects completes without a byte from peers', async () => {
  const one = await made({ 'one.bin': content(100_000, 3) }, { name: 'one.bin' })
  const rig = await start([one], {}, (engine) => (engine.isDead = true))
  await rig.put('in/one.bin', content(100_000, 3))
  await rig.add(one.file)
  await becomes(rig, 'seeding', one.id)
  expect(rig.session.status(one.id).downloadedBytes).toBe(0)
})

test('wrong data of a peer is never kept', async () => {
  const rig = await start([SHOW], {}, (engine) => {
    engine.wrong.add(0)
    engine.wrong.add(3)
  })
  await rig.add(SHOW.file)
  await becomes(rig, 'seeding')
  expect(rig.session.status(SHOW.id).hashFailures).toBe(2)
  await expectShow(rig)
})

test('scrub gets damaged pieces from the swarm again, and makes the object anew', async () => {
  const rig = await start([SHOW])
  await rig.add(SHOW.file)
  await becomes(rig, 'seeding')
  const before = rig.files.assembled.length
  rig.files.damaged.add(1)
  expect(await rig.session.scrub(SHOW.id)).toEqual({ pieces: 6, damaged: 1 })
  // It has bytes of two files.
  await expect.poll(() => rig.files.assembled.length).toBe(before + 2)
  await becomes(rig, 'seeding')
  expect(rig.engine.came.filter((piece) => piece === 1)).toHaveLength(2)
  await expectShow(rig)
  expect(await rig.session.scrub(SHOW.id)).toEqual({ pieces: 6, damaged: 0 })
})

test('serving ends once the ratio is reached', async () => {
  const rig = await start([SHOW], { seedRatio: 2, lookMs: 5 })
  await rig.add(SHOW.file)
  await becomes(rig, 'seeding')
  rig.engine.uploaded = 2 * 190_001
  await becomes(rig, 'finished')
  expect(rig.engine.status(SHOW.id)).toBeUndefined()
  expect(rig.session.status(SHOW.id).uploadedBytes).toBe(2 * 190_001)
})

test('a torrent that is not to serve peers leaves them once it is whole', async () => {
  const rig = await start([SHOW], { seeds: false })
  await rig.add(SHOW.file)
  await becomes(rig, 'finished')
  expect(rig.engine.status(SHOW.id)).toBeUndefined()
})

test.each(['v2', 'hybrid'] as const)('%s torrents become objects too', async (version) => {
  const torrent = await made(SHOW.contents, { version })
  const rig = await start([torrent])
  await rig.add(torrent.file)
  await becomes(rig, 'seeding', torrent.id)
  await expectShow(rig)
  expect(await rig.keys()).toHaveLength(4)
})
