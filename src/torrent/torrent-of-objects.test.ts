import { expect, test } from 'vitest'
import type { TorrentVersion } from './create-metainfo.ts'
import { TorrentError } from './metainfo.ts'
import { readMetainfo } from './read-metainfo.ts'
import { LocalRowHasher, type RowHasher, type RowHasherOptions } from './row-hasher.ts'
import {
  createFrom,
  type ObjectSource,
  placeOf,
  planTorrent,
  verifyObjects,
} from './torrent-of-objects.ts'

const hasher = (options: RowHasherOptions): RowHasher => new LocalRowHasher(options)

/** Objects of a bucket `b`, by key. */
class Objects implements ObjectSource {
  readonly all: Map<string, Buffer>

  constructor(all: Readonly<Record<string, Buffer>>) {
    this.all = new Map(Object.entries(all))
  }

  async *list(_bucket: string, prefix: string): ReturnType<ObjectSource['list']> {
    for (const [key, bytes] of this.all)
      if (key.startsWith(prefix)) yield { key, sizeBytes: bytes.length }
  }

  async read(_bucket: string, key: string): ReturnType<ObjectSource['read']> {
    const bytes = this.all.get(key)
    if (bytes === undefined) throw new Error(`no ${key}`)
    return (async function* () {
      if (bytes.length > 0) yield bytes
    })()
  }
}

function filled(sizeBytes: number, seed: number): Buffer {
  const bytes = Buffer.alloc(sizeBytes)
  for (let i = 0; i < sizeBytes; i++) bytes[i] = (i * seed + (i >> 8)) & 255
  return bytes
}

function objects(): Objects {
  return new Objects({
    'photos/2020/a.jpg': filled(50_000, 3),
    'photos/2020/b/c.jpg': filled(70_000, 5),
    'photos/2020/empty': Buffer.alloc(0),
    'photos/2020/': Buffer.alloc(0),
    'photos/2021/d.jpg': filled(10, 7),
    'file one': filled(100, 9),
  })
}

test('an S3 URI names a bucket and a key, a folder, or all of it', () => {
  expect(placeOf('s3://b/k/x y')).toEqual({ bucket: 'b', path: 'k/x y' })
  expect(placeOf('s3://b/k/')).toEqual({ bucket: 'b', path: 'k/' })
  expect(placeOf('s3://b')).toEqual({ bucket: 'b', path: '' })
  expect(() => placeOf('b/k')).toThrow(TorrentError)
})

test.each([
  ['s3://b/photos/2020/', '2020', 'https://x/b/photos/', ['a.jpg', 'b/c.jpg', 'empty']],
  [
    's3://b/photos/',
    'photos',
    'https://x/b/',
    ['2020/a.jpg', '2020/b/c.jpg', '2020/empty', '2021/d.jpg'],
  ],
  ['s3://b/file one', 'file one', 'https://x/b/file%20one', ['file one']],
])('%s: a client without peers finds its files at the web seed', async (uri, name, seed, paths) => {
  const plan = await planTorrent(objects(), placeOf(uri), 'https://x')
  const { info, webSeeds } = readMetainfo(await createFrom(plan, { version: 'hybrid', hasher }))
  expect(info.name).toBe(name)
  expect(webSeeds).toEqual([seed])
  expect(info.files.filter(({ isPad }) => !isPad).map(({ path }) => path.join('/'))).toEqual(paths)
})

test('where there is nothing there is no torrent', async () => {
  await expect(planTorrent(objects(), placeOf('s3://b/none/'), 'https://x')).rejects.toThrow(
    'there is no object',
  )
  // A key is not a prefix.
  await expect(planTorrent(objects(), placeOf('s3://b/file'), 'https://x')).rejects.toThrow(
    'there is no object',
  )
})

test.each<TorrentVersion>(['v1', 'v2', 'hybrid'])(
  '%s: verification finds what differs, and nothing else',
  async (version) => {
    const place = placeOf('s3://b/photos/2020/')
    const source = objects()
    const plan = await planTorrent(source, place, 'https://x')
    const metainfo = readMetainfo(await createFrom(plan, { version, pieceBytes: 16_384, hasher }))
    const verify = (): ReturnType<typeof verifyObjects> =>
      verifyObjects(metainfo, source, place, { hasher })
    expect(await verify()).toEqual([])
    source.all.get('photos/2020/b/c.jpg')![69_999]! ^= 1
    expect(await verify()).toEqual([{ path: 'b/c.jpg', problem: 'bytes' }])
    source.all.set('photos/2020/a.jpg', filled(49_999, 3))
    expect((await verify())[0]).toEqual({ path: 'a.jpg', problem: 'size' })
    source.all.delete('photos/2020/a.jpg')
    expect((await verify())[0]).toEqual({ path: 'a.jpg', problem: 'missing' })
  },
)

test('an object verifies against its torrent under another name too', async () => {
  const source = objects()
  const plan = await planTorrent(source, placeOf('s3://b/file one'), 'https://x')
  const metainfo = readMetainfo(await createFrom(plan, { version: 'hybrid', hasher }))
  source.all.set('other', source.all.get('file one')!)
  expect(await verifyObjects(metainfo, source, placeOf('s3://b/other'), { hasher })).toEqual([])
  source.all.set('other', filled(100, 1))
  expect(await verifyObjects(metainfo, source, placeOf('s3://b/other'), { hasher })).toEqual([
    { path: 'file one', problem: 'bytes' },
  ])
})
