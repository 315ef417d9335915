import { once } from 'node:events'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openMetadata } from '../../metadata/open.ts'
import { openStorage } from '../../storage/open.ts'
import { openDataFolder } from '../data-folder.ts'
import { SILENT } from '../lib/meter.ts'
import { Uploads } from '../s3/uploads.fixture.ts'
import { ended, files, fingerprint, Stored } from './stored.fixture.ts'

const BLOBS = 300
const BLOB_BYTES = 256 * 1024
const SECONDS = 1000

let stored = new Stored()
let from = ''
let to = ''
beforeEach(() => {
  stored = new Stored()
  from = config('a.yaml', 'data: a')
  to = config('b.yaml', 'data: b')
})
afterEach(() => stored[Symbol.dispose]())

function config(name: string, text: string): string {
  const file = join(stored.base, name)
  writeFileSync(file, `${text}\n`)
  return file
}

function bodyOf(n: number): Buffer {
  return Buffer.alloc(BLOB_BYTES, `object ${n} `)
}

function filled(count: number): Promise<string> {
  return stored.fill('a', async (s3) => {
    for (let n = 0; n < count; n++) {
      const id = s3.ctx.ids.next()
      await s3.ctx.storage.put(id, bodyOf(n))
      // As PutObject would, without its chunks of a test's few bytes.
      const row = {
        q: id,
        v: 'null',
        t: 0,
        s: BLOB_BYTES,
        e: 'opaque-0',
        c: { x: [[id, 0, BLOB_BYTES]] },
        o: ['i', 'n'],
      }
      const writes = [{ table: 'object' as const, sort: `k${n}`, value: row }]
      await s3.ctx.metadata.commit({ partition: 'b', expects: [], writes })
    }
    await s3.put('small', 'inlined')
  })
}

/** Reads everything from the folder `b`, as a gateway there would. */
async function checkMoved(count: number): Promise<void> {
  const data = join(stored.base, 'b')
  await using metadata = await openMetadata(
    { engine: 'sqlite', path: join(data, 'metadata', 'rows.db') },
    SILENT,
  )
  await using storage = await openStorage({ engine: 'fs', path: join(data, 'objects') }, SILENT)
  const s3 = new Uploads(metadata, storage)
  for (let n = 0; n < count; n++) expect(await s3.text(`k${n}`)).toBe(bodyOf(n).toString())
  expect(await s3.text('small')).toBe('inlined')
}

const args = (): readonly string[] => ['migrate', '--from', from, '--to', to]

test(
  'killed in the middle it goes on when run again; the source stays as it was; a finished one says so',
  async () => {
    const data = await filled(BLOBS)
    const before = fingerprint(data)
    const child = stored.start(...args())
    const copied = (): number => files(join(stored.base, 'b', 'objects', 'blobs')).length
    await expect.poll(copied, { timeout: 15 * SECONDS, interval: 5 }).toBeGreaterThan(20)
    child.kill('SIGKILL')
    await once(child, 'close')
    expect(copied()).toBeLessThan(BLOBS)
    const again = await stored.run(...args())
    expect(again).toMatchObject({ code: 0, err: '' })
    expect(again.out).toMatch(
      /^Moved \d+ rows and 300 blobs \(75\.0 MiB\) in .*; the source is as it was\. Start the gateway with --config .*b\.yaml, and no longer the old one\.\n$/,
    )
    await checkMoved(BLOBS)
    expect(fingerprint(data)).toBe(before)
    const third = await stored.run(...args())
    expect(third.code).toBe(0)
    expect(third.out).toMatch(/^This was done on .*Nothing was left to do\./)
  },
  60 * SECONDS,
)

test(
  'SIGINT ends it in one line, and it can be gone on with',
  async () => {
    await filled(100)
    const child = stored.start(...args())
    const end = ended(child)
    const copied = (): number => files(join(stored.base, 'b', 'objects', 'blobs')).length
    await expect.poll(copied, { timeout: 15 * SECONDS, interval: 5 }).toBeGreaterThan(3)
    child.kill('SIGINT')
    expect(await end).toMatchObject({
      code: 1,
      err: 'sluice: interrupted: the same command goes on where this one stopped\n',
    })
    const again = await stored.run(...args(), '--json')
    expect(JSON.parse(again.out)).toMatchObject({ summary: { wasResumed: true, blobs: 100 } })
    await checkMoved(100)
  },
  60 * SECONDS,
)

test('a destination with something of its own, and a gateway that runs on either side, are refused', async () => {
  await filled(1)
  await stored.fill('b', async (s3) => void (await s3.put('mine', 'kept')))
  const before = fingerprint(join(stored.base, 'b'))
  const refused = await stored.run(...args())
  expect(refused).toMatchObject({ code: 1, out: '' })
  expect(refused.err).toMatch(
    /^sluice: the destination's metadata is not empty \(it has b\)[^\n]*\n$/,
  )
  expect(fingerprint(join(stored.base, 'b'))).toBe(before)
  for (const name of ['a', 'b']) {
    const folder = openDataFolder(join(stored.base, name))
    const locked = await stored.run(...args())
    folder.release()
    expect(locked).toMatchObject({ code: 1, err: expect.stringMatching(`pid ${process.pid}, `) })
  }
})

test('only the blobs move where both name the same metadata', async () => {
  const data = await filled(3)
  to = config('b.yaml', `data: a\nstorage:\n  path: elsewhere`)
  const { out } = await stored.run(...args(), '--json')
  expect(JSON.parse(out)).toMatchObject({ summary: { blobs: 3, rows: 0 } })
  rmSync(join(data, 'objects'), { recursive: true })
  const { code } = await stored.run('scrub', '--config', to)
  expect(code).toBe(0)
})

test('where blobs are sealed, no byte of an object stays in clear, however small it is', async () => {
  const words = 'small words'
  const data = await stored.fill('a', async (s3) => {
    await s3.bucket('b', 'Enabled')
    for (let n = 0; n < 40; n++) await s3.put(`k${n % 30}`, `${words} ${n}`)
  })
  const found = (folder: string): readonly string[] =>
    files(folder).filter((file) => readFileSync(file).includes(words))
  expect(found(data)).not.toEqual([])
  const key = Buffer.alloc(32, 7).toString('base64')
  const seal = `storage:\n  seal:\n    keys:\n      - {id: k, key: ${key}}`
  to = config('b.yaml', `data: b\n${seal}`)
  expect(await stored.run(...args())).toMatchObject({ code: 0, err: '' })
  expect(found(join(stored.base, 'b'))).toEqual([])
  const scrubbed = await stored.run('scrub', '--config', to, '--json')
  expect(JSON.parse(scrubbed.out.trim().split('\n').at(-1)!)).toMatchObject({
    summary: { objects: 40, problems: {} },
  })
  const back = config('c.yaml', 'data: c')
  expect(await stored.run('migrate', '--from', to, '--to', back)).toMatchObject({ code: 0 })
  expect(found(join(stored.base, 'c'))).not.toEqual([])
  const half = config('d.yaml', `data: a\n${seal}\n  path: elsewhere`)
  expect(await stored.run('migrate', '--from', from, '--to', half)).toMatchObject({
    code: 1,
    err: expect.stringMatching('choose another place for the metadata too'),
  })
  const exported = join(stored.base, 'rows.jsonl')
  await stored.run('export', '--config', from, '--to', exported)
  const sealed = config('e.yaml', `data: e\n${seal}`)
  expect(await stored.run('import', '--config', sealed, '--from', exported)).toMatchObject({
    code: 1,
    err: expect.stringMatching('use sluice migrate'),
  })
})

test('what cannot be meant is refused', async () => {
  await filled(1)
  const missing = await stored.run('migrate', '--from', from)
  expect(missing).toMatchObject({
    code: 2,
    err: 'sluice: migrate needs --to FILE, a configuration\n',
  })
  const same = await stored.run('migrate', '--from', from, '--to', from)
  expect(same).toMatchObject({ code: 2, err: expect.stringMatching('nothing to move') })
  to = config('b.yaml', 'data: b\nmetadata:\n  engine: memory')
  expect(await stored.run(...args())).toMatchObject({
    code: 1,
    err: expect.stringMatching('memory'),
  })
})
