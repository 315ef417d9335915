import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { bdecode, bencode, type Bencoded, BencodedDictionary, type Encodable } from './bencode.ts'
import {
  createMetainfo,
  type CreateOptions,
  pieceBytesFor,
  type SourceFile,
} from './create-metainfo.ts'
import { BLOCK_BYTES, rootOf } from './merkle.ts'
import { type Metainfo, TorrentError } from './metainfo.ts'
import { readInfo, readMetainfo } from './read-metainfo.ts'
import { LocalRowHasher, ThreadRowHasher } from './row-hasher.ts'

const hasher: CreateOptions['hasher'] = (options) => new LocalRowHasher(options)

const sha1 = (bytes: Uint8Array): string => createHash('sha1').update(bytes).digest('hex')

/** Bytes that do not repeat from block to block. */
function content(sizeBytes: number, seed = 1): Buffer {
  const bytes = Buffer.alloc(sizeBytes)
  for (let i = 0; i < sizeBytes; i++) bytes[i] = (i * seed + (i >> 8) * 7 + seed) & 255
  return bytes
}

function source(path: string, bytes: Uint8Array, chunkBytes = 1000): SourceFile {
  return {
    path: path.split('/'),
    sizeBytes: bytes.length,
    async *read() {
      for (let at = 0; at < bytes.length; at += chunkBytes)
        yield bytes.subarray(at, at + chunkBytes)
    },
  }
}

const TREE: readonly SourceFile[] = [
  source('b/two', content(100_000, 3)),
  source('empty', new Uint8Array(0)),
  source('a', content(40_000, 5)),
  source('b/one', content(16_384, 7)),
  source('ä', content(70_001, 11)),
]

async function made(
  files: readonly SourceFile[],
  options: Partial<CreateOptions> & Pick<CreateOptions, 'version'>,
): Promise<Metainfo> {
  return readMetainfo(
    await createMetainfo(files, { name: 'torrent', pieceBytes: 32_768, hasher, ...options }),
  )
}

test.each(['v1', 'v2', 'hybrid'] as const)(
  '%s: what is made is read back as it was',
  async (version) => {
    const { info, pieceLayers, ...rest } = await made(TREE, {
      version,
      trackers: [['http://127.0.0.1/announce'], ['udp://127.0.0.1:1/x', 'http://b.example/y']],
      webSeeds: ['http://127.0.0.1/seed/'],
      comment: 'a comment',
      createdBy: 'us',
      createdAt: 1_700_000_000_000,
      isPrivate: true,
    })
    const files = info.files.filter(({ isPad }) => !isPad)
    expect(files.map(({ path, sizeBytes }) => [path.join('/'), sizeBytes])).toEqual([
      ['a', 40_000],
      ['b/one', 16_384],
      ['b/two', 100_000],
      ['empty', 0],
      ['ä', 70_001],
    ])
    expect(rest).toEqual({
      trackers: [['http://127.0.0.1/announce'], ['udp://127.0.0.1:1/x', 'http://b.example/y']],
      webSeeds: ['http://127.0.0.1/seed/'],
      comment: 'a comment',
      createdBy: 'us',
      createdAt: 1_700_000_000_000,
    })
    expect(info.isPrivate).toBe(true)
    expect(info.isFolder).toBe(true)
    expect(info.hashes.v1 !== undefined).toBe(version !== 'v2')
    expect(info.hashes.v2 !== undefined).toBe(version !== 'v1')
    // Three files are longer than a piece.
    expect(pieceLayers.size).toBe(version === 'v1' ? 0 : 3)
    if (version !== 'v1') {
      for (const { offset, sizeBytes } of files) if (sizeBytes > 0) expect(offset % 32_768).toBe(0)
    }
    expect(readInfo(info.encoded)).toEqual(info)
  },
)

test('pieces of version 1 run across files; in a hybrid pads keep them apart', async () => {
  const files = [source('a', content(40_000)), source('b', content(30_000, 3))]
  const row = Buffer.concat([content(40_000), content(30_000, 3)])
  const v1 = await made(files, { version: 'v1' })
  const hashes = [0, 32_768, 65_536].map((at) => sha1(row.subarray(at, at + 32_768)))
  expect(Buffer.from(v1.info.pieces!).toString('hex')).toBe(hashes.join(''))
  const hybrid = await made(files, { version: 'hybrid' })
  const padded = Buffer.concat([
    content(40_000),
    Buffer.alloc(65_536 - 40_000),
    content(30_000, 3),
    Buffer.alloc(2768),
  ])
  const apart = [0, 32_768, 65_536].map((at) => sha1(padded.subarray(at, at + 32_768)))
  expect(Buffer.from(hybrid.info.pieces!).toString('hex')).toBe(apart.join(''))
})

test('a single file of the torrent’s name is no folder; one of another name is', async () => {
  for (const version of ['v1', 'v2', 'hybrid'] as const) {
    const single = await made([source('file', content(5))], { version, name: 'file' })
    expect(single.info.isFolder).toBe(false)
    expect(single.info.files[0]!.path).toEqual(['file'])
    const other = await made([source('file', content(5))], { version, name: 'folder' })
    expect(other.info.isFolder).toBe(true)
  }
})

test('the tree of a file does not depend on how its bytes arrive', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 5 * BLOCK_BYTES + 1 }),
      fc.integer({ min: 1, max: 40_000 }),
      async (sizeBytes, chunkBytes) => {
        const bytes = content(sizeBytes, 3)
        const { info } = await made([source('f', bytes, chunkBytes)], { version: 'v2' })
        const leaves: Buffer[] = []
        for (let at = 0; at < sizeBytes; at += BLOCK_BYTES)
          leaves.push(
            createHash('sha256')
              .update(bytes.subarray(at, at + BLOCK_BYTES))
              .digest(),
          )
        expect(info.files[0]!.root).toEqual(rootOf(Buffer.concat(leaves), 0))
      },
    ),
    { numRuns: 30 },
  )
})

test('what makes no torrent is refused', async () => {
  const make = (
    files: readonly SourceFile[],
    options: Partial<CreateOptions> = {},
  ): Promise<Buffer> => createMetainfo(files, { name: 't', version: 'hybrid', hasher, ...options })
  await expect(make([])).rejects.toThrow('there are no bytes')
  await expect(make([source('a', new Uint8Array(0))])).rejects.toThrow('there are no bytes')
  await expect(make([source('a', content(1)), source('a', content(1))])).rejects.toThrow(
    'want the path a',
  )
  await expect(make([source('a', content(1)), source('a/b', content(1))])).rejects.toThrow('a/b')
  await expect(make([source('', content(1))])).rejects.toThrow('not usable')
  await expect(make([source('a', content(1))], { pieceBytes: 10_000 })).rejects.toThrow(
    'power of two',
  )
  const liar = { ...source('a', content(10)), sizeBytes: 11 }
  await expect(make([liar])).rejects.toThrow('has 10 bytes, not 11')
})

test('a piece length is chosen so that torrents stay small', () => {
  expect(pieceBytesFor(1)).toBe(32 * 1024)
  expect(pieceBytesFor(2 ** 30)).toBe(512 * 1024)
  expect(pieceBytesFor(2 ** 45)).toBe(16 * 1024 ** 2)
})

/** A torrent with its info dictionary changed. */
async function bent(
  version: CreateOptions['version'],
  change: (info: Map<string, Encodable>, torrent: Map<string, Encodable>) => void,
): Promise<Buffer> {
  const bytes = await createMetainfo(TREE, { name: 'torrent', pieceBytes: 32_768, version, hasher })
  const torrent = loose(bdecode(bytes)) as Map<string, Encodable>
  change(torrent.get('info') as Map<string, Encodable>, torrent)
  return bencode(torrent)
}

/** What was read, to be changed and written again. */
function loose(value: Bencoded): Encodable {
  if (value instanceof BencodedDictionary)
    return new Map([...value.entries].map(([key, each]) => [key, loose(each)]))
  if (Array.isArray(value)) return value.map((each: Bencoded) => loose(each))
  return value as number | Uint8Array
}

const file = (members: Record<string, Encodable>): Map<string, Encodable> =>
  new Map([['', members]])

test.each<[string, CreateOptions['version'], (info: Map<string, Encodable>) => void]>([
  ['"piece length"', 'v1', (info) => info.delete('piece length')],
  ['"piece length"', 'v1', (info) => info.set('piece length', -1)],
  ['"piece length"', 'v2', (info) => info.set('piece length', 16_385)],
  ['"piece length"', 'v2', (info) => info.set('piece length', 8192)],
  ['has no name', 'v1', (info) => info.set('name', '')],
  ['"pieces"', 'v1', (info) => info.delete('pieces')],
  ['"pieces" has 19', 'v1', (info) => info.set('pieces', Buffer.alloc(19))],
  ['length', 'v1', (info) => info.set('files', [{ path: ['a'], length: -1 }])],
  ['length', 'v1', (info) => info.set('files', [{ path: ['a'], length: 2 ** 48 }])],
  ['no path', 'v1', (info) => info.set('files', [{ path: [], length: 1 }])],
  ['no string', 'v1', (info) => info.set('files', [{ path: [1], length: 1 }])],
  ['no file', 'v1', (info) => info.set('files', [])],
  ['too deeply', 'v1', (info) => info.set('files', [{ path: Array(101).fill('d'), length: 1 }])],
  ['pieces', 'v1', (info) => info.set('files', [{ path: ['a'], length: 2 ** 47 }])],
  ['version 3', 'v2', (info) => info.set('meta version', 3)],
  ['go together', 'v2', (info) => info.delete('meta version')],
  ['go together', 'v2', (info) => info.delete('file tree')],
  ['malformed', 'v2', (info) => info.set('file tree', { a: 1 })],
  ['malformed', 'v2', (info) => info.set('file tree', { '': { a: {} } })],
  ['pieces root', 'v2', (info) => info.set('file tree', { a: file({ length: 1 }) })],
  [
    'pieces root',
    'v2',
    (info) => info.set('file tree', { a: file({ length: 1, 'pieces root': Buffer.alloc(32) }) }),
  ],
  ['pad file', 'v2', (info) => info.set('file tree', { a: file({ length: 1, attr: 'p' }) })],
  ['not the same', 'hybrid', (info) => info.set('files', [{ path: ['a'], length: 40_000 }])],
])('refused: %s', async (message, version, change) => {
  const bytes = await bent(version, change)
  expect(() => readMetainfo(bytes)).toThrow(TorrentError)
  expect(() => readMetainfo(bytes)).toThrow(message)
})

test('a piece layer must lead to its file’s root, and belong to a file', async () => {
  const [key, layer] = [...(await made(TREE, { version: 'v2' })).pieceLayers][0]!
  const root = Buffer.from(key, 'hex').toString('latin1')
  const withLayers = (entries: [string, Encodable][]): Promise<Buffer> =>
    bent('v2', (_info, torrent) => torrent.set('piece layers', new Map(entries)))
  const wrong = Buffer.from(layer)
  wrong[0]! ^= 1
  expect(() => readMetainfo(bencode(1))).toThrow('this is none')
  const flipped = await withLayers([[root, wrong]])
  expect(() => readMetainfo(flipped)).toThrow('does not lead to the root')
  const short = await withLayers([[root, layer.subarray(32)]])
  expect(() => readMetainfo(short)).toThrow('fits no file')
  const stray = await withLayers([['x'.repeat(32), layer]])
  expect(() => readMetainfo(stray)).toThrow('fits no file')
  // Peers have those that are missing.
  expect(readMetainfo(await withLayers([])).pieceLayers.size).toBe(0)
})

test('an info dictionary of version 2 that could be written otherwise is refused', async () => {
  const bytes = await createMetainfo(TREE, { name: 'torrent', version: 'v2', hasher })
  const text = bytes.toString('latin1').replace('12:meta versioni2e', '12:meta versioni02e')
  expect(() => readMetainfo(Buffer.from(text, 'latin1'))).toThrow('not canonical')
})

test('names cannot lead out of the torrent’s folder', async () => {
  const names = ['..', '.', '', 'a/b', 'a\\b', '../../etc/passwd', 'a\0b', '\u202egpj.exe']
  const bytes = await bent('v1', (info) => {
    info.set(
      'files',
      names.map((name) => ({ path: ['d', name], length: 1 })),
    )
    info.set('pieces', Buffer.alloc(20))
    info.set('name', '../up')
  })
  const { info } = readMetainfo(bytes)
  expect(info.name).toBe('.._up')
  for (const { path } of info.files) {
    for (const name of path) {
      expect(['', '.', '..']).not.toContain(name)
      // oxlint-disable-next-line no-control-regex
      expect(name).not.toMatch(/[/\\\0\u202e]/)
    }
  }
})

test('pad files and attributes of BEP 47 are understood', async () => {
  const bytes = await bent('v1', (info) => {
    info.set('files', [
      { path: ['a'], length: 1, attr: 'xh' },
      { path: ['.pad', '5'], length: 5, attr: 'p' },
      { length: 3, attr: 'p' },
      { path: ['_____padding_file_0_'], length: 2 },
      { path: ['link'], length: 9, attr: 'l', 'symlink path': ['..', 'd', 'a'] },
      { path: ['b'], length: 1 },
    ])
    info.set('pieces', Buffer.alloc(20))
  })
  const { files } = readMetainfo(bytes).info
  expect(files.map(({ isPad }) => isPad)).toEqual([false, true, true, true, false, false])
  expect(files[0]).toMatchObject({ isExecutable: true, isHidden: true })
  expect(files[4]).toMatchObject({ sizeBytes: 0, link: ['d', 'a'] })
  expect(files[5]!.offset).toBe(11)
})

test('a thread hashes as this one does, and what fails there fails here', async () => {
  const beside: CreateOptions['hasher'] = (options) => new ThreadRowHasher(options)
  const make = (by: CreateOptions['hasher']): Promise<Buffer> =>
    createMetainfo(TREE, { name: 'torrent', version: 'hybrid', pieceBytes: 16_384, hasher: by })
  expect(await make(beside)).toEqual(await make(hasher))
  using ended = new ThreadRowHasher({ pieceBytes: 0, hashesPieces: true, hashesTrees: true })
  ended[Symbol.dispose]()
  await expect(ended.finish()).rejects.toThrow('given up')
})
