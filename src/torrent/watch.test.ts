import { afterEach, expect, test } from 'vitest'
import { S3Error } from '../api/error.ts'
import { payloadOf } from '../api/payload-of.ts'
import type { FakeEngine } from './engine.fixture.ts'
import { CALL, content, made, type Made, Rig } from './session.fixture.ts'
import { TorrentWatch, type WatchStatus, withWatch } from './watch.ts'

const FILM = await made({ 'film.mkv': content(90_000, 3) }, { name: 'film.mkv' })

const rigs: Rig[] = []
const watches: TorrentWatch[] = []
afterEach(async () => {
  for (const watch of watches.splice(0)) await watch.stop()
  for (const rig of rigs.splice(0)) await rig[Symbol.asyncDispose]()
})

async function start(
  swarm: readonly Made[] = [FILM],
  prepare?: (engine: FakeEngine) => void,
): Promise<{ rig: Rig; watch: TorrentWatch }> {
  const rig = new Rig(swarm)
  await rig.start(prepare)
  rigs.push(rig)
  return { rig, watch: watchOf(rig) }
}

function watchOf(rig: Rig, intervalMs = 3_600_000): TorrentWatch {
  const parts = {
    api: rig.s3.api,
    ownerOf: async () => CALL.requester!,
    clock: { now: () => 0 },
    log: { info: () => undefined, warn: () => undefined },
  }
  const place = { bucket: 'box', prefix: 'inbox/' }
  const watch = new TorrentWatch(parts, rig.session, { place, intervalMs })
  watches.push(watch)
  return watch
}

async function statusOf(rig: Rig, key: string): Promise<WatchStatus> {
  return JSON.parse((await rig.bytes(`${key}.status.json`)).toString()) as WatchStatus
}

test('a .torrent file that is put there is downloaded into a folder beside it, and its status is told', async () => {
  const { rig, watch } = await start()
  await rig.put('inbox/my film.torrent', FILM.file)
  await watch.look()
  expect(await statusOf(rig, 'inbox/my film.torrent')).toMatchObject({
    state: 'added',
    id: FILM.id,
    name: 'film.mkv',
    prefix: 'inbox/my film/',
  })
  await expect.poll(() => rig.session.status(FILM.id).doneAt).toBeDefined()
  await watch.look()
  expect((await statusOf(rig, 'inbox/my film.torrent')).state).toBe('done')
  expect((await rig.bytes('inbox/my film/film.mkv')).equals(FILM.contents['film.mkv']!)).toBe(true)
})

test('so is a magnet link; what is neither gets an error that says why', async () => {
  const { rig, watch } = await start()
  await rig.put('inbox/a.magnet', Buffer.from(`magnet:?xt=urn:btih:${FILM.id}\n`))
  await rig.put('inbox/b.magnet', Buffer.from('http://example.com/b.torrent'))
  await rig.put('inbox/c.torrent', Buffer.from('nothing'))
  await rig.put('inbox/notes.txt', Buffer.from('nothing'))
  await watch.look()
  expect((await statusOf(rig, 'inbox/a.magnet')).state).toBe('added')
  expect(await statusOf(rig, 'inbox/b.magnet')).toMatchObject({
    state: 'error',
    error: 'this is no magnet link',
  })
  expect((await statusOf(rig, 'inbox/c.torrent')).error).toContain('bencoding')
  expect((await rig.keys()).filter((key) => key.includes('notes'))).toEqual(['inbox/notes.txt'])
})

test('what has a status is not added again, also not by another watch; what is put anew is', async () => {
  const { rig, watch } = await start()
  await rig.put('inbox/x.torrent', FILM.file)
  await watch.look()
  await rig.session.remove(FILM.id, true)
  await watch.look()
  expect((await statusOf(rig, 'inbox/x.torrent')).state).toBe('removed')
  await watch.look()
  await watchOf(rig).look()
  expect(rig.session.list()).toEqual([])
  const again = await made(FILM.contents, { name: 'film.mkv', comment: 'anew' })
  await rig.put('inbox/x.torrent', again.file)
  await watch.look()
  expect(rig.session.list()).toHaveLength(1)
})

test('folders below are not looked into: what is downloaded starts nothing', async () => {
  const bait = await made({ 'bait.torrent': FILM.file }, { name: 'bait.torrent' })
  const { rig, watch } = await start([bait, FILM])
  await rig.put('inbox/x.torrent', bait.file)
  await watch.look()
  await expect.poll(() => rig.session.status(bait.id).doneAt).toBeDefined()
  expect(await rig.keys()).toContain('inbox/x/bait.torrent')
  await watch.look()
  expect(rig.session.list().map(({ id }) => id)).toEqual([bait.id])
  expect(watch.isWatched('box', 'inbox/x/bait.torrent')).toBe(false)
  expect(watch.isWatched('box', 'inbox/x.torrent')).toBe(true)
  expect(watch.isWatched('box', 'other/x.torrent')).toBe(false)
})

test('what is put through the gateway is seen at once; an upload that fails is its own answer', async () => {
  const { rig, watch } = await start()
  const { PutObject } = withWatch(rig.s3.api, watch)
  const input = { Bucket: 'box', Key: 'inbox/x.torrent', Body: payloadOf(FILM.file) }
  await PutObject(input, CALL)
  await expect.poll(() => rig.session.list()).toHaveLength(1)
  await expect(PutObject({ ...input, Bucket: 'none' }, CALL)).rejects.toThrow(S3Error)
})

test('a store that is away is no fault of the torrent: it is tried again', async () => {
  const { rig, watch } = await start()
  await rig.put('inbox/x.torrent', FILM.file)
  const add = rig.session.add.bind(rig.session)
  rig.session.add = () => Promise.reject(new S3Error('SlowDown'))
  await expect(watch.look()).rejects.toThrow(S3Error)
  expect(await rig.keys()).toEqual(['inbox/x.torrent'])
  rig.session.add = add
  await watch.look()
  expect((await statusOf(rig, 'inbox/x.torrent')).state).toBe('added')
})
