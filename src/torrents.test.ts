/** Torrents behind the gate: who may administer them, and who may read what is still downloaded. */
import { afterEach, expect, test } from 'vitest'
import { Authorizer } from './auth/authorize.ts'
import { createPolicyRules } from './auth/policy-rules.ts'
import { makeUser } from './auth/user.ts'
import { MemoryStore } from '../metadata/memory.ts'
import { MemoryStorage } from '../storage/memory.ts'
import { configOf } from './config.ts'
import { startGate, type TestGate } from './http/gate.fixture.ts'
import { Metrics } from './metrics.ts'
import { SILENT_LOG } from './log.ts'
import { Ulids } from './lib/ulid.ts'
import { openS3 } from './s3/open.ts'
import { FixtureClock, OPTIONS } from './s3/s3.fixture.ts'
import { FakeEngine } from './torrent/engine.fixture.ts'
import { CALL, content, made } from './torrent/session.fixture.ts'
import { openTorrents, type Torrents } from './torrents.ts'

const FILM = await made({ 'film.mkv': content(200_000, 3) }, { name: 'film.mkv' })

interface Running {
  readonly gate: TestGate
  readonly torrents: Torrents
  readonly metrics: Metrics
  engine: FakeEngine
}

const running: Running[] = []
afterEach(async () => {
  for (const { gate, torrents } of running.splice(0)) {
    await torrents.close()
    await gate[Symbol.asyncDispose]()
  }
})

/** `box` is the owner's; the request names who asks in its Authorization header. */
async function start(policy?: object): Promise<Running> {
  const clock = new FixtureClock()
  const { api, facts } = openS3({
    metadata: new MemoryStore(),
    storage: new MemoryStorage(),
    clock,
    ids: new Ulids(clock),
    options: { ...OPTIONS, partBytesMin: 5 * 2 ** 20, putBytesMax: 2 ** 30 },
    meter: new Metrics(),
    policies: createPolicyRules(false),
    people: { name: () => undefined, byEmail: () => undefined },
    sweep: { onError: () => undefined },
  })
  for (const Bucket of ['box', 'sluice-torrents']) await api.CreateBucket!({ Bucket }, CALL)
  if (policy !== undefined)
    await api.PutBucketPolicy!({ Bucket: 'box', Policy: JSON.stringify(policy) }, CALL)
  const config = configOf({ torrents: { engine: 'auto', readTimeout: '1s' } }).torrents!
  const metrics = new Metrics()
  const state: { engine?: FakeEngine } = {}
  const torrents = openTorrents({
    config,
    api,
    facts,
    clock,
    meter: metrics,
    log: SILENT_LOG,
    async open(_choice, disk, _options, events) {
      state.engine = new FakeEngine(disk, events, [FILM])
      state.engine.isHeld = true
      return state.engine
    },
  })
  await torrents.start()
  const gate = await startGate(torrents.api, {
    torrents: torrents.desk,
    authorize: new Authorizer({
      facts: torrents.facts,
      clock,
      region: 'us-east-1',
      compat: 'legacy',
    }),
    authenticator: {
      authenticate(request) {
        const name = request.header('authorization')
        if (name === undefined) return undefined
        const id = name === 'owner' ? CALL.requester!.id : name
        const requester = { id, displayName: name }
        const user = makeUser({ ...requester, isAdmin: name === 'root', policies: undefined })
        return {
          requester,
          user,
          accessKeyId: name,
          authType: 'REST-HEADER',
          signatureVersion: 'AWS4-HMAC-SHA256',
          signedMs: 0,
          body: { kind: 'unsigned' },
        }
      },
      authenticateForm: () => undefined,
      answerSts: () => {
        throw new Error('no STS here')
      },
    },
  })
  const made: Running = { gate, torrents, metrics, engine: state.engine! }
  running.push(made)
  return made
}

type Answer = Awaited<ReturnType<TestGate['ask']>>

function ask(
  { gate }: Running,
  who: string | undefined,
  line: string,
  body: Uint8Array | string = '',
  type = 'application/json',
): Promise<Answer> {
  const by = who === undefined ? '' : `authorization: ${who}\r\n`
  const length = `content-length: ${Buffer.byteLength(body)}\r\ncontent-type: ${type}\r\n`
  return gate.ask(`${line} HTTP/1.1\r\nhost: x\r\n${by}${length}`, body)
}

const BITTORRENT = 'application/x-bittorrent'
const add = (on: Running): Promise<Answer> =>
  ask(on, 'root', 'POST /_admin/torrents?bucket=box&prefix=in', FILM.file, BITTORRENT)
const READ = 'GET /box/in/film.mkv'

test('a torrent is added, told, changed and removed by administrators alone', async () => {
  const on = await start()
  const added = await add(on)
  expect(added.status).toBe(201)
  expect(JSON.parse(added.body)).toMatchObject({ id: FILM.id, bucket: 'box', prefix: 'in/' })
  expect((await add(on)).status).toBe(200)
  const place = `/_admin/torrents/${FILM.id}`
  const lines = [
    'GET /_admin/torrents',
    'GET /_admin/torrents/events',
    `GET ${place}`,
    `PATCH ${place}`,
    `POST ${place}/scrub`,
    `DELETE ${place}`,
  ]
  for (const line of lines)
    for (const who of ['owner', 'stranger', undefined])
      expect((await ask(on, who, line)).status, `${line} ${who}`).toBe(403)
  const { body } = await ask(on, 'root', `GET ${place}`)
  expect(JSON.parse(body)).toMatchObject({ fileList: [{ index: 0, key: 'in/film.mkv' }] })
  const changed = await ask(on, 'root', `PATCH ${place}`, JSON.stringify({ files: ['none'] }))
  expect([changed.status, changed.body]).toEqual([400, expect.stringContaining('no file none')])
  expect((await ask(on, 'root', `PATCH ${place}`, '[1]')).status).toBe(400)
  expect((await ask(on, 'root', `PUT ${place}`)).status).toBe(405)
  expect((await ask(on, 'root', `GET ${place}/more`)).status).toBe(404)
  expect((await ask(on, 'root', `DELETE ${place}`)).status).toBe(204)
  expect((await ask(on, 'root', `GET ${place}`)).status).toBe(404)
  const wrong = await ask(on, 'root', 'POST /_admin/torrents?bucket=box', 'no torrent', BITTORRENT)
  expect([wrong.status, wrong.body]).toEqual([400, expect.stringContaining('bencoding')])
  const lost = await ask(on, 'root', 'POST /_admin/torrents?bucket=none', FILM.file, BITTORRENT)
  expect(lost.status).toBe(404)
})

test('who may only list the bucket may not read what is still downloaded, nor may strangers', async () => {
  const on = await start({
    Version: '2012-10-17',
    Statement: [
      {
        Effect: 'Allow',
        Principal: { AWS: ['arn:aws:iam:::user/lister'] },
        Action: 's3:ListBucket',
        Resource: 'arn:aws:s3:::box',
      },
      {
        Effect: 'Allow',
        Principal: { AWS: ['arn:aws:iam:::user/reader'] },
        Action: 's3:GetObject',
        Resource: 'arn:aws:s3:::box/in/*',
      },
    ],
  })
  await add(on)
  for (const who of ['lister', 'stranger', undefined])
    expect((await ask(on, who, READ)).status, who).toBe(403)
  for (const who of ['owner', 'reader', 'root']) {
    const { status, headers } = await ask(on, who, 'HEAD /box/in/film.mkv')
    expect([status, headers['etag']]).toEqual([200, `"torrent-${FILM.id}-0"`])
  }
  const { status, body } = await ask(on, 'reader', READ)
  expect(status).toBe(200)
  expect(Buffer.byteLength(body, 'latin1')).toBeGreaterThan(0)
  // As before there was a torrent: who may list is told what is not there.
  expect((await ask(on, 'lister', 'GET /box/none')).status).toBe(404)
})

test('a bucket that anyone may list gives strangers nothing of what is downloaded into it', async () => {
  const on = await start()
  await on.torrents.api.PutBucketAcl!({ Bucket: 'box', ACL: 'public-read' }, CALL)
  await add(on)
  expect((await ask(on, undefined, READ)).status).toBe(403)
  expect((await ask(on, 'stranger', READ)).status).toBe(403)
})

test('where nothing arrives the client is told when to come again', async () => {
  const on = await start()
  on.engine.isDead = true
  await add(on)
  const { status, headers, body } = await ask(on, 'owner', READ)
  expect([status, headers['retry-after']]).toEqual([503, '10'])
  expect(body).toContain('<Code>SlowDown</Code>')
})

test('torrents are counted', async () => {
  const on = await start()
  await add(on)
  const { text } = await on.metrics.scrape()
  expect(text).toContain('sluice_torrents{state="downloading"} 1')
  expect(text).toContain('sluice_torrent_wanted_bytes 200000')
  expect(text).toMatch(/^sluice_torrent_disk_dirty_bytes \d+$/m)
})
