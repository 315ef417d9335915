import { afterEach, expect, test } from 'vitest'
import { S3Error } from '../api/error.ts'
import { SessionDesk } from './torrent-desk.ts'
import { content, made, Rig } from './session.fixture.ts'

const FILM = await made({ 'film.mkv': content(90_000, 3) }, { name: 'film.mkv' })
const rigs: Rig[] = []
afterEach(async () => {
  for (const rig of rigs.splice(0)) await rig[Symbol.asyncDispose]()
})

async function start(): Promise<{ rig: Rig; desk: SessionDesk }> {
  const rig = new Rig([FILM])
  await rig.start()
  rigs.push(rig)
  return { rig, desk: new SessionDesk(rig.session, 5) }
}

test('requests that make no sense are refused with what to say instead', async () => {
  const { desk } = await start()
  const refused = async (fields: object): Promise<string> => {
    const error: unknown = await desk
      .add(fields as Readonly<Record<string, unknown>>, undefined)
      .catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(S3Error)
    expect((error as S3Error).status).toBe(400)
    return (error as Error).message
  }
  const torrent = `magnet:?xt=urn:btih:${FILM.id}`
  expect(await refused({})).toContain('torrent is a magnet link')
  expect(await refused({ torrent })).toContain('bucket is missing')
  expect(await refused({ torrent, bucket: 'box', prefix: 1 })).toContain('prefix')
  expect(await refused({ torrent, bucket: 'box', files: 'x' })).toContain('files is a list')
  expect(await refused({ torrent, bucket: 'box', files: [1.5] })).toContain('files is a list')
  expect(await refused({ torrent, bucket: 'box', peers: ['x'] })).toContain('host:port')
  expect(await refused({ torrent, bucket: 'box', seed: 'yes' })).toContain('seed is true or false')
  expect(await refused({ torrent, bucket: 'box', colour: 1 })).toContain('colour is not known')
  expect(await refused({ torrent: 'nonsense', bucket: 'box' })).toContain('magnet link')
  expect(desk.list()).toEqual([])
  expect(() => desk.get('none')).toThrow(S3Error)
  await expect(desk.change('none', {})).rejects.toThrow('files is what can be changed')
})

test('who follows is told every torrent, then what changes, then what is removed; the end of the session ends it', async () => {
  const { rig, desk } = await start()
  const { torrent } = await desk.add({ bucket: 'box', prefix: '/in' }, FILM.file)
  expect(torrent).toMatchObject({ id: FILM.id, prefix: 'in/' })
  const seen: string[] = []
  const following = (async () => {
    for await (const chunk of desk.events(new AbortController().signal))
      seen.push(Buffer.from(chunk).toString())
  })()
  const text = (): string => seen.join('')
  await expect.poll(text).toContain('"state":"seeding"')
  expect(seen[0]).toBe(': torrents\n\n')
  await desk.remove(FILM.id, false)
  await expect.poll(text).toContain(`event: removed\ndata: {"id":"${FILM.id}"}\n\n`)
  await rig.session[Symbol.asyncDispose]()
  await following
})

test('a follower who goes away ends the stream', async () => {
  const { desk } = await start()
  const gone = new AbortController()
  const chunks = desk.events(gone.signal)[Symbol.asyncIterator]()
  expect((await chunks.next()).done).toBe(false)
  gone.abort()
  for (;;) if ((await chunks.next()).done === true) break
})
