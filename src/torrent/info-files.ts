/**
 * The files of an info dictionary: the list of version 1, the tree of version 2, and whether the two of
 * a hybrid are one and the same.
 */
import { SHA256_BYTES } from './merkle.ts'
import { type Bencoded, BencodedDictionary } from './bencode.ts'
import { TorrentError } from './metainfo.ts'
import { safeName } from './safe-name.ts'

/** Folders inside one another, at most (libtorrent: 100). */
export const FOLDERS_MAX = 100
/** Bytes of one file, at most: 2^48 - 1 (libtorrent's bound). */
export const FILE_BYTES_MAX: number = 2 ** 48 - 1

export interface InfoFile {
  /** Below the torrent's folder (a single file: its name alone). None is empty, `.` or `..`, or has a slash. */
  readonly path: readonly string[]
  readonly sizeBytes: number
  /** Of its first byte, in the row of bytes that pieces cut. */
  readonly offset: number
  /** Zeros that bring the next file to the beginning of a piece; nobody keeps them. */
  readonly isPad: boolean
  /** v2: root of its hash tree; a file without bytes has none. */
  readonly root: Buffer | undefined
  /** Attributes of BEP 47 other than `p`. */
  readonly isExecutable: boolean
  readonly isHidden: boolean
  /** Where it points, for a symbolic link, below the torrent's folder. */
  readonly link: readonly string[] | undefined
}

type Attributes = Pick<InfoFile, 'isExecutable' | 'isHidden' | 'isPad'> & {
  readonly isLink: boolean
}

function attributesOf(file: BencodedDictionary): Attributes {
  const attr = file.text('attr') ?? ''
  return {
    isPad: attr.includes('p'),
    isExecutable: attr.includes('x'),
    isHidden: attr.includes('h'),
    isLink: attr.includes('l'),
  }
}

function sizeOf(file: BencodedDictionary, isLink: boolean): number {
  if (isLink) return 0
  const size = file.integer('length')
  if (size === undefined || size < 0 || size > FILE_BYTES_MAX)
    throw new TorrentError('a file has no usable length')
  return size
}

/** A symbolic link's target; components that lead upwards are left out, as libtorrent does. */
function linkOf(file: BencodedDictionary): readonly string[] {
  const path = file.list('symlink path') ?? []
  if (path.length > FOLDERS_MAX) throw new TorrentError('a symbolic link is too deep')
  return path.flatMap((part) => {
    const name = nameOf(part)
    return name === '.' || name === '..' ? [] : [safeName(name)]
  })
}

function nameOf(part: Bencoded): string {
  if (!(part instanceof Uint8Array)) throw new TorrentError('part of a path is no string')
  return Buffer.from(part).toString()
}

/** BitComet's pad files have no attribute, but this in their name. */
const BITCOMET_PAD = '_____padding_file_'

/** The files of version 1: `files`, or the one that `length` and `name` tell of. */
export function filesOfList(info: BencodedDictionary, name: string): InfoFile[] {
  const list = info.get('files')
  if (list === undefined) {
    const { isLink, ...attributes } = attributesOf(info)
    const sizeBytes = sizeOf(info, isLink)
    return [{ path: [name], sizeBytes, offset: 0, root: undefined, link: undefined, ...attributes }]
  }
  if (!Array.isArray(list)) throw new TorrentError('"files" is no list')
  const files: InfoFile[] = []
  let offset = 0
  for (const each of list as readonly Bencoded[]) {
    if (!(each instanceof BencodedDictionary)) throw new TorrentError('a file is no dictionary')
    const file = fileOfList(each, offset)
    files.push(file)
    offset += file.sizeBytes
    if (!Number.isSafeInteger(offset)) throw new TorrentError('the files are too large together')
  }
  return files
}

function fileOfList(file: BencodedDictionary, offset: number): InfoFile {
  const { isLink, isPad, ...attributes } = attributesOf(file)
  const sizeBytes = sizeOf(file, isLink)
  const parts = file.list('path.utf-8') ?? file.list('path') ?? []
  if (parts.length > FOLDERS_MAX) throw new TorrentError('folders are nested too deeply')
  const names = parts.map(nameOf)
  if (names.length === 0 && !isPad) throw new TorrentError('a file has no path')
  const path = names.length === 0 ? ['.pad', String(sizeBytes)] : names.map(safeName)
  return {
    path,
    sizeBytes,
    offset,
    isPad: isPad || names.some((name) => name.includes(BITCOMET_PAD)),
    root: undefined,
    // Without a target it is a file without bytes.
    link: isLink && file.list('symlink path') !== undefined ? linkOf(file) : undefined,
    ...attributes,
  }
}

/** The files of version 2: the leaves of `file tree`, each from the beginning of a piece on. */
export function filesOfTree(tree: BencodedDictionary, pieceBytes: number): InfoFile[] {
  const files: InfoFile[] = []
  let end = 0
  for (const { path, file } of leavesOf(tree, [])) {
    const { isLink, isPad, ...attributes } = attributesOf(file)
    if (isPad) throw new TorrentError('a tree of files has a pad file')
    const sizeBytes = sizeOf(file, isLink)
    const offset = sizeBytes === 0 ? end : Math.ceil(end / pieceBytes) * pieceBytes
    end = offset + sizeBytes
    if (!Number.isSafeInteger(end)) throw new TorrentError('the files are too large together')
    const root = sizeBytes === 0 ? undefined : rootOfFile(file)
    const link = isLink ? linkOf(file) : undefined
    files.push({ path, sizeBytes, offset, isPad: false, root, link, ...attributes })
  }
  return files
}

function rootOfFile(file: BencodedDictionary): Buffer {
  const root = file.bytes('pieces root')
  if (root?.length !== SHA256_BYTES || root.every((byte) => byte === 0))
    throw new TorrentError('a file has no usable "pieces root"')
  return Buffer.from(root)
}

interface Leaf {
  readonly path: readonly string[]
  readonly file: BencodedDictionary
}

/** A file is a folder of one entry whose name is empty. */
function* leavesOf(tree: BencodedDictionary, folders: readonly string[]): Generator<Leaf> {
  if (folders.length > FOLDERS_MAX) throw new TorrentError('folders are nested too deeply')
  for (const [key, node] of tree.entries) {
    if (key === '' || !(node instanceof BencodedDictionary))
      throw new TorrentError('the tree of files is malformed')
    const path = [...folders, safeName(Buffer.from(key, 'latin1').toString())]
    const file = node.entries.size === 1 ? node.get('') : undefined
    if (file instanceof BencodedDictionary) yield { path, file }
    else if (file !== undefined) throw new TorrentError('the tree of files is malformed')
    else yield* leavesOf(node, path)
  }
}

/**
 * Whether list and tree of a hybrid describe the same bytes: the same files in the same order, at the
 * same offsets. Pad files and files without bytes do not count.
 */
export function areSameFiles(list: readonly InfoFile[], tree: readonly InfoFile[]): boolean {
  const relevant = (file: InfoFile): boolean => !file.isPad && file.sizeBytes > 0
  const [ours, theirs] = [list.filter(relevant), tree.filter(relevant)]
  return (
    ours.length === theirs.length &&
    ours.every((file, i) => {
      const other = theirs[i]!
      return (
        file.sizeBytes === other.sizeBytes &&
        file.offset === other.offset &&
        file.path.length === other.path.length &&
        file.path.every((name, at) => name === other.path[at])
      )
    })
  )
}
