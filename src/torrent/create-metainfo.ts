/**
 * Making a .torrent file of files (BEP 3, 52): version 1, version 2, or a hybrid of both, which every
 * client can load. Files are read once, in the order of the torrent: by the bytes of their paths, which
 * is the order that version 2 prescribes.
 */
import type { Body } from '../lib/stream.ts'
import { bencode, type Encodable } from './bencode.ts'
import { BLOCK_BYTES, powerOfTwo } from './merkle.ts'
import { TorrentError } from './metainfo.ts'
import type { FileHashes } from './piece-hashes.ts'
import type { RowHasher, RowHasherOptions } from './row-hasher.ts'

export type TorrentVersion = 'v1' | 'v2' | 'hybrid'

export interface SourceFile {
  /** Below the torrent's folder; for a torrent of one file its name alone. */
  readonly path: readonly string[]
  readonly sizeBytes: number
  /** All of its bytes. */
  readonly read: () => Body | Promise<Body>
}

export interface CreateOptions {
  /** Of the folder, or of the single file. */
  readonly name: string
  readonly version: TorrentVersion
  /** A power of two, at least 16 KiB; chosen by the size of all where absent. */
  readonly pieceBytes?: number
  readonly trackers?: readonly (readonly string[])[]
  readonly webSeeds?: readonly string[]
  readonly comment?: string
  readonly createdBy?: string
  /** Epoch milliseconds. */
  readonly createdAt?: number
  readonly isPrivate?: boolean
  /** Who hashes: this thread, or one beside it. */
  readonly hasher: (options: RowHasherOptions) => RowHasher
  /** Told of bytes as they are hashed. */
  readonly onBytes?: (count: number) => void
}

const PIECE_BYTES_LEAST: number = 32 * 1024
const PIECE_BYTES_MOST: number = 16 * 1024 ** 2
/** Pieces that a torrent is meant to have at most, where their size is ours to choose. */
const PIECES_WANTED = 2048

/** The piece length for so many bytes. */
export function pieceBytesFor(totalBytes: number): number {
  const wanted = powerOfTwo(Math.max(1, totalBytes / PIECES_WANTED))
  return Math.min(PIECE_BYTES_MOST, Math.max(PIECE_BYTES_LEAST, wanted))
}

/**
 * The .torrent file. Throws TorrentError for what makes no torrent (no file, no bytes, two files of one
 * path), and where a file turns out longer or shorter than it was said to be.
 */
export async function createMetainfo(
  sources: readonly SourceFile[],
  options: CreateOptions,
): Promise<Buffer> {
  const files = inOrder(sources)
  const totalBytes = files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
  if (totalBytes === 0) throw new TorrentError('nothing to make a torrent of: there are no bytes')
  const pieceBytes = options.pieceBytes ?? pieceBytesFor(totalBytes)
  if (pieceBytes < BLOCK_BYTES || !Number.isInteger(Math.log2(pieceBytes)))
    throw new TorrentError('a piece length is a power of two, at least 16 KiB')
  const hashed = await hashAll(files, pieceBytes, options)
  const info: Record<string, Encodable | undefined> = {
    name: options.name,
    'piece length': pieceBytes,
    private: options.isPrivate === true ? 1 : undefined,
  }
  if (options.version !== 'v2') addVersion1(info, files, hashed, options)
  if (options.version !== 'v1') addVersion2(info, files, hashed)
  const layers = new Map<string, Encodable>()
  for (const { root, layer } of hashed.trees)
    if (layer !== undefined) layers.set(root!.toString('latin1'), layer)
  return bencode({
    announce: options.trackers?.[0]?.[0],
    'announce-list': options.trackers?.length ? options.trackers : undefined,
    comment: options.comment,
    'created by': options.createdBy,
    'creation date':
      options.createdAt === undefined ? undefined : Math.floor(options.createdAt / 1000),
    info,
    'piece layers': options.version === 'v1' ? undefined : layers,
    'url-list': options.webSeeds?.length ? options.webSeeds : undefined,
  })
}

/** By the bytes of their paths, folder by folder: the order in which a tree's keys are written. */
function inOrder(sources: readonly SourceFile[]): readonly SourceFile[] {
  const files = sources.map((file) => ({ file, key: file.path.map((name) => Buffer.from(name)) }))
  files.sort((a, b) => comparePaths(a.key, b.key))
  for (let i = 0; i < files.length; i++) {
    const { key, file } = files[i]!
    if (key.length === 0 || key.some((name) => name.length === 0 || name.includes('/')))
      throw new TorrentError(`not usable as a path in a torrent: ${JSON.stringify(file.path)}`)
    const before = files[i - 1]?.key
    // A file cannot be a folder too; in order of the bytes, the folder's files follow it.
    if (before !== undefined && before.every((name, at) => key[at]?.equals(name)))
      throw new TorrentError(`two files want the path ${file.path.join('/')}`)
  }
  return files.map(({ file }) => file)
}

function comparePaths(a: readonly Buffer[], b: readonly Buffer[]): number {
  for (let i = 0; i < Math.min(a.length, b.length); i++) {
    const order = Buffer.compare(a[i]!, b[i]!)
    if (order !== 0) return order
  }
  return a.length - b.length
}

interface Hashed {
  readonly pieces: Buffer
  /** In the order of the files. */
  readonly trees: readonly FileHashes[]
  /** Zeros behind each file. */
  readonly pads: readonly number[]
}

async function hashAll(
  files: readonly SourceFile[],
  pieceBytes: number,
  options: CreateOptions,
): Promise<Hashed> {
  const { version, onBytes, hasher: open } = options
  const isPadded = version === 'hybrid' && !isSingle(files, options)
  using hasher = open({
    pieceBytes,
    hashesPieces: version !== 'v2',
    hashesTrees: version !== 'v1',
  })
  const trees: FileHashes[] = []
  const pads: number[] = []
  for (const file of files) {
    let count = 0
    for await (const chunk of await file.read()) {
      await hasher.update(chunk)
      count += chunk.length
      onBytes?.(chunk.length)
    }
    if (count !== file.sizeBytes)
      throw new TorrentError(`${file.path.join('/')} has ${count} bytes, not ${file.sizeBytes}`)
    // The last file too, as libtorrent does; a single file has no list in which a pad could stand.
    const pad = isPadded ? padBehind(count, pieceBytes) : 0
    trees.push(await hasher.endFile(pad))
    pads.push(pad)
  }
  return { pieces: await hasher.finish(), trees, pads }
}

function padBehind(sizeBytes: number, pieceBytes: number): number {
  return (pieceBytes - (sizeBytes % pieceBytes)) % pieceBytes
}

/** A torrent of one file that has the torrent's name is that file, without a folder. */
function isSingle(files: readonly SourceFile[], { name }: CreateOptions): boolean {
  const [first] = files
  return files.length === 1 && first!.path.length === 1 && first!.path[0] === name
}

function addVersion1(
  info: Record<string, Encodable | undefined>,
  files: readonly SourceFile[],
  { pieces, pads }: Hashed,
  options: CreateOptions,
): void {
  info['pieces'] = pieces
  if (isSingle(files, options)) {
    info['length'] = files[0]!.sizeBytes
    return
  }
  info['files'] = files.flatMap(({ path, sizeBytes }, i): Encodable[] => {
    const file = { length: sizeBytes, path }
    const pad = pads[i]!
    if (pad === 0) return [file]
    return [file, { attr: 'p', length: pad, path: ['.pad', String(pad)] }]
  })
}

interface Folder {
  readonly [name: string]: Encodable
}

function addVersion2(
  info: Record<string, Encodable | undefined>,
  files: readonly SourceFile[],
  { trees }: Hashed,
): void {
  info['meta version'] = 2
  const tree = new Map<string, Encodable>()
  for (const [i, { path, sizeBytes }] of files.entries()) {
    let folder = tree
    for (const name of path.slice(0, -1)) folder = subfolder(folder, keyOf(name))
    const root = trees[i]!.root
    const leaf: Folder =
      root === undefined ? { length: 0 } : { length: sizeBytes, 'pieces root': root }
    folder.set(keyOf(path.at(-1)!), new Map<string, Encodable>([['', leaf]]))
  }
  info['file tree'] = tree
}

function subfolder(folder: Map<string, Encodable>, key: string): Map<string, Encodable> {
  const known = folder.get(key)
  if (known instanceof Map) return known as Map<string, Encodable>
  const made = new Map<string, Encodable>()
  folder.set(key, made)
  return made
}

/** UTF-8 as a dictionary's key has it. */
function keyOf(name: string): string {
  return Buffer.from(name).toString('latin1')
}
