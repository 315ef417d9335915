import { afterEach, expect, test } from 'vitest'
import { S3Error } from '../api/error.ts'
import type { S3Api } from '../api/operations.ts'
import { BlobDamaged } from '../lib/store-error.ts'
import type { FakeEngine } from './engine.fixture.ts'
import { heldFacts, withHeldFiles } from './held-objects.ts'
import { HeldReads } from './held-reads.ts'
import { CALL, content, made, PIECE_BYTES, Rig } from './session.fixture.ts'

const BYTES = content(20 * PIECE_BYTES + 100, 3)
const FILM = await made({ 'film.mkv': BYTES, 'note.txt': content(10, 5) })
const KEY = 'in/show/film.mkv'

const rigs: Rig[] = []
afterEach(async () => {
  for (const rig of rigs.splice(0)) await rig[Symbol.asyncDispose]()
})

interface Case {
  readonly rig: Rig
  readonly api: S3Api
}

/** Nothing comes but what readers want. */
async function start(
  prepare: (engine: FakeEngine) => void = (engine) => (engine.isHeld = true),
  idleMs = 10_000,
): Promise<Case> {
  const rig = new Rig([FILM])
  await rig.start(prepare)
  rigs.push(rig)
  await rig.add(FILM.file)
  await expect.poll(() => rig.engine.asked).toContain(`add ${FILM.id}`)
  const reads = new HeldReads(rig.session, rig.disk, { idleMs, firstMs: 2 * idleMs })
  return { rig, api: { ...rig.s3.api, ...withHeldFiles(rig.s3.api, rig.session, reads) } }
}

const ask = { Bucket: 'box', Key: KEY }
const code = async (answer: Promise<unknown>): Promise<string> => {
  const error: unknown = await answer.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  expect(error).toBeInstanceOf(S3Error)
  return (error as S3Error).code
}

test('a file that is still downloaded is read whole, in order, byte for byte', async () => {
  const { rig, api } = await start()
  expect((await rig.bytes(KEY, api)).equals(BYTES)).toBe(true)
  expect(rig.engine.came).toEqual(rig.engine.came.toSorted((a, b) => a - b))
})

test('a range gets exactly the pieces that it needs, the first before all others', async () => {
  const { rig, api } = await start()
  const from = 7 * PIECE_BYTES - 10
  const range = { Range: `bytes=${from}-${from + 19}` }
  expect((await rig.bytes(KEY, api, range)).equals(BYTES.subarray(from, from + 20))).toBe(true)
  expect(rig.engine.came).toEqual([6, 7])
})

test('HEAD tells size, a stable ETag that is no MD5, and that ranges are served', async () => {
  const { rig, api } = await start()
  const head = await api.HeadObject!(ask, CALL)
  expect(head).toMatchObject({
    ContentLength: BYTES.length,
    ETag: `"torrent-${FILM.id}-0"`,
    AcceptRanges: 'bytes',
    ContentType: 'binary/octet-stream',
  })
  expect((await api.HeadObject!(ask, CALL)).ETag).toBe(head.ETag)
  expect(await api.HeadObject!({ ...ask, Range: 'bytes=-5' }, CALL)).toMatchObject({
    ContentLength: 5,
    ContentRange: `bytes ${BYTES.length - 5}-${BYTES.length - 1}/${BYTES.length}`,
  })
  expect(rig.engine.came).toEqual([])
})

test('conditions, ranges and parts are answered as of an object', async () => {
  const { api } = await start()
  const get = (more: object): Promise<string> => code(api.GetObject!({ ...ask, ...more }, CALL))
  expect(await get({ IfMatch: '"other"' })).toBe('PreconditionFailed')
  expect(await get({ IfNoneMatch: `"torrent-${FILM.id}-0"` })).toBe('NotModified')
  expect(await get({ IfModifiedSince: new Date(4e12) })).toBe('NotModified')
  expect(await get({ Range: `bytes=${BYTES.length}-` })).toBe('InvalidRange')
  expect(await get({ Range: 'bytes=0-1', PartNumber: 1 })).toBe('InvalidRequest')
  expect(await get({ PartNumber: 2 })).toBe('InvalidPartNumber')
  expect(await get({ VersionId: 'null' })).toBe('NoSuchVersion')
  expect(await get({ ExpectedBucketOwner: 'somebody' })).toBe('AccessDenied')
  expect(await get({ SSECustomerKey: 'x' })).toBe('InvalidRequest')
  expect(await code(api.GetObject!({ Bucket: 'box', Key: 'none' }, CALL))).toBe('NoSuchKey')
})

test('a download in ranges with If-Match goes on when the file becomes an object in the middle', async () => {
  const { rig, api } = await start()
  const { ETag: etag } = await api.HeadObject!(ask, CALL)
  const first = await rig.bytes(KEY, api, { IfMatch: etag, Range: 'bytes=0-99' })
  rig.engine.isHeld = false
  await expect.poll(() => rig.session.status(FILM.id).state).toBe('seeding')
  const output = await api.GetObject!({ ...ask, IfMatch: etag!, Range: 'bytes=100-' }, CALL)
  expect(output.ETag).toBe(etag)
  const rest = await rig.bytes(KEY, api, { IfMatch: etag, Range: 'bytes=100-' })
  expect(Buffer.concat([first, rest]).equals(BYTES)).toBe(true)
  expect((await api.HeadObject!(ask, CALL)).ETag).not.toBe(etag)
  await rig.put(KEY, Buffer.from('another object'))
  expect(await code(api.GetObject!({ ...ask, IfMatch: etag! }, CALL))).toBe('PreconditionFailed')
})

test('an object that somebody puts there is what is read, not the torrent', async () => {
  const { rig, api } = await start()
  await rig.put(KEY, Buffer.from('mine'))
  expect((await rig.bytes(KEY, api)).toString()).toBe('mine')
})

test('where nothing comes, the answer is SlowDown with a time to come again, and in the middle the answer breaks off', async () => {
  const { rig, api } = await start((engine) => (engine.isDead = true), 300)
  const error: unknown = await api.GetObject!(ask, CALL).catch((thrown: unknown) => thrown)
  expect(error).toMatchObject({ code: 'SlowDown', status: 503, headers: { 'retry-after': '10' } })
  rig.engine.isDead = false
  rig.engine.isHeld = true
  const { Body } = await api.GetObject!(ask, CALL)
  rig.engine.isDead = true
  const read = async (): Promise<void> => {
    for await (const chunk of Body as AsyncIterable<Uint8Array>)
      expect(chunk.length).toBeGreaterThan(0)
  }
  await expect(read()).rejects.toThrow('no peer sends anything')
})

test('a reader who is gone wants nothing any more; another one’s pieces stay in a hurry', async () => {
  const { rig, api } = await start((engine) => (engine.isDead = true))
  const gone = new AbortController()
  const one = api.GetObject!(ask, { ...CALL, signal: gone.signal })
  const other = api.GetObject!({ ...ask, Range: 'bytes=0-10' }, CALL)
  await expect
    .poll(() => rig.engine.asked.filter((each) => each.startsWith('prior')))
    .toHaveLength(2)
  gone.abort(new Error('gone'))
  await expect(one).rejects.toThrow('gone')
  const relaxed = rig.engine.asked.find((each) => each.startsWith('relax'))!
  expect(relaxed).toMatch(/^relax 1,2,/)
  rig.engine.isDead = false
  rig.engine.isHeld = true
  expect((await other).ContentLength).toBe(11)
  expect(rig.engine.came).toEqual([0])
})

test('a reader who stops in the middle lets go too, and one who reads slowly is not read ahead for without end', async () => {
  const { rig, api } = await start()
  const { Body } = await api.GetObject!(ask, CALL)
  const chunks = (Body as AsyncIterable<Uint8Array>)[Symbol.asyncIterator]()
  await chunks.next()
  await chunks.return?.()
  const { demand } = rig.session.find('box', KEY)!.torrent
  expect(demand.size).toBe(0)
})

test('what the torrent loses while it is removed is told to who reads', async () => {
  const { rig, api } = await start((engine) => (engine.isDead = true))
  const read = api.GetObject!(ask, CALL)
  read.catch(() => undefined)
  await expect.poll(() => rig.engine.asked.some((each) => each.startsWith('prior'))).toBe(true)
  await rig.session.remove(FILM.id, false)
  await expect(read).rejects.toThrow('the torrent was removed')
  expect(await code(api.GetObject!(ask, CALL))).toBe('NoSuchKey')
})

test('a damaged object is read from the swarm, and is made anew', async () => {
  const { rig, api } = await start()
  rig.engine.isHeld = false
  await expect.poll(() => rig.session.status(FILM.id).state).toBe('seeding')
  let isDamaged = true
  const broken: S3Api = {
    ...rig.s3.api,
    async GetObject(input, call) {
      if (isDamaged) throw new BlobDamaged('a bit has flipped')
      return rig.s3.api.GetObject!(input, call)
    },
  }
  const reads = new HeldReads(rig.session, rig.disk)
  const { GetObject } = withHeldFiles(broken, rig.session, reads)
  rig.files.damaged.add(3)
  expect((await rig.bytes(KEY, { ...api, GetObject })).equals(BYTES)).toBe(true)
  await expect.poll(() => rig.files.assembled.filter((key) => key === KEY)).toHaveLength(2)
  isDamaged = false
  expect((await rig.bytes(KEY, { ...api, GetObject })).equals(BYTES)).toBe(true)
  expect(rig.engine.came.filter((piece) => piece === 3)).toHaveLength(2)
})

test('damage in the middle of an object breaks the answer off, and what comes again is whole', async () => {
  const { rig, api } = await start()
  rig.engine.isHeld = false
  await expect.poll(() => rig.session.status(FILM.id).state).toBe('seeding')
  const broken: S3Api = {
    ...rig.s3.api,
    async GetObject(input, call) {
      const output = await rig.s3.api.GetObject!(input, call)
      async function* half(): AsyncGenerator<Uint8Array> {
        yield BYTES.subarray(0, 3 * PIECE_BYTES)
        throw new BlobDamaged('a bit has flipped')
      }
      return { ...output, Body: half() }
    },
  }
  const { GetObject } = withHeldFiles(broken, rig.session, new HeldReads(rig.session, rig.disk))
  rig.files.damaged.add(3)
  await expect(rig.bytes(KEY, { ...api, GetObject })).rejects.toThrow('a bit has flipped')
  expect((await rig.bytes(KEY, { ...api, GetObject })).equals(BYTES)).toBe(true)
})

test('authorization is told that the key is there, the bucket owner’s, with nothing granted', async () => {
  const { rig } = await start()
  const facts = heldFacts(rig.s3.facts, rig.session)
  const { owner } = await rig.s3.facts.bucket('box')
  expect(await facts.object('box', KEY, undefined)).toEqual({
    owner: owner[0],
    acl: undefined,
    tags: {},
  })
  expect(await facts.object('box', KEY, 'null')).toBeUndefined()
  expect(await facts.object('box', 'none', undefined)).toBeUndefined()
  expect(await rig.s3.facts.object('box', KEY, undefined)).toBeUndefined()
})
